defmodule CerebrosBridge.TasksTest do
  # The mix tasks as a person calls them: real `mix` processes and their exit statuses.
  use ExUnit.Case, async: false
  doctest CerebrosBridge.Gate
  doctest CerebrosBridge.Json
  doctest CerebrosBridge.Terminal

  alias CerebrosBridge.{Gate, Options, Service}

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

  defp check(url) do
    {status, report, ""} = mix(["thunderline.brg.check", "--url", url, "--format", "json"])
    {status, report}
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
    # Three significant digits in a unit that fits.
    assert vcv =~ ~r/accuracy +0\.\d{4}\n/
    assert vcv =~ ~r/latency +\d[\d.]{0,3} [mµn]?s\n/u
    assert vcv =~ ~r/energy \/ cost +\d[\d.]{0,3} m?J \/ \$0\.0*\d{3}\n/

    assert {0, brg, ""} = mix(["thunderline.brg.check", "--url", url, "--format", "json"])

    for key <- ~w(timestamp domains metrics queues circuit_breakers warnings overall_status) do
      assert brg =~ ~s("#{key}":)
    end

    # Other tests' runs are counted too, and some of them failed on purpose.
    refute brg =~ ~s("overall_status":"critical")
    assert brg =~ ~r/"trials":{[^}]*"ok":\d/
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

    broken = Service.dataset(home, "broken.toml")

    File.write!(
      broken,
      String.replace(File.read!(Service.manifest()), ~s(label = "target"), ~s(label = "nothing"))
    )

    assert {1, "", told} = mix(["thunderline.dataset.check", broken] ++ grpc)
    assert told =~ "INVALID_ARGUMENT: "
    assert told =~ "nothing"
  end

  test "a service reads its dataset roots alone, a bridge of one's own any file", context do
    elsewhere = Service.fresh_home()
    on_exit(fn -> File.rm_rf(elsewhere) end)
    manifest = Path.join(elsewhere, "mine.toml")
    File.cp!(Service.manifest(), manifest)

    assert {1, "", told} = mix(["thunderline.dataset.check", manifest] ++ context.grpc)
    assert told =~ "is in no directory that datasets are read from"

    assert {0, report, _} = mix(["thunderline.dataset.check", manifest, "--home", context.home])
    assert report =~ ~r/rows\s+1797/
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

  test "the gate is the bridge's: a verdict too old by the service's own limit, and one that denies, are critical" do
    home = Service.fresh_home()
    File.write!(Path.join(home, "cerebros.toml"), "gate_max_verdict_age_s = 3600.0\n")
    up = Service.start_up(home)
    on_exit(fn -> File.rm_rf(home) end)

    bridge = start_supervised!({CerebrosBridge, adapter: CerebrosBridge.Grpc, home: home})
    assert Service.eventually(fn -> match?({:ok, _}, CerebrosBridge.ping(bridge)) end)

    url = "http://#{up.http}/metrics"
    run_ended = &Service.script("store_verdict.py", home, [&1, Service.manifest(), &2, &3])

    run_ended.("two-hours-ago", "allow", "7200")
    assert {1, report} = check(url)
    assert report =~ ~s("domains":{"thunderbolt":"healthy","thundercrown":"critical"})

    assert report =~
             ~r/"warnings":\["policy_verdict: critical, cerebros_verdict_age_seconds is 72/

    assert report =~ ~s(cerebros_verdict_allows is 1.0"])

    run_ended.("now", "allow", "0")
    assert {0, report} = check(url)
    assert report =~ ~s("overall_status":"healthy")
    assert report =~ ~s("warnings":[])

    run_ended.("denied", "deny", "0")
    assert {1, text, ""} = mix(["thunderline.brg.check", "--url", url])
    assert text =~ ~r/thundercrown +critical/
    assert text =~ "cerebros_verdict_allows is 0.0"
  end

  test "thunderline.brg.check of an older bridge, whose page lacks the gate's rules, is critical" do
    {:ok, listening} = :gen_tcp.listen(0, [:binary, active: false, ip: {127, 0, 0, 1}])
    {:ok, port} = :inet.port(listening)
    page = "cerebros_queue_depth 1.0\ncerebros_verdict_allows 1.0\n"

    bridge =
      Task.async(fn ->
        {:ok, socket} = :gen_tcp.accept(listening)
        {:ok, _request} = :gen_tcp.recv(socket, 0)
        head = "HTTP/1.1 200 OK\r\ncontent-length: #{byte_size(page)}\r\n\r\n"
        :ok = :gen_tcp.send(socket, head <> page)
      end)

    assert {1, report} = check("http://127.0.0.1:#{port}/metrics")
    Task.await(bridge)
    assert report =~ ~s("overall_status":"critical")
    assert report =~ ~s("queues":[{"depth":1.0,"name":"runs","status":"critical"}])
    assert report =~ "policy_verdict: the metrics page lacks this rule; update the bridge"
  end

  test "cerebros.doctor finds a bridge that works, over the port and over gRPC, and one that is missing",
       %{
         grpc: grpc,
         home: home
       } do
    assert {0, well, _} = mix(["cerebros.doctor", "--home", home])
    assert well =~ ~r/- +session +not opened/
    assert well =~ "cerebros-bridge doctor"
    refute well =~ "NOT OK"

    assert {0, well, _} = mix(["cerebros.doctor", "--home", home, "--session"])
    assert well =~ ~r/ok +session +serving/

    assert {0, well, _} = mix(["cerebros.doctor" | grpc])
    assert well =~ ~r/ok +session +serving/
    assert well =~ ~r/ok +gun +gun 1\.3\.\d, cowlib 2/

    assert {1, ill, _} = mix(["cerebros.doctor"], [{"CEREBROS_BRIDGE_BIN", "/nowhere/at/all"}])
    assert ill =~ "NOT OK  program"
  end

  test "a run that cannot be asked for is refused with the next move and status 1" do
    for {arguments, account} <- [
          {~w(digits.toml --pac p --kind coffee), "choose from cycle, nas"},
          {~w(digits.toml --kind nas), "give --pac: PAC that the run is for."},
          {~w(digits.toml --pac p --limit latency), "--limit latency is not NAME=NUMBER"},
          {~w(digits.toml --pac p --candidates /no/such),
           "/no/such cannot be read: no such file"},
          {~w(digits.toml --pac p --candidates mix.exs),
           "mix.exs is not JSON: no JSON value at byte"}
        ] do
      assert {1, "", "INVALID_ARGUMENT: " <> told} = mix(["cerebros.run" | arguments])
      assert told =~ account
    end
  end

  test "every kind of the contract can be run, and help tells its options in the contract's words",
       %{grpc: grpc} do
    for kind <- Options.kinds() do
      run_id = "late-#{kind}"
      arguments = ~w(--pac p3 --kind #{kind} --run-id #{run_id} --trials 500 --timeout 0.2)
      assert {1, _, _} = mix(["cerebros.run", Service.manifest()] ++ arguments ++ grpc)
      assert {:ok, %{kind: ^kind}} = CerebrosBridge.get_run(__MODULE__, run_id)
    end

    assert {0, help, _} = mix(["help", "cerebros.run"])
    assert help =~ "--wall-s N"
    assert help =~ "Seconds from the run's start to its last trial's start."
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

  @rules ~w(training_telemetry policy_verdict queue_depth worker_leases failed_runs)
  @well for rule <- @rules, into: %{}, do: {{"cerebros_gate_status", %{"rule" => rule}}, 0.0}

  test "each rule counts in its part of the report as the bridge judged it, and critical when it is missing" do
    assert %{overall_status: :healthy, warnings: []} = reported(@well)

    for rule <- @rules,
        key = {"cerebros_gate_status", %{"rule" => rule}},
        {series, status} <- [
          {Map.put(@well, key, 1.0), :warning},
          {Map.put(@well, key, 2.0), :critical},
          {Map.put(@well, key, 3.0), :critical},
          {Map.delete(@well, key), :critical}
        ] do
      report = reported(series)
      assert %{overall_status: ^status, queues: [queue], warnings: [warning]} = report
      assert String.starts_with?(warning, rule <> ": ")

      parts = Map.put(report.domains, :queues, queue.status)
      assert [{part, ^status}] = for({part, told} <- parts, told != :healthy, do: {part, told})
      expected = %{"policy_verdict" => :thundercrown, "queue_depth" => :queues}
      assert part == Map.get(expected, rule, :thunderbolt)
    end
  end

  test "a rule that only a newer bridge has counts too" do
    newer = Map.put(@well, {"cerebros_gate_status", %{"rule" => "drift"}}, 2.0)

    assert %{overall_status: :critical, domains: domains, warnings: ["drift: critical"]} =
             reported(newer)

    assert domains == %{thunderbolt: :critical, thundercrown: :healthy}
  end

  defp reported(series), do: Gate.report(series, ~U[2026-01-02 03:04:05Z])
end
