defmodule Mix.Tasks.Cerebros.Run do
  @shortdoc "Start a run for a PAC and follow it to its end"

  alias CerebrosBridge.{Error, Figures, Options, Request, Run, Terminal}

  @moduledoc """
  Starts a run for a PAC and shows its progress until it has ended.

      mix cerebros.run examples/digits.toml --pac p1 --trials 8

  `--kind KIND` is one of #{Enum.map_join(Options.kinds(), ", ", &"`#{&1}`")}, and `#{Request.default_kind()}`
  unless given. With `--timeout N` the run is cancelled after N seconds; with `--retries N` the start is
  asked for again, up to N times, after an error that passes by itself. `--traceparent TEXT` is the trace
  (W3C) that the start belongs to. The options of `CerebrosBridge.Terminal` hold too. Exit status 0 when the run succeeded, 1 when it ended otherwise.

  #{Options.runs()}
  """
  use Mix.Task

  @impl true
  def run(arguments) do
    kind = kind(arguments)
    switches = [kind: :string, timeout: :float, retries: :integer, traceparent: :string]

    {options, request} =
      Terminal.request(arguments, "cerebros.run", Options.of_run(kind), switches)

    request = Map.update(request, :spec, %{kind: kind}, &Map.put(&1, :kind, kind))
    run = Terminal.with_bridge(options, &run_to_its_end(&1, request, options))
    Terminal.print(options, run, &text/1)
    unless run.state == :succeeded, do: exit({:shutdown, 1})
  end

  # Read first, because the other options depend on it.
  defp kind(arguments) do
    {options, _, _} = OptionParser.parse(arguments, switches: [kind: :string])
    kind = Keyword.get(options, :kind, Request.default_kind())
    known = Options.kinds()

    if kind in known do
      kind
    else
      message = "no kind of run is called #{inspect(kind)}; choose from #{Enum.join(known, ", ")}"
      Terminal.refuse(Error.local(:invalid_argument, message))
    end
  end

  defp run_to_its_end(bridge, request, options) do
    calling = Keyword.take(options, [:retries, :traceparent])

    with {:ok, %Run{run_id: run_id}} <- CerebrosBridge.start_run(bridge, request, calling) do
      {:ok, _watch} = CerebrosBridge.watch(bridge, run_id)
      timeout_s = options[:timeout]
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
      {"trials",
       "#{run.trials_ok} ok, #{run.trials_pruned} pruned, #{run.trials_failed} failed " <>
         "of #{run.trials_total}"},
      {"accuracy", metrics && Figures.accuracy(metrics.accuracy)},
      {"latency p50", metrics && Figures.measured(metrics.latency_p50_s, "s")},
      {"energy",
       metrics && "#{Figures.measured(metrics.energy_j, "J")} (#{metrics.energy_method})"},
      {"cost", metrics && Figures.dollars(metrics.cost_usd)},
      {"promoted", run.promoted_version && "capability vector version #{run.promoted_version}"},
      {"error", run.error && "#{run.error.code}: #{run.error.message}"}
    ])
  end
end
