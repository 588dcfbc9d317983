defmodule CerebrosBridge.StudyTest do
  # The real program: `cerebros-bridge` from CEREBROS_BRIDGE_BIN or PATH, with a database of its own.
  use ExUnit.Case, async: false
  doctest CerebrosBridge.Study

  alias CerebrosBridge.{Error, Study}
  alias CerebrosBridge.Study.{Suggestion, Trial}

  @moduletag timeout: 120_000
  @moduletag :bridge
  @space %{
    root: "net",
    types: %{
      net: %{
        params: %{rate: %{type: "float", low: 1.0e-4, high: 0.1, log: true}},
        slots: [%{type: "layer", min: 0, max: 3}]
      },
      layer: %{params: %{units: %{type: "int", low: 4, high: 64}}}
    }
  }
  @objectives [
    %{name: "accuracy", direction: "maximize"},
    %{name: "latency", direction: "minimize"}
  ]

  setup_all do
    home =
      Path.join(System.tmp_dir!(), "study-#{System.unique_integer([:positive])}-#{System.pid()}")

    File.mkdir_p!(home)
    {:ok, supervisor} = Supervisor.start_link([], strategy: :one_for_one)
    Process.unlink(supervisor)

    on_exit(fn ->
      Supervisor.stop(supervisor)
      File.rm_rf!(home)
    end)

    options = [
      name: __MODULE__,
      home: home,
      env: %{"DATABASE_URL" => nil, "CEREBROS_LOG_LEVEL" => "critical"}
    ]

    {:ok, _} = Supervisor.start_child(supervisor, {CerebrosBridge, options})
    {:ok, _} = CerebrosBridge.ping(__MODULE__, timeout: 60_000)
    :ok
  end

  defp open(more \\ %{}) do
    params = Map.merge(%{space: @space, objectives: @objectives}, more)
    {:ok, %Study{trials_total: 0} = study} = Study.create(__MODULE__, params)
    study.study_id
  end

  defp values(%Suggestion{tree: %{"p" => %{"rate" => rate}, "c" => layers}}) do
    %{"accuracy" => -abs(:math.log10(rate) + 2), "latency" => 1.0 + length(layers)}
  end

  test "many processes ask and tell, and no two share a trial" do
    study_id = open()

    told =
      1..20
      |> Task.async_stream(fn _ ->
        {:ok, [suggestion]} = Study.suggest(__MODULE__, study_id)
        values = values(suggestion)

        {:ok, %Trial{outcome: :ok, values: ^values}} =
          Study.report(__MODULE__, suggestion, values)

        {suggestion.number, values}
      end)
      |> Enum.map(fn {:ok, trial} -> trial end)

    assert told |> Enum.map(&elem(&1, 0)) |> Enum.sort() == Enum.to_list(0..19)
    assert {:ok, [_ | _] = best} = Study.best_trials(__MODULE__, study_id)
    told = Map.new(told)
    assert Enum.all?(best, &(told[&1.number] == &1.values))

    assert {:ok, %Study{trials_ok: 20, trials_out: 0, created_at: %DateTime{}}} =
             Study.delete(__MODULE__, study_id)

    assert {:error, %Error{code: :not_found}} = Study.suggest(__MODULE__, study_id)
  end

  test "a failure is told with its reason, once" do
    {:ok, [first, second]} = CerebrosBridge.suggest(__MODULE__, open(), count: 2)

    for _ <- 1..2 do
      assert {:ok, %Trial{outcome: :oom, values: none, reason: "16 GB"}} =
               CerebrosBridge.report(__MODULE__, first, :oom, reason: "16 GB")

      assert none == %{}
    end

    assert {:error, %Error{code: :already_exists}} =
             CerebrosBridge.report(__MODULE__, first, values(first))

    assert {:error, %Error{code: :invalid_argument, message: message}} =
             CerebrosBridge.report(__MODULE__, second, %{"accuracy" => 1.0})

    assert message =~ "latency"
  end

  test "a trial that is not told in time is handed out again" do
    study_id = open(%{lease_s: 0.2})
    {:ok, [early]} = Study.suggest(__MODULE__, study_id)
    Process.sleep(2_000)
    {:ok, [again]} = Study.suggest(__MODULE__, study_id)

    assert {again.number, again.tree, again.attempt} ==
             {early.number, early.tree, early.attempt + 1}

    assert {:error, %Error{code: :failed_precondition, retryable: false}} =
             Study.report(__MODULE__, early, values(early))

    assert {:ok, %Trial{outcome: :ok}} = Study.report(__MODULE__, again, values(again))
  end

  test "an empty space is refused, and so is the promotion of nothing" do
    assert {:error, %Error{code: :invalid_argument, class: :validation}} =
             Study.create(__MODULE__, %{space: %{}, objectives: @objectives})

    assert {:error, %Error{code: :not_found}} = CerebrosBridge.promote(__MODULE__, "nobody")
  end
end
