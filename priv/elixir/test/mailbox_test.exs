defmodule CerebrosBridge.MailboxTest do
  # Thousands of real stored events to an owner that sleeps.
  use ExUnit.Case, async: false

  alias CerebrosBridge.{Connection, Event, Pool, Service}

  @moduletag timeout: 120_000
  @events 10_000

  setup_all do
    home = Service.suite().home

    start_supervised!(
      {CerebrosBridge, name: CerebrosBridge.Grpc, adapter: CerebrosBridge.Grpc, home: home}
    )

    options = [
      name: CerebrosBridge.Port,
      home: home,
      args: ["--no-worker"],
      env: Service.environment(home)
    ]

    start_supervised!({CerebrosBridge, options})

    for bridge <- [CerebrosBridge.Port, CerebrosBridge.Grpc] do
      assert Service.eventually(fn -> match?({:ok, _}, CerebrosBridge.ping(bridge)) end)
    end

    Service.script("store_events.py", home, ["many", Service.manifest(), "#{@events}"])
    :ok
  end

  for adapter <- [CerebrosBridge.Port, CerebrosBridge.Grpc] do
    describe "over #{inspect(adapter)}" do
      @describetag bridge: adapter

      test "a sleeping owner's mailbox stays within the credit, and nothing is lost", %{
        bridge: bridge
      } do
        {:ok, _watch} = CerebrosBridge.watch(bridge, "many")

        {seqs, fullest} = read_slowly([], 0)

        assert seqs == Enum.to_list(1..@events)
        assert fullest == Connection.window()
      end

      test "a stream that nobody grants stops at its credit", %{bridge: bridge} do
        {:ok, connection} = Pool.checkout(bridge, {:run, "many"})
        {:ok, stream} = Connection.follow(connection, "watch_run", %{run_id: "many"}, Event)
        window = Connection.window()

        assert Service.eventually(fn -> waiting() == window end)
        Process.sleep(300)
        assert waiting() == window

        assert for({^stream, {:item, %Event{seq: seq}}} <- messages(), do: seq) ==
                 Enum.to_list(1..window)

        Connection.grant(stream, 5)
        assert Service.eventually(fn -> waiting() == window + 5 end)
        Connection.close(stream)
      end

      test "a stream that is left early leaves nothing in the mailbox, then or later", %{
        bridge: bridge
      } do
        for _ <- 1..20 do
          assert [%Event{seq: 1}] = bridge |> CerebrosBridge.stream("many") |> Enum.take(1)
          # What the connection had still to send comes before its answer.
          assert {:ok, _} = CerebrosBridge.ping(bridge)
          assert waiting() == 0
        end
      end

      test "a lazy stream is read no faster than it is consumed", %{bridge: bridge} do
        seqs =
          bridge
          |> CerebrosBridge.stream("many")
          |> Stream.each(fn _ -> assert waiting() <= Connection.window() end)
          |> Enum.map(& &1.seq)

        assert seqs == Enum.to_list(1..@events)
        assert waiting() == 0
      end

      test "any stream is followed as maps, no faster than it is consumed", %{bridge: bridge} do
        items =
          bridge
          |> CerebrosBridge.follow(:watch_run, %{run_id: "many", after_seq: 9_000})
          |> Stream.each(fn _ -> assert waiting() <= Connection.window() end)
          |> Enum.to_list()

        assert Enum.map(items, & &1["seq"]) == Enum.to_list(9_001..@events)

        assert %{"run_id" => "many", "at" => <<_::binary>>, "name" => "cerebros.stage.start"} =
                 hd(items)

        assert %{"stage" => "stage-" <> _} = hd(items)["metadata"]
        assert waiting() == 0
      end
    end
  end

  # Sleeps whenever its mailbox could fill, so that it does.
  defp read_slowly(seqs, fullest) do
    if rem(length(seqs), 1000) == 0, do: Process.sleep(200)
    fullest = max(fullest, waiting())

    receive do
      {:cerebros_event, "many", %Event{seq: seq}} -> read_slowly([seq | seqs], fullest)
      {:cerebros_end, "many", :ok} -> {Enum.reverse(seqs), fullest}
    after
      30_000 -> flunk("no event after #{hd(seqs)}")
    end
  end

  defp waiting do
    # A process counts only messages that it has fetched, which a receive does.
    receive do
      :nobody_sends_this -> flunk("nobody")
    after
      0 -> self() |> Process.info(:message_queue_len) |> elem(1)
    end
  end

  defp messages, do: self() |> Process.info(:messages) |> elem(1)
end
