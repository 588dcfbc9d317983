defmodule CerebrosBridge.AdapterCase do
  @moduledoc """
  Tests of what holds over either adapter: the real program, a real worker, a database of their own.
  """
  use ExUnit.CaseTemplate

  alias CerebrosBridge.{Event, Run, Service, Telemetry}

  @minutes 4 * 60_000
  @small %{trials: 4, epochs: 2, probes: 4, shortlist: 2}

  using do
    quote do
      import CerebrosBridge.AdapterCase

      @moduletag timeout: 300_000
      @minutes 4 * 60_000
      @endless %{trials: 500, epochs: 200, probes: 4, shortlist: 2}
    end
  end

  setup_all do
    home = Service.suite().home

    options = %{
      CerebrosBridge.Port => [home: home, args: ["--no-worker"], env: Service.environment(home)],
      CerebrosBridge.Grpc => [home: home]
    }

    for {adapter, options} <- options do
      start_supervised!({CerebrosBridge, [name: adapter, adapter: adapter] ++ options})
      assert Service.eventually(fn -> match?({:ok, _}, CerebrosBridge.ping(adapter)) end)
    end

    {:ok, home: home, options: options}
  end

  # Without a worker a cancelled run ends at once, so only those who need one start it.
  def succeeded_run(bridge) do
    case CerebrosBridge.call(bridge, :list_runs, %{state: :succeeded, limit: 1}) do
      {:ok, %{"runs" => [run]}} ->
        run["run_id"]

      {:ok, %{"runs" => []}} ->
        Service.start_worker()
        run_id = fresh_id("first")
        {:ok, _} = start(bridge, run_id)
        {:ok, %Run{state: :succeeded}} = CerebrosBridge.await(bridge, run_id, timeout: @minutes)
        run_id
    end
  end

  def cycle(run_id, more) do
    Map.merge(
      %{
        run_id: run_id,
        pac_id: "pac-1",
        manifest: Service.manifest(),
        kind: :cycle,
        budget: @small
      },
      more
    )
  end

  def start(bridge, run_id, more \\ %{}),
    do: CerebrosBridge.start_run(bridge, cycle(run_id, more))

  def fresh_id(what), do: "#{what}-#{System.unique_integer([:positive])}"

  def in_ms(ms), do: System.monotonic_time(:millisecond) + ms

  def keys(map), do: map |> Map.keys() |> Enum.sort()

  def to_test(name, measurements, metadata, pid), do: send(pid, {name, measurements, metadata})

  def attach(events) do
    owner = self()
    for event <- events, do: :ok = Telemetry.attach({owner, event}, event, &to_test/4, owner)
    on_exit({:detach, make_ref()}, fn -> Enum.each(events, &Telemetry.detach({owner, &1})) end)
  end

  def collect_events(run_id, events \\ []) do
    receive do
      {:cerebros_event, ^run_id, %Event{} = event} -> collect_events(run_id, [event | events])
      {:cerebros_end, ^run_id, :ok} -> Enum.reverse(events)
    after
      @minutes -> flunk("the run did not end; it had #{length(events)} events")
    end
  end

  def collect_told(run_id, told \\ []) do
    receive do
      {[:cerebros, _, _] = name, measurements, %{run_id: ^run_id} = metadata} ->
        collect_told(run_id, [{name, measurements, metadata} | told])
    after
      100 -> Enum.reverse(told)
    end
  end
end
