defmodule CerebrosBridge.ListsTest do
  # Issue 11, kind 21: what was `call/4` with maps are functions with structs, over either adapter.
  use CerebrosBridge.AdapterCase, async: false

  alias CerebrosBridge.{Error, GateReport, Message, Run, Study, TrainingMetrics, Trial, VCV}

  for adapter <- [CerebrosBridge.Port, CerebrosBridge.Grpc] do
    describe "over #{inspect(adapter)}" do
      @describetag bridge: adapter

      test "runs are listed by PAC and state, as each of them is read alone", %{bridge: bridge} do
        pac = fresh_id("pac")
        ids = for _ <- 1..2, do: fresh_id("listed")
        for id <- ids, do: {:ok, _} = start(bridge, id, %{pac_id: pac})
        {:ok, _} = CerebrosBridge.cancel(bridge, hd(ids))

        assert {:ok, [%Run{} = newest, %Run{state: :cancelled}]} =
                 CerebrosBridge.list_runs(bridge, pac_id: pac)

        assert newest.run_id == List.last(ids)
        assert {:ok, ^newest} = CerebrosBridge.get_run(bridge, newest.run_id)
        assert {:ok, [^newest]} = CerebrosBridge.list_runs(bridge, pac_id: pac, limit: 1)

        assert {:ok, [%Run{state: :cancelled, error: %{message: _}}]} =
                 CerebrosBridge.list_runs(bridge, pac_id: pac, state: :cancelled, timeout: 20_000)

        assert {:ok, []} = CerebrosBridge.list_runs(bridge, pac_id: fresh_id("nobody"))
        {:ok, _} = CerebrosBridge.cancel(bridge, newest.run_id)
      end

      test "trials come in pages, and a Pareto set has the same structs", %{bridge: bridge} do
        run_id = succeeded_run(bridge)
        assert {:ok, [_ | _] = trials} = CerebrosBridge.list_trials(bridge, run_id)
        assert Enum.map(trials, & &1.number) == Enum.to_list(0..(length(trials) - 1))

        assert %Trial{outcome: :ok, tree: %{"t" => _}, metrics: %TrainingMetrics{}} =
                 Enum.find(trials, &(&1.outcome == :ok))

        assert {:ok, [%Trial{number: 1}]} =
                 CerebrosBridge.list_trials(bridge, run_id, after: 0, limit: 1)

        assert {:ok, %Run{pareto_set: [%Trial{metrics: %TrainingMetrics{}} | _]}} =
                 CerebrosBridge.get_run(bridge, run_id)
      end

      test "an earlier version becomes current again under a new number", %{bridge: bridge} do
        run_id = succeeded_run(bridge)
        {:ok, %Run{pac_id: pac}} = CerebrosBridge.get_run(bridge, run_id)
        {:ok, %VCV{version: version}} = CerebrosBridge.capability(bridge, pac)
        reason = fresh_id("because")

        assert {:ok, %VCV{version: new, rolled_back_from: _} = back} =
                 CerebrosBridge.rollback(bridge, pac, version, reason)

        assert new == version + 1
        assert {:ok, ^back} = CerebrosBridge.capability(bridge, pac)

        assert {:error, %Error{code: :not_found}} =
                 CerebrosBridge.rollback(bridge, fresh_id("nobody"), 1, reason)
      end

      test "the gate answers with its findings", %{bridge: bridge} do
        assert {:ok, %GateReport{overall_status: status, timestamp: %DateTime{}} = report} =
                 CerebrosBridge.check_gate(bridge)

        assert status in Message.words("GateStatus")
        assert [%GateReport.Finding{rule: rule, status: one} | _] = report.findings
        assert is_binary(rule) and one in Message.words("GateStatus")
      end

      test "a study is opened and its best trials are read", %{bridge: bridge} do
        space = %{root: "n", types: %{n: %{params: %{x: %{type: "float", low: 0.0, high: 1.0}}}}}

        assert {:ok,
                %Study{objectives: [%Study.Objective{name: "loss", direction: :minimize}]} = study} =
                 CerebrosBridge.create_study(bridge,
                   space: space,
                   objectives: [%{name: "loss", direction: "minimize"}]
                 )

        {:ok, [suggestion]} = CerebrosBridge.suggest(bridge, study.study_id)
        {:ok, _} = CerebrosBridge.report(bridge, suggestion, %{"loss" => 0.25})

        assert {:ok, [%Study.Trial{number: 0, values: %{"loss" => 0.25}}]} =
                 CerebrosBridge.best_trials(bridge, study.study_id, limit: 5)
      end
    end
  end

  test "no field of a struct that these functions answer is an unnamed map" do
    {:ok, types} = Code.Typespec.fetch_types(Run)
    {:type, t} = Enum.find(types, &match?({:type, {:t, _, []}}, &1))
    text = t |> Code.Typespec.type_to_quoted() |> Macro.to_string()
    assert text =~ "pareto_set: [CerebrosBridge.Trial.t()] | nil"
    assert text =~ "error: CerebrosBridge.RunError.t() | nil"
    assert text =~ "metrics: CerebrosBridge.TrainingMetrics.t() | nil"
    refute text =~ "map()"
    refute text =~ "term()"
  end
end
