defmodule Mix.Tasks.Cerebros.Doctor do
  @shortdoc "Find out what keeps the bridge from working"
  @moduledoc """
  Examines the Elixir side and the bridge: versions, feature flag, gun and cowlib, the program and what
  `cerebros-bridge doctor` finds, and, with `--grpc ADDRESS`, the service there.

      mix cerebros.doctor --home /var/lib/cerebros

  Nothing is written or started, so over a port no session is opened: it would start the database in the
  home, and bring the home into being. `--session` opens one all the same. The options of
  `CerebrosBridge.Terminal` hold too. Exit status 1 when something is not well.
  """
  use Mix.Task

  alias CerebrosBridge.{Error, Grpc, Terminal}

  @session_timeout_ms 60_000

  @impl true
  def run(arguments) do
    {options, []} = Terminal.parse(arguments, "cerebros.doctor", [], session: :boolean)
    Terminal.start(:none)

    findings = [versions(), flag(), gun(options) | program(options)] ++ [session(options)]
    Terminal.print(options, Enum.map(findings, &described/1), fn _ -> text(findings) end)
    if Enum.any?(findings, fn {_, well, _} -> well == false end), do: exit({:shutdown, 1})
  end

  defp described({subject, well, account}), do: %{subject: subject, well: well, account: account}

  defp text(findings) do
    Terminal.columns(
      for {subject, well, account} <- findings,
          do: {"#{mark(well)}  #{subject}", account}
    )
  end

  # nil: not examined.
  defp mark(nil), do: "-"
  defp mark(true), do: "ok"
  defp mark(false), do: "NOT OK"

  defp versions do
    well =
      Version.match?(System.version(), ">= 1.14.0") and
        String.to_integer(System.otp_release()) >= 25

    {"elixir", well,
     "Elixir #{System.version()} on OTP #{System.otp_release()} (1.14 and 25 or newer are needed)"}
  end

  defp flag do
    enabled = Application.get_env(:cerebros_bridge, :enabled, true)

    {"feature flag", enabled,
     if(enabled, do: "on", else: "off: config :cerebros_bridge, enabled: true")}
  end

  # Only gRPC needs it.
  defp gun(options) do
    case Grpc.http2() do
      {:ok, versions} -> {"gun", true, versions}
      {:error, error} -> {"gun", if(options[:grpc], do: false), Exception.message(error)}
    end
  end

  defp program(options) do
    case {options[:grpc], CerebrosBridge.Port.find_executable()} do
      {nil, nil} ->
        [
          {"program", false,
           "cerebros-bridge is not on PATH; install it or set CEREBROS_BRIDGE_BIN"}
        ]

      {nil, executable} ->
        home = if options[:home], do: [{"CEREBROS_HOME", options[:home]}], else: []
        {account, status} = System.cmd(executable, ["doctor"], env: home, stderr_to_stdout: true)
        told = account |> String.split("\n", trim: true) |> Enum.map(&String.trim/1)

        [
          {"program", true, executable}
          | Enum.map(told, &{"cerebros-bridge doctor", status == 0, &1})
        ]

      {_address, _executable} ->
        []
    end
  end

  defp session(options) do
    if options[:grpc] || options[:session],
      do: opened(options),
      else: {"session", nil, "not opened, it would start the database; --session opens one"}
  end

  defp opened(options) do
    Process.flag(:trap_exit, true)

    with {:ok, bridge} <- CerebrosBridge.start_link(Terminal.adapter(options)),
         {:ok, health} <- CerebrosBridge.health(bridge, timeout: @session_timeout_ms) do
      account =
        "#{health["status"]}, version #{health["version"]}, database #{health["database"]}"

      {"session", health["status"] == "serving", account}
    else
      {:error, %Error{} = error} -> {"session", false, Exception.message(error)}
    end
  end
end
