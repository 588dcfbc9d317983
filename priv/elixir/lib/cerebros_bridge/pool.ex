defmodule CerebrosBridge.Pool do
  @moduledoc """
  Keeps the connections to the bridge: opens them, replaces those that end, hands them out.

  Calls go round the connections that are there; the streams of one run are all on the same
  one. A connection that ends is opened again after 100 ms, and each time it fails to last
  after twice as long, up to 30 s, so that a bridge that cannot start is not hammered.

  With the feature flag off nothing is started and every call is `:failed_precondition`.
  """

  use GenServer
  require Logger

  alias CerebrosBridge.{Connection, Error}

  @backoff_ms 100
  @longest_backoff_ms 30_000

  # A connection that lasted so long was well; the next failure begins with the shortest pause.
  @lasting_ms 10_000

  @own_options [name: nil, adapter: CerebrosBridge.Port, pool: 1, enabled: nil]
  @adapter_options [:executable, :args, :env, :home, :logs, :address, :tls]

  @doc """
  Start the pool; options as in `CerebrosBridge.start_link/1`.

      iex> {:ok, pool} = CerebrosBridge.Pool.start_link(enabled: false)
      iex> {:error, error} = CerebrosBridge.Pool.checkout(pool, :any)
      iex> error.code
      :failed_precondition
  """
  @spec start_link(keyword()) :: GenServer.on_start()
  def start_link(options) do
    options = Keyword.validate!(options, @own_options ++ @adapter_options)

    GenServer.start_link(
      __MODULE__,
      options,
      if(options[:name], do: [name: options[:name]], else: [])
    )
  end

  @doc """
  A connection: for one call (`:any`), or the one that a run's streams are on.

  `:unavailable` while it is being opened anew. Exits when there is no pool.

      {:ok, connection} = CerebrosBridge.Pool.checkout(MyApp.Bridge, :any)
  """
  @spec checkout(GenServer.server(), :any | {:run, String.t()}) ::
          {:ok, pid()} | {:error, Error.t()}
  def checkout(pool, purpose) do
    GenServer.call(pool, {:checkout, purpose}, :infinity)
  end

  @impl true
  def init(options) do
    Process.flag(:trap_exit, true)

    state = %{
      adapter: options[:adapter],
      options: Keyword.take(options, @adapter_options),
      enabled: enabled_by(options[:enabled]),
      size: options[:pool],
      started: false,
      # slot => connection, connection => {slot, when it was opened}, slot => failures in a row
      connections: %{},
      opened: %{},
      failures: %{},
      turn: 0
    }

    if state.enabled.(), do: open_all(state), else: {:ok, state}
  end

  defp enabled_by(nil), do: fn -> Application.get_env(:cerebros_bridge, :enabled, true) end
  defp enabled_by(flag) when is_boolean(flag), do: fn -> flag end
  defp enabled_by(flag) when is_function(flag, 0), do: flag

  # What keeps the first ones from opening is a mistake in the options: no pause mends it.
  defp open_all(state) do
    Enum.reduce_while(0..(state.size - 1), {:ok, %{state | started: true}}, fn slot,
                                                                               {:ok, state} ->
      case open(state, slot) do
        {:ok, state} -> {:cont, {:ok, state}}
        {:error, error} -> {:halt, {:stop, error}}
      end
    end)
  end

  defp open(state, slot) do
    with {:ok, pid} <- Connection.start_link({state.adapter, [{:slot, slot} | state.options]}) do
      connections = Map.put(state.connections, slot, pid)
      opened = Map.put(state.opened, pid, {slot, now()})
      {:ok, %{state | connections: connections, opened: opened}}
    end
  end

  @impl true
  def handle_call({:checkout, purpose}, _from, state) do
    if state.enabled.(),
      do: hand_out(purpose, state),
      else: {:reply, {:error, disabled()}, state}
  end

  # The flag was off when the pool started.
  defp hand_out(purpose, %{started: false} = state) do
    case open_all(state) do
      {:ok, state} -> hand_out(purpose, state)
      {:stop, error} -> {:reply, {:error, error}, state}
    end
  end

  defp hand_out({:run, run_id}, state) do
    slot = :erlang.phash2(run_id, state.size)
    {:reply, found(state.connections[slot]), state}
  end

  defp hand_out(:any, state) do
    turns = Enum.map(1..state.size, &rem(state.turn + &1, state.size))
    slot = Enum.find(turns, state.turn, &is_map_key(state.connections, &1))
    {:reply, found(state.connections[slot]), %{state | turn: slot}}
  end

  defp found(nil),
    do: {:error, Error.local(:unavailable, "the bridge is being started anew; call again")}

  defp found(pid), do: {:ok, pid}

  defp disabled do
    Error.local(:failed_precondition, "the bridge is switched off; set :enabled to use it")
  end

  @impl true
  def handle_info({:EXIT, pid, reason}, state) do
    case Map.pop(state.opened, pid) do
      {{slot, since}, opened} ->
        Logger.warning("cerebros-bridge: connection #{slot} ended: #{inspect(reason)}")
        state = %{state | opened: opened, connections: Map.delete(state.connections, slot)}
        {:noreply, open_later(state, slot, now() - since)}

      # One that did not even open; `open/2` has said so.
      {nil, _} ->
        {:noreply, state}
    end
  end

  def handle_info({:open, slot}, state) do
    case open(state, slot) do
      {:ok, state} ->
        {:noreply, state}

      {:error, error} ->
        Logger.warning("cerebros-bridge: connection #{slot} cannot be opened: #{inspect(error)}")
        {:noreply, open_later(state, slot, 0)}
    end
  end

  defp open_later(state, slot, lasted_ms) do
    failures = if lasted_ms >= @lasting_ms, do: 0, else: Map.get(state.failures, slot, 0)
    Process.send_after(self(), {:open, slot}, backoff(failures))
    put_in(state.failures[slot], failures + 1)
  end

  @doc """
  Milliseconds before a connection is opened again that failed so many times in a row.

      iex> Enum.map([0, 1, 2, 20], &CerebrosBridge.Pool.backoff/1)
      [100, 200, 400, 30_000]
  """
  @spec backoff(non_neg_integer()) :: pos_integer()
  def backoff(failures), do: min(@backoff_ms * 2 ** min(failures, 20), @longest_backoff_ms)

  defp now, do: System.monotonic_time(:millisecond)
end
