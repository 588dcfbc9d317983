defmodule CerebrosBridge.Gate do
  @moduledoc """
  The Balance Readiness Gate's view of training, as Thunderline's report.

  The bridge decides: at each scrape it judges its figures by its own rules and limits, and its
  `/metrics` page tells the findings as `cerebros_gate_status{rule="…"}`. Only what the bridge cannot
  tell is decided here, and it is critical: that there is no page, and that a page lacks a rule, as
  that of a bridge does that is older than this client.
  """

  # The rules that a page must tell of: where in the report each counts, and the figures it is about.
  @rules [
    {"training_telemetry", :thunderbolt,
     ~w(cerebros_last_success_age_seconds cerebros_runs_without_telemetry)},
    {"policy_verdict", :thundercrown, ~w(cerebros_verdict_age_seconds cerebros_verdict_allows)},
    {"queue_depth", :queues, ~w(cerebros_queue_depth)},
    {"worker_leases", :thunderbolt, ~w(cerebros_expired_leases)},
    {"failed_runs", :thunderbolt, ~w(cerebros_failed_share_last_day)}
  ]
  @severity %{healthy: 0, warning: 1, critical: 2}

  @type series :: %{{String.t(), %{String.t() => String.t()}} => float()}

  @doc """
  The samples of a page in Prometheus' text format, by name and labels.

      iex> CerebrosBridge.Gate.parse("# HELP a b\\na 1.5\\nruns{kind=\\"nas\\",state=\\"failed\\"} 2\\n")
      %{{"a", %{}} => 1.5, {"runs", %{"kind" => "nas", "state" => "failed"}} => 2.0}
  """
  @spec parse(String.t()) :: series()
  def parse(page) do
    for line <- String.split(page, "\n", trim: true),
        [_, name, labels, value] <- [Regex.run(~r/^([a-zA-Z_:]\w*)(?:\{(.*)\})? (\S+)$/, line)],
        {figure, ""} <- [Float.parse(value)],
        into: %{},
        do: {{name, labels(labels)}, figure}
  end

  defp labels(text) do
    for [_, name, value] <- Regex.scan(~r/(\w+)="((?:[^"\\]|\\.)*)"/, text),
        into: %{},
        do: {name, value}
  end

  @doc """
  What a page says, with Thunderline's keys.

      iex> report = CerebrosBridge.Gate.report(%{}, ~U[2026-01-02 03:04:05Z])
      iex> {report.overall_status, hd(report.warnings)}
      {:critical, "training_telemetry: the metrics page lacks this rule; update the bridge"}
  """
  @spec report(series(), DateTime.t()) :: map()
  def report(series, now) do
    findings = findings(series)

    %{
      timestamp: now,
      domains: %{
        thunderbolt: worst(findings, :thunderbolt),
        thundercrown: worst(findings, :thundercrown)
      },
      metrics: metrics(series),
      queues: [
        %{
          name: "runs",
          depth: one(series, "cerebros_queue_depth"),
          status: worst(findings, :queues)
        }
      ],
      # The bridge has none: what it depends on is one database, and its errors say so.
      circuit_breakers: [],
      warnings: for({_part, status, account} <- findings, status != :healthy, do: account),
      overall_status: worst(findings)
    }
  end

  @doc """
  The report when there is no page to read.

      iex> CerebrosBridge.Gate.unreachable("refused", ~U[2026-01-02 03:04:05Z]).warnings
      ["metrics: refused"]
  """
  @spec unreachable(String.t(), DateTime.t()) :: map()
  def unreachable(why, now) do
    %{
      timestamp: now,
      domains: %{thunderbolt: :critical, thundercrown: :critical},
      metrics: %{},
      queues: [],
      circuit_breakers: [],
      warnings: ["metrics: #{why}"],
      overall_status: :critical
    }
  end

  defp findings(series) do
    told =
      for {{"cerebros_gate_status", %{"rule" => rule}}, figure} <- series,
          into: %{},
          do: {rule, figure}

    known = for {rule, _part, _figures} <- @rules, do: rule
    # What a newer bridge judges beyond these is about training too.
    newer = for rule <- Map.keys(told) -- known, do: {rule, :thunderbolt, []}

    for {rule, part, figures} <- @rules ++ newer,
        do: {part, status(told[rule]), account(rule, told[rule], figures, series)}
  end

  # What is missing, or none of the figures that stand for a status, is critical.
  defp status(figure) do
    Enum.find_value(@severity, :critical, fn {status, severity} ->
      severity == figure && status
    end)
  end

  defp account(rule, nil, _figures, _series),
    do: "#{rule}: the metrics page lacks this rule; update the bridge"

  defp account(rule, figure, figures, series) do
    measured = for name <- figures, do: "#{name} is #{one(series, name) || "absent"}"
    Enum.join(["#{rule}: #{status(figure)}" | measured], ", ")
  end

  defp worst(findings, part),
    do: findings |> Enum.filter(fn {of, _, _} -> of == part end) |> worst()

  defp worst(findings) do
    {_part, status, _account} = Enum.max_by(findings, fn {_, status, _} -> @severity[status] end)
    status
  end

  defp metrics(series) do
    %{
      workers: one(series, "cerebros_workers"),
      runs_running: one(series, "cerebros_runs_running"),
      runs: sums(series, "cerebros_runs", "state"),
      run_duration_s: total(series, "cerebros_run_duration_seconds_total"),
      trials: sums(series, "cerebros_trials_total", "outcome"),
      trial_cpu_s: total(series, "cerebros_trial_cpu_seconds_total"),
      trial_energy_j: total(series, "cerebros_trial_energy_joules_total"),
      trial_cost_usd: total(series, "cerebros_trial_cost_usd_total"),
      vcv_entries: one(series, "cerebros_vcv_entries"),
      verdict_age_s: one(series, "cerebros_verdict_age_seconds"),
      last_success_age_s: one(series, "cerebros_last_success_age_seconds")
    }
  end

  defp one(series, name), do: series[{name, %{}}]

  defp sums(series, name, label) do
    for {{^name, %{^label => value}}, figure} <- series, reduce: %{} do
      sums -> Map.update(sums, value, figure, &(&1 + figure))
    end
  end

  defp total(series, name) do
    for({{^name, _labels}, figure} <- series, do: figure) |> Enum.sum()
  end
end
