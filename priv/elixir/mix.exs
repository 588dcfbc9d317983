defmodule CerebrosBridge.MixProject do
  use Mix.Project

  # Mix compiles before it looks for a task, and says so on stdout, where `--format json` promises JSON only.
  if "--format json" in Enum.map(Enum.chunk_every(System.argv(), 2, 1), &Enum.join(&1, " ")) or
       "--format=json" in System.argv(),
     do: Mix.shell(Mix.Shell.Quiet)

  def project do
    [
      app: :cerebros_bridge,
      version: "0.1.0",
      elixir: "~> 1.14",
      elixirc_paths: if(Mix.env() == :test, do: ["lib", "test/support"], else: ["lib"]),
      start_permanent: Mix.env() == :prod,
      description:
        "Training cycles and capability vectors from Elixir, through a supervised port or gRPC.",
      # None from hex: `:telemetry` and `:gun` are used when the host application has them.
      deps: [],
      # gun is optional; httpc is used by one mix task, which starts :inets itself.
      xref: [exclude: [:gun, :httpc]],
      # gun comes by ERL_LIBS here, which newer Elixirs would take off the code path.
      prune_code_paths: false,
      aliases: [
        lint: ["format --check-formatted", "compile --warnings-as-errors"],
        check: ["lint", "test"]
      ],
      preferred_cli_env: [lint: :test, check: :test]
    ]
  end

  def application do
    [extra_applications: [:logger, :crypto], mod: {CerebrosBridge.Application, []}]
  end
end
