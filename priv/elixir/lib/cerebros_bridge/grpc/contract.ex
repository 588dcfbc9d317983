defmodule CerebrosBridge.Grpc.Contract do
  @moduledoc """
  The gRPC contract as a table: which rpc serves a procedure, and what its messages look like.

  The table is read, when this module is compiled, from `priv/contract.binpb`, the
  FileDescriptorSet that `make proto` writes from `bridge.proto`; the codec that reads it is
  the one that speaks to the bridge.
  """

  alias CerebrosBridge.Grpc.Protobuf

  @image Path.expand("../../../priv/contract.binpb", __DIR__)
  @external_resource @image

  # As much of google/protobuf/descriptor.proto as the table needs.
  @descriptors %{
    "Set" => [{1, "file", {:message, "File"}, :many}],
    "File" => [
      {2, "package", :string, :one},
      {4, "message_type", {:message, "Message"}, :many},
      {6, "service", {:message, "Service"}, :many}
    ],
    "Message" => [
      {1, "name", :string, :one},
      {2, "field", {:message, "Field"}, :many},
      {3, "nested_type", {:message, "Message"}, :many}
    ],
    "Field" => [
      {1, "name", :string, :one},
      {3, "number", :int32, :one},
      {4, "label", :enum, :one},
      {5, "type", :enum, :one},
      {6, "type_name", :string, :one},
      {17, "proto3_optional", :bool, :one}
    ],
    "Service" => [{1, "name", :string, :one}, {2, "method", {:message, "Method"}, :many}],
    "Method" => [
      {1, "name", :string, :one},
      {2, "input_type", :string, :one},
      {3, "output_type", :string, :one}
    ]
  }

  # What an error carries besides its status; see google/rpc in any gRPC distribution.
  @rich_errors %{
    "google.rpc.Status" => [
      {1, "code", :int32, :one},
      {2, "message", :string, :one},
      {3, "details", {:message, "google.protobuf.Any"}, :many}
    ],
    "google.protobuf.Any" => [{1, "type_url", :string, :one}, {2, "value", :bytes, :one}],
    "google.rpc.ErrorInfo" => [
      {1, "reason", :string, :one},
      {2, "domain", :string, :one},
      {3, "metadata", :string, {:map, :string, :string}}
    ]
  }

  @kinds %{
    1 => :double,
    3 => :int64,
    5 => :int32,
    8 => :bool,
    9 => :string,
    11 => :message,
    12 => :bytes,
    14 => :enum
  }

  {:ok, image} = Protobuf.decode(@descriptors, "Set", File.read!(@image))

  flatten = fn flatten, prefix, message ->
    name = prefix <> message["name"]
    [{name, message} | Enum.flat_map(message["nested_type"], &flatten.(flatten, name <> ".", &1))]
  end

  described =
    for file <- image["file"],
        message <- file["message_type"],
        pair <- flatten.(flatten, file["package"] <> ".", message),
        into: %{},
        do: pair

  kind = fn
    %{"type" => 11, "type_name" => "." <> name} -> {:message, name}
    %{"type" => type} -> Map.fetch!(@kinds, type)
  end

  # protoc tells a map as a list of `<Field>Entry` messages, and a list by the label 3.
  cardinality = fn
    %{"label" => 3, "type_name" => "." <> name} ->
      case String.ends_with?(name, "Entry") && described[name]["field"] do
        [key, value] -> {:map, kind.(key), kind.(value)}
        _ -> :many
      end

    %{"label" => 3} ->
      :many

    %{"proto3_optional" => true} ->
      :optional

    _ ->
      :one
  end

  messages =
    Map.new(described, fn {name, message} ->
      fields =
        for field <- message["field"] do
          {field["number"], field["name"], kind.(field), cardinality.(field)}
        end

      {name, fields}
    end)

  @messages Map.merge(messages, @rich_errors)

  [{package, service}] =
    for file <- image["file"], service <- file["service"], do: {file["package"], service}

  @service "#{package}.#{service["name"]}"
  @package package
  @rpcs Map.new(service["method"], fn method ->
          "." <> input = method["input_type"]
          "." <> output = method["output_type"]
          {Macro.underscore(method["name"]), {"/#{@service}/#{method["name"]}", input, output}}
        end)

  @doc """
  The path, request and reply of a procedure's rpc.

      iex> CerebrosBridge.Grpc.Contract.rpc("get_run")
      {:ok, {"/cerebros.v1.CerebrosBridge/GetRun", "cerebros.v1.GetRunRequest", "cerebros.v1.Run"}}
      iex> CerebrosBridge.Grpc.Contract.rpc("fly")
      :error
  """
  @spec rpc(String.t()) :: {:ok, {String.t(), String.t(), String.t()}} | :error
  def rpc(procedure), do: Map.fetch(@rpcs, procedure)

  @doc """
  The domain of this contract's errors.

      iex> CerebrosBridge.Grpc.Contract.domain()
      "cerebros.v1"
  """
  @spec domain() :: String.t()
  def domain, do: @package

  @doc """
  The names of every message.

      iex> "cerebros.v1.Run" in CerebrosBridge.Grpc.Contract.names()
      true
  """
  @spec names() :: [String.t()]
  def names, do: Map.keys(@messages)

  @doc """
  The bytes of a message; what is wrong with the map otherwise, as the port would say it.

      iex> CerebrosBridge.Grpc.Contract.encode("cerebros.v1.GetRunRequest", %{run_id: 3})
      {:error, "Expected `str`, got `3` - at `$.run_id`"}
  """
  @spec encode(String.t(), map() | keyword()) :: {:ok, binary()} | {:error, String.t()}
  def encode(name, map), do: Protobuf.encode(@messages, name, map)

  @doc """
  The map of a message's bytes.

      iex> CerebrosBridge.Grpc.Contract.decode("cerebros.v1.GetRunRequest", <<10, 1, ?a>>)
      {:ok, %{"run_id" => "a"}}
  """
  @spec decode(String.t(), binary()) :: {:ok, map()} | :error
  def decode(name, bytes), do: Protobuf.decode(@messages, name, bytes)
end
