defmodule CerebrosBridge.Reading do
  @moduledoc """
  A run's events, one by one, over as many connections as it takes.

  The reader is the calling process. When a connection ends, when the bridge cannot read its
  database, or when it is busy or its reader fell behind, the reading attaches anew behind the
  last event it gave, so there is no gap and no repeat; after `:patience` milliseconds of such
  trouble it ends with the error. Trouble is over with an event, and also when an attachment
  has held for ten seconds, or for `:patience` where that is less.
  """

  alias CerebrosBridge.{Connection, Error, Event, Pool}

  @patience_ms 60_000
  @pause_ms 100

  # The bridge says within five seconds that it cannot read its database.
  @sound_ms 10_000

  # What passes by itself. The bridge answers `:resource_exhausted` to a reader that fell behind.
  @passing [:unavailable, :resource_exhausted]

  @enforce_keys [:bridge, :run_id, :seq, :patience]
  defstruct [:bridge, :run_id, :seq, :patience, :stream, :monitor, :attached_at, :troubled_since]

  @opaque t :: %__MODULE__{}
  @type next ::
          {:event, Event.t(), t()}
          | {:end, :ok | {:error, Error.t()}}
          | {:timeout, t()}
          | {:down, reference()}

  @doc """
  Begin behind event `after_seq`; an error only when there is no bridge to ask, or it is switched
  off. Nothing is asked for before the first `next/3`, whose process may be another.

      {:ok, reading} = CerebrosBridge.Reading.start(MyApp.Bridge, run_id, after_seq: 12)
  """
  @spec start(GenServer.server(), String.t(), keyword()) :: {:ok, t()} | {:error, Error.t()}
  def start(bridge, run_id, options) do
    options = Keyword.validate!(options, after_seq: 0, patience: @patience_ms)

    case Pool.checkout(bridge, {:run, run_id}) do
      {:error, %Error{code: code} = error} when code not in @passing ->
        {:error, error}

      _open_or_being_opened ->
        {:ok,
         %__MODULE__{
           bridge: bridge,
           run_id: run_id,
           seq: options[:after_seq],
           patience: options[:patience]
         }}
    end
  catch
    :exit, reason -> {:error, Error.gone(reason)}
  end

  defp attach(reading) do
    with {:ok, connection} <- Pool.checkout(reading.bridge, {:run, reading.run_id}),
         {:ok, {pid, _id} = stream} <- Connection.attach(connection, reading.run_id, reading.seq) do
      {:ok, %{reading | stream: stream, monitor: Process.monitor(pid), attached_at: now()}}
    end
  catch
    :exit, reason -> {:error, Error.gone(reason)}
  end

  @doc """
  The next event, or how the run's events end.

  `deadline` is of `System.monotonic_time(:millisecond)`; `watched` a monitor whose `:DOWN` ends
  the wait too.
  """
  @spec next(t(), integer() | :infinity, reference() | nil) :: next()
  def next(%{stream: nil} = reading, deadline, watched) do
    case attach(reading) do
      {:ok, reading} -> next(reading, deadline, watched)
      {:error, error} -> retry(reading, error, deadline, watched)
    end
  end

  def next(%{stream: stream, monitor: monitor} = reading, deadline, watched) do
    receive do
      {^stream, {:event, event}} ->
        Connection.grant(stream, 1)
        {:event, event, %{reading | seq: event.seq, troubled_since: nil}}

      {^stream, {:end, :ok}} ->
        left(reading)
        {:end, :ok}

      {^stream, {:end, {:error, error}}} ->
        retry(left(reading), error, deadline, watched)

      {:DOWN, ^monitor, :process, _pid, reason} ->
        error = Error.gone(reason)
        retry(left(reading), error, deadline, watched)

      {:DOWN, ^watched, :process, _pid, _reason} ->
        {:down, watched}
    after
      remaining(deadline) -> {:timeout, reading}
    end
  end

  defp retry(_reading, %Error{code: code} = error, _deadline, _watched)
       when code not in @passing,
       do: {:end, {:error, error}}

  defp retry(reading, error, deadline, watched) do
    since = reading.troubled_since || now()
    reading = %{reading | troubled_since: since}

    cond do
      now() - since >= reading.patience ->
        {:end, {:error, error}}

      remaining(deadline) == 0 ->
        {:timeout, reading}

      true ->
        Process.sleep(min(@pause_ms, remaining(deadline)))
        next(reading, deadline, watched)
    end
  end

  @doc "Stop reading; the run itself goes on."
  @spec stop(t()) :: :ok
  def stop(%{stream: nil}), do: :ok

  def stop(reading) do
    Connection.close(reading.stream)
    left(reading)
    :ok
  end

  # Without its stream, and with nothing of it left in the mailbox.
  defp left(%{stream: stream, monitor: monitor} = reading) do
    Process.demonitor(monitor, [:flush])
    drop(stream)
    held? = now() - reading.attached_at >= min(@sound_ms, reading.patience)
    troubled_since = if held?, do: nil, else: reading.troubled_since
    %{reading | stream: nil, monitor: nil, troubled_since: troubled_since}
  end

  defp drop(stream) do
    receive do
      {^stream, _} -> drop(stream)
    after
      0 -> :ok
    end
  end

  defp remaining(:infinity), do: :infinity
  defp remaining(deadline), do: max(deadline - now(), 0)

  defp now, do: System.monotonic_time(:millisecond)
end
