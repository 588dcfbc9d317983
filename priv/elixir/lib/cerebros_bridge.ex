defmodule CerebrosBridge do
  # Milliseconds; the slowest procedure, checking a dataset, takes seconds.
  @timeout 30_000

  @moduledoc """
  Training cycles and capability vectors from Elixir.

      children = [{CerebrosBridge, name: MyApp.Bridge, home: "/var/lib/cerebros"}]

      {:ok, run} = CerebrosBridge.start_run(MyApp.Bridge, %{pac_id: "p1", manifest: "digits.toml"})
      MyApp.Bridge |> CerebrosBridge.stream(run.run_id) |> Enum.each(&IO.inspect/1)
      {:ok, vcv} = CerebrosBridge.capability(MyApp.Bridge, "p1")

  Functions answer `{:ok, value}` or `{:error, %CerebrosBridge.Error{}}`, over either adapter
  (`CerebrosBridge.Port`, `CerebrosBridge.Grpc`) the same. Every call takes

    * `:timeout`, milliseconds for one attempt (#{@timeout}); what the call started is cancelled then,
    * `:retries`, further attempts after an error that is `retryable` (0). Every procedure may be
      repeated, those that create something by its id, but two: `suggest` hands out further trials
      (those of a lost answer come again when their leases end), and `set_training_lock` without
      `expected_revision` overrules whoever changed the lock in between,
    * `:traceparent` (W3C trace context) and `:correlation_id`, which say to the bridge what the call
      belongs to; a run that it starts tells the latter in its events,
    * `:pulse_id`, which with the latter is in the call's telemetry (`CerebrosBridge.Invocation`).

  Every event of a watched run is a `:telemetry` event too (`CerebrosBridge.Telemetry`).
  """

  alias CerebrosBridge.{
    Connection,
    Error,
    GateReport,
    GivingUp,
    Invocation,
    Message,
    Pool,
    Reading,
    Request,
    Run,
    Study,
    Trial,
    Uuid7,
    VCV,
    Watcher
  }

  @type bridge :: GenServer.server()

  @typedoc "What every call takes; see the module's documentation."
  @type option ::
          {:timeout, timeout()}
          | {:retries, non_neg_integer()}
          | {:traceparent | :correlation_id | :pulse_id, String.t()}

  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @doc """
  A child for a supervisor.

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
  Start the connections to the bridge and the process that keeps them.

    * `:name` to register;
    * `:adapter`, `CerebrosBridge.Port` (the default; starts the program) or `CerebrosBridge.Grpc`
      (calls a running service), and the adapter's own options;
    * `:pool`, how many connections (1);
    * `:enabled`, the feature flag: a boolean, or a function asked at every call; otherwise
      `config :cerebros_bridge, enabled: …`, otherwise true.

  A connection that ends is opened anew, after growing pauses; see `CerebrosBridge.Pool`.

      {:ok, bridge} = CerebrosBridge.start_link(home: "/var/lib/cerebros")
  """
  @spec start_link(keyword()) :: GenServer.on_start()
  defdelegate start_link(options), to: Pool

  @doc """
  Queue a run. The same `run_id` with the same content answers the run that is there.

  #{Message.fields("start_run")}

  What is none of these may stand beside them instead of in `:spec`; `:kind` is then
  `#{inspect(Request.default_kind())}` unless given. When the time-out passes the run is cancelled, whether or not the bridge had accepted it.

      {:ok, %CerebrosBridge.Run{state: :queued}} =
        CerebrosBridge.start_run(bridge, %{pac_id: "p1", manifest: "digits.toml", budget: %{trials: 8}})
  """
  @spec start_run(bridge(), map() | keyword(), keyword()) :: result(Run.t())
  def start_run(bridge, params, opts \\ []) do
    params = "start_run" |> Request.folded(Map.new(params)) |> named()

    with {:error, %Error{code: :deadline_exceeded}} = overdue <-
           call(bridge, :start_run, params, opts) do
      GivingUp.on_run(bridge, params[:run_id] || params["run_id"], "its start timed out")
      overdue
    end
    |> as(&Run.from_map/1)
  end

  # Named here and not by the bridge: who gives up waiting for the answer can still cancel it.
  defp named(%{run_id: id} = params) when id != nil, do: params
  defp named(%{"run_id" => id} = params) when id != nil, do: params
  defp named(params), do: params |> Map.delete("run_id") |> Map.put(:run_id, Uuid7.generate())

  @doc """
  The run as it stands.

      {:ok, %CerebrosBridge.Run{trials_ok: 3}} = CerebrosBridge.get_run(bridge, run_id)
  """
  @spec get_run(bridge(), String.t(), [option()]) :: result(Run.t())
  def get_run(bridge, run_id, opts \\ []) do
    bridge |> call(:get_run, %{run_id: run_id}, opts) |> as(&Run.from_map/1)
  end

  @doc """
  Wait until the run has ended, in whatever state, and answer it.

  `:timeout` is `:infinity` unless given; when it passes the answer is `:deadline_exceeded` and
  the run is cancelled. With `on_timeout: :leave` it goes on instead. Connections that end in
  between are waited for.

      {:ok, %CerebrosBridge.Run{state: :succeeded}} = CerebrosBridge.await(bridge, run_id)
  """
  @spec await(bridge(), String.t(), keyword()) :: result(Run.t())
  def await(bridge, run_id, opts \\ []) do
    opts = Keyword.validate!(opts, timeout: :infinity, on_timeout: :cancel)

    with {:ok, reading} <- Reading.start(bridge, run_id, []) do
      case Reading.to_end(reading, opts[:timeout]) do
        :ok ->
          get_run(bridge, run_id)

        :timeout ->
          if opts[:on_timeout] == :cancel,
            do: GivingUp.on_run(bridge, run_id, "its caller waited no longer")

          {:error, Error.local(:deadline_exceeded, "run #{run_id} did not end in time")}

        {:error, error} ->
          {:error, error}
      end
    end
  end

  @doc """
  The run's events as a lazy stream that ends with the run.

  Events are fetched as they are consumed: a slow consumer keeps at most
  #{Connection.window()} in its mailbox and loses none. When the connection ends, the stream
  attaches to the next one behind the last event it gave; it raises `CerebrosBridge.Error` after
  `:patience` milliseconds (60,000) of trouble (`CerebrosBridge.Reading`), and when the run is
  unknown. `:after_seq` skips events already seen.

      bridge |> CerebrosBridge.stream(run_id) |> Enum.map(& &1.seq)
  """
  @spec stream(bridge(), String.t(), keyword()) :: Enumerable.t()
  def stream(bridge, run_id, opts \\ []),
    do: Reading.lazy(fn -> Reading.start(bridge, run_id, opts) end)

  @doc """
  What a procedure streams, as a lazy stream of maps with binary keys.

  Items are fetched as they are consumed, as those of `stream/3` are. A generic stream has no place
  to go on from: it raises `CerebrosBridge.Error` when its connection ends. Options are `:timeout`
  (`:infinity`) for the whole stream, `:traceparent` and `:correlation_id`.

      bridge |> CerebrosBridge.follow(:watch_run, %{run_id: run_id}) |> Enum.map(& &1["name"])
  """
  @spec follow(bridge(), atom() | String.t(), map() | keyword(), keyword()) :: Enumerable.t()
  def follow(bridge, procedure, params, opts \\ []) do
    procedure = to_string(procedure)

    Reading.lazy(fn ->
      if Request.streams?(procedure) == false,
        do: {:error, Error.local(:invalid_argument, "#{procedure} answers once; use call/4")},
        else: Reading.follow(bridge, procedure, Map.new(params), opts)
    end)
  end

  @doc """
  Send the run's events to the calling process as `{:cerebros_event, run_id, %CerebrosBridge.Event{}}`.

  The last message is `{:cerebros_end, run_id, :ok | {:error, error}}`. Events come as fast as
  the mailbox empties, over as many connections as it takes; options as of `stream/3`. Give the
  answer to `unwatch/1`, or just end, to stop.

      {:ok, watch} = CerebrosBridge.watch(bridge, run_id, after_seq: 12)
  """
  @spec watch(bridge(), String.t(), keyword()) :: result(pid())
  def watch(bridge, run_id, opts \\ []) do
    with {:ok, reading} <- Reading.start(bridge, run_id, opts),
         do: Watcher.start(reading, run_id, self())
  end

  @doc """
  Send no more events of this watch.

      :ok = CerebrosBridge.unwatch(watch)
  """
  @spec unwatch(pid()) :: :ok
  def unwatch(watch) do
    Process.exit(watch, :shutdown)
    :ok
  end

  @doc """
  End a run.

  #{Message.fields("cancel_run", [:reason])}

      {:ok, run} = CerebrosBridge.cancel(bridge, run_id, reason: "superseded")
  """
  @spec cancel(bridge(), String.t(), [{:reason, String.t()} | option()]) :: result(Run.t())
  def cancel(bridge, run_id, opts \\ []) do
    bridge |> ask("cancel_run", [run_id: run_id], opts) |> as(&Run.from_map/1)
  end

  @doc """
  Runs, newest first; the options choose them.

  #{Message.fields("list_runs")}

      {:ok, [%CerebrosBridge.Run{state: :running} | _]} =
        CerebrosBridge.list_runs(bridge, pac_id: "p1", state: :running)
  """
  @spec list_runs(bridge(), [unquote(Message.options("list_runs")) | option()]) ::
          result([Run.t()])
  def list_runs(bridge, opts \\ []) do
    bridge |> ask("list_runs", [], opts) |> as_list("runs", Run)
  end

  @doc """
  A page of a run's trials, by number; the last page is shorter than `:limit`.

  #{Message.fields("list_trials", except: [:run_id])}

      {:ok, [%CerebrosBridge.Trial{number: 0, outcome: :ok} | _]} =
        CerebrosBridge.list_trials(bridge, run_id)
  """
  @spec list_trials(bridge(), String.t(), [
          unquote(Message.options("list_trials", [:run_id])) | option()
        ]) :: result([Trial.t()])
  def list_trials(bridge, run_id, opts \\ []) do
    bridge |> ask("list_trials", [run_id: run_id], opts) |> as_list("trials", Trial)
  end

  @doc """
  The PAC's current capability vector, or another version of it.

  #{Message.fields("get_capability", [:version])}

      {:ok, %CerebrosBridge.VCV{version: 3}} = CerebrosBridge.capability(bridge, "p1")
  """
  @spec capability(bridge(), String.t(), [
          unquote(Message.options("get_capability", [:pac_id])) | option()
        ]) :: result(VCV.t())
  def capability(bridge, pac_id, opts \\ []) do
    bridge |> ask("get_capability", [pac_id: pac_id], opts) |> as(&VCV.from_map/1)
  end

  @doc """
  Write the model of an ended run as its PAC's next capability vector, under its newest verdict.

  A verdict promotes once: asking again answers the version that it wrote. A run without a
  verdict gets one by `call(bridge, :evaluate_policy, %{run_id: run_id})`.

      {:ok, %CerebrosBridge.VCV{version: 4}} = CerebrosBridge.promote(bridge, run_id)
  """
  @spec promote(bridge(), String.t(), [option()]) :: result(VCV.t())
  def promote(bridge, run_id, opts \\ []) do
    bridge |> call(:promote, %{run_id: run_id}, opts) |> as(&VCV.from_map/1)
  end

  @doc """
  Make an earlier version of a PAC's capability vector current again, by writing it as a new one.

  #{Message.fields("rollback")}

      {:ok, %CerebrosBridge.VCV{version: 4, rolled_back_from: 2}} =
        CerebrosBridge.rollback(bridge, "p1", 2, "version 3 is slow on the edge")
  """
  @spec rollback(bridge(), String.t(), pos_integer(), String.t(), [option()]) :: result(VCV.t())
  def rollback(bridge, pac_id, version, reason, opts \\ []) do
    bridge
    |> ask("rollback", [pac_id: pac_id, version: version, reason: reason], opts)
    |> as(&VCV.from_map/1)
  end

  @doc """
  What the release gate finds; `thunderline.brg.check` reads the same on the metrics page.

  #{Message.fields("check_gate")}

      {:ok, %CerebrosBridge.GateReport{overall_status: :healthy, findings: [_ | _]}} =
        CerebrosBridge.check_gate(bridge, pac_id: "p1")
  """
  @spec check_gate(bridge(), [unquote(Message.options("check_gate")) | option()]) ::
          result(GateReport.t())
  def check_gate(bridge, opts \\ []) do
    bridge |> ask("check_gate", [], opts) |> as(&Message.read(GateReport, &1))
  end

  @doc "See `CerebrosBridge.Study.create/3`."
  @spec create_study(bridge(), [Study.field()] | map(), [option()]) :: result(Study.t())
  defdelegate create_study(bridge, params, opts \\ []), to: Study, as: :create

  @doc "See `CerebrosBridge.Study.best_trials/3`."
  @spec best_trials(bridge(), String.t(), [
          unquote(Message.options("best_trials", [:study_id])) | option()
        ]) :: result([Study.Trial.t()])
  defdelegate best_trials(bridge, study_id, opts \\ []), to: Study

  @doc "See `CerebrosBridge.Study.suggest/3`."
  @spec suggest(bridge(), String.t(), [
          unquote(Message.options("suggest", [:study_id])) | option()
        ]) :: result([Study.Suggestion.t()])
  defdelegate suggest(bridge, study_id, opts \\ []), to: Study

  @doc "See `CerebrosBridge.Study.report/4`."
  @spec report(bridge(), Study.Suggestion.t(), map() | Study.failure(), keyword()) ::
          result(Study.Trial.t())
  defdelegate report(bridge, suggestion, ended, opts \\ []), to: Study

  @doc """
  Whether the bridge can do its work: a map with binary keys (`"status"`, `"workers"`, …).

      {:ok, %{"status" => "serving"}} = CerebrosBridge.health(bridge)
  """
  @spec health(bridge(), [option()]) :: result(map())
  def health(bridge, opts \\ []), do: call(bridge, :health, %{}, opts)

  @doc """
  A sign of life from the server itself, past all procedures. Over a port the map counts its calls.

      {:ok, %{"calls" => 0}} = CerebrosBridge.ping(bridge)
  """
  @spec ping(bridge(), keyword()) :: result(map())
  def ping(bridge, opts \\ []) do
    [timeout: timeout] = Keyword.validate!(opts, timeout: @timeout)

    with {:ok, connection} <- Pool.checkout(bridge, :any),
         do: Connection.ping(connection, timeout)
  catch
    :exit, reason ->
      {:error, Error.gone(reason)}
  end

  @doc """
  Call any procedure by name; the value is a map with binary keys. For one that streams see `follow/4`.

      {:ok, %{"runs" => []}} = CerebrosBridge.call(bridge, :list_runs, %{limit: 10}, timeout: 5_000)
  """
  @spec call(bridge(), atom() | String.t(), map() | keyword(), keyword()) :: result(map())
  def call(bridge, procedure, params, opts \\ []) do
    opts =
      Keyword.validate!(opts, [
        :traceparent,
        :correlation_id,
        :pulse_id,
        timeout: @timeout,
        retries: 0
      ])

    op = to_string(procedure)

    if Request.streams?(op),
      do: {:error, Error.local(:invalid_argument, "#{op} streams; use follow/4")},
      else: Invocation.call(bridge, op, Map.new(params), opts)
  end

  # Options that are fields of the request are given to the bridge, which has defaults for the others.
  defp ask(bridge, procedure, given, opts) do
    {fields, opts} = Keyword.split(opts, Keyword.keys(Message.request(procedure)))
    call(bridge, procedure, Request.given(fields ++ given), opts)
  end

  defp as_list(answer, key, module),
    do: as(answer, fn map -> Enum.map(map[key], &Message.read(module, &1)) end)

  defp as({:ok, map}, make), do: {:ok, make.(map)}
  defp as(error, _make), do: error
end
