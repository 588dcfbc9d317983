defmodule CerebrosBridge.AdaptersTest do
  # Runs over either adapter: started, followed, awaited, cancelled.
  use CerebrosBridge.AdapterCase, async: false

  alias CerebrosBridge.{Error, Event, Run, Service, TrainingMetrics, VCV}

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

        assert {:ok, %Run{state: :cancelled, error: %{message: message}}} =
                 CerebrosBridge.await(bridge, run_id, timeout: @minutes)

        assert message =~ "superseded"
      end

      test "a run that is awaited too briefly is cancelled, not only given up", %{bridge: bridge} do
        run_id = fresh_id("brief")
        {:ok, _} = start(bridge, run_id, %{budget: @endless})

        assert {:error, %Error{code: :deadline_exceeded, class: :timeout, retryable: true}} =
                 CerebrosBridge.await(bridge, run_id, timeout: 50)

        assert {:ok, %Run{state: :cancelled, error: %{message: message}}} =
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
    end
  end
end
