defmodule CerebrosBridge.LogsTest do
  # Issue 11, kind 21: the log of a port's program reaches `Logger` and not the shell.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog
  alias CerebrosBridge.{Error, Port, Service}

  @moduletag timeout: 240_000

  # A file's `:code` for `mix run -e`; the log is on stdout, which leaves stderr to the program.
  @owner """
  Logger.configure_backend(:console, format: "$level $metadata$message\\n", metadata: [:run_id])
  [home, manifest, errors] = System.argv()
  env = %{"DATABASE_URL" => nil, "CEREBROS_LOG_LEVEL" => "info"}
  {:ok, bridge} = CerebrosBridge.start_link(home: home, logs: :info, env: env)
  {:ok, _} = CerebrosBridge.ping(bridge, timeout: 60_000)
  run = %{run_id: "told", pac_id: "p", kind: :nas, manifest: manifest, budget: %{trials: 500}}
  {:ok, _} = CerebrosBridge.start_run(bridge, run)
  bridge |> CerebrosBridge.stream("told") |> Enum.find(&(&1.name == [:cerebros, :run, :start]))
  Process.sleep(1_500)
  {:ok, _} = CerebrosBridge.cancel(bridge, "told")
  {:ok, _} = CerebrosBridge.await(bridge, "told")
  Logger.flush()
  IO.puts("stderr has: " <> File.read!(errors) <> ".")
  """

  test "lines of the program and of its worker are the Logger's, with their facts, and stderr is quiet" do
    home = Service.fresh_home()
    on_exit(fn -> File.rm_rf!(home) end)
    errors = Path.join(home, "errors")
    shell = ["-c", ~s(errors=$1; shift; exec mix "$@" 2> "$errors"), "sh", errors]
    arguments = ["run", "-e", @owner, "--", home, Service.manifest(), errors]
    {log, 0} = System.cmd("/bin/sh", shell ++ arguments, env: [{"MIX_ENV", "test"}])

    assert log =~ "info run_id=told cerebros-bridge: cerebros.run.queued"
    # Said by the worker, a child of the program.
    assert log =~ ~r/info run_id=told cerebros-bridge: cerebros.run.start .*run_id=told/
    # What the worker says when its BEAM has left comes later.
    assert log =~ "stderr has: .\n"
  end

  test "every level is Logger's own, with its facts as metadata" do
    wire = %Port{port: self()}

    for level <- ~w(debug info warning error critical)a do
      message = :erlang.term_to_binary({:log, level, "event", %{"run_id" => "r", "n" => 1.5}})

      told =
        capture_log([format: "$level|$metadata|$message", metadata: [:run_id]], fn ->
          assert {[], ^wire} = Port.heard(wire, {self(), {:data, message}})
        end)

      name = if level == :warning, do: "warn", else: "#{level}"
      assert told =~ ~r/^#{name}\w*\|run_id=r \|cerebros-bridge: event n=1.5 run_id=r/
    end
  end

  test "a level that is none is refused" do
    assert {:error, %Error{code: :invalid_argument, message: message}} =
             Port.open(logs: :loud, executable: Service.executable())

    assert message =~ ":loud"
  end
end
