defmodule CerebrosBridge.Reading do
  @moduledoc """
  A run's events, one by one, over as many connections as it takes.

  The reader is the calling process. When a connection ends, or the bridge cannot read its
  database, the reading attaches anew behind the last event it gave, so there is no gap and no
  repeat; after `:patience` milliseconds without success it ends with the error.
  """

  alias CerebrosBridge.{Connection, Error, Event, Pool}

  @patience_ms 60_000
  @pause_ms 100

  @enforce_keys [:bridge, :run_id, :seq, :patience]
  defstruct [:bridge, :run_id, :seq, :patience, :stream, :monitor, :troubled_since]

  @opaque t :: %__MODULE__{}
  @type next ::
          {:event, Event.t(), t()}
          | {:end, :ok | {:error, Error.t()}}
          | {:timeout, t()}
          | {:down, reference()}

  @doc """
  Begin behind event `after_seq`; an error only when there is no bridge to ask.

      {:ok, reading} = CerebrosBridge.Reading.start(MyApp.Bridge, run_id, after_seq: 12)
  """
  @spec start(GenServer.server(), String.t(), keyword()) :: {:ok, t()} | {:error, Error.t()}
  def start(bridge, run_id, options) do
    options = Keyword.validate!(options, after_seq: 0, patience: @patience_ms)

    attach(%__MODULE__{
      bridge: bridge,
      run_id: run_id,
      seq: options[:after_seq],
      patience: options[:patience]
    })
  end

  defp attach(reading) do
    with {:ok, connection} <- Pool.checkout(reading.bridge, {:run, reading.run_id}),
         {:ok, {pid, _id} = stream} <- Connection.attach(connection, reading.run_id, reading.seq) do
      {:ok, %{reading | stream: stream, monitor: Process.monitor(pid)}}
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

      {^stream, {:end, {:error, %Error{code: :unavailable} = error}}} ->
        retry(left(reading), error, deadline, watched)

      {^stream, {:end, result}} ->
        left(reading)
        {:end, result}

      {:DOWN, ^monitor, :process, _pid, reason} ->
        error = Error.gone(reason)
        retry(left(reading), error, deadline, watched)

      {:DOWN, ^watched, :process, _pid, _reason} ->
        {:down, watched}
    after
      remaining(deadline) -> {:timeout, reading}
    end
  end

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
    %{reading | stream: nil, monitor: nil}
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
