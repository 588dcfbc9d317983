defmodule CerebrosBridge.TasksTest do
  # The mix tasks as a person calls them: real `mix` processes and their exit statuses.
  use ExUnit.Case, async: false
  doctest CerebrosBridge.Gate
  doctest CerebrosBridge.Json
  doctest CerebrosBridge.Terminal

  alias CerebrosBridge.{Gate, Service}

  @moduletag timeout: 240_000

  setup_all do
    %{home: home, http: http} = Service.suite()

    start_supervised!(
      {CerebrosBridge, name: __MODULE__, adapter: CerebrosBridge.Grpc, home: home}
    )

    assert Service.eventually(fn -> match?({:ok, _}, CerebrosBridge.ping(__MODULE__)) end)
    {:ok, grpc: ["--grpc", Service.socket(home)], home: home, url: "http://#{http}/metrics"}
  end

  # Standard error goes to a file: a shell's `2>` keeps it apart from the answer.
  defp mix(arguments, env \\ []) do
    errors =
      Path.join(System.tmp_dir!(), "mix-#{System.pid()}-#{System.unique_integer([:positive])}")

    shell = ["-c", ~s(errors=$1; shift; exec mix "$@" 2> "$errors"), "sh", errors | arguments]
    {output, status} = System.cmd("/bin/sh", shell, env: [{"MIX_ENV", "test"} | env])
    told = File.read!(errors)
    File.rm!(errors)
    {status, output, told}
  end

  test "cerebros.run shows progress, answers the run, and the others read what it left", %{
    grpc: grpc,
    url: url
  } do
    Service.start_worker()
    manifest = Service.manifest()
    budget = ~w(--trials 4 --epochs 2)

    assert {0, answer, progress} =
             mix(
               ["cerebros.run", manifest, "--pac", "p1", "--run-id", "by-mix", "--format", "json"] ++
                 budget ++ grpc
             )

    assert answer =~ ~s("state":"succeeded")
    assert answer =~ ~s("promoted_version":1)
    assert progress =~ "run.queued"
    assert progress =~ ~r/trial.stop .*accuracy=0\.\d/
    assert progress =~ "run.stop kind=cycle state=succeeded" or progress =~ "state=succeeded"

    assert {0, events, ""} = mix(["cerebros.watch", "by-mix", "--after", "1"] ++ grpc)
    assert [first | _] = String.split(events, "\n")
    assert first =~ ~r/^\s+2 run.start/
    assert events =~ "run.stop"

    assert {0, vcv, ""} = mix(["cerebros.vcv", "p1"] ++ grpc)
    assert vcv =~ "p1, version 1"
    assert vcv =~ "384 numbers"

    assert {0, brg, ""} = mix(["thunderline.brg.check", "--url", url, "--format", "json"])

    for key <- ~w(timestamp domains metrics queues circuit_breakers warnings overall_status) do
      assert brg =~ ~s("#{key}":)
    end

    # Other tests' runs are counted too, and some of them failed on purpose.
    refute brg =~ ~s("overall_status":"critical")
    assert brg =~ ~r/"trials":{[^}]*"ok":\d/

    # A verdict that is older than allowed stops the release.
    assert {1, text, ""} =
             mix(["thunderline.brg.check", "--url", url, "--max-verdict-age-s", "0.001"])

    assert text =~ "critical"
    assert text =~ "stale"
  end

  test "cerebros.run that times out cancels its run, and ends with status 1", %{grpc: grpc} do
    arguments = ~w(--pac p2 --run-id late --trials 500 --epochs 200 --timeout 0.5)
    assert {1, answer, _progress} = mix(["cerebros.run", Service.manifest()] ++ arguments ++ grpc)
    assert answer =~ "cancelled"
    assert {:ok, %{state: :cancelled}} = CerebrosBridge.get_run(__MODULE__, "late")

    assert {1, events, ""} = mix(["cerebros.watch", "late", "--format", "json"] ++ grpc)
    assert events =~ ~s("state":"cancelled")
  end

  test "thunderline.dataset.check reports, and refuses with status 1", %{grpc: grpc, home: home} do
    assert {0, report, ""} = mix(["thunderline.dataset.check", Service.manifest()] ++ grpc)
    assert report =~ ~r/rows\s+1797/
    assert report =~ "label target"

    broken = Path.join(home, "broken.toml")

    File.write!(
      broken,
      String.replace(File.read!(Service.manifest()), ~s(label = "target"), ~s(label = "nothing"))
    )

    assert {1, "", told} = mix(["thunderline.dataset.check", broken] ++ grpc)
    assert told =~ "INVALID_ARGUMENT: "
    assert told =~ "nothing"
  end

  test "what is not there is told with its code and status 1", %{grpc: grpc} do
    for arguments <- [["cerebros.watch", "nobody"], ["cerebros.vcv", "nobody"]] do
      assert {1, "", told} = mix(arguments ++ grpc)
      assert told =~ "NOT_FOUND: "
      assert told =~ "nobody"
    end
  end

  test "thunderline.brg.check without a page to scrape is critical" do
    assert {1, report, ""} =
             mix([
               "thunderline.brg.check",
               "--url",
               "http://127.0.0.1:1/metrics",
               "--format",
               "json"
             ])

    assert report =~ ~s("overall_status":"critical")
    assert report =~ "does not answer"
  end

  test "cerebros.doctor finds a bridge that works, over the port and over gRPC, and one that is missing",
       %{
         grpc: grpc,
         home: home
       } do
    assert {0, well, _} = mix(["cerebros.doctor", "--home", home])
    assert well =~ ~r/ok +session +serving/
    assert well =~ "cerebros-bridge doctor"
    refute well =~ "NOT OK"

    assert {0, well, _} = mix(["cerebros.doctor" | grpc])
    assert well =~ ~r/ok +session +serving/

    assert {1, ill, _} = mix(["cerebros.doctor"], [{"CEREBROS_BRIDGE_BIN", "/nowhere/at/all"}])
    assert ill =~ "NOT OK  program"
  end

  test "wrong usage is status 2" do
    for arguments <- [
          ["cerebros.run"],
          ["cerebros.vcv", "p", "--colour"],
          ["cerebros.watch", "r", "--format", "xml"]
        ] do
      assert {2, "", "usage: mix " <> _} = mix(arguments)
    end
  end

  test "the gate judges each figure by its rule" do
    well = %{
      {"cerebros_last_success_age_seconds", %{}} => 5.0,
      {"cerebros_runs_without_telemetry", %{}} => 0.0,
      {"cerebros_verdict_age_seconds", %{}} => 5.0,
      {"cerebros_queue_depth", %{}} => 1.0,
      {"cerebros_expired_leases", %{}} => 0.0,
      {"cerebros_verdict_allows", %{}} => 1.0,
      {"cerebros_failed_share_last_day", %{}} => 0.1
    }

    assert %{overall_status: :healthy, warnings: []} = judged(well)

    for {name, figure, status} <- [
          {"cerebros_runs_without_telemetry", 1.0, :critical},
          {"cerebros_verdict_age_seconds", 61.0, :critical},
          {"cerebros_verdict_allows", 0.0, :critical},
          {"cerebros_failed_share_last_day", 0.4, :warning},
          {"cerebros_queue_depth", 101.0, :warning},
          {"cerebros_queue_depth", 201.0, :critical},
          {"cerebros_expired_leases", 1.0, :warning}
        ] do
      assert %{overall_status: ^status, warnings: [_]} =
               judged(Map.put(well, {name, %{}}, figure))
    end

    assert %{overall_status: :critical} = judged(%{})
  end

  defp judged(series), do: Gate.judge(series, 60, ~U[2026-01-02 03:04:05Z])
end
