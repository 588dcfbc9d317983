defmodule CerebrosBridge.ServerTest do
  # What happens when the server dies, is frozen, is switched off or was never there.
  use ExUnit.Case, async: false

  import ExUnit.CaptureLog
  alias CerebrosBridge.{Error, Pool, Reading, Service}

  @moduletag timeout: 120_000
  @moduletag :capture_log
  @events 400

  setup_all do
    home = Service.fresh_home()
    on_exit(fn -> File.rm_rf!(home) end)
    {:ok, home: home}
  end

  defp port_options(home), do: [home: home, args: ["--no-worker"], env: Service.environment(home)]

  # Events that a real writer stores over four seconds.
  defp write_slowly(home, run_id) do
    writer =
      Task.async(fn ->
        Service.script("store_events.py", home, [run_id, Service.manifest(), "#{@events}", "4"])
      end)

    writer
  end

  describe "a server that is killed" do
    test "is started anew by its pool; a stream, a watch and an await go on without gap or repeat",
         %{home: home} do
      bridge = start_supervised!({CerebrosBridge, port_options(home)})
      {:ok, _} = CerebrosBridge.ping(bridge, timeout: 60_000)
      follow_through(bridge, home, fn -> System.cmd("kill", ["-KILL", "#{os_pid(bridge)}"]) end)
    end

    test "over gRPC is a service that somebody starts again", %{home: home} do
      up = Service.start_up(home)
      bridge = start_supervised!({CerebrosBridge, adapter: CerebrosBridge.Grpc, home: home})
      assert Service.eventually(fn -> match?({:ok, _}, CerebrosBridge.ping(bridge)) end)

      follow_through(bridge, home, fn ->
        Service.signal(up, "KILL")
        again = Service.start_up(home)
        on_exit(fn -> Service.stop(again) end)
      end)
    end
  end

  defp follow_through(bridge, home, kill) do
    run_id = "followed-#{System.unique_integer([:positive])}"
    told = :counters.new(1, [])
    event = [:cerebros, :stage, :start]

    :ok =
      CerebrosBridge.Telemetry.attach(
        run_id,
        event,
        fn _, _, _, _ -> :counters.add(told, 1, 1) end,
        nil
      )

    on_exit(fn -> CerebrosBridge.Telemetry.detach(run_id) end)

    writer = write_slowly(home, run_id)
    assert Service.eventually(fn -> match?({:ok, _}, CerebrosBridge.get_run(bridge, run_id)) end)

    streaming =
      Task.async(fn -> bridge |> CerebrosBridge.stream(run_id) |> Enum.map(& &1.seq) end)

    awaiting = Task.async(fn -> CerebrosBridge.await(bridge, run_id) end)
    {:ok, _} = CerebrosBridge.watch(bridge, run_id)
    before = collect(run_id, 20)
    kill.()
    watched = before ++ collect(run_id, @events - 20)

    assert watched == Enum.to_list(1..@events)
    assert Task.await(streaming, 90_000) == Enum.to_list(1..@events)
    assert {:ok, %{state: :failed, last_seq: @events}} = Task.await(awaiting, 30_000)
    assert_receive {:cerebros_end, ^run_id, :ok}, 30_000
    # Three followers over two servers, and each event is told once.
    assert Service.eventually(fn -> :counters.get(told, 1) >= @events - 2 end)
    assert :counters.get(told, 1) == @events - 2
    Task.await(writer, 60_000)
  end

  describe "a reading" do
    setup do
      elsewhere = Service.fresh_home()
      on_exit(fn -> File.rm_rf!(elsewhere) end)
      socket = Path.join(elsewhere, "bridge.sock")
      # The suite's service, which is there once it has this name too.
      appear = fn -> File.ln_s!(Path.join(Service.suite().home, "bridge.sock"), socket) end
      {:ok, appear: appear, options: [adapter: CerebrosBridge.Grpc, home: elsewhere]}
    end

    test "that begins while no server is there waits for one", %{
      appear: appear,
      options: options
    } do
      Service.script("store_events.py", Service.suite().home, ["early", Service.manifest(), "102"])

      bridge = start_supervised!({CerebrosBridge, options})
      # The pauses between its attempts have grown by then.
      Process.sleep(300)
      assert {:error, %Error{code: :unavailable}} = Pool.checkout(bridge, {:run, "early"})

      awaiting = Task.async(fn -> CerebrosBridge.await(bridge, "early") end)
      streaming = Task.async(fn -> bridge |> CerebrosBridge.stream("early") |> Enum.count() end)
      assert {:ok, _} = CerebrosBridge.watch(bridge, "early")
      refute_receive {:cerebros_end, _, _}
      appear.()

      assert collect("early", 102) == Enum.to_list(1..102)
      assert {:ok, %{state: :failed}} = Task.await(awaiting, 30_000)
      assert Task.await(streaming, 30_000) == 102
    end

    test "has all its patience again after an attachment that held", %{
      appear: appear,
      options: options
    } do
      appear.()
      bridge = start_supervised!({CerebrosBridge, options})
      run = %{pac_id: "p", manifest: Service.manifest(), run_id: "quiet"}
      {:ok, _} = CerebrosBridge.start_run(bridge, run, retries: 5)
      {:ok, reading} = Reading.start(bridge, "quiet", after_seq: 1, patience: 800)

      # Twice the connection dies, with more than the patience between.
      reading =
        for quiet_ms <- [100, 1_500], reduce: reading do
          reading ->
            assert {:timeout, reading} = Reading.next(reading, in_ms(quiet_ms), nil)
            {:ok, connection} = Pool.checkout(bridge, {:run, "quiet"})
            Process.exit(connection, :kill)
            reading
        end

      assert {:timeout, reading} = Reading.next(reading, in_ms(300), nil)
      {:ok, _} = CerebrosBridge.cancel(bridge, "quiet", retries: 5)
      assert {:item, %{seq: 2}, reading} = Reading.next(reading, in_ms(10_000), nil)
      Reading.stop(reading)
    end
  end

  test "a call in flight when the server dies is unavailable, and UNAVAILABLE may be tried again",
       %{home: home} do
    bridge = start_supervised!({CerebrosBridge, port_options(home)})
    {:ok, _} = CerebrosBridge.ping(bridge, timeout: 60_000)
    pid = os_pid(bridge)
    # Stopped first, so that the call is in flight when the program dies.
    {_, 0} = System.cmd("kill", ["-STOP", "#{pid}"])
    calling = Task.async(fn -> CerebrosBridge.health(bridge) end)
    patient = Task.async(fn -> CerebrosBridge.health(bridge, retries: 8, timeout: 60_000) end)
    Process.sleep(200)
    {_, 0} = System.cmd("kill", ["-KILL", "#{pid}"])

    assert {:error, %Error{code: :unavailable, class: :dependency, retryable: true}} =
             Task.await(calling, 30_000)

    assert {:ok, %{"status" => "serving"}} = Task.await(patient, 90_000)
  end

  test "a server that is frozen is told apart by the deadline", %{home: home} do
    bridge = start_supervised!({CerebrosBridge, port_options(home)})
    {:ok, _} = CerebrosBridge.ping(bridge, timeout: 60_000)
    pid = os_pid(bridge)
    {_, 0} = System.cmd("kill", ["-STOP", "#{pid}"])

    assert {:error, %Error{code: :deadline_exceeded, message: message}} =
             CerebrosBridge.health(bridge, timeout: 50)

    assert message =~ "frozen"
    {_, 0} = System.cmd("kill", ["-CONT", "#{pid}"])
    assert {:ok, _} = CerebrosBridge.health(bridge)
  end

  test "the program does not outlive its owner, however the owner ends", %{home: home} do
    Process.flag(:trap_exit, true)
    {:ok, bridge} = CerebrosBridge.start_link(port_options(home))
    {:ok, _} = CerebrosBridge.ping(bridge, timeout: 60_000)
    pid = os_pid(bridge)
    Process.exit(bridge, :kill)
    assert Service.eventually(fn -> not Service.alive?(pid) end)
  end

  describe "the feature flag" do
    test "off starts nothing, and every answer is FAILED_PRECONDITION" do
      bridge = start_supervised!({CerebrosBridge, enabled: false, executable: "/nowhere/at/all"})

      for answer <- [
            CerebrosBridge.health(bridge),
            CerebrosBridge.ping(bridge),
            CerebrosBridge.start_run(bridge, %{pac_id: "p", manifest: "m"}),
            CerebrosBridge.await(bridge, "r"),
            CerebrosBridge.watch(bridge, "r"),
            CerebrosBridge.capability(bridge, "p")
          ] do
        assert {:error, %Error{code: :failed_precondition, class: :permanent, retryable: false}} =
                 answer
      end

      assert {:links, [_supervisor]} = Process.info(bridge, :links)
    end

    test "is asked at every call when it is a function", %{home: home} do
      flag = :counters.new(1, [])
      options = [enabled: fn -> :counters.get(flag, 1) == 1 end] ++ port_options(home)
      bridge = start_supervised!({CerebrosBridge, options})
      assert {:error, %Error{code: :failed_precondition}} = CerebrosBridge.health(bridge)
      :counters.put(flag, 1, 1)
      assert {:ok, _} = CerebrosBridge.health(bridge, timeout: 60_000)
      :counters.put(flag, 1, 0)
      assert {:error, %Error{code: :failed_precondition}} = CerebrosBridge.health(bridge)
    end

    test "of the configuration holds where none is given" do
      Application.put_env(:cerebros_bridge, :enabled, false)
      on_exit(fn -> Application.delete_env(:cerebros_bridge, :enabled) end)
      bridge = start_supervised!({CerebrosBridge, executable: "/nowhere/at/all"})
      assert {:error, %Error{code: :failed_precondition}} = CerebrosBridge.health(bridge)
    end
  end

  describe "a bridge that cannot be" do
    test "started is refused at once with the next move" do
      Process.flag(:trap_exit, true)

      assert {:error, %Error{code: :failed_precondition, message: message}} =
               CerebrosBridge.start_link(executable: "/nowhere/at/all")

      assert message =~ "CEREBROS_BRIDGE_BIN"

      assert {:error, %Error{code: :invalid_argument}} =
               CerebrosBridge.start_link(adapter: CerebrosBridge.Grpc, address: "nonsense")
    end

    test "reached is tried again after growing pauses" do
      log =
        capture_log(fn ->
          options = [adapter: CerebrosBridge.Grpc, address: "unix:/nowhere/bridge.sock"]
          bridge = start_supervised!({CerebrosBridge, options})
          assert {:error, %Error{code: :unavailable}} = CerebrosBridge.ping(bridge)
          Process.sleep(1_000)
        end)

      # After 0, 100, 300 and 700 ms.
      assert (length(String.split(log, "connection 0 ended")) - 1) in 3..5
    end
  end

  defp os_pid(bridge) do
    {:ok, connection} = Pool.checkout(bridge, :any)
    {:os_pid, pid} = connection |> :sys.get_state() |> then(& &1.wire.port) |> Port.info(:os_pid)
    pid
  end

  defp in_ms(ms), do: System.monotonic_time(:millisecond) + ms

  defp collect(run_id, n) do
    for _ <- 1..n do
      assert_receive {:cerebros_event, ^run_id, %{seq: seq}}, 60_000
      seq
    end
  end
end
