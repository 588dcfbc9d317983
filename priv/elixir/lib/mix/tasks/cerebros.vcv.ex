defmodule Mix.Tasks.Cerebros.Vcv do
  @shortdoc "Show a PAC's capability vector"

  alias CerebrosBridge.{Figures, Options, Terminal, VCV}

  @parts Options.of_request("get_capability")

  @moduledoc """
  Shows a PAC's current capability vector, or one version of it.

      mix cerebros.vcv p1 --version 2

  #{Options.listed(elem(@parts, 1))}

  The options of `CerebrosBridge.Terminal` hold too. With `--format json` the
  embedding is there too. Exit status 1 when there is none.
  """
  use Mix.Task

  @impl true
  def run(arguments) do
    {options, request} = Terminal.request(arguments, "cerebros.vcv", @parts)
    {pac_id, version} = Map.pop!(request, :pac_id)

    options
    |> Terminal.with_bridge(&CerebrosBridge.capability(&1, pac_id, Keyword.new(version)))
    |> then(&Terminal.print(options, &1, fn vcv -> text(vcv) end))
  end

  defp text(%VCV{} = vcv) do
    Terminal.columns([
      {"PAC", "#{vcv.pac_id}, version #{vcv.version}"},
      {"task", vcv.task},
      {"skills", Enum.join(vcv.skills, ", ")},
      {"accuracy", Figures.accuracy(vcv.accuracy)},
      {"latency", Figures.measured(vcv.latency_s, "s")},
      {"energy / cost",
       "#{Figures.measured(vcv.energy_j, "J")} / #{Figures.dollars(vcv.cost_usd)}"},
      {"trust / reliability",
       "#{Figures.significant(vcv.trust)} / #{Figures.significant(vcv.reliability)}"},
      {"capability", "#{length(vcv.capability)} numbers (--format json shows them)"},
      {"run, artifact", "#{vcv.run_id}, #{vcv.artifact_digest}"},
      {"created", vcv.created_at}
    ])
  end
end
