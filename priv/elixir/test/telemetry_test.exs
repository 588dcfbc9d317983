defmodule CerebrosBridge.TelemetryTest do
  use ExUnit.Case, async: false
  doctest CerebrosBridge.Telemetry

  import ExUnit.CaptureLog
  alias CerebrosBridge.{Event, RunTelemetry, Telemetry}

  defp to_test(event, measurements, metadata, pid) do
    send(pid, {event, measurements, metadata})
  end

  test "a handler gets the event, its figures, its metadata and its own configuration" do
    :ok = Telemetry.attach("one", [:cerebros, :run, :start], &to_test/4, self())
    Telemetry.execute([:cerebros, :run, :start], %{queue_s: 0.5}, %{run_id: "r"})
    Telemetry.execute([:cerebros, :run, :stop], %{}, %{})
    assert_received {[:cerebros, :run, :start], %{queue_s: 0.5}, %{run_id: "r"}}
    refute_received {[:cerebros, :run, :stop], _, _}
    :ok = Telemetry.detach("one")
  end

  test "a detached handler hears nothing" do
    :ok = Telemetry.attach("two", [:a, :b], &to_test/4, self())
    :ok = Telemetry.detach("two")
    Telemetry.execute([:a, :b], %{}, %{})
    refute_received _
  end

  test "an id attaches once" do
    :ok = Telemetry.attach("three", [:a, :b], &to_test/4, self())
    assert {:error, :already_exists} = Telemetry.attach("three", [:a, :c], &to_test/4, self())
    :ok = Telemetry.detach("three")
  end

  test "an event of a run is told once, until thousands of other runs have been told" do
    :ok = Telemetry.attach("four", [:a, :b], &to_test/4, self())
    event = %Event{run_id: "r", seq: 1, name: [:a, :b], metadata: %{run_id: "r"}}

    for seq <- [1, 2, 1, 2],
        do: RunTelemetry.tell(self(), %{event | seq: seq, measurements: %{seq: seq}})

    for seq <- [1, 2], do: assert_receive({[:a, :b], %{seq: ^seq}, %{run_id: "r"}})
    refute_receive {[:a, :b], _, _}

    for other <- 1..10_000,
        do: RunTelemetry.tell(self(), %{event | run_id: other, name: [:others]})

    RunTelemetry.tell(self(), event)
    assert_receive {[:a, :b], %{}, %{run_id: "r"}}
    :ok = Telemetry.detach("four")
  end

  test "a handler that raises is detached and the others still hear" do
    :ok = Telemetry.attach("bad", [:a, :b], fn _, _, _, _ -> raise "no" end, nil)
    :ok = Telemetry.attach("good", [:a, :b], &to_test/4, self())

    assert capture_log(fn -> Telemetry.execute([:a, :b], %{}, %{n: 1}) end) =~ "detached"
    assert_received {[:a, :b], %{}, %{n: 1}}
    assert {:error, :not_found} = Telemetry.detach("bad")
    :ok = Telemetry.detach("good")
  end
end
