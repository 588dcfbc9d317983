defmodule CerebrosBridge.RunTelemetry do
  @moduledoc """
  Tells `:telemetry` handlers the events of watched runs, in order and once.

  However many watch a run of a bridge, and however often they attach anew, handlers see each of
  its events once, in the order of its numbers. They run in this one process beside the
  connections, so a handler may call the bridge; while it does, later events wait.
  """

  use GenServer

  alias CerebrosBridge.{Event, Telemetry}

  # Runs in a generation. At least the newest so many are known, at most twice as many: a few MB.
  @generation 5_000

  @doc false
  def start_link(_none), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc """
  Tell handlers an event that `bridge` sent, unless they have been told.

      CerebrosBridge.RunTelemetry.tell(bridge, %CerebrosBridge.Event{run_id: "r", seq: 1, name: [:a]})
  """
  @spec tell(pid(), Event.t()) :: :ok
  def tell(bridge, event), do: GenServer.cast(__MODULE__, {:tell, bridge, event})

  # The highest event number told of each run: of the runs told lately, and of those before them.
  @impl true
  def init([]) do
    # What a handler starts may fail without taking what is known of runs with it.
    Process.flag(:trap_exit, true)
    {:ok, {%{}, %{}}}
  end

  @impl true
  def handle_cast({:tell, bridge, %Event{name: name, seq: seq} = event}, {recent, older}) do
    run = {bridge, event.run_id}
    told = recent[run] || older[run] || 0

    if is_list(name) and seq > told,
      do: Telemetry.execute(name, event.measurements, event.metadata)

    {:noreply, aged(Map.put(recent, run, max(seq, told)), older)}
  end

  # What handlers leave behind: answers that came too late, ends of what they started.
  @impl true
  def handle_info(_late, state), do: {:noreply, state}

  defp aged(recent, _older) when map_size(recent) >= @generation, do: {%{}, recent}
  defp aged(recent, older), do: {recent, older}
end
