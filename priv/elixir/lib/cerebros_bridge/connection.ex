defmodule CerebrosBridge.Connection do
  @moduledoc """
  One connection to the bridge, over any `CerebrosBridge.Adapter`.

  It keeps the table of what is in flight: each call and each stream ends with exactly one
  answer, when the bridge ends too. It stops when the wire is gone; `CerebrosBridge.Pool` opens
  another, and runs go on in the database meanwhile.

  A stream sends its owner `{stream, {:item, item}}`, at most `window/0` of them ungranted,
  and then `{stream, {:end, :ok | {:error, error}}}`.
  """

  use GenServer, restart: :temporary

  alias CerebrosBridge.{Adapter, Error, Event, RunTelemetry}

  # Items that may be on their way to one owner; 8 already hide the round trip.
  @window 64

  # The bridge keeps deadlines itself; only a bridge that has stopped answers later than this.
  @grace_ms 2_000

  @typedoc "A stream, as `follow/4` gives it."
  @opaque stream :: {pid(), non_neg_integer()}

  @type answer :: {:ok, map()} | {:error, Error.t()}

  @typedoc "What a call belongs to: `:traceparent` (W3C) and `:correlation_id`, each a text, where known."
  @type context :: %{optional(:traceparent | :correlation_id) => String.t()}

  @doc """
  Open a connection with `adapter`; the calling process is the bridge whose events it tells.
  """
  @spec start_link({module(), keyword()}) :: GenServer.on_start()
  def start_link({adapter, options}) do
    GenServer.start_link(__MODULE__, {adapter, options, self()})
  end

  # Anything else would crash the connection, which many callers share, instead of this one.
  defguardp is_time(timeout) when timeout == :infinity or (is_integer(timeout) and timeout >= 0)

  @doc "Call a procedure and wait for its one answer."
  @spec call(pid(), String.t(), map(), timeout(), context()) :: answer()
  def call(connection, procedure, params, timeout, context \\ %{}) when is_time(timeout) do
    options = Map.put(context, :timeout, timeout)
    GenServer.call(connection, {:call, procedure, params, options}, :infinity)
  end

  @doc "Ask for a sign of life."
  @spec ping(pid(), timeout()) :: answer()
  def ping(connection, timeout) when is_time(timeout) do
    GenServer.call(connection, {:ping, timeout}, :infinity)
  end

  @doc """
  Send what a procedure streams to the calling process: maps with binary keys, or with `Event` as `form`
  the events of a run, which `:telemetry` handlers are told too.
  """
  @spec follow(pid(), String.t(), map(), Event | nil, Adapter.options()) :: {:ok, stream()}
  def follow(connection, procedure, params, form \\ nil, options \\ %{}) do
    GenServer.call(connection, {:follow, procedure, params, form, options, self()}, :infinity)
  end

  @doc "Let a stream send `n` more items."
  @spec grant(stream(), pos_integer()) :: :ok
  def grant({connection, id}, n), do: GenServer.cast(connection, {:grant, id, n})

  @doc "End a stream, whose last message has then been sent; a run that it follows goes on."
  @spec close(stream()) :: :ok
  def close({connection, id}) do
    GenServer.call(connection, {:close, id}, :infinity)
  catch
    :exit, _gone -> :ok
  end

  @doc """
  The credit a stream starts with.

      iex> CerebrosBridge.Connection.window()
      64
  """
  @spec window() :: pos_integer()
  def window, do: @window

  @impl true
  def init({adapter, options, bridge}) do
    Process.flag(:trap_exit, true)

    case adapter.open(options) do
      {:ok, wire} ->
        {:ok, %{adapter: adapter, wire: wire, next_id: 0, in_flight: %{}, bridge: bridge}}

      {:error, error} ->
        {:stop, error}
    end
  end

  @impl true
  def handle_call({:call, procedure, params, options}, from, state) do
    sent = state.adapter.call(state.wire, state.next_id, procedure, params, options)
    {:noreply, ask(state, sent, waiting(from, options.timeout))}
  end

  def handle_call({:ping, timeout}, from, state) do
    sent = {:ok, state.adapter.ping(state.wire, state.next_id)}
    {:noreply, ask(state, sent, waiting(from, timeout))}
  end

  def handle_call({:follow, procedure, params, form, options, owner}, from, state) do
    id = state.next_id
    stream = {self(), id}
    monitor = Process.monitor(owner)
    entry = %{stream: stream, owner: owner, form: form, monitor: monitor, timer: nil}
    GenServer.reply(from, {:ok, stream})
    sent = state.adapter.attach(state.wire, id, procedure, params, @window, options)
    {:noreply, ask(state, sent, entry)}
  end

  def handle_call({:close, id}, _from, state), do: {:reply, :ok, cancel(state, id)}

  defp waiting({caller, _tag} = from, timeout) do
    %{from: from, monitor: Process.monitor(caller), timeout: timeout, timer: nil}
  end

  defp ask(%{next_id: id} = state, {:ok, wire}, entry) do
    in_flight = Map.put(state.in_flight, id, timed(entry, id))
    %{state | wire: wire, next_id: id + 1, in_flight: in_flight}
  end

  # Refused before it left, by a codec that knows what the bridge takes.
  defp ask(%{next_id: id} = state, {:error, error}, entry) do
    finish(
      %{state | next_id: id + 1, in_flight: Map.put(state.in_flight, id, entry)},
      id,
      {:error, error}
    )
  end

  defp timed(%{timeout: timeout} = entry, id) when is_integer(timeout) do
    %{entry | timer: Process.send_after(self(), {:overdue, id}, timeout + @grace_ms)}
  end

  defp timed(entry, _id), do: entry

  @impl true
  def handle_cast({:grant, id, n}, state) do
    if is_map_key(state.in_flight, id),
      do: {:noreply, %{state | wire: state.adapter.grant(state.wire, id, n)}},
      else: {:noreply, state}
  end

  @impl true
  def handle_info({:overdue, id}, state) do
    overdue = Error.local(:deadline_exceeded, "the bridge does not answer; is it frozen?")
    state = %{state | wire: state.adapter.cancel(state.wire, id)}
    {:noreply, finish(state, id, {:error, overdue})}
  end

  def handle_info(message, state) do
    case state.adapter.heard(state.wire, message) do
      {:stop, reason} -> {:stop, {:shutdown, reason}, state}
      {notices, wire} -> {:noreply, Enum.reduce(notices, %{state | wire: wire}, &note/2)}
      :ignored -> unheard(message, state)
    end
  end

  defp unheard({:DOWN, monitor, :process, _pid, _reason}, state) do
    case Enum.find(state.in_flight, fn {_id, entry} -> entry.monitor == monitor end) do
      {id, _entry} -> {:noreply, cancel(state, id)}
      nil -> {:noreply, state}
    end
  end

  defp unheard(_noise, state), do: {:noreply, state}

  defp note({:result, id, result}, state), do: finish(state, id, result)

  defp note({:item, id, item}, state) do
    case state.in_flight do
      %{^id => %{stream: stream, form: nil} = entry} ->
        send(entry.owner, {stream, {:item, item}})
        state

      %{^id => %{stream: stream, form: Event} = entry} ->
        event = Event.from_map(item)
        send(entry.owner, {stream, {:item, event}})
        RunTelemetry.tell(state.bridge, event)
        state

      # A newer bridge streams what this client does not know.
      %{^id => %{from: _caller}} ->
        streams = Error.local(:invalid_argument, "the procedure streams; use follow/4")
        finish(%{state | wire: state.adapter.cancel(state.wire, id)}, id, {:error, streams})

      _given_up ->
        state
    end
  end

  @impl true
  def terminate(_reason, state) do
    gone = Error.local(:unavailable, "the bridge has ended; its runs go on")
    Enum.each(state.in_flight, fn {_id, entry} -> answer(entry, {:error, gone}) end)
    state.adapter.close(state.wire)
  end

  # The last message of an id; later ones, and those of ids given up, change nothing.
  defp finish(state, id, result) do
    drop(state, id, fn entry -> answer(entry, result) end)
  end

  defp cancel(state, id) do
    state = drop(state, id, fn _entry -> :ok end)
    %{state | wire: state.adapter.cancel(state.wire, id)}
  end

  defp drop(state, id, part) do
    case Map.pop(state.in_flight, id) do
      {nil, _} ->
        state

      {entry, in_flight} ->
        Process.demonitor(entry.monitor, [:flush])
        if entry.timer, do: Process.cancel_timer(entry.timer)
        part.(entry)
        %{state | in_flight: in_flight}
    end
  end

  defp answer(%{stream: stream, owner: owner}, {:ok, _nothing}),
    do: send(owner, {stream, {:end, :ok}})

  defp answer(%{stream: stream, owner: owner}, error), do: send(owner, {stream, {:end, error}})
  defp answer(%{from: from}, result), do: GenServer.reply(from, result)
end
