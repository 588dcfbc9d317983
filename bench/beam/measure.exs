# The BEAM's half of bench_beam.py and of tests/transports/test_beam_owner.py: it owns port
# programs, counts and times, and prints one `name figure` a line. Python forms the ratios.
defmodule Measure do
  @event_count 30_016
  @window 64

  # Short, so that on a machine with other work some turns of each program are undisturbed.
  @turn_ms 60

  # Every atom that comes over the wire; their being here is what lets `[:safe]` know them.
  @atoms ~w(hello ok error item pong cancelled nil)a

  def main([what, python | rest]) do
    true = nil in @atoms
    measure(what, python, rest)
  end

  # Round trips per second: each line is one turn, in which all programs take part.
  defp measure("rounds", python, [turns]) do
    raw = open(python, ["echo.py"])
    program = greet(open(python, ["-m", "bridge", "port", "--no-worker"]))
    ours = open(python, ["terms.py", "ours"])
    peer = open(python, ["terms.py", "erlang-py"])
    hundred = :binary.copy("x", 100)
    ping = term({:ping, 5})
    call = term({:call, 7, "fly", %{"note" => :binary.copy("x", 50)}, %{}})
    metrics = term(Map.new(1..30, &{"metric_#{&1}", metric(&1)}))

    for _ <- 1..String.to_integer(turns) do
      say(:raw_100, rate(raw, hundred))
      say(:program_ping, rate(program, ping))
      say(:program_call, rate(program, call))
      say(:raw_metrics, rate(raw, metrics))
      say(:ours_metrics, rate(ours, metrics))
      say(:peer_metrics, rate(peer, metrics))
    end
  end

  # Events per second that this side has decoded.
  defp measure("events", python, [run_id, turns]) do
    for _ <- 1..String.to_integer(turns) do
      for kind <- ["ready", "fresh"] do
        sender = open(python, ["events.py", kind, "#{@event_count}"])
        take_events(sender, 1)
        rest = @event_count - 1
        say("events_" <> kind, per_second(rest, fn -> take_events(sender, rest) end))
        Port.close(sender)
      end
    end

    program = greet(open(python, ["-m", "bridge", "port", "--no-worker"]))
    Port.command(program, follow(1, run_id, 0))
    say(:events_stored, per_second(@event_count, fn -> consume_events(program, 0) end))
  end

  # A training run on every core, with this BEAM as the owner; then silence, until it is killed.
  defp measure("busy", python, [manifest]) do
    program = greet(open(python, ["-m", "bridge", "port"]))
    budget = %{"trials" => 1000, "epochs" => 10_000, "probes" => 4, "shortlist" => 2}

    Port.command(
      program,
      term(
        {:call, 1, "start_run",
         %{
           "run_id" => "busy",
           "pac_id" => "p",
           "spec" => %{"kind" => "cycle", "manifest" => manifest, "budget" => budget}
         }, %{}}
      )
    )

    {:ok, 1, _run} = read(program)
    Port.command(program, follow(2, "busy", 0))
    await_event(program, "cerebros.shortlist.stop")
    Port.command(program, term({:cancel, 2}))
    {:error, 2, :cancelled, _} = last(program, 2)
    # The trials' processes have imported and read by then.
    Process.sleep(1500)

    pings = for(n <- 1..300, do: pause_and_time(program, {:ping, n}))
    say(:ping_p99_ms, quantile(pings, 0.99))

    cancels =
      for id <- 10..59 do
        Port.command(program, follow(id, "busy", 1_000_000))
        pause_and_time(program, {:cancel, id})
      end

    say(:cancel_p99_ms, quantile(cancels, 0.99))
    say(:training, 1)
    Process.sleep(:infinity)
  end

  defp open(python, args) do
    Port.open({:spawn_executable, python}, [
      :binary,
      {:packet, 4},
      :nouse_stdio,
      args: args,
      cd: __DIR__
    ])
  end

  defp greet(port) do
    Port.command(port, term({:hello, 1, %{"credit" => @window}}))
    {:hello, 1, _info} = read(port)
    port
  end

  defp follow(id, run_id, after_seq),
    do: term({:call, id, "watch_run", %{"run_id" => run_id, "after_seq" => after_seq}, %{}})

  defp term(value), do: :erlang.term_to_binary(value)

  defp metric(n) when rem(n, 3) == 0, do: n * 1000
  defp metric(n), do: n / 7

  defp read(port) do
    receive do
      {^port, {:data, frame}} -> :erlang.binary_to_term(frame, [:safe])
    end
  end

  defp rate(port, frame) do
    stop = System.monotonic_time() + System.convert_time_unit(@turn_ms, :millisecond, :native)
    began = System.monotonic_time()
    rounds = rounds(port, frame, stop, 0)
    rounds / seconds_since(began)
  end

  defp rounds(port, frame, stop, n) do
    Port.command(port, frame)

    receive do
      {^port, {:data, _answer}} -> :ok
    end

    if System.monotonic_time() > stop, do: n + 1, else: rounds(port, frame, stop, n + 1)
  end

  defp per_second(count, work) do
    began = System.monotonic_time()
    work.()
    count / seconds_since(began)
  end

  defp take_events(_port, 0), do: :ok

  defp take_events(port, left) do
    {:item, 1, _event} = read(port)
    take_events(port, left - 1)
  end

  defp consume_events(port, consumed) do
    case read(port) do
      {:item, 1, _event} ->
        if rem(consumed, div(@window, 2)) == 0 do
          Port.command(port, term({:credit, 1, div(@window, 2)}))
        end

        consume_events(port, consumed + 1)

      {:ok, 1, _nothing} ->
        @event_count = consumed
    end
  end

  defp await_event(port, name) do
    case read(port) do
      {:item, 2, %{"name" => ^name}} -> :ok
      {:item, 2, _event} -> await_event(port, name)
    end
  end

  defp last(port, id) do
    case read(port) do
      {:item, ^id, _event} -> last(port, id)
      answer -> answer
    end
  end

  defp pause_and_time(port, message) do
    Process.sleep(5)
    began = System.monotonic_time()
    Port.command(port, term(message))
    answer = read(port)
    true = elem(answer, 0) in [:pong, :error]
    seconds_since(began) * 1000
  end

  defp seconds_since(began) do
    System.convert_time_unit(System.monotonic_time() - began, :native, :nanosecond) / 1.0e9
  end

  defp quantile(values, q) do
    sorted = Enum.sort(values)
    Enum.at(sorted, ceil(q * length(sorted)) - 1)
  end

  defp say(name, figure), do: IO.puts("#{name} #{figure}")
end

Measure.main(System.argv())
