defmodule CerebrosBridge.Port do
  @moduledoc """
  The adapter that starts `cerebros-bridge port` and speaks its protocol (docs/port-protocol.md).

  The program ends with its owner. Options: `:executable` (otherwise the variable
  CEREBROS_BRIDGE_BIN, then `cerebros-bridge` on PATH), `:args` behind `port`, `:home` for the
  directory of database, artifacts and keys, `:env` as a map or list of variables, nil to unset one.

  What the program, its worker and their libraries log or print reaches `Logger` from the level `:logs`
  on (`:warning`; `:debug`, `:info`, `:error`, `:critical`; false leaves it on stderr, in the shell that
  started the BEAM). The program writes lines from CEREBROS_LOG_LEVEL on, `info` unless set. A line has
  the metadata `domain: [:cerebros]`, `run_id` where it tells of a run, and `cerebros`, a map of its
  facts with binary keys, which are in the message too. What is said before the session begins and
  after it has ended, as why the program cannot start, is on stderr.
  """

  @behaviour CerebrosBridge.Adapter
  require Logger

  alias CerebrosBridge.{Adapter, Error}

  @protocol 1

  @levels ~w(debug info warning error critical)a

  # Every atom the bridge sends. Their being here is what lets `[:safe]` know them.
  @vocabulary Error.codes() ++
                ~w(hello ok error item log pong draining bye drained frame_too_large
                   hello_refused shutdown unsupported_version true false nil nan infinity
                   neg_infinity)a ++ @levels

  @enforce_keys [:port]
  defstruct [:port]

  @doc false
  def vocabulary, do: @vocabulary

  @impl Adapter
  def open(options) do
    logs = Keyword.get(options, :logs, :warning)

    case find_executable(options[:executable]) do
      nil ->
        {:error,
         Error.local(
           :failed_precondition,
           "cerebros-bridge is not on PATH; give :executable or CEREBROS_BRIDGE_BIN"
         )}

      _executable when logs not in [false | @levels] ->
        {:error,
         Error.local(
           :invalid_argument,
           ":logs is #{inspect(logs)}; give false or one of #{inspect(@levels)}"
         )}

      executable ->
        {:ok, tell(%__MODULE__{port: open_port(executable, options)}, {:hello, @protocol, %{}})}
    end
  end

  @doc """
  Where the program is; nil where it is not.

      iex> CerebrosBridge.Port.find_executable("/nowhere/cerebros-bridge")
      nil
  """
  @spec find_executable(String.t() | nil) :: String.t() | nil
  def find_executable(given \\ nil) do
    case given || System.get_env("CEREBROS_BRIDGE_BIN") do
      nil -> System.find_executable("cerebros-bridge")
      path -> System.find_executable(path)
    end
  end

  defp open_port(executable, options) do
    home = if options[:home], do: [{"CEREBROS_HOME", options[:home]}], else: []

    env =
      for {name, value} <- home ++ Enum.to_list(options[:env] || []) do
        # `false` is how a port is told to unset a variable.
        {String.to_charlist(name), if(value, do: String.to_charlist(value), else: false)}
      end

    Port.open({:spawn_executable, executable}, [
      :binary,
      {:packet, 4},
      :nouse_stdio,
      :exit_status,
      args: ["port" | options[:args] || []] ++ logs(options) ++ spare(options[:slot]),
      env: env
    ])
  end

  defp logs(options) do
    case Keyword.get(options, :logs, :warning) do
      false -> []
      level -> ["--logs", Atom.to_string(level)]
    end
  end

  # One worker serves a whole pool, and the first connection brings it.
  defp spare(slot) when slot in [nil, 0], do: []
  defp spare(_slot), do: ["--no-worker"]

  @impl Adapter
  def call(wire, id, procedure, params, options) do
    {:ok, tell(wire, {:call, id, procedure, params, call_options(options)})}
  end

  @impl Adapter
  def attach(wire, id, procedure, params, credit, options) do
    opts = options |> call_options() |> Map.put("credit", credit)
    {:ok, tell(wire, {:call, id, procedure, params, opts})}
  end

  defp call_options(options) do
    for {name, value} <- options, value != :infinity, into: %{} do
      {if(name == :timeout, do: "timeout_ms", else: Atom.to_string(name)), value}
    end
  end

  @impl Adapter
  def grant(wire, id, n), do: tell(wire, {:credit, id, n})

  @impl Adapter
  def cancel(wire, id), do: tell(wire, {:cancel, id})

  @impl Adapter
  def ping(wire, id), do: tell(wire, {:ping, id})

  @impl Adapter
  def heard(%{port: port} = wire, {port, {:data, frame}}) do
    case :erlang.binary_to_term(frame, [:safe]) do
      {:ok, id, result} ->
        {[{:result, id, {:ok, result}}], wire}

      {:error, id, code, facts} ->
        {[{:result, id, {:error, Error.from_map(code, facts)}}], wire}

      {:item, id, item} ->
        {[{:item, id, item}], wire}

      {:pong, id, stats} ->
        {[{:result, id, {:ok, stats}}], wire}

      {:log, level, text, facts} ->
        log(level, text, facts)
        {[], wire}

      {:bye, reason} ->
        {:stop, {:bridge_left, reason}}

      {:hello, @protocol, _info} ->
        {[], wire}

      {:draining} ->
        {[], wire}
    end
  end

  def heard(%{port: port}, {port, {:exit_status, status}}), do: {:stop, {:bridge_exited, status}}
  def heard(%{port: port}, {:EXIT, port, reason}), do: {:stop, {:bridge_exited, reason}}
  def heard(_wire, _message), do: :ignored

  @impl Adapter
  def close(%{port: port}) do
    if Port.info(port), do: Port.close(port)
    :ok
  end

  defp log(level, text, facts) when level in @levels do
    shown = for {name, fact} <- Enum.sort(facts), do: [?\s, name, ?=, to_string(fact)]
    about = [domain: [:cerebros], cerebros: facts]
    run = if id = facts["run_id"], do: [run_id: id], else: []
    Logger.log(level, ["cerebros-bridge: ", text | shown], about ++ run)
  end

  defp tell(%{port: port} = wire, message) do
    # The program may have ended a moment ago; then its exit status is already in the mailbox.
    try do
      Port.command(port, :erlang.term_to_binary(message))
    rescue
      ArgumentError -> false
    end

    wire
  end
end
