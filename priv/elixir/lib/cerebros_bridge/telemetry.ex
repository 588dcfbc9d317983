defmodule CerebrosBridge.Telemetry do
  @moduledoc """
  Events as `:telemetry` has them, with or without `:telemetry`.

  Where the host application has `:telemetry`, these functions call it, so its
  handlers, reporters and `Telemetry.Metrics` see every event. Elsewhere a
  small table of handlers does the same work.

  Calls emit the events in `CerebrosBridge.Invocation`, watched runs those in
  `CerebrosBridge.Names.events/0`. A handler runs in the process that emits, that of
  the call or `CerebrosBridge.RunTelemetry`, so it should be quick; one that raises
  is detached.
  """

  require Logger

  @table __MODULE__
  @backend :telemetry

  @type handler :: ([atom()], map(), map(), term() -> term())

  @doc false
  def create_table do
    # Looked up once: asking the code server at every event would cost more than the event.
    :persistent_term.put(@table, Code.ensure_loaded?(@backend))
    :ets.new(@table, [:bag, :public, :named_table, read_concurrency: true])
  end

  @doc """
  Call `handler` at every event of this name.

      iex> CerebrosBridge.Telemetry.attach("doc", [:a, :b], fn _, _, _, _ -> :ok end, nil)
      :ok
      iex> CerebrosBridge.Telemetry.attach("doc", [:a, :b], fn _, _, _, _ -> :ok end, nil)
      {:error, :already_exists}
      iex> CerebrosBridge.Telemetry.detach("doc")
      :ok
  """
  @spec attach(term(), [atom()], handler(), term()) :: :ok | {:error, :already_exists}
  def attach(handler_id, event, handler, config) when is_function(handler, 4) do
    if telemetry?() do
      apply(@backend, :attach, [handler_id, event, handler, config])
    else
      :global.trans({@table, self()}, fn -> insert(handler_id, event, handler, config) end, [
        node()
      ])
    end
  end

  @doc """
  Stop calling the handler of this id.

      iex> CerebrosBridge.Telemetry.detach("nobody")
      {:error, :not_found}
  """
  @spec detach(term()) :: :ok | {:error, :not_found}
  def detach(handler_id) do
    cond do
      telemetry?() -> apply(@backend, :detach, [handler_id])
      known?(handler_id) -> :ets.match_delete(@table, {:_, handler_id, :_, :_}) && :ok
      true -> {:error, :not_found}
    end
  end

  @doc """
  Tell every handler of the event.

      iex> CerebrosBridge.Telemetry.execute([:a, :b], %{duration: 1}, %{})
      :ok
  """
  @spec execute([atom()], map(), map()) :: :ok
  def execute(event, measurements, metadata) do
    if telemetry?() do
      apply(@backend, :execute, [event, measurements, metadata])
    else
      for {_event, handler_id, handler, config} <- :ets.lookup(@table, event) do
        try do
          handler.(event, measurements, metadata, config)
        catch
          kind, reason ->
            detach(handler_id)

            Logger.error(
              "telemetry handler #{inspect(handler_id)} is detached: " <>
                Exception.format(kind, reason, __STACKTRACE__)
            )
        end
      end

      :ok
    end
  end

  defp insert(handler_id, event, handler, config) do
    if known?(handler_id) do
      {:error, :already_exists}
    else
      :ets.insert(@table, {event, handler_id, handler, config})
      :ok
    end
  end

  defp known?(handler_id), do: :ets.match(@table, {:"$1", handler_id, :_, :_}) != []

  defp telemetry?, do: :persistent_term.get(@table)
end
