defmodule CerebrosBridge.CallsTest do
  # Calls and their telemetry over either adapter; pools and watches.
  use CerebrosBridge.AdapterCase, async: false

  alias CerebrosBridge.{Connection, Error, Event, Pool, Run, Telemetry}

  # Each test names its bridge after the adapter it goes over.
  for adapter <- [CerebrosBridge.Port, CerebrosBridge.Grpc] do
    describe "over #{inspect(adapter)}" do
      @describetag bridge: adapter

      test "every call is told with every documented key", %{bridge: bridge} do
        attach(for what <- [:start, :stop], do: [:cerebros, :bridge, :invoke, what])

        {:ok, _} =
          CerebrosBridge.call(bridge, :health, %{}, correlation_id: "c-1", pulse_id: "p-1")

        {:error, _} = CerebrosBridge.get_run(bridge, "nobody", retries: 2)

        assert_received {[:cerebros, :bridge, :invoke, :start], started, metadata}
        assert keys(started) == [:system_time]
        asked = %{op: "health", attempt: 1, run_id: nil, correlation_id: "c-1", pulse_id: "p-1"}
        assert metadata == asked

        assert_received {[:cerebros, :bridge, :invoke, :stop], took, metadata}
        assert keys(took) == [:duration, :duration_ms]
        assert took.duration_ms > 0
        assert metadata == Map.merge(asked, %{ok: true, code: :ok, error: nil})

        # What cannot become better is not tried again.
        assert_received {[:cerebros, :bridge, :invoke, :stop], _,
                         %{op: "get_run", attempt: 1} = metadata}

        assert %{run_id: "nobody", ok: false, code: :not_found, error: %Error{}} = metadata
        assert keys(metadata) == ~w(attempt code correlation_id error ok op pulse_id run_id)a
        refute_received {_, _, %{attempt: 2}}
      end

      test "a run belongs to what its start belongs to, and its trace is no fault", %{
        bridge: bridge
      } do
        context = [
          correlation_id: "c-2",
          traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
        ]

        run_id = fresh_id("traced")
        {:ok, _} = CerebrosBridge.start_run(bridge, cycle(run_id, %{}), context)

        assert [%Event{metadata: %{correlation_id: "c-2"}}] =
                 bridge |> CerebrosBridge.stream(run_id, context) |> Enum.take(1)

        assert [%{"metadata" => %{"correlation_id" => "c-2"}}] =
                 bridge
                 |> CerebrosBridge.follow(:watch_run, %{run_id: run_id}, context)
                 |> Enum.take(1)

        {:ok, _} = CerebrosBridge.cancel(bridge, run_id, context)

        for crooked <- ["two\r\nlines", 7, <<255>>] do
          assert {:error, %Error{code: :invalid_argument, class: :validation}} =
                   CerebrosBridge.health(bridge, correlation_id: crooked)
        end
      end

      test "a start says its kind in a spec or beside the rest, and a kind is any of the contract's",
           %{bridge: bridge} do
        run_id = fresh_id("flat")
        flat = cycle(run_id, %{kind: :nas})
        {:ok, %Run{kind: "nas"}} = CerebrosBridge.start_run(bridge, flat)
        {spec, common} = Map.split(flat, [:kind, :manifest, :budget])

        assert {:ok, %Run{run_id: ^run_id, kind: "nas"}} =
                 CerebrosBridge.start_run(bridge, Map.put(common, :spec, spec))

        texts = Map.new(flat, fn {key, value} -> {Atom.to_string(key), value} end)
        assert {:ok, %Run{run_id: ^run_id}} = CerebrosBridge.start_run(bridge, texts)

        assert {:ok, %Run{kind: "cycle"}} =
                 CerebrosBridge.start_run(
                   bridge,
                   cycle(fresh_id("flat"), %{}) |> Map.delete(:kind)
                 )
      end

      test "a handler hears each event of a run once, however often it is watched, and may call the bridge",
           %{bridge: bridge} do
        owner = self()
        run_id = fresh_id("heard")

        call = fn _name, _measurements, %{run_id: id}, _ ->
          if id == run_id, do: send(owner, {:heard, CerebrosBridge.get_run(bridge, run_id)})
        end

        :ok = Telemetry.attach(run_id, [:cerebros, :run, :stop], call, nil)
        on_exit(fn -> Telemetry.detach(run_id) end)

        {:ok, _} = start(bridge, run_id, %{budget: @endless})
        {:ok, _} = CerebrosBridge.cancel(bridge, run_id)

        for _ <- 1..2, do: {:ok, %Run{state: :cancelled}} = CerebrosBridge.await(bridge, run_id)

        assert_receive {:heard, {:ok, %Run{state: :cancelled}}}, 10_000
        refute_receive {:heard, _}
      end

      test "answers many callers at once", %{bridge: bridge} do
        answers =
          1..200
          |> Task.async_stream(fn _ -> CerebrosBridge.health(bridge) end, max_concurrency: 50)
          |> Enum.map(fn {:ok, answer} -> answer end)

        assert Enum.all?(answers, &match?({:ok, %{"status" => "serving"}}, &1))
      end

      test "a watch that is given up sends no more", %{bridge: bridge} do
        run_id = fresh_id("unwatched")
        {:ok, _} = start(bridge, run_id, %{budget: @endless})
        {:ok, watch} = CerebrosBridge.watch(bridge, run_id)
        assert_receive {:cerebros_event, ^run_id, %Event{seq: 1}}, 10_000
        :ok = CerebrosBridge.unwatch(watch)
        {:ok, _} = CerebrosBridge.cancel(bridge, run_id)
        {:ok, _} = CerebrosBridge.await(bridge, run_id)
        refute Process.alive?(watch)
        refute_received {:cerebros_end, _, _}
      end

      test "a pool gives calls to each of its connections in turn", %{
        bridge: adapter,
        options: options
      } do
        pool =
          start_supervised!({CerebrosBridge, [adapter: adapter, pool: 3] ++ options[adapter]})

        connections =
          for _ <- 1..6 do
            {:ok, connection} = Pool.checkout(pool, :any)
            assert {:ok, _} = Connection.ping(connection, 60_000)
            connection
          end

        assert connections |> Enum.uniq() |> length() == 3
        assert Enum.take(connections, 3) == Enum.drop(connections, 3)
        {:ok, home} = Pool.checkout(pool, {:run, "r"})
        assert {:ok, ^home} = Pool.checkout(pool, {:run, "r"})
      end
    end
  end

  test "a bridge that is not there is unavailable, and the call an exception with every key" do
    attach([[:cerebros, :bridge, :invoke, :exception]])
    assert {:error, %Error{code: :unavailable}} = CerebrosBridge.health(:nowhere)
    assert {:error, %Error{code: :unavailable}} = CerebrosBridge.await(:nowhere, "r")
    assert {:error, %Error{code: :unavailable}} = CerebrosBridge.watch(:nowhere, "r")
    assert {:error, %Error{code: :unavailable}} = CerebrosBridge.ping(:nowhere)
    assert_received {[:cerebros, :bridge, :invoke, :exception], took, metadata}
    assert keys(took) == [:duration, :duration_ms]
    assert %{op: "health", code: :unavailable, ok: false, kind: :exit} = metadata

    assert keys(metadata) ==
             ~w(attempt code correlation_id duration_ms error kind ok op pulse_id reason run_id stacktrace)a
  end
end
