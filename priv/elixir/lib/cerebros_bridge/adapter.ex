defmodule CerebrosBridge.Adapter do
  @moduledoc """
  How bytes travel between `CerebrosBridge.Connection` and the bridge.

  An adapter is a value, its wire, and functions on it; it owns what it opens (a port, a
  socket), keeps no process of its own and decides nothing. Two exist: `CerebrosBridge.Port`
  starts the program and speaks over its pipes, `CerebrosBridge.Grpc` calls a service that runs
  already. Ids are chosen by the connection and answered once.
  """

  alias CerebrosBridge.Error

  @type wire :: term()
  @type id :: non_neg_integer()
  @type notice :: {:result, id(), {:ok, map()} | {:error, Error.t()}} | {:item, id(), map()}

  @typedoc "What holds for one call: `:timeout`, which the bridge itself keeps, and what the call belongs to."
  @type options :: %{
          optional(:timeout) => timeout(),
          optional(:traceparent) => String.t(),
          optional(:correlation_id) => String.t()
        }

  @doc "Open the wire; the calling process will receive its messages."
  @callback open(options :: keyword()) :: {:ok, wire()} | {:error, Error.t()}

  @doc "Ask for a procedure's answer."
  @callback call(wire(), id(), procedure :: String.t(), params :: map(), options()) ::
              {:ok, wire()} | {:error, Error.t()}

  @doc "Ask for a procedure's stream, `credit` items of it."
  @callback attach(
              wire(),
              id(),
              procedure :: String.t(),
              params :: map(),
              credit :: pos_integer(),
              options()
            ) :: {:ok, wire()} | {:error, Error.t()}

  @doc "Let stream `id` send `n` more items."
  @callback grant(wire(), id(), n :: pos_integer()) :: wire()

  @doc "Give up a call or stream; what the bridge still says about it is ignored."
  @callback cancel(wire(), id()) :: wire()

  @doc "Ask for a sign of life."
  @callback ping(wire(), id()) :: wire()

  @doc "What a message to the owner says; `:ignored` when it is not the wire's, `:stop` when the wire is gone."
  @callback heard(wire(), message :: term()) ::
              {[notice()], wire()} | :ignored | {:stop, reason :: term()}

  @doc "Close what `open/1` opened."
  @callback close(wire()) :: :ok
end
