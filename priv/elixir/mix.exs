defmodule CerebrosBridge.MixProject do
  use Mix.Project

  def project do
    [
      app: :cerebros_bridge,
      version: "0.1.0",
      elixir: "~> 1.14",
      start_permanent: Mix.env() == :prod,
      description:
        "Training cycles and capability vectors from Elixir, through a supervised port.",
      # None from hex: `:telemetry` is used when the host application has it.
      deps: [],
      aliases: [
        check: ["format --check-formatted", "compile --warnings-as-errors", "test"]
      ],
      preferred_cli_env: [check: :test]
    ]
  end

  def application do
    [extra_applications: [:logger], mod: {CerebrosBridge.Application, []}]
  end
end
