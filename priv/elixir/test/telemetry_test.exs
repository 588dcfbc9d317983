defmodule CerebrosBridge.TelemetryTest do
  use ExUnit.Case, async: false
  doctest CerebrosBridge.Telemetry

  import ExUnit.CaptureLog
  alias CerebrosBridge.Telemetry

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

  test "a handler that raises is detached and the others still hear" do
    :ok = Telemetry.attach("bad", [:a, :b], fn _, _, _, _ -> raise "no" end, nil)
    :ok = Telemetry.attach("good", [:a, :b], &to_test/4, self())

    assert capture_log(fn -> Telemetry.execute([:a, :b], %{}, %{n: 1}) end) =~ "detached"
    assert_received {[:a, :b], %{}, %{n: 1}}
    assert {:error, :not_found} = Telemetry.detach("bad")
    :ok = Telemetry.detach("good")
  end
end
