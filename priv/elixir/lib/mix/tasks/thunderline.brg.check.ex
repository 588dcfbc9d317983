defmodule Mix.Tasks.Thunderline.Brg.Check do
  @shortdoc "Ask the Balance Readiness Gate about training"
  @moduledoc """
  Scrapes the bridge's metrics and reports what the bridge's gate says there about a release.

      mix thunderline.brg.check --url http://127.0.0.1:8088/metrics --format json

  Options: `--url URL` (that one unless given), and `--format json` with the keys `timestamp, domains,
  metrics, queues, circuit_breakers, warnings, overall_status`. The limits are the bridge's: its
  settings have `CEREBROS_GATE_MAX_VERDICT_AGE_S`; `cerebros-bridge gate check` says why in words.
  Exit status 1 when the overall status is critical, also because there is nothing to scrape or a
  rule is missing on the page.
  """
  use Mix.Task

  alias CerebrosBridge.{Gate, Terminal}

  @url "http://127.0.0.1:8088/metrics"
  @timeout_ms 5_000

  @impl true
  def run(arguments) do
    {options, []} = Terminal.parse(arguments, "thunderline.brg.check", [], url: :string)
    now = DateTime.utc_now()

    report =
      case scrape(options[:url] || @url) do
        {:ok, page} -> page |> Gate.parse() |> Gate.report(now)
        {:error, why} -> Gate.unreachable(why, now)
      end

    Terminal.print(options, report, &text/1)
    if report.overall_status == :critical, do: exit({:shutdown, 1})
  end

  defp scrape(url) do
    {:ok, _} = Application.ensure_all_started(:inets)

    case :httpc.request(:get, {String.to_charlist(url), []}, [timeout: @timeout_ms],
           body_format: :binary
         ) do
      {:ok, {{_, 200, _}, _headers, page}} -> {:ok, page}
      {:ok, {{_, status, _}, _headers, _page}} -> {:error, "#{url} answers #{status}"}
      {:error, reason} -> {:error, "#{url} does not answer: #{inspect(reason)}"}
    end
  end

  defp text(report) do
    domains = Enum.map(report.domains, fn {domain, status} -> {to_string(domain), status} end)

    queues =
      Enum.map(report.queues, fn queue ->
        {"queue #{queue.name}", "#{queue.depth} (#{queue.status})"}
      end)

    warnings = Enum.map(report.warnings, &{"warning", &1})
    Terminal.columns([{"overall", report.overall_status}] ++ domains ++ queues ++ warnings)
  end
end
