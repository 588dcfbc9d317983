defmodule CerebrosBridge.Watcher do
  @moduledoc """
  Sends a run's events to a process, as fast as that process empties its mailbox.

  The owner's mailbox is looked at before each event, so that a sleeping owner finds at most
  `CerebrosBridge.Connection.window/0` messages; the others wait in the database.
  """

  alias CerebrosBridge.{Connection, Reading}

  # An owner that has not emptied its mailbox is looked at again after so long.
  @pause_ms 20

  @doc """
  Read for `owner`; the watcher ends with the run or the owner.

      {:ok, reading} = CerebrosBridge.Reading.start(MyApp.Bridge, run_id, after_seq: 3)
      {:ok, watcher} = CerebrosBridge.Watcher.start(reading, run_id, self())
  """
  @spec start(Reading.t(), String.t(), pid()) :: {:ok, pid()}
  def start(reading, run_id, owner) do
    Task.start(fn -> forward(reading, run_id, owner, Process.monitor(owner)) end)
  end

  defp forward(reading, run_id, owner, monitor) do
    case Reading.next(reading, :infinity, monitor) do
      {:item, event, reading} ->
        await_room(owner)
        send(owner, {:cerebros_event, run_id, event})
        forward(reading, run_id, owner, monitor)

      {:end, result} ->
        await_room(owner)
        send(owner, {:cerebros_end, run_id, result})

      # The connection sees this process end and closes the stream.
      {:down, ^monitor} ->
        :ok
    end
  end

  defp await_room(owner) do
    if waiting(owner) >= Connection.window() do
      Process.sleep(@pause_ms)
      await_room(owner)
    end
  end

  defp waiting(owner) when node(owner) == node() do
    case Process.info(owner, :message_queue_len) do
      {:message_queue_len, length} -> length
      nil -> 0
    end
  end

  # A process elsewhere cannot be looked into; the distribution slows its senders down itself.
  defp waiting(_owner), do: 0
end
