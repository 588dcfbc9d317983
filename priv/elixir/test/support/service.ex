defmodule CerebrosBridge.Service do
  @moduledoc """
  Real programs for tests: `cerebros-bridge …` on a home of their own, ended with the BEAM.
  """

  @manifest Path.expand("../../../../examples/digits.toml", __DIR__)

  # A shell between us and the program: it ends the program when our end of its input closes, which
  # happens however the BEAM ends. The program's own words go to a log in its home.
  @wrapper ~S"""
  log=$1; shift
  "$@" < /dev/null >> "$log" 2>&1 & child=$!
  echo $child
  cat > /dev/null
  kill $child 2> /dev/null
  wait $child
  """

  def manifest, do: @manifest

  @doc "The path of a file among the datasets of a home, which callers may name."
  def dataset(home, name) do
    folder = Path.join(home, "datasets")
    File.mkdir_p!(folder)
    Path.join(folder, name)
  end

  def executable,
    do:
      CerebrosBridge.Port.find_executable() ||
        raise("no cerebros-bridge; set CEREBROS_BRIDGE_BIN")

  def python, do: executable() |> Path.dirname() |> Path.join("python")
  def socket(home), do: "unix:" <> Path.join(home, "bridge.sock")

  def fresh_home do
    # Short: a Unix socket's path has at most 107 bytes.
    home =
      Path.join(System.tmp_dir!(), "cb-#{System.pid()}-#{System.unique_integer([:positive])}")

    File.mkdir_p!(home)
    home
  end

  def environment(home) do
    [
      {"CEREBROS_HOME", home},
      {"DATABASE_URL", nil},
      {"CEREBROS_TRIAL_PROCESSES", "2"},
      {"CEREBROS_LOG_LEVEL", "critical"}
    ]
  end

  @doc "One service without a worker for the whole suite; tests that train start a worker of their own."
  def start_suite do
    home = fresh_home()
    up = start_up(home)
    :persistent_term.put(__MODULE__, Map.put(up, :home, home))

    ExUnit.after_suite(fn _ ->
      stop(up)
      File.rm_rf!(home)
    end)
  end

  def suite, do: :persistent_term.get(__MODULE__)

  @doc "A worker on the suite's service until the test is over."
  def start_worker do
    worker = start(suite().home, ["worker"])
    ExUnit.Callbacks.on_exit(fn -> stop(worker) end)
  end

  @doc "Start `cerebros-bridge` with these arguments; the answer is for `stop/1` and `kill/1`."
  def start(home, arguments, more \\ []) do
    env =
      for {name, value} <- environment(home) ++ more,
          do: {String.to_charlist(name), if(value, do: String.to_charlist(value), else: false)}

    log = Path.join(home, "test.log")

    port =
      Port.open({:spawn_executable, "/bin/sh"}, [
        :binary,
        :exit_status,
        {:line, 100},
        args: ["-c", @wrapper, "sh", log, executable() | arguments],
        env: env
      ])

    receive do
      {^port, {:data, {:eol, os_pid}}} -> %{port: port, os_pid: os_pid}
    after
      10_000 -> raise "no shell"
    end
  end

  @doc "Start `cerebros-bridge up` on addresses of its own."
  def start_up(home, arguments \\ ["--no-worker"]) do
    addresses = [
      {"CEREBROS_GRPC_ADDRESS", "127.0.0.1:#{free_port()}"},
      {"CEREBROS_HTTP_ADDRESS", "127.0.0.1:#{free_port()}"}
    ]

    home
    |> start(["up" | arguments], addresses)
    |> Map.put(:http, addresses |> Enum.at(1) |> elem(1))
    |> Map.put(:grpc, addresses |> Enum.at(0) |> elem(1))
  end

  def stop(%{port: port}) do
    Port.close(port)
  rescue
    ArgumentError -> :ended_already
  end

  def signal(%{os_pid: os_pid}, name), do: {_, 0} = System.cmd("kill", ["-#{name}", os_pid])

  @doc "Run one of the Python scripts beside this file with the bridge's own interpreter."
  def script(name, home, arguments) do
    script = Path.join(__DIR__, name)
    {output, 0} = System.cmd(python(), [script | arguments], env: environment(home))
    output
  end

  def alive?(os_pid),
    do: match?({_, 0}, System.cmd("kill", ["-0", "#{os_pid}"], stderr_to_stdout: true))

  def eventually(claim, tries \\ 300) do
    claim.() || (tries > 0 && Process.sleep(100) == :ok && eventually(claim, tries - 1))
  end

  defp free_port do
    {:ok, socket} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(socket)
    :gen_tcp.close(socket)
    port
  end
end
