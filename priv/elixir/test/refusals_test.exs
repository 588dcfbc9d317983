defmodule CerebrosBridge.RefusalsTest do
  # Every code that a bridge answers, over either adapter.
  use CerebrosBridge.AdapterCase, async: false

  alias CerebrosBridge.{Connection, Error, Event, Pool, Reading, Run, Service}

  # Each test names its bridge after the adapter it goes over.
  for adapter <- [CerebrosBridge.Port, CerebrosBridge.Grpc] do
    describe "over #{inspect(adapter)}" do
      @describetag bridge: adapter

      test "INVALID_ARGUMENT: a broken rule and a wrong type name their place", %{bridge: bridge} do
        for {trials, what} <- [{-1, "Expected `int` >= 1"}, {"4", "Expected `int`, got"}] do
          assert {:error, %Error{code: :invalid_argument, class: :validation, message: message}} =
                   start(bridge, fresh_id("bad"), %{budget: %{trials: trials}})

          assert message =~ what
          assert message =~ "$.spec.budget.trials"
        end

        assert {:error, %Error{code: :invalid_argument, message: message}} =
                 CerebrosBridge.call(bridge, :get_run, %{run_id: "a", colour: "red"})

        assert message =~ "colour"

        assert {:error, %Error{code: :invalid_argument}} =
                 CerebrosBridge.call(bridge, :watch_run, %{run_id: "a"})

        assert_raise Error, ~r/answers once/, fn ->
          bridge |> CerebrosBridge.follow(:health, %{}) |> Enum.to_list()
        end

        for {spec, place} <- [
              {%{kind: "comet"}, "$.spec"},
              {%{trials: 3}, "$.spec"},
              {3, "$.spec"}
            ] do
          assert {:error, %Error{code: :invalid_argument, class: :validation, message: message}} =
                   CerebrosBridge.start_run(bridge, %{pac_id: "p", spec: spec})

          assert message =~ place
        end
      end

      test "INVALID_ARGUMENT: a call of what streams, also where this client did not know it would",
           %{
             bridge: bridge
           } do
        run_id = fresh_id("streams")
        {:ok, _} = start(bridge, run_id, %{budget: @endless})
        {:ok, connection} = Pool.checkout(bridge, :any)

        assert {:error, %Error{code: :invalid_argument, message: message}} =
                 Connection.call(connection, "watch_run", %{run_id: run_id}, 10_000)

        assert message =~ "streams; use follow/4"
        assert {:ok, %{"status" => "serving"}} = CerebrosBridge.health(bridge)
        {:ok, _} = CerebrosBridge.cancel(bridge, run_id)
      end

      test "INVALID_ARGUMENT: terms that no bridge takes trouble nobody but their caller", %{
        bridge: bridge
      } do
        {:ok, connection} = Pool.checkout(bridge, :any)

        for crooked <- [
              %{budget: ~D[2026-01-02]},
              %{budget: %{{1, 2} => 3}},
              %{objectives: ["accuracy" | "energy"]},
              %{pac_id: <<1::3>>}
            ] do
          assert {:error, %Error{code: :invalid_argument, class: :validation}} =
                   start(bridge, fresh_id("crooked"), crooked)
        end

        for timeout <- [nil, -5_000] do
          assert_raise FunctionClauseError, fn ->
            CerebrosBridge.health(bridge, timeout: timeout)
          end
        end

        assert {:ok, ^connection} = Pool.checkout(bridge, :any)
      end

      test "NOT_FOUND: unknown runs and procedures", %{bridge: bridge} do
        assert {:error,
                %Error{code: :not_found, class: :permanent, retryable: false, message: message}} =
                 CerebrosBridge.get_run(bridge, "nobody")

        assert message =~ "nobody"

        assert {:error, %Error{code: :not_found, class: :permanent}} =
                 CerebrosBridge.call(bridge, "fly", %{})

        assert {:error, %Error{code: :not_found}} = CerebrosBridge.await(bridge, "nobody")

        for {procedure, params} <- [fly: %{}, watch_run: %{run_id: "nobody"}] do
          assert %Error{code: :not_found} =
                   catch_error(
                     bridge
                     |> CerebrosBridge.follow(procedure, params)
                     |> Enum.to_list()
                   )
        end

        assert_raise Error, ~r/nobody/, fn ->
          bridge |> CerebrosBridge.stream("nobody") |> Enum.to_list()
        end

        {:ok, _} = CerebrosBridge.watch(bridge, "nobody")
        assert_receive {:cerebros_end, "nobody", {:error, %Error{code: :not_found}}}, 5_000
      end

      test "ALREADY_EXISTS: a run id with other content; the same content is the same run", %{
        bridge: bridge
      } do
        run_id = fresh_id("twice")
        {:ok, _} = start(bridge, run_id, %{budget: @endless})
        assert {:ok, %Run{run_id: ^run_id}} = start(bridge, run_id, %{budget: @endless})

        assert {:error, %Error{code: :already_exists, class: :permanent}} =
                 start(bridge, run_id, %{pac_id: "pac-2"})

        {:ok, _} = CerebrosBridge.cancel(bridge, run_id)
      end

      test "FAILED_PRECONDITION: an artifact whose bytes are not its own", %{bridge: bridge} do
        run_id = succeeded_run(bridge)

        {:ok, %{"artifacts" => [artifact | _]}} =
          CerebrosBridge.call(bridge, :list_artifacts, %{run_id: run_id})

        bytes = File.read!(artifact["path"])
        File.chmod!(artifact["path"], 0o600)
        File.write!(artifact["path"], "nothing of ours")
        on_exit(fn -> File.write!(artifact["path"], bytes) end)

        assert {:error, %Error{code: :failed_precondition, class: :permanent}} =
                 CerebrosBridge.call(bridge, :get_artifact, %{digest: artifact["digest"]})
      end

      test "PERMISSION_DENIED: data that may not be trained on", %{bridge: bridge, home: home} do
        manifest = Service.dataset(home, "evaluate.toml")
        words = File.read!(Service.manifest())
        File.write!(manifest, String.replace(words, ~s(["train", "evaluate"]), ~s(["evaluate"])))

        assert {:error, %Error{code: :permission_denied, class: :security, retryable: false}} =
                 start(bridge, fresh_id("denied"), %{manifest: manifest})
      end

      test "RESOURCE_EXHAUSTED: one stream too many", %{bridge: bridge} do
        run_id = fresh_id("crowded")
        {:ok, _} = start(bridge, run_id, %{budget: @endless})
        {:ok, connection} = Pool.checkout(bridge, {:run, run_id})

        streams =
          for _ <- 1..1025 do
            params = %{run_id: run_id, after_seq: 1_000_000}
            {:ok, stream} = Connection.follow(connection, "watch_run", params)
            stream
          end

        assert_receive {stream,
                        {:end,
                         {:error, %Error{code: :resource_exhausted, class: :transient} = error}}},
                       60_000

        assert stream in streams
        assert error.retryable

        # A reading outlasts it.
        {:ok, reading} = Reading.start(bridge, run_id, [])
        assert {:timeout, reading} = Reading.next(reading, in_ms(300), nil)
        Enum.each(streams, &Connection.close/1)
        assert {:item, %Event{seq: 1}, reading} = Reading.next(reading, in_ms(30_000), nil)
        Reading.stop(reading)
        # The bridge has heard of the closed streams a moment later.
        assert {:ok, _} = CerebrosBridge.cancel(bridge, run_id, retries: 5)
      end

      test "DEADLINE_EXCEEDED: a call past its time", %{bridge: bridge} do
        assert {:error, %Error{code: :deadline_exceeded, class: :timeout, retryable: true}} =
                 CerebrosBridge.call(bridge, :check_dataset, %{manifest: Service.manifest()},
                   timeout: 1
                 )
      end
    end
  end
end
