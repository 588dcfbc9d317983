defmodule CerebrosBridge.Connection do
  @moduledoc """
  One connection to the bridge, over any `CerebrosBridge.Adapter`.

  It keeps the table of what is in flight: each call and each stream ends with exactly one
  answer, when the bridge ends too. It stops when the wire is gone; `CerebrosBridge.Pool` opens
  another, and runs go on in the database meanwhile.

  A stream sends its owner `{stream, {:event, event}}`, at most `window/0` of them ungranted,
  and then `{stream, {:end, :ok | {:error, error}}}`.
  """

  use GenServer, restart: :temporary

  alias CerebrosBridge.{Error, RunTelemetry}

  # Events that may be on their way to one owner; 8 already hide the round trip.
  @window 64

  # The bridge keeps deadlines itself; only a bridge that has stopped answers later than this.
  @grace_ms 2_000

  @typedoc "A stream of one run's events, as `attach/3` gives it."
  @opaque stream :: {pid(), non_neg_integer()}

  @type answer :: {:ok, map()} | {:error, Error.t()}

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
  @spec call(pid(), String.t(), map(), timeout()) :: answer()
  def call(connection, procedure, params, timeout) when is_time(timeout) do
    GenServer.call(connection, {:call, procedure, params, timeout}, :infinity)
  end

  @doc "Ask for a sign of life."
  @spec ping(pid(), timeout()) :: answer()
  def ping(connection, timeout) when is_time(timeout) do
    GenServer.call(connection, {:ping, timeout}, :infinity)
  end

  @doc "Send a run's events behind `after_seq` to the calling process."
  @spec attach(pid(), String.t(), non_neg_integer()) :: {:ok, stream()} | {:error, Error.t()}
  def attach(connection, run_id, after_seq) do
    GenServer.call(connection, {:attach, run_id, after_seq, self()}, :infinity)
  end

  @doc "Let a stream send `n` more events."
  @spec grant(stream(), pos_integer()) :: :ok
  def grant({connection, id}, n), do: GenServer.cast(connection, {:grant, id, n})

  @doc "End a stream, whose last message has then been sent; the run itself goes on."
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
  def handle_call({:call, procedure, params, timeout}, from, state) do
    sent = state.adapter.call(state.wire, state.next_id, procedure, params, timeout)
    {:noreply, ask(state, sent, waiting(from, timeout))}
  end

  def handle_call({:ping, timeout}, from, state) do
    sent = {:ok, state.adapter.ping(state.wire, state.next_id)}
    {:noreply, ask(state, sent, waiting(from, timeout))}
  end

  def handle_call({:attach, run_id, after_seq, owner}, from, state) do
    id = state.next_id
    stream = {self(), id}

    entry = %{stream: stream, owner: owner, monitor: Process.monitor(owner), timer: nil}
    GenServer.reply(from, {:ok, stream})

    {:noreply,
     ask(state, state.adapter.attach(state.wire, id, run_id, after_seq, @window), entry)}
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

  defp note({:event, id, event}, state) do
    with %{^id => %{owner: owner, stream: stream}} <- state.in_flight do
      send(owner, {stream, {:event, event}})
      RunTelemetry.tell(state.bridge, event)
    end

    state
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
