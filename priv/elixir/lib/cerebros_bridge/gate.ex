defmodule CerebrosBridge.Gate do
  @moduledoc """
  The Balance Readiness Gate's view of training, from the figures on the bridge's `/metrics` page.

  The rules and limits are those of the bridge's own `check_gate`; here they are read from what
  Prometheus sees, so that the gate also notices when Prometheus would see nothing.
  """

  @queue_warning 100
  @queue_critical 200
  @failed_share_warning 0.2
  @severity %{healthy: 0, warning: 1, critical: 2}

  @type series :: %{{String.t(), %{String.t() => String.t()}} => float()}
  @type status :: :healthy | :warning | :critical

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
  What the gate says, with Thunderline's keys.

      iex> CerebrosBridge.Gate.judge(%{}, 60, ~U[2026-01-02 03:04:05Z]).overall_status
      :critical
  """
  @spec judge(series(), number(), DateTime.t()) :: map()
  def judge(series, max_verdict_age_s, now) do
    findings = [
      training_telemetry(series),
      policy_verdict(series, max_verdict_age_s),
      queue_depth(series),
      worker_leases(series),
      failed_runs(series)
    ]

    %{
      timestamp: now,
      domains: %{
        thunderbolt: worst_of(findings, ~w(training_telemetry worker_leases failed_runs)a),
        thundercrown: worst_of(findings, [:policy_verdict])
      },
      metrics: metrics(series),
      queues: [
        %{
          name: "runs",
          depth: one(series, "cerebros_queue_depth"),
          status: worst_of(findings, [:queue_depth])
        }
      ],
      # The bridge has none: what it depends on is one database, and its errors say so.
      circuit_breakers: [],
      warnings:
        for({rule, status, message} <- findings, status != :healthy, do: "#{rule}: #{message}"),
      overall_status: worst_of(findings, Enum.map(findings, &elem(&1, 0)))
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

  defp worst_of(findings, rules) do
    for({rule, status, _} <- findings, rule in rules, do: status)
    |> Enum.max_by(&@severity[&1])
  end

  defp training_telemetry(series) do
    case {one(series, "cerebros_last_success_age_seconds"),
          one(series, "cerebros_runs_without_telemetry")} do
      {nil, _} ->
        {:training_telemetry, :critical, "no training run has ever succeeded; start one"}

      {_, 0.0} ->
        {:training_telemetry, :healthy, "every succeeded run reported duration, cost and energy"}

      {_, missing} ->
        {:training_telemetry, :critical,
         "#{count(missing)} succeeded runs lack duration, cost or energy"}
    end
  end

  defp policy_verdict(series, limit) do
    case {one(series, "cerebros_verdict_age_seconds"), one(series, "cerebros_verdict_allows")} do
      {nil, _} ->
        {:policy_verdict, :critical, "there is no policy verdict; run a cycle"}

      {_, 0.0} ->
        {:policy_verdict, :critical, "the newest policy verdict denies"}

      {age, _} when age > limit ->
        {:policy_verdict, :critical,
         "the newest verdict is #{count(age)} s old; run a cycle, it is stale"}

      {age, _} ->
        {:policy_verdict, :healthy, "the newest verdict is #{count(age)} s old"}
    end
  end

  defp queue_depth(series) do
    depth = one(series, "cerebros_queue_depth")

    status =
      cond do
        depth == nil or depth > @queue_critical -> :critical
        depth > @queue_warning -> :warning
        true -> :healthy
      end

    {:queue_depth, status, "#{count(depth)} runs wait for a worker"}
  end

  defp worker_leases(series) do
    late = one(series, "cerebros_expired_leases")
    status = if late == 0.0, do: :healthy, else: :warning
    {:worker_leases, status, "#{count(late)} running runs have an overdue worker"}
  end

  defp failed_runs(series) do
    case one(series, "cerebros_failed_share_last_day") do
      nil ->
        {:failed_runs, :healthy, "no run ended within the last day"}

      share ->
        status = if share > @failed_share_warning, do: :warning, else: :healthy
        {:failed_runs, status, "#{round(share * 100)} % of the last day's runs failed"}
    end
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

  defp count(nil), do: "unknown"
  defp count(figure), do: figure |> round() |> to_string()
end
