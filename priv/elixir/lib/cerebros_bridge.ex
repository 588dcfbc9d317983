defmodule CerebrosBridge do
  # Milliseconds; the slowest procedure, checking a dataset, takes seconds.
  @timeout 30_000

  @moduledoc """
  Training cycles and capability vectors from Elixir.

      children = [{CerebrosBridge, name: MyApp.Bridge, home: "/var/lib/cerebros"}]

      {:ok, run} = CerebrosBridge.start_run(MyApp.Bridge, %{pac_id: "p1", manifest: "digits.toml"})
      MyApp.Bridge |> CerebrosBridge.stream(run.run_id) |> Enum.each(&IO.inspect/1)
      {:ok, vcv} = CerebrosBridge.capability(MyApp.Bridge, "p1")

  Functions answer `{:ok, value}` or `{:error, %CerebrosBridge.Error{}}`. Every call emits
  `[:cerebros, :bridge, :invoke, :start | :stop | :exception]`, every event of a watched run
  its own `:telemetry` event (see `CerebrosBridge.Telemetry`). A call's `:timeout` is in
  milliseconds (#{@timeout} unless given); it ends the call, not the run it started.
  """

  alias CerebrosBridge.{Error, Run, Study, Telemetry, VCV}

  @type bridge :: GenServer.server()
  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @doc """
  A child for a supervisor; it is restarted whenever the bridge program ends.

      iex> CerebrosBridge.child_spec(name: Doc.Bridge).id
      Doc.Bridge
  """
  @spec child_spec(keyword()) :: Supervisor.child_spec()
  def child_spec(options) do
    %{
      id: Keyword.get(options, :name, __MODULE__),
      start: {__MODULE__, :start_link, [options]}
    }
  end

  @doc """
  Start the bridge program and the process that owns it.

  Options: `:name` to register; `:home` for the directory of database, artifacts and keys;
  `:executable` (otherwise the variable CEREBROS_BRIDGE_BIN, then `cerebros-bridge` on PATH);
  `:args` behind `port`; `:env` as a map or list of variables, nil to unset one.

      {:ok, bridge} = CerebrosBridge.start_link(home: "/var/lib/cerebros")
  """
  @spec start_link(keyword()) :: GenServer.on_start()
  defdelegate start_link(options), to: CerebrosBridge.Port

  @doc """
  Queue a run. The same `run_id` with the same content answers the run that is there.

      {:ok, %CerebrosBridge.Run{state: :queued}} =
        CerebrosBridge.start_run(bridge, %{pac_id: "p1", manifest: "digits.toml", budget: %{trials: 8}})
  """
  @spec start_run(bridge(), map() | keyword(), keyword()) :: result(Run.t())
  def start_run(bridge, params, opts \\ []) do
    bridge |> call(:start_run, params, opts) |> as(&Run.from_map/1)
  end

  @doc """
  The run as it stands.

      {:ok, %CerebrosBridge.Run{trials_ok: 3}} = CerebrosBridge.get_run(bridge, run_id)
  """
  @spec get_run(bridge(), String.t(), keyword()) :: result(Run.t())
  def get_run(bridge, run_id, opts \\ []) do
    bridge |> call(:get_run, %{run_id: run_id}, opts) |> as(&Run.from_map/1)
  end

  @doc """
  Wait until the run has ended, in whatever state, and answer it.

  `:timeout` is `:infinity` unless given; when it passes the answer is `:deadline_exceeded`
  and the run goes on.

      {:ok, %CerebrosBridge.Run{state: :succeeded}} = CerebrosBridge.await(bridge, run_id)
  """
  @spec await(bridge(), String.t(), keyword()) :: result(Run.t())
  def await(bridge, run_id, opts \\ []) do
    [timeout: timeout] = Keyword.validate!(opts, timeout: :infinity)

    with {:ok, reading} <- start_reading(bridge, run_id, 0) do
      ended = await_end(reading, deadline(timeout))
      stop_reading(reading)
      with :ok <- ended, do: get_run(bridge, run_id)
    end
  end

  defp await_end(reading, deadline) do
    case next_event(reading, remaining(deadline)) do
      {:event, _event} ->
        await_end(reading, deadline)

      {:end, result} ->
        result

      :timeout ->
        {:error, Error.local(:deadline_exceeded, "the run has not ended yet; await it again")}
    end
  end

  @doc """
  The run's events as a lazy stream that ends with the run.

  Events are fetched as they are consumed: a slow consumer keeps at most
  #{CerebrosBridge.Port.window()} in its mailbox and loses none. `:after_seq` skips events already seen.
  Enumerating raises `CerebrosBridge.Error` when the run is unknown or the bridge ends.

      bridge |> CerebrosBridge.stream(run_id) |> Enum.map(& &1.seq)
  """
  @spec stream(bridge(), String.t(), keyword()) :: Enumerable.t()
  def stream(bridge, run_id, opts \\ []) do
    [after_seq: after_seq] = Keyword.validate!(opts, after_seq: 0)

    Stream.resource(
      fn ->
        case start_reading(bridge, run_id, after_seq) do
          {:ok, reading} -> reading
          {:error, error} -> raise error
        end
      end,
      fn reading ->
        case next_event(reading, :infinity) do
          {:event, event} -> {[event], reading}
          {:end, :ok} -> {:halt, reading}
          {:end, {:error, error}} -> stop_reading(reading) && raise error
        end
      end,
      &stop_reading/1
    )
  end

  defp start_reading(bridge, run_id, after_seq) do
    {:ok, {pid, _id} = stream} = CerebrosBridge.Port.open(bridge, run_id, after_seq, :pull)
    {:ok, %{stream: stream, monitor: Process.monitor(pid)}}
  catch
    :exit, reason -> {:error, gone(reason)}
  end

  defp next_event(%{stream: stream, monitor: monitor}, timeout) do
    receive do
      {^stream, {:event, event}} ->
        CerebrosBridge.Port.grant(stream, 1)
        {:event, event}

      {^stream, ended} ->
        ended

      {:DOWN, ^monitor, :process, _pid, reason} ->
        {:end, {:error, gone(reason)}}
    after
      timeout -> :timeout
    end
  end

  defp stop_reading(%{stream: stream, monitor: monitor} = reading) do
    Process.demonitor(monitor, [:flush])
    CerebrosBridge.Port.close(stream)
    drop_events(reading)
  end

  defp drop_events(%{stream: stream} = reading) do
    receive do
      {^stream, _} -> drop_events(reading)
    after
      0 -> :ok
    end
  end

  @doc """
  Send the run's events to the calling process as `{:cerebros_event, run_id, %CerebrosBridge.Event{}}`.

  The last message is `{:cerebros_end, run_id, :ok | {:error, error}}`. Events come as fast as
  the mailbox empties. Give the answer to `unwatch/1`, or just end, to stop.

      {:ok, watch} = CerebrosBridge.watch(bridge, run_id, after_seq: 12)
  """
  @spec watch(bridge(), String.t(), keyword()) :: result(CerebrosBridge.Port.stream())
  def watch(bridge, run_id, opts \\ []) do
    [after_seq: after_seq] = Keyword.validate!(opts, after_seq: 0)
    CerebrosBridge.Port.open(bridge, run_id, after_seq, :push)
  catch
    :exit, reason -> {:error, gone(reason)}
  end

  @doc """
  Send no more events of this watch.

      :ok = CerebrosBridge.unwatch(watch)
  """
  @spec unwatch(CerebrosBridge.Port.stream()) :: :ok
  defdelegate unwatch(watch), to: CerebrosBridge.Port, as: :close

  @doc """
  End a run; `:reason` is kept with it.

      {:ok, run} = CerebrosBridge.cancel(bridge, run_id, reason: "superseded")
  """
  @spec cancel(bridge(), String.t(), keyword()) :: result(Run.t())
  def cancel(bridge, run_id, opts \\ []) do
    {reason, opts} = Keyword.pop(opts, :reason, "")

    bridge
    |> call(:cancel_run, %{run_id: run_id, reason: reason}, opts)
    |> as(&Run.from_map/1)
  end

  @doc """
  The PAC's current capability vector, or its version `:version`.

      {:ok, %CerebrosBridge.VCV{version: 3}} = CerebrosBridge.capability(bridge, "p1")
  """
  @spec capability(bridge(), String.t(), keyword()) :: result(VCV.t())
  def capability(bridge, pac_id, opts \\ []) do
    {version, opts} = Keyword.pop(opts, :version)

    bridge
    |> call(:get_capability, %{pac_id: pac_id, version: version}, opts)
    |> as(&VCV.from_map/1)
  end

  @doc """
  Write the model of an ended run as its PAC's next capability vector, under its newest verdict.

  A verdict promotes once: asking again answers the version that it wrote. A run without a
  verdict gets one by `call(bridge, :evaluate_policy, %{run_id: run_id})`.

      {:ok, %CerebrosBridge.VCV{version: 4}} = CerebrosBridge.promote(bridge, run_id)
  """
  @spec promote(bridge(), String.t(), keyword()) :: result(VCV.t())
  def promote(bridge, run_id, opts \\ []) do
    bridge |> call(:promote, %{run_id: run_id}, opts) |> as(&VCV.from_map/1)
  end

  @doc "See `CerebrosBridge.Study.suggest/3`."
  @spec suggest(bridge(), String.t(), keyword()) :: result([Study.Suggestion.t()])
  defdelegate suggest(bridge, study_id, opts \\ []), to: Study

  @doc "See `CerebrosBridge.Study.report/4`."
  @spec report(bridge(), Study.Suggestion.t(), map() | Study.failure(), keyword()) ::
          result(Study.Trial.t())
  defdelegate report(bridge, suggestion, ended, opts \\ []), to: Study

  @doc """
  Whether the bridge can do its work: a map with binary keys (`"status"`, `"workers"`, …).

      {:ok, %{"status" => "serving"}} = CerebrosBridge.health(bridge)
  """
  @spec health(bridge(), keyword()) :: result(map())
  def health(bridge, opts \\ []), do: call(bridge, :health, %{}, opts)

  @doc """
  A sign of life from the program itself, past all procedures.

      {:ok, %{"calls" => 0}} = CerebrosBridge.ping(bridge)
  """
  @spec ping(bridge(), keyword()) :: result(map())
  def ping(bridge, opts \\ []) do
    [timeout: timeout] = Keyword.validate!(opts, timeout: @timeout)
    CerebrosBridge.Port.ping(bridge, timeout)
  catch
    :exit, reason -> {:error, gone(reason)}
  end

  @doc """
  Call any procedure by name; the value is a map with binary keys.

      {:ok, %{"runs" => []}} = CerebrosBridge.call(bridge, :list_runs, %{limit: 10}, timeout: 5_000)
  """
  @spec call(bridge(), atom() | String.t(), map() | keyword(), keyword()) :: result(map())
  def call(bridge, procedure, params, opts \\ []) do
    [timeout: timeout] = Keyword.validate!(opts, timeout: @timeout)
    procedure = to_string(procedure)
    began = System.monotonic_time()
    emit(:start, %{system_time: System.system_time()}, %{procedure: procedure})

    try do
      CerebrosBridge.Port.call(bridge, procedure, Map.new(params), timeout)
    catch
      :exit, reason ->
        metadata = %{kind: :exit, reason: reason, stacktrace: __STACKTRACE__}
        metadata = Map.merge(metadata, %{procedure: procedure, code: :unavailable})
        emit(:exception, %{duration: System.monotonic_time() - began}, metadata)
        {:error, gone(reason)}
    else
      result ->
        metadata = %{procedure: procedure, code: code(result)}
        emit(:stop, %{duration: System.monotonic_time() - began}, metadata)
        result
    end
  end

  defp emit(what, measurements, metadata) do
    Telemetry.execute([:cerebros, :bridge, :invoke, what], measurements, metadata)
  end

  defp code({:ok, _value}), do: :ok
  defp code({:error, %Error{code: code}}), do: code

  defp as({:ok, map}, make), do: {:ok, make.(map)}
  defp as(error, _make), do: error

  defp gone(reason) do
    Error.local(:unavailable, "the bridge is not there: #{inspect(reason)}; is it supervised?")
  end

  defp deadline(:infinity), do: :infinity
  defp deadline(timeout), do: System.monotonic_time(:millisecond) + timeout

  defp remaining(:infinity), do: :infinity
  defp remaining(deadline), do: max(deadline - System.monotonic_time(:millisecond), 0)
end
