defmodule CerebrosBridge.Port do
  @moduledoc """
  The process that owns `cerebros-bridge port` and speaks its protocol (docs/port-protocol.md).

  It ends when the program ends, so that a supervisor starts both anew; every
  call in flight is then answered with `:unavailable`, while runs go on in the
  database and are watched again by their ids. Callers use `CerebrosBridge`.
  """

  use GenServer
  require Logger

  alias CerebrosBridge.{Error, Event, Telemetry}

  @protocol 1

  # Events that may be on their way to one owner; 8 already hide the round trip.
  @window 64

  # An owner that has not emptied its mailbox is looked at again after so long.
  @regrant_ms 20

  # The bridge keeps deadlines itself; only a bridge that has stopped answers later than this.
  @grace_ms 2_000

  # Every atom the bridge sends. Their being here is what lets `[:safe]` know them.
  @vocabulary Error.codes() ++
                ~w(hello ok error event log pong draining bye warning drained frame_too_large
                   hello_refused shutdown unsupported_version true false nil nan infinity
                   neg_infinity)a

  @options [:name, :executable, :env, :home, args: []]

  @typedoc "A stream of one run's events, as `open/4` gives it."
  @opaque stream :: {pid(), non_neg_integer()}

  @doc """
  Start the program and the process that owns it; options as in `CerebrosBridge.start_link/1`.

      {:ok, bridge} = CerebrosBridge.Port.start_link(home: "/var/lib/cerebros")
  """
  @spec start_link(keyword()) :: GenServer.on_start()
  def start_link(options) do
    options = Keyword.validate!(options, @options)
    GenServer.start_link(__MODULE__, options, Keyword.take(options, [:name]))
  end

  @doc """
  Call a procedure and wait for its one answer.

      {:ok, %{"status" => "serving"}} = CerebrosBridge.Port.call(bridge, "health", %{}, 5_000)
  """
  @spec call(GenServer.server(), String.t(), map(), timeout()) ::
          {:ok, map()} | {:error, Error.t()}
  def call(bridge, procedure, params, timeout) do
    GenServer.call(bridge, {:call, procedure, params, timeout}, :infinity)
  end

  @doc """
  Ask for a sign of life; the answer counts calls and frames.

      {:ok, %{"calls" => 0}} = CerebrosBridge.Port.ping(bridge, 1_000)
  """
  @spec ping(GenServer.server(), timeout()) :: {:ok, map()} | {:error, Error.t()}
  def ping(bridge, timeout), do: GenServer.call(bridge, {:ping, timeout}, :infinity)

  @doc """
  Send a run's events to the calling process.

  With `:pull` they come as `{stream, {:event, event}}` and `{stream, {:end, result}}`, and the
  owner grants each further one with `grant/2`. With `:push` they come as
  `{:cerebros_event, run_id, event}` and `{:cerebros_end, run_id, result}`, as fast as the
  owner empties its mailbox.

      {:ok, stream} = CerebrosBridge.Port.open(bridge, run_id, 0, :pull)
  """
  @spec open(GenServer.server(), String.t(), non_neg_integer(), :pull | :push) :: {:ok, stream()}
  def open(bridge, run_id, after_seq, mode) do
    GenServer.call(bridge, {:open, run_id, after_seq, mode, self()}, :infinity)
  end

  @doc """
  Let a `:pull` stream send `n` more events.

      :ok = CerebrosBridge.Port.grant(stream, 1)
  """
  @spec grant(stream(), pos_integer()) :: :ok
  def grant({bridge, id}, n), do: GenServer.cast(bridge, {:grant, id, n})

  @doc """
  End a stream; the run itself goes on.

      :ok = CerebrosBridge.Port.close(stream)
  """
  @spec close(stream()) :: :ok
  def close({bridge, id}), do: GenServer.cast(bridge, {:close, id})

  @doc """
  The credit a stream starts with.

      iex> CerebrosBridge.Port.window()
      64
  """
  @spec window() :: pos_integer()
  def window, do: @window

  @doc false
  def vocabulary, do: @vocabulary

  @impl true
  def init(options) do
    Process.flag(:trap_exit, true)

    case find_executable(options[:executable]) do
      nil ->
        {:stop, "cerebros-bridge is not on PATH; give :executable or CEREBROS_BRIDGE_BIN"}

      executable ->
        # in flight: id => %{kind, ...}; told: run_id => highest event number handlers have seen
        state = %{port: open_port(executable, options), next_id: 0, in_flight: %{}, told: %{}}
        send_message(state, {:hello, @protocol, %{"credit" => @window}})
        {:ok, state}
    end
  end

  defp find_executable(given) do
    case given || System.get_env("CEREBROS_BRIDGE_BIN") do
      nil -> System.find_executable("cerebros-bridge")
      path -> System.find_executable(path)
    end
  end

  defp open_port(executable, options) do
    home = if options[:home], do: [{"CEREBROS_HOME", options[:home]}], else: []

    env =
      for {name, value} <- home ++ Enum.to_list(options[:env] || []) do
        # `false` is how a port is told to unset a variable.
        {String.to_charlist(name), if(value, do: String.to_charlist(value), else: false)}
      end

    Port.open({:spawn_executable, executable}, [
      :binary,
      {:packet, 4},
      :nouse_stdio,
      :exit_status,
      args: ["port" | options[:args]],
      env: env
    ])
  end

  @impl true
  def handle_call({:call, procedure, params, timeout}, from, state) do
    opts = if timeout == :infinity, do: %{}, else: %{"timeout_ms" => timeout}
    message = &{:call, &1, procedure, params, opts}
    {:noreply, ask(state, message, waiting(:call, from, timeout))}
  end

  def handle_call({:ping, timeout}, from, state) do
    {:noreply, ask(state, &{:ping, &1}, waiting(:ping, from, timeout))}
  end

  def handle_call({:open, run_id, after_seq, mode, owner}, _from, state) do
    id = state.next_id

    stream = %{
      kind: mode,
      stream: {self(), id},
      owner: owner,
      monitor: Process.monitor(owner),
      run_id: run_id,
      credit: @window,
      timer: nil
    }

    {:reply, {:ok, stream.stream}, ask(state, &{:attach, &1, run_id, after_seq}, stream)}
  end

  defp waiting(kind, {caller, _tag} = from, timeout) do
    %{
      kind: kind,
      from: from,
      monitor: Process.monitor(caller),
      timeout: timeout,
      timer: nil
    }
  end

  defp ask(%{next_id: id} = state, message, entry) do
    send_message(state, message.(id))
    entry = if Map.get(entry, :timeout, :infinity) == :infinity, do: entry, else: timed(entry, id)
    %{state | next_id: id + 1, in_flight: Map.put(state.in_flight, id, entry)}
  end

  defp timed(entry, id) do
    %{entry | timer: Process.send_after(self(), {:overdue, id}, entry.timeout + @grace_ms)}
  end

  @impl true
  def handle_cast({:grant, id, n}, state) do
    if is_map_key(state.in_flight, id), do: send_message(state, {:credit, id, n})
    {:noreply, state}
  end

  def handle_cast({:close, id}, state), do: {:noreply, cancel(state, id)}

  @impl true
  def handle_info({port, {:data, frame}}, %{port: port} = state) do
    case :erlang.binary_to_term(frame, [:safe]) do
      {:ok, id, result} ->
        {:noreply, finish(state, id, {:ok, result})}

      {:error, id, code, facts} ->
        {:noreply, finish(state, id, {:error, Error.from_map(code, facts)})}

      {:event, id, seq, name, measurements, metadata} ->
        {:noreply, deliver(state, id, Event.new(seq, name, measurements, metadata))}

      {:pong, id, stats} ->
        {:noreply, finish(state, id, {:ok, stats})}

      {:log, :warning, text, _meta} ->
        Logger.warning("cerebros-bridge: " <> text) && {:noreply, state}

      {:bye, reason} ->
        {:stop, {:bridge_left, reason}, state}

      {:hello, @protocol, _info} ->
        {:noreply, state}

      {:draining} ->
        {:noreply, state}
    end
  end

  def handle_info({port, {:exit_status, status}}, %{port: port} = state) do
    {:stop, {:bridge_exited, status}, state}
  end

  def handle_info({:EXIT, port, reason}, %{port: port} = state) do
    {:stop, {:bridge_exited, reason}, state}
  end

  def handle_info({:overdue, id}, state) do
    overdue = Error.local(:deadline_exceeded, "the bridge does not answer; is it frozen?")
    {:noreply, state |> send_cancel(id) |> finish(id, {:error, overdue})}
  end

  def handle_info({:regrant, id}, state) do
    case state.in_flight do
      %{^id => stream} ->
        {:noreply, put_in(state.in_flight[id], regrant(state, id, %{stream | timer: nil}))}

      _ ->
        {:noreply, state}
    end
  end

  def handle_info({:DOWN, monitor, :process, _pid, _reason}, state) do
    case Enum.find(state.in_flight, fn {_id, entry} -> entry.monitor == monitor end) do
      {id, _entry} -> {:noreply, cancel(state, id)}
      nil -> {:noreply, state}
    end
  end

  def handle_info(_noise, state), do: {:noreply, state}

  @impl true
  def terminate(_reason, state) do
    gone = Error.local(:unavailable, "the bridge has ended; its runs go on, so watch them again")
    Enum.each(state.in_flight, fn {_id, entry} -> answer(entry, {:error, gone}) end)
    if Port.info(state.port), do: Port.close(state.port)
  end

  # The last message of an id; later ones, and those of ids given up, change nothing.
  defp finish(state, id, result) do
    case Map.pop(state.in_flight, id) do
      {nil, _} ->
        state

      {entry, in_flight} ->
        release(entry)
        answer(entry, result)
        forget_run(%{state | in_flight: in_flight}, entry)
    end
  end

  defp cancel(state, id) do
    case Map.pop(state.in_flight, id) do
      {nil, _} ->
        state

      {entry, in_flight} ->
        release(entry)
        send_cancel(state, id)
        forget_run(%{state | in_flight: in_flight}, entry)
    end
  end

  defp send_cancel(state, id) do
    send_message(state, {:cancel, id})
    state
  end

  defp release(entry) do
    Process.demonitor(entry.monitor, [:flush])
    if entry.timer, do: Process.cancel_timer(entry.timer)
  end

  defp answer(%{kind: :pull, owner: owner, stream: stream}, result) do
    send(owner, {stream, {:end, end_of(result)}})
  end

  defp answer(%{kind: :push, owner: owner, run_id: run_id}, result) do
    send(owner, {:cerebros_end, run_id, end_of(result)})
  end

  defp answer(%{from: from}, result), do: GenServer.reply(from, result)

  defp end_of({:ok, _nothing}), do: :ok
  defp end_of(error), do: error

  defp deliver(state, id, event) do
    case state.in_flight do
      %{^id => stream} ->
        send(stream.owner, message_of(stream, event))
        stream = regrant(state, id, %{stream | credit: stream.credit - 1})
        tell(put_in(state.in_flight[id], stream), event)

      _ ->
        state
    end
  end

  defp message_of(%{kind: :pull, stream: stream}, event), do: {stream, {:event, event}}
  defp message_of(%{kind: :push}, event), do: {:cerebros_event, event.run_id, event}

  # Credit on its way plus what waits in the owner's mailbox never exceeds the window.
  defp regrant(state, id, %{kind: :push, timer: nil, credit: credit} = stream)
       when credit <= div(@window, 2) do
    n = @window - credit - mailbox(stream.owner)

    if n >= div(@window, 2) do
      send_message(state, {:credit, id, n})
      %{stream | credit: credit + n}
    else
      %{stream | timer: Process.send_after(self(), {:regrant, id}, @regrant_ms)}
    end
  end

  defp regrant(_state, _id, stream), do: stream

  defp mailbox(owner) when node(owner) == node() do
    case Process.info(owner, :message_queue_len) do
      {:message_queue_len, length} -> length
      nil -> @window
    end
  end

  # A process elsewhere cannot be looked into; the distribution slows its senders down itself.
  defp mailbox(_owner), do: 0

  # However many watch a run, handlers see each of its events once.
  defp tell(state, %Event{run_id: run_id, seq: seq} = event) do
    if is_list(event.name) and seq > Map.get(state.told, run_id, 0) do
      Telemetry.execute(event.name, event.measurements, event.metadata)
      put_in(state.told[run_id], seq)
    else
      state
    end
  end

  defp forget_run(state, %{run_id: run_id}) do
    watched? = Enum.any?(state.in_flight, fn {_id, entry} -> entry[:run_id] == run_id end)
    if watched?, do: state, else: %{state | told: Map.delete(state.told, run_id)}
  end

  defp forget_run(state, _call), do: state

  defp send_message(state, message) do
    # The program may have ended a moment ago; then its exit status is already in the mailbox.
    Port.command(state.port, :erlang.term_to_binary(message))
  rescue
    ArgumentError -> false
  end
end
