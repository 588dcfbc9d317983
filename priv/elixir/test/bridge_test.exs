defmodule CerebrosBridge.BridgeTest do
  # The real program: `cerebros-bridge` from CEREBROS_BRIDGE_BIN or PATH, with a database of its own.
  use ExUnit.Case, async: false
  doctest CerebrosBridge.Port, only: [window: 0]

  alias CerebrosBridge.{Error, Event, Run, Telemetry, TrainingMetrics, VCV}

  @moduletag timeout: 600_000
  @moduletag :bridge
  @manifest Path.expand("../../../examples/digits.toml", __DIR__)
  @small %{trials: 4, epochs: 6, probes: 4, shortlist: 2}
  @minutes 8 * 60_000

  setup_all do
    home =
      Path.join(
        System.tmp_dir!(),
        "cerebros-#{System.unique_integer([:positive])}-#{System.pid()}"
      )

    File.mkdir_p!(home)
    {:ok, supervisor} = Supervisor.start_link([], strategy: :one_for_one, max_restarts: 3)
    Process.unlink(supervisor)

    on_exit(fn ->
      Supervisor.stop(supervisor)
      File.rm_rf!(home)
    end)

    options = [
      name: __MODULE__,
      home: home,
      env: %{
        "DATABASE_URL" => nil,
        "CEREBROS_TRIAL_PROCESSES" => "2",
        "CEREBROS_LOG_LEVEL" => "critical"
      }
    ]

    {:ok, _} = Supervisor.start_child(supervisor, {CerebrosBridge, options})
    {:ok, _} = CerebrosBridge.ping(__MODULE__, timeout: 60_000)
    {:ok, home: home}
  end

  defp cycle(run_id, more) do
    Map.merge(
      %{run_id: run_id, pac_id: "pac-1", manifest: @manifest, kind: :cycle, budget: @small},
      more
    )
  end

  defp start(run_id, more \\ %{}), do: CerebrosBridge.start_run(__MODULE__, cycle(run_id, more))

  defp fresh_id(what), do: "#{what}-#{System.unique_integer([:positive])}"

  defp to_test(name, measurements, metadata, pid), do: send(pid, {name, measurements, metadata})

  defp attach(events) do
    for event <- events, do: :ok = Telemetry.attach({self(), event}, event, &to_test/4, self())
    on_exit({:detach, make_ref()}, detacher(self(), events))
  end

  defp detacher(owner, events), do: fn -> Enum.each(events, &Telemetry.detach({owner, &1})) end

  defp collect_events(run_id, events \\ []) do
    receive do
      {:cerebros_event, ^run_id, %Event{} = event} -> collect_events(run_id, [event | events])
      {:cerebros_end, ^run_id, :ok} -> Enum.reverse(events)
    after
      @minutes -> flunk("the run did not end; it had #{length(events)} events")
    end
  end

  defp collect_told(run_id, told \\ []) do
    receive do
      {[:cerebros, _, _] = name, measurements, %{run_id: ^run_id}} ->
        collect_told(run_id, [{name, measurements} | told])
    after
      100 -> Enum.reverse(told)
    end
  end

  describe "a training cycle" do
    test "streams its events, succeeds and writes a capability vector" do
      run_id = fresh_id("cycle")
      attach(CerebrosBridge.Names.events())

      assert {:ok, %Run{run_id: ^run_id, state: state}} = start(run_id)
      assert state in [:queued, :running]
      assert {:ok, _watch} = CerebrosBridge.watch(__MODULE__, run_id)

      events = collect_events(run_id)
      assert Enum.map(events, & &1.seq) == Enum.to_list(1..length(events))
      assert hd(events).name == [:cerebros, :run, :queued]

      assert %Event{name: [:cerebros, :run, :stop], metadata: %{state: "succeeded"}} =
               List.last(events)

      assert Enum.count(events, &(&1.name == [:cerebros, :trial, :stop])) >= 4

      told = collect_told(run_id)
      assert told == Enum.map(events, &{&1.name, &1.measurements})

      assert {:ok, %Run{state: :succeeded, promoted_version: version} = run} =
               CerebrosBridge.await(__MODULE__, run_id, timeout: @minutes)

      assert run.last_seq == length(events)
      assert %TrainingMetrics{energy_method: "model"} = run.metrics

      assert {:ok, %VCV{version: ^version, run_id: ^run_id} = vcv} =
               CerebrosBridge.capability(__MODULE__, "pac-1")

      assert length(vcv.capability) == 384
      assert Enum.all?(vcv.capability, &is_float/1)
      assert is_float(vcv.accuracy) and vcv.accuracy > 0.0 and vcv.accuracy <= 1.0

      # A stream that takes up in the middle sees the rest, once, also when it stops early.
      assert __MODULE__ |> CerebrosBridge.stream(run_id, after_seq: 3) |> Enum.map(& &1.seq) ==
               Enum.to_list(4..length(events))

      assert __MODULE__ |> CerebrosBridge.stream(run_id) |> Enum.take(2) == Enum.take(events, 2)
      refute_received {{_, _}, _}
    end

    test "is cancelled with its reason" do
      run_id = fresh_id("cancelled")
      {:ok, _} = start(run_id, %{budget: %{trials: 200, epochs: 50}})
      assert {:ok, %Run{}} = CerebrosBridge.cancel(__MODULE__, run_id, reason: "superseded")

      assert {:ok, %Run{state: :cancelled, error: %{"message" => message}}} =
               CerebrosBridge.await(__MODULE__, run_id, timeout: @minutes)

      assert message =~ "superseded"
    end

    test "awaited too briefly is a deadline exceeded, and the run goes on" do
      run_id = fresh_id("brief")
      {:ok, _} = start(run_id, %{budget: %{trials: 200, epochs: 50}})

      assert {:error, %Error{code: :deadline_exceeded, retryable: true}} =
               CerebrosBridge.await(__MODULE__, run_id, timeout: 50)

      assert {:ok, %Run{} = run} = CerebrosBridge.get_run(__MODULE__, run_id)
      refute Run.ended?(run)
      {:ok, _} = CerebrosBridge.cancel(__MODULE__, run_id)
      {:ok, _} = CerebrosBridge.await(__MODULE__, run_id, timeout: @minutes)
    end
  end

  describe "errors" do
    test "an unknown procedure is not found" do
      assert {:error, %Error{code: :not_found, class: :permanent, retryable: false}} =
               CerebrosBridge.call(__MODULE__, "fly", %{})
    end

    test "a negative budget is an invalid argument that names its place" do
      assert {:error, %Error{code: :invalid_argument, class: :validation, message: message}} =
               start(fresh_id("bad"), %{budget: %{trials: -1}})

      assert message =~ "$.budget.trials"
    end

    test "a run id with other content already exists, with the same content it is the same run" do
      run_id = fresh_id("twice")
      {:ok, _} = start(run_id)
      assert {:ok, %Run{run_id: ^run_id}} = start(run_id)
      assert {:error, %Error{code: :already_exists}} = start(run_id, %{pac_id: "pac-2"})
      {:ok, _} = CerebrosBridge.cancel(__MODULE__, run_id)
    end

    test "a stream of an unknown run raises, a watch ends with the error" do
      assert_raise Error, ~r/nobody/, fn ->
        __MODULE__ |> CerebrosBridge.stream("nobody") |> Enum.to_list()
      end

      {:ok, _} = CerebrosBridge.watch(__MODULE__, "nobody")
      assert_receive {:cerebros_end, "nobody", {:error, %Error{code: :not_found}}}, 5_000
    end

    test "a bridge that is not there is unavailable, and the call an exception event" do
      attach([[:cerebros, :bridge, :invoke, :exception]])
      assert {:error, %Error{code: :unavailable}} = CerebrosBridge.health(:nowhere)
      assert {:error, %Error{code: :unavailable}} = CerebrosBridge.await(:nowhere, "r")
      assert_received {[:cerebros, :bridge, :invoke, :exception], %{duration: _}, metadata}

      assert %{procedure: "health", code: :unavailable, kind: :exit, reason: _, stacktrace: _} =
               metadata
    end
  end

  describe "the bridge" do
    test "answers ping and health" do
      assert {:ok, %{"calls" => 0}} = CerebrosBridge.ping(__MODULE__)
      assert {:ok, %{"status" => "serving"}} = CerebrosBridge.health(__MODULE__)
    end

    test "tells of every call with its duration and how it ended" do
      attach(for what <- [:start, :stop], do: [:cerebros, :bridge, :invoke, what])
      {:ok, _} = CerebrosBridge.health(__MODULE__)
      {:error, _} = CerebrosBridge.get_run(__MODULE__, "nobody")

      assert_received {[:cerebros, :bridge, :invoke, :start], %{system_time: _},
                       %{procedure: "health"}}

      assert_received {[:cerebros, :bridge, :invoke, :stop], %{duration: duration}, %{code: :ok}}
      assert is_integer(duration)

      assert_received {[:cerebros, :bridge, :invoke, :stop], _,
                       %{code: :not_found, procedure: "get_run"}}
    end

    test "answers many callers at once" do
      answers =
        1..200
        |> Task.async_stream(fn _ -> CerebrosBridge.health(__MODULE__) end, max_concurrency: 50)
        |> Enum.map(fn {:ok, answer} -> answer end)

      assert Enum.all?(answers, &match?({:ok, %{"status" => "serving"}}, &1))
    end

    test "sends a sleeping owner no more events than its window, and loses none" do
      window = CerebrosBridge.Port.window()
      run_id = fresh_id("sleeper")
      {:ok, _} = start(run_id, %{kind: :nas, budget: %{@small | trials: window + 10, epochs: 1}})
      {:ok, pulled} = CerebrosBridge.Port.open(__MODULE__, run_id, 0, :pull)

      watching =
        Task.async(fn ->
          {:ok, _} = CerebrosBridge.watch(__MODULE__, run_id)

          receive do
            :wake -> {length(messages()), collect_events(run_id)}
          end
        end)

      awaiting = Task.async(fn -> CerebrosBridge.await(__MODULE__, run_id, timeout: @minutes) end)
      assert {:ok, %Run{state: :succeeded, last_seq: last}} = Task.await(awaiting, @minutes)
      assert last > window + 10

      assert Enum.map(messages(), fn {^pulled, {:event, event}} -> event.seq end) ==
               Enum.to_list(1..window)

      send(watching.pid, :wake)
      assert {^window, events} = Task.await(watching, 60_000)
      assert Enum.map(events, & &1.seq) == Enum.to_list(1..last)
      CerebrosBridge.Port.close(pulled)
    end

    test "does not outlive its owner, however the owner ends" do
      owner = Process.whereis(__MODULE__)
      pid = os_pid(owner)
      Process.exit(owner, :kill)
      assert eventually(fn -> not alive?(pid) end)
      assert eventually(fn -> match?({:ok, _}, CerebrosBridge.ping(__MODULE__)) end)
    end

    test "that is killed fails its calls, is started anew, and knows its runs still" do
      run_id = fresh_id("survivor")
      {:ok, _} = start(run_id)
      {:ok, _} = CerebrosBridge.cancel(__MODULE__, run_id)
      {:ok, _} = CerebrosBridge.await(__MODULE__, run_id, timeout: @minutes)
      waiting_id = fresh_id("waiting")
      {:ok, _} = start(waiting_id, %{budget: %{trials: 200, epochs: 50}})

      before = Process.whereis(__MODULE__)
      {:ok, _} = CerebrosBridge.watch(__MODULE__, waiting_id)
      awaiting = Task.async(fn -> CerebrosBridge.await(__MODULE__, waiting_id) end)
      assert_receive {:cerebros_event, ^waiting_id, _}, 60_000

      pid = os_pid(before)
      # Stopped first, so that the call is in flight when the program dies.
      {_, 0} = System.cmd("kill", ["-STOP", "#{pid}"])
      calling = Task.async(fn -> CerebrosBridge.health(__MODULE__) end)
      Process.sleep(200)
      {_, 0} = System.cmd("kill", ["-KILL", "#{pid}"])

      assert {:error, %Error{code: :unavailable, retryable: true}} = Task.await(calling, 30_000)
      assert {:error, %Error{code: :unavailable}} = Task.await(awaiting, 30_000)
      assert_receive {:cerebros_end, ^waiting_id, {:error, %Error{code: :unavailable}}}, 30_000

      assert eventually(fn -> match?({:ok, _}, CerebrosBridge.ping(__MODULE__)) end)
      assert Process.whereis(__MODULE__) != before
      assert {:ok, %Run{state: :cancelled}} = CerebrosBridge.get_run(__MODULE__, run_id)
      {:ok, _} = CerebrosBridge.cancel(__MODULE__, waiting_id)

      assert {:ok, %Run{state: :cancelled}} =
               CerebrosBridge.await(__MODULE__, waiting_id, timeout: @minutes)
    end
  end

  defp messages, do: self() |> Process.info(:messages) |> elem(1)

  defp os_pid(owner) do
    {:os_pid, pid} = owner |> :sys.get_state() |> Map.fetch!(:port) |> Port.info(:os_pid)
    pid
  end

  defp alive?(pid),
    do: match?({_, 0}, System.cmd("kill", ["-0", "#{pid}"], stderr_to_stdout: true))

  defp eventually(claim, tries \\ 300) do
    claim.() || (tries > 0 && Process.sleep(100) == :ok && eventually(claim, tries - 1))
  end

  test "every atom of the protocol is known beforehand" do
    for atom <- CerebrosBridge.Port.vocabulary() do
      assert atom |> :erlang.term_to_binary() |> :erlang.binary_to_term([:safe]) == atom
    end
  end
end
