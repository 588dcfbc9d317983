defmodule CerebrosBridge.StructsTest do
  use ExUnit.Case, async: true
  doctest CerebrosBridge, only: [child_spec: 1]
  doctest CerebrosBridge.Connection
  doctest CerebrosBridge.Error
  doctest CerebrosBridge.Invocation
  doctest CerebrosBridge.Message
  doctest CerebrosBridge.Names
  doctest CerebrosBridge.Event
  doctest CerebrosBridge.Figures
  doctest CerebrosBridge.JsonReader
  doctest CerebrosBridge.Options
  doctest CerebrosBridge.Pool
  doctest CerebrosBridge.Port
  doctest CerebrosBridge.Request
  doctest CerebrosBridge.Run
  doctest CerebrosBridge.TrainingMetrics
  doctest CerebrosBridge.Uuid7
  doctest CerebrosBridge.VCV

  alias CerebrosBridge.{Error, Event, Names, Run, RunError, TrainingMetrics, Trial, VCV}

  test "every code becomes an error that can be raised" do
    for code <- Error.codes() do
      facts = %{"message" => "why", "class" => "transient", "retryable" => true}
      error = Error.from_map(code, facts)
      assert %Error{code: ^code, class: :transient, retryable: true} = error
      assert Exception.message(error) == "why"
    end
  end

  test "a run has its times, its state and its metrics in their types" do
    run =
      Run.from_map(%{
        "run_id" => "r",
        "state" => "succeeded",
        "created_at" => "2026-01-02T03:04:05.5Z",
        "finished_at" => nil,
        "metrics" => %{"accuracy" => 0.9, "peak_mem_bytes" => 1},
        "error" => %{"code" => "INTERNAL", "message" => "why"},
        "pareto_set" => [%{"number" => 3, "outcome" => "ok", "metrics" => %{"loss" => 0.5}}],
        "stages_done" => ["check"]
      })

    assert %Run{state: :succeeded, finished_at: nil, stages_done: ["check"]} = run
    assert %Run{pareto_set: [%Trial{number: 3, outcome: :ok, metrics: metrics}]} = run
    assert %TrainingMetrics{loss: 0.5} = metrics
    assert %Run{error: %RunError{code: "INTERNAL", message: "why"}} = run

    assert run.created_at == ~U[2026-01-02 03:04:05.5Z]
    assert %TrainingMetrics{accuracy: 0.9, loss: nil, trials_total: 0} = run.metrics
    assert Run.ended?(run)
    refute Run.ended?(%Run{state: :queued})
    assert %Run{pareto_set: nil} = Run.from_map(%{"run_id" => "r", "pareto_set" => []})

    assert %Run{pareto_set: [%Trial{number: 1}]} =
             Run.from_map(%{"pareto_set" => [%{"number" => 1}]})
  end

  test "a field that a newer bridge adds is no mistake" do
    assert %VCV{pac_id: "p"} = VCV.from_map(%{"pac_id" => "p", "colour" => "red"})
  end

  test "an unknown event keeps its name and unknown keys stay binaries" do
    event =
      Event.from_map(%{
        "run_id" => "r",
        "seq" => 7,
        "name" => "cerebros.comet.stop",
        "at" => "2026-01-02T03:04:05Z",
        "measurements" => %{"tail_m" => 1},
        "metadata" => %{"colour" => "red"}
      })

    assert %Event{name: "cerebros.comet.stop", measurements: %{"tail_m" => 1}} = event
    assert event.metadata == %{:run_id => "r", "colour" => "red"}
  end

  test "names from the wire make no atoms" do
    name = "never_seen_#{System.unique_integer([:positive])}"
    assert Names.event(name) == name
    assert Names.keys(%{name => 1}) == %{name => 1}
    assert_raise ArgumentError, fn -> String.to_existing_atom(name) end
  end

  test "every atom of the port protocol is known beforehand" do
    for atom <- CerebrosBridge.Port.vocabulary() do
      assert atom |> :erlang.term_to_binary() |> :erlang.binary_to_term([:safe]) == atom
    end
  end
end
