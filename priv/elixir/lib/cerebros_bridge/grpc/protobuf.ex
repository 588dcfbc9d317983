defmodule CerebrosBridge.Grpc.Protobuf do
  @moduledoc """
  Protobuf's wire format, driven by a table of messages.

  A message is a map with binary keys, as every other reply of the bridge is. Absent is nil,
  a list or a map that is absent is empty; `google.protobuf.Struct` is a map of JSON values (a whole number is an integer),
  `google.protobuf.Timestamp` an ISO 8601 text; a double that Elixir has no number for is
  `:nan`, `:infinity` or `:neg_infinity`. Fields that the table does not know are skipped. A tagged
  union is the map of the message that it holds, with the message's case under the union's own name.

  The table comes from `CerebrosBridge.Grpc.Contract`.
  """

  alias CerebrosBridge.Grpc.{Reader, Writer}

  @typedoc "A message's name to its fields; a field is {number, name, kind, cardinality}."
  @type messages :: %{String.t() => [field()] | {:union, String.t(), [field()]}}
  @type field ::
          {pos_integer(), String.t(), kind(), :one | :optional | :many | {:map, kind(), kind()}}
  @type kind ::
          :double | :int64 | :int32 | :enum | :bool | :string | :bytes | {:message, String.t()}

  @doc """
  The bytes of a map; keys and texts may be atoms, nil is left out.

      iex> CerebrosBridge.Grpc.Protobuf.encode(%{"Run" => [{1, "id", :string, :one}]}, "Run", %{id: "a"})
      {:ok, <<10, 1, ?a>>}
      iex> CerebrosBridge.Grpc.Protobuf.encode(%{"Run" => [{1, "id", :string, :one}]}, "Run", %{colour: 1})
      {:error, "Object contains unknown field `colour` - at `$`"}
  """
  @spec encode(messages(), String.t(), map() | keyword()) ::
          {:ok, binary()} | {:error, String.t()}
  defdelegate encode(messages, name, map), to: Writer

  @doc """
  The map of a message's bytes; `:error` where they are no such message.

      iex> CerebrosBridge.Grpc.Protobuf.decode(%{"Run" => [{1, "id", :string, :one}]}, "Run", <<10, 1, ?a>>)
      {:ok, %{"id" => "a"}}
      iex> CerebrosBridge.Grpc.Protobuf.decode(%{"Run" => []}, "Run", <<10, 9, ?a>>)
      :error
  """
  @spec decode(messages(), String.t(), binary()) :: {:ok, term()} | :error
  defdelegate decode(messages, name, bytes), to: Reader
end
