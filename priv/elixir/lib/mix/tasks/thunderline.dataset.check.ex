defmodule Mix.Tasks.Thunderline.Dataset.Check do
  @shortdoc "Check a dataset against its manifest"
  @moduledoc """
  Reads the dataset that a manifest describes and says what is in it.

      mix thunderline.dataset.check examples/digits.toml --format json

  Options are those of `CerebrosBridge.Terminal`. Exit status 1 when the manifest or the data
  breaks a rule.
  """
  use Mix.Task

  alias CerebrosBridge.{Options, Terminal}

  @timeout_ms 600_000

  @impl true
  def run(arguments) do
    {options, request} =
      Terminal.request(
        arguments,
        "thunderline.dataset.check",
        Options.of_request("check_dataset")
      )

    options
    |> Terminal.with_bridge(
      &CerebrosBridge.call(&1, :check_dataset, request, timeout: @timeout_ms)
    )
    |> then(&Terminal.print(options, &1, fn report -> text(report) end))
  end

  defp text(report) do
    Terminal.columns([
      {"dataset", report["name"]},
      {"digest", report["digest"]},
      {"rows",
       "#{report["rows"]} (train #{report["train_rows"]}, validation #{report["validation_rows"]}, test #{report["test_rows"]})"},
      {"columns",
       "#{report["columns"]} (#{report["features"]} features, label #{report["label"]})"},
      {"labels", balance(report["label_balance"])},
      {"missing values", balance(report["missing"])},
      {"duplicate rows", report["duplicates"]},
      {"test rows in training", report["leaked_rows"]},
      {"warnings", Enum.join(report["warnings"], "; ")}
    ])
  end

  defp balance(counts) when counts == %{}, do: "none"

  defp balance(counts),
    do: counts |> Enum.sort() |> Enum.map_join(", ", fn {name, n} -> "#{name}: #{n}" end)
end
