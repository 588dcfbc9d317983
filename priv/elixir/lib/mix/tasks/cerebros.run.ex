defmodule Mix.Tasks.Cerebros.Run do
  @shortdoc "Run a training cycle for a PAC"
  @moduledoc """
  Runs a training cycle on a dataset for a PAC and shows its progress.

      mix cerebros.run examples/digits.toml --pac p1 --trials 8

  Options: `--pac ID` (needed), `--trials N`, `--epochs N`, `--wall-s S`, `--task TEXT`, `--seed N`,
  `--run-id ID` (the same id goes on with the same run), `--kind cycle|nas`, `--timeout S` (the run is
  cancelled then); and those of `CerebrosBridge.Terminal`. Exit status 0 when the run succeeded,
  1 when it ended otherwise.
  """
  use Mix.Task

  alias CerebrosBridge.{Error, Run, Terminal, Uuid7}

  @budget [trials: :integer, epochs: :integer, wall_s: :float]
  @request [pac: :string, task: :string, seed: :integer, run_id: :string, kind: :string]

  @impl true
  def run(arguments) do
    {options, [manifest]} =
      Terminal.parse(
        arguments,
        "cerebros.run",
        ["MANIFEST"],
        @request ++ @budget ++ [timeout: :float]
      )

    unless options[:pac],
      do: Terminal.refuse(Error.local(:invalid_argument, "give the PAC: --pac ID"))

    request =
      options
      |> Keyword.take([:task, :seed, :kind])
      |> Map.new()
      |> Map.merge(%{
        run_id: options[:run_id] || Uuid7.generate(),
        pac_id: options[:pac],
        manifest: Path.expand(manifest),
        budget: options |> Keyword.take(Keyword.keys(@budget)) |> Map.new()
      })

    run = Terminal.with_bridge(options, &cycle(&1, request, options[:timeout]))
    Terminal.print(options, run, &text/1)
    unless run.state == :succeeded, do: exit({:shutdown, 1})
  end

  defp cycle(bridge, request, timeout_s) do
    with {:ok, %Run{run_id: run_id}} <- CerebrosBridge.start_run(bridge, request) do
      {:ok, _watch} = CerebrosBridge.watch(bridge, run_id)
      deadline = timeout_s && System.monotonic_time(:millisecond) + round(timeout_s * 1000)
      follow(bridge, run_id, deadline)
    end
  end

  defp follow(bridge, run_id, deadline) do
    receive do
      {:cerebros_event, ^run_id, event} ->
        Terminal.progress(event)
        follow(bridge, run_id, deadline)

      {:cerebros_end, ^run_id, :ok} ->
        CerebrosBridge.get_run(bridge, run_id)

      {:cerebros_end, ^run_id, error} ->
        error
    after
      remaining(deadline) ->
        with {:ok, _} <-
               CerebrosBridge.cancel(bridge, run_id, reason: "mix cerebros.run timed out"),
             do: CerebrosBridge.await(bridge, run_id)
    end
  end

  defp remaining(nil), do: :infinity
  defp remaining(deadline), do: max(deadline - System.monotonic_time(:millisecond), 0)

  @doc false
  def text(%Run{metrics: metrics} = run) do
    Terminal.columns([
      {"run", run.run_id},
      {"state", run.state},
      {"trials", "#{run.trials_ok} ok of #{run.trials_total}"},
      {"accuracy", metrics && metrics.accuracy},
      {"latency p50", metrics && "#{metrics.latency_p50_s} s"},
      {"energy", metrics && "#{metrics.energy_j} J (#{metrics.energy_method})"},
      {"cost", metrics && "#{metrics.cost_usd} USD"},
      {"promoted", run.promoted_version && "capability vector version #{run.promoted_version}"},
      {"error", run.error && "#{run.error["code"]}: #{run.error["message"]}"}
    ])
  end
end
