defmodule CerebrosBridge.Reading do
  @moduledoc """
  What a procedure streams, item by item; a run's events over as many connections as it takes.

  The reader is the calling process. When a connection ends, when the bridge cannot read its
  database, or when it is busy or its reader fell behind, the reading of a run's events attaches
  anew behind the last event it gave, so there is no gap and no repeat; after `:patience`
  milliseconds of such trouble it ends with the error. Trouble is over with an event, and also when
  an attachment has held for ten seconds, or for `:patience` where that is less. Any other stream
  has no place to go on from and ends with the first error.
  """

  alias CerebrosBridge.{Connection, Error, Event, Invocation, Pool}

  @patience_ms 60_000
  @pause_ms 100

  # The bridge says within five seconds that it cannot read its database.
  @sound_ms 10_000

  # What passes by itself. The bridge answers `:resource_exhausted` to a reader that fell behind.
  @passing [:unavailable, :resource_exhausted]

  @enforce_keys [:bridge, :purpose, :procedure, :params, :form, :options, :patience]
  defstruct @enforce_keys ++ [:stream, :monitor, :attached_at, :troubled_since]

  @opaque t :: %__MODULE__{}
  @type next ::
          {:item, Event.t() | map(), t()}
          | {:end, :ok | {:error, Error.t()}}
          | {:timeout, t()}
          | {:down, reference()}

  @doc """
  Begin with a run's events behind event `:after_seq`; an error only when there is no bridge to ask,
  or it is switched off. Nothing is asked for before the first `next/3`, whose process may be another.

      {:ok, reading} = CerebrosBridge.Reading.start(MyApp.Bridge, run_id, after_seq: 12)
  """
  @spec start(GenServer.server(), String.t(), keyword()) :: {:ok, t()} | {:error, Error.t()}
  def start(bridge, run_id, options) do
    options =
      Keyword.validate!(options, [
        :traceparent,
        :correlation_id,
        after_seq: 0,
        patience: @patience_ms
      ])

    begin(%__MODULE__{
      bridge: bridge,
      purpose: {:run, run_id},
      procedure: "watch_run",
      params: %{run_id: run_id, after_seq: options[:after_seq]},
      form: Event,
      options: Invocation.context(options),
      patience: options[:patience]
    })
  end

  @doc """
  Begin with what any procedure streams, as maps; options `:timeout`, `:traceparent`, `:correlation_id`.

      {:ok, reading} = CerebrosBridge.Reading.follow(MyApp.Bridge, "watch_run", %{run_id: run_id}, [])
  """
  @spec follow(GenServer.server(), String.t(), map(), keyword()) ::
          {:ok, t()} | {:error, Error.t()}
  def follow(bridge, procedure, params, options) do
    options = Keyword.validate!(options, [:traceparent, :correlation_id, timeout: :infinity])

    begin(%__MODULE__{
      bridge: bridge,
      purpose: :any,
      procedure: procedure,
      params: params,
      form: nil,
      options: options |> Invocation.context() |> Map.put(:timeout, options[:timeout]),
      patience: 0
    })
  end

  defp begin(reading) do
    case Pool.checkout(reading.bridge, reading.purpose) do
      {:error, %Error{code: code} = error} when code not in @passing -> {:error, error}
      _open_or_being_opened -> {:ok, reading}
    end
  catch
    :exit, reason -> {:error, Error.gone(reason)}
  end

  defp attach(%{procedure: procedure, params: params} = reading) do
    with {:ok, connection} <- Pool.checkout(reading.bridge, reading.purpose),
         {:ok, {pid, _id} = stream} <-
           Connection.follow(connection, procedure, params, reading.form, reading.options) do
      {:ok, %{reading | stream: stream, monitor: Process.monitor(pid), attached_at: now()}}
    end
  catch
    :exit, reason -> {:error, Error.gone(reason)}
  end

  # An event's number is where its run's stream goes on.
  defp taken(reading, %Event{seq: seq}),
    do: %{reading | params: %{reading.params | after_seq: seq}, troubled_since: nil}

  defp taken(reading, _item), do: reading

  @doc """
  The next item, or how the stream ends.

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
      {^stream, {:item, item}} ->
        Connection.grant(stream, 1)
        {:item, item, taken(reading, item)}

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

  @doc """
  Read to the end, for no longer than `timeout` milliseconds; the items are dropped.

      :ok = CerebrosBridge.Reading.to_end(reading, :infinity)
  """
  @spec to_end(t(), timeout()) :: :ok | :timeout | {:error, Error.t()}
  def to_end(reading, :infinity), do: drained(reading, :infinity)
  def to_end(reading, timeout), do: drained(reading, now() + timeout)

  defp drained(reading, deadline) do
    case next(reading, deadline, nil) do
      {:item, _item, reading} ->
        drained(reading, deadline)

      {:end, result} ->
        result

      {:timeout, reading} ->
        stop(reading)
        :timeout
    end
  end

  @doc """
  The items as a lazy stream, which raises `CerebrosBridge.Error`; `start` begins the reading.

      CerebrosBridge.Reading.lazy(fn -> CerebrosBridge.Reading.start(MyApp.Bridge, run_id, []) end)
  """
  @spec lazy((() -> {:ok, t()} | {:error, Error.t()})) :: Enumerable.t()
  def lazy(start) do
    Stream.resource(
      fn ->
        case start.() do
          {:ok, reading} -> reading
          {:error, error} -> raise error
        end
      end,
      fn reading ->
        case next(reading, :infinity, nil) do
          {:item, item, reading} -> {[item], reading}
          {:end, :ok} -> {:halt, :ended}
          {:end, {:error, error}} -> raise error
        end
      end,
      fn reading -> if reading != :ended, do: stop(reading) end
    )
  end

  @doc "Stop reading; a run that is read goes on."
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
