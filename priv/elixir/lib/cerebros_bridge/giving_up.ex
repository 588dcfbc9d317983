defmodule CerebrosBridge.GivingUp do
  @moduledoc false
  # Cancels a run that nobody waits for any more.

  alias CerebrosBridge.Run

  # Milliseconds between the attempts.
  @pauses [50, 100, 200, 400, 800, 1_600]

  @doc "Cancel a run; the caller has waited enough and does not wait for this too."
  @spec on_run(CerebrosBridge.bridge(), String.t(), String.t()) :: :ok
  def on_run(bridge, run_id, reason) do
    {:ok, _} = Task.start(fn -> cancel_surely(bridge, run_id, reason, @pauses) end)
    :ok
  end

  # A start that was given up may still be accepted a moment after its cancel. Then the cancel
  # finds no run, or one that is queued still, which a cancel that came in time would have ended.
  defp cancel_surely(bridge, run_id, reason, pauses) do
    case {CerebrosBridge.cancel(bridge, run_id, reason: reason), pauses} do
      {{:ok, %Run{state: state}}, _} when state != :queued ->
        :ok

      {_not_yet, [pause | later]} ->
        Process.sleep(pause)
        cancel_surely(bridge, run_id, reason, later)

      {_never, []} ->
        :ok
    end
  end
end
