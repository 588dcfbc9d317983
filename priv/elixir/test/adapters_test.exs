defmodule CerebrosBridge.AdaptersTest do
  # What holds over either adapter: the real program, a real worker, a database of their own.
  use ExUnit.Case, async: false

  alias CerebrosBridge.{
    Connection,
    Error,
    Event,
    Pool,
    Reading,
    Run,
    Service,
    Telemetry,
    TrainingMetrics,
    VCV
  }

  @moduletag timeout: 300_000
  @minutes 4 * 60_000
  @small %{trials: 4, epochs: 2, probes: 4, shortlist: 2}
  @endless %{trials: 500, epochs: 200, probes: 4, shortlist: 2}

  setup_all do
    home = Service.suite().home

    options = %{
      CerebrosBridge.Port => [home: home, args: ["--no-worker"], env: Service.environment(home)],
      CerebrosBridge.Grpc => [home: home]
    }

    for {adapter, options} <- options do
      start_supervised!({CerebrosBridge, [name: adapter, adapter: adapter] ++ options})
      assert Service.eventually(fn -> match?({:ok, _}, CerebrosBridge.ping(adapter)) end)
    end

    {:ok, home: home, options: options}
  end

  # Each test names its bridge after the adapter it goes over.
  for adapter <- [CerebrosBridge.Port, CerebrosBridge.Grpc] do
    describe "over #{inspect(adapter)}" do
      @describetag bridge: adapter

      test "a training cycle streams its events, succeeds and writes a capability vector", %{
        bridge: bridge
      } do
        Service.start_worker()
        run_id = fresh_id("cycle")
        attach(CerebrosBridge.Names.events())

        assert {:ok, %Run{run_id: ^run_id, state: state}} = start(bridge, run_id)
        assert state in [:queued, :running]
        assert {:ok, _watch} = CerebrosBridge.watch(bridge, run_id)

        events = collect_events(run_id)
        assert Enum.map(events, & &1.seq) == Enum.to_list(1..length(events))
        assert %Event{name: [:cerebros, :run, :queued], measurements: %{trials: 4}} = hd(events)

        assert %Event{name: [:cerebros, :run, :stop], metadata: %{state: "succeeded"}} =
                 List.last(events)

        trials = Enum.filter(events, &(&1.name == [:cerebros, :trial, :stop]))
        assert length(trials) == 4

        assert Enum.all?(
                 trials,
                 &(is_integer(&1.metadata.number) and is_float(&1.measurements.duration_s))
               )

        assert collect_told(run_id) === Enum.map(events, &{&1.name, &1.measurements, &1.metadata})

        assert {:ok, %Run{state: :succeeded, promoted_version: version} = run} =
                 CerebrosBridge.await(bridge, run_id, timeout: @minutes)

        assert run.last_seq == length(events)
        assert %TrainingMetrics{energy_method: "model"} = run.metrics
        assert DateTime.compare(run.created_at, run.finished_at) == :lt

        assert {:ok, %VCV{version: ^version, run_id: ^run_id} = vcv} =
                 CerebrosBridge.capability(bridge, "pac-1")

        assert length(vcv.capability) == 384
        assert Enum.all?(vcv.capability, &is_float/1)
        assert is_float(vcv.accuracy) and vcv.accuracy > 0.0 and vcv.accuracy <= 1.0

        # A stream that takes up in the middle sees the rest, once, also when it stops early.
        assert bridge |> CerebrosBridge.stream(run_id, after_seq: 3) |> Enum.map(& &1.seq) ==
                 Enum.to_list(4..length(events))

        assert bridge |> CerebrosBridge.stream(run_id) |> Enum.take(2) == Enum.take(events, 2)
        refute_received {{_, _}, _}
      end

      test "a run is cancelled with its reason", %{bridge: bridge} do
        run_id = fresh_id("cancelled")
        {:ok, _} = start(bridge, run_id, %{budget: @endless})
        assert {:ok, %Run{}} = CerebrosBridge.cancel(bridge, run_id, reason: "superseded")

        assert {:ok, %Run{state: :cancelled, error: %{"message" => message}}} =
                 CerebrosBridge.await(bridge, run_id, timeout: @minutes)

        assert message =~ "superseded"
      end

      test "a run that is awaited too briefly is cancelled, not only given up", %{bridge: bridge} do
        run_id = fresh_id("brief")
        {:ok, _} = start(bridge, run_id, %{budget: @endless})

        assert {:error, %Error{code: :deadline_exceeded, class: :timeout, retryable: true}} =
                 CerebrosBridge.await(bridge, run_id, timeout: 50)

        assert {:ok, %Run{state: :cancelled, error: %{"message" => message}}} =
                 CerebrosBridge.await(bridge, run_id, timeout: @minutes)

        assert message =~ "waited no longer"
        refute_received _
      end

      test "a run can be left going when its caller waits no longer", %{bridge: bridge} do
        run_id = fresh_id("left")
        {:ok, _} = start(bridge, run_id, %{budget: @endless})

        assert {:error, %Error{code: :deadline_exceeded}} =
                 CerebrosBridge.await(bridge, run_id, timeout: 50, on_timeout: :leave)

        Process.sleep(500)
        assert {:ok, %Run{} = run} = CerebrosBridge.get_run(bridge, run_id)
        refute Run.ended?(run)
        {:ok, _} = CerebrosBridge.cancel(bridge, run_id)
      end

      test "starts that time out leave no run in work", %{bridge: bridge} do
        late =
          for timeout <- 1..20 do
            run_id = fresh_id("late")

            with {:error, error} <-
                   CerebrosBridge.start_run(bridge, cycle(run_id, %{budget: @endless}),
                     timeout: timeout
                   ) do
              assert %Error{code: :deadline_exceeded, class: :timeout, retryable: true} = error
              run_id
            else
              {:ok, _} -> CerebrosBridge.cancel(bridge, run_id) && nil
            end
          end

        # Accepted and cancelled, or never accepted; a start that was on its way may arrive after its cancel.
        Process.sleep(500)
        assert hd(late)

        for run_id <- late, run_id do
          assert Service.eventually(fn ->
                   case CerebrosBridge.get_run(bridge, run_id) do
                     {:ok, run} -> run.state == :cancelled
                     {:error, error} -> error.code == :not_found
                   end
                 end)
        end
      end

      test "INVALID_ARGUMENT: a broken rule and a wrong type name their place", %{bridge: bridge} do
        for {trials, what} <- [{-1, "Expected `int` >= 1"}, {"4", "Expected `int`, got"}] do
          assert {:error, %Error{code: :invalid_argument, class: :validation, message: message}} =
                   start(bridge, fresh_id("bad"), %{budget: %{trials: trials}})

          assert message =~ what
          assert message =~ "$.budget.trials"
        end

        assert {:error, %Error{code: :invalid_argument, message: message}} =
                 CerebrosBridge.call(bridge, :get_run, %{run_id: "a", colour: "red"})

        assert message =~ "colour"

        assert {:error, %Error{code: :invalid_argument}} =
                 CerebrosBridge.call(bridge, :watch_run, %{run_id: "a"})
      end

      test "INVALID_ARGUMENT: terms that no bridge takes trouble nobody but their caller", %{
        bridge: bridge
      } do
        {:ok, connection} = Pool.checkout(bridge, :any)

        for crooked <- [
              %{budget: ~D[2026-01-02]},
              %{budget: %{{1, 2} => 3}},
              %{objectives: ["accuracy" | "energy"]},
              %{pac_id: <<1::3>>}
            ] do
          assert {:error, %Error{code: :invalid_argument, class: :validation}} =
                   CerebrosBridge.call(bridge, :start_run, cycle(fresh_id("crooked"), crooked))
        end

        for timeout <- [nil, -5_000] do
          assert_raise FunctionClauseError, fn ->
            CerebrosBridge.health(bridge, timeout: timeout)
          end
        end

        assert {:ok, ^connection} = Pool.checkout(bridge, :any)
      end

      test "NOT_FOUND: unknown runs and procedures", %{bridge: bridge} do
        assert {:error,
                %Error{code: :not_found, class: :permanent, retryable: false, message: message}} =
                 CerebrosBridge.get_run(bridge, "nobody")

        assert message =~ "nobody"

        assert {:error, %Error{code: :not_found, class: :permanent}} =
                 CerebrosBridge.call(bridge, "fly", %{})

        assert {:error, %Error{code: :not_found}} = CerebrosBridge.await(bridge, "nobody")

        assert_raise Error, ~r/nobody/, fn ->
          bridge |> CerebrosBridge.stream("nobody") |> Enum.to_list()
        end

        {:ok, _} = CerebrosBridge.watch(bridge, "nobody")
        assert_receive {:cerebros_end, "nobody", {:error, %Error{code: :not_found}}}, 5_000
      end

      test "ALREADY_EXISTS: a run id with other content; the same content is the same run", %{
        bridge: bridge
      } do
        run_id = fresh_id("twice")
        {:ok, _} = start(bridge, run_id, %{budget: @endless})
        assert {:ok, %Run{run_id: ^run_id}} = start(bridge, run_id, %{budget: @endless})

        assert {:error, %Error{code: :already_exists, class: :permanent}} =
                 start(bridge, run_id, %{pac_id: "pac-2"})

        {:ok, _} = CerebrosBridge.cancel(bridge, run_id)
      end

      test "FAILED_PRECONDITION: an artifact whose bytes are not its own", %{bridge: bridge} do
        run_id = succeeded_run(bridge)

        {:ok, %{"artifacts" => [artifact | _]}} =
          CerebrosBridge.call(bridge, :list_artifacts, %{run_id: run_id})

        bytes = File.read!(artifact["path"])
        File.chmod!(artifact["path"], 0o600)
        File.write!(artifact["path"], "nothing of ours")
        on_exit(fn -> File.write!(artifact["path"], bytes) end)

        assert {:error, %Error{code: :failed_precondition, class: :permanent}} =
                 CerebrosBridge.call(bridge, :get_artifact, %{digest: artifact["digest"]})
      end

      test "PERMISSION_DENIED: data that may not be trained on", %{bridge: bridge, home: home} do
        manifest = Path.join(home, "evaluate.toml")
        words = File.read!(Service.manifest())
        File.write!(manifest, String.replace(words, ~s(["train", "evaluate"]), ~s(["evaluate"])))

        assert {:error, %Error{code: :permission_denied, class: :security, retryable: false}} =
                 start(bridge, fresh_id("denied"), %{manifest: manifest})
      end

      test "RESOURCE_EXHAUSTED: one stream too many", %{bridge: bridge} do
        run_id = fresh_id("crowded")
        {:ok, _} = start(bridge, run_id, %{budget: @endless})
        {:ok, connection} = Pool.checkout(bridge, {:run, run_id})

        streams =
          for _ <- 1..1025 do
            {:ok, stream} = Connection.attach(connection, run_id, 1_000_000)
            stream
          end

        assert_receive {stream,
                        {:end,
                         {:error, %Error{code: :resource_exhausted, class: :transient} = error}}},
                       60_000

        assert stream in streams
        assert error.retryable

        # A reading outlasts it.
        {:ok, reading} = Reading.start(bridge, run_id, [])
        assert {:timeout, reading} = Reading.next(reading, in_ms(300), nil)
        Enum.each(streams, &Connection.close/1)
        assert {:event, %Event{seq: 1}, reading} = Reading.next(reading, in_ms(30_000), nil)
        Reading.stop(reading)
        # The bridge has heard of the closed streams a moment later.
        assert {:ok, _} = CerebrosBridge.cancel(bridge, run_id, retries: 5)
      end

      test "DEADLINE_EXCEEDED: a call past its time", %{bridge: bridge} do
        assert {:error, %Error{code: :deadline_exceeded, class: :timeout, retryable: true}} =
                 CerebrosBridge.call(bridge, :check_dataset, %{manifest: Service.manifest()},
                   timeout: 1
                 )
      end

      test "every call is told with every documented key", %{bridge: bridge} do
        attach(for what <- [:start, :stop], do: [:cerebros, :bridge, :invoke, what])

        {:ok, _} =
          CerebrosBridge.call(bridge, :health, %{}, correlation_id: "c-1", pulse_id: "p-1")

        {:error, _} = CerebrosBridge.get_run(bridge, "nobody", retries: 2)

        assert_received {[:cerebros, :bridge, :invoke, :start], started, metadata}
        assert keys(started) == [:system_time]
        asked = %{op: "health", attempt: 1, run_id: nil, correlation_id: "c-1", pulse_id: "p-1"}
        assert metadata == asked

        assert_received {[:cerebros, :bridge, :invoke, :stop], took, metadata}
        assert keys(took) == [:duration, :duration_ms]
        assert took.duration_ms > 0
        assert metadata == Map.merge(asked, %{ok: true, code: :ok, error: nil})

        # What cannot become better is not tried again.
        assert_received {[:cerebros, :bridge, :invoke, :stop], _,
                         %{op: "get_run", attempt: 1} = metadata}

        assert %{run_id: "nobody", ok: false, code: :not_found, error: %Error{}} = metadata
        assert keys(metadata) == ~w(attempt code correlation_id error ok op pulse_id run_id)a
        refute_received {_, _, %{attempt: 2}}
      end

      test "a handler hears each event of a run once, however often it is watched, and may call the bridge",
           %{bridge: bridge} do
        owner = self()
        run_id = fresh_id("heard")

        call = fn _name, _measurements, %{run_id: id}, _ ->
          if id == run_id, do: send(owner, {:heard, CerebrosBridge.get_run(bridge, run_id)})
        end

        :ok = Telemetry.attach(run_id, [:cerebros, :run, :stop], call, nil)
        on_exit(fn -> Telemetry.detach(run_id) end)

        {:ok, _} = start(bridge, run_id, %{budget: @endless})
        {:ok, _} = CerebrosBridge.cancel(bridge, run_id)

        for _ <- 1..2, do: {:ok, %Run{state: :cancelled}} = CerebrosBridge.await(bridge, run_id)

        assert_receive {:heard, {:ok, %Run{state: :cancelled}}}, 10_000
        refute_receive {:heard, _}
      end

      test "answers many callers at once", %{bridge: bridge} do
        answers =
          1..200
          |> Task.async_stream(fn _ -> CerebrosBridge.health(bridge) end, max_concurrency: 50)
          |> Enum.map(fn {:ok, answer} -> answer end)

        assert Enum.all?(answers, &match?({:ok, %{"status" => "serving"}}, &1))
      end

      test "a watch that is given up sends no more", %{bridge: bridge} do
        run_id = fresh_id("unwatched")
        {:ok, _} = start(bridge, run_id, %{budget: @endless})
        {:ok, watch} = CerebrosBridge.watch(bridge, run_id)
        assert_receive {:cerebros_event, ^run_id, %Event{seq: 1}}, 10_000
        :ok = CerebrosBridge.unwatch(watch)
        {:ok, _} = CerebrosBridge.cancel(bridge, run_id)
        {:ok, _} = CerebrosBridge.await(bridge, run_id)
        refute Process.alive?(watch)
        refute_received {:cerebros_end, _, _}
      end

      test "a pool gives calls to each of its connections in turn", %{
        bridge: adapter,
        options: options
      } do
        pool =
          start_supervised!({CerebrosBridge, [adapter: adapter, pool: 3] ++ options[adapter]})

        connections =
          for _ <- 1..6 do
            {:ok, connection} = Pool.checkout(pool, :any)
            assert {:ok, _} = Connection.ping(connection, 60_000)
            connection
          end

        assert connections |> Enum.uniq() |> length() == 3
        assert Enum.take(connections, 3) == Enum.drop(connections, 3)
        {:ok, home} = Pool.checkout(pool, {:run, "r"})
        assert {:ok, ^home} = Pool.checkout(pool, {:run, "r"})
      end
    end
  end

  test "a bridge that is not there is unavailable, and the call an exception with every key" do
    attach([[:cerebros, :bridge, :invoke, :exception]])
    assert {:error, %Error{code: :unavailable}} = CerebrosBridge.health(:nowhere)
    assert {:error, %Error{code: :unavailable}} = CerebrosBridge.await(:nowhere, "r")
    assert {:error, %Error{code: :unavailable}} = CerebrosBridge.watch(:nowhere, "r")
    assert {:error, %Error{code: :unavailable}} = CerebrosBridge.ping(:nowhere)
    assert_received {[:cerebros, :bridge, :invoke, :exception], took, metadata}
    assert keys(took) == [:duration, :duration_ms]
    assert %{op: "health", code: :unavailable, ok: false, kind: :exit} = metadata

    assert keys(metadata) ==
             ~w(attempt code correlation_id duration_ms error kind ok op pulse_id reason run_id stacktrace)a
  end

  # Without a worker a cancelled run ends at once, so only those who need one start it.
  defp succeeded_run(bridge) do
    case CerebrosBridge.call(bridge, :list_runs, %{state: :succeeded, limit: 1}) do
      {:ok, %{"runs" => [run]}} ->
        run["run_id"]

      {:ok, %{"runs" => []}} ->
        Service.start_worker()
        run_id = fresh_id("first")
        {:ok, _} = start(bridge, run_id)
        {:ok, %Run{state: :succeeded}} = CerebrosBridge.await(bridge, run_id, timeout: @minutes)
        run_id
    end
  end

  defp cycle(run_id, more) do
    Map.merge(
      %{
        run_id: run_id,
        pac_id: "pac-1",
        manifest: Service.manifest(),
        kind: :cycle,
        budget: @small
      },
      more
    )
  end

  defp start(bridge, run_id, more \\ %{}),
    do: CerebrosBridge.start_run(bridge, cycle(run_id, more))

  defp fresh_id(what), do: "#{what}-#{System.unique_integer([:positive])}"

  defp in_ms(ms), do: System.monotonic_time(:millisecond) + ms

  defp keys(map), do: map |> Map.keys() |> Enum.sort()

  defp to_test(name, measurements, metadata, pid), do: send(pid, {name, measurements, metadata})

  defp attach(events) do
    owner = self()
    for event <- events, do: :ok = Telemetry.attach({owner, event}, event, &to_test/4, owner)
    on_exit({:detach, make_ref()}, fn -> Enum.each(events, &Telemetry.detach({owner, &1})) end)
  end

  defp collect_events(run_id, events \\ []) do
    receive do
      {:cerebros_event, ^run_id, %Event{} = event} -> collect_events(run_id, [event | events])
      {:cerebros_end, ^run_id, :ok} -> Enum.reverse(events)
    after
      @minutes -> flunk("the run did not end; it had #{length(events)} events")
    end
  end

  defp collect_told(run_id, told \\ []) do
    receive do
      {[:cerebros, _, _] = name, measurements, %{run_id: ^run_id} = metadata} ->
        collect_told(run_id, [{name, measurements, metadata} | told])
    after
      100 -> Enum.reverse(told)
    end
  end
end
