defmodule CerebrosBridge.Grpc.Contract do
  @moduledoc """
  The gRPC contract as a table: which rpc serves a procedure, and what its messages look like.

  The table is read, when this module is compiled, from `priv/contract.binpb`, the
  FileDescriptorSet that `make proto` writes from the `.proto` files; the codec that reads it is
  the one that speaks to the bridge.

  Two rules are ours. A message that is nothing but one oneof is a tagged union: the map
  `%{kind: "nas", manifest: …}`, whose tag is named as the oneof is. A method to which both sides stream
  serves, with credit, the streaming procedure whose request its `request` field has.
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
      {3, "nested_type", {:message, "Message"}, :many},
      {8, "oneof_decl", {:message, "Oneof"}, :many}
    ],
    "Field" => [
      {1, "name", :string, :one},
      {3, "number", :int32, :one},
      {4, "label", :enum, :one},
      {5, "type", :enum, :one},
      {6, "type_name", :string, :one},
      {9, "oneof_index", :int32, :optional}
    ],
    "Oneof" => [{1, "name", :string, :one}],
    "Service" => [{1, "name", :string, :one}, {2, "method", {:message, "Method"}, :many}],
    "Method" => [
      {1, "name", :string, :one},
      {2, "input_type", :string, :one},
      {3, "output_type", :string, :one},
      {5, "client_streaming", :bool, :one},
      {6, "server_streaming", :bool, :one}
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

    # Of a oneof, which an `optional` field has to itself.
    %{"oneof_index" => index} when index != nil ->
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

      one_of = Enum.uniq(for field <- message["field"], do: field["oneof_index"])

      if one_of == [0] and length(fields) > 1,
        do: {name, {:union, hd(message["oneof_decl"])["name"], fields}},
        else: {name, fields}
    end)

  @messages Map.merge(messages, @rich_errors)

  # Google's own files are in the set too, and have no services.
  [package] =
    for(file <- image["file"], file["service"] != [], do: file["package"]) |> Enum.uniq()

  @package package

  methods =
    for file <- image["file"], service <- file["service"], method <- service["method"] do
      "." <> input = method["input_type"]
      "." <> output = method["output_type"]
      name = Macro.underscore(method["name"])
      path = "/#{package}.#{service["name"]}/#{method["name"]}"
      rpc = %{path: path, input: input, output: output}

      case method do
        %{"client_streaming" => true} -> {:credited, name, rpc}
        %{"server_streaming" => true} -> {:streaming, name, rpc}
        _ -> {:unary, name, rpc}
      end
    end

  procedure_of_request = for {:streaming, name, rpc} <- methods, into: %{}, do: {rpc.input, name}

  # Of a stream that is there with credit and without, the one with credit is kept.
  {credited, others} = Enum.split_with(methods, fn {form, _, _} -> form == :credited end)

  served =
    for {:credited, _, rpc} <- credited do
      {_, _, {:message, request}, _} = List.keyfind(messages[rpc.input], "request", 1)
      {:credited, Map.fetch!(procedure_of_request, request), rpc}
    end

  @rpcs Map.new(others ++ served, fn {form, name, rpc} -> {name, Map.put(rpc, :form, form)} end)

  @type rpc :: %{
          form: :unary | :streaming | :credited,
          path: String.t(),
          input: String.t(),
          output: String.t()
        }

  @doc """
  The method that serves a procedure: its form, its path and its messages.

      iex> CerebrosBridge.Grpc.Contract.rpc("get_run")
      {:ok, %{form: :unary, path: "/cerebros.v1.Runs/GetRun", input: "cerebros.v1.GetRunRequest", output: "cerebros.v1.Run"}}
      iex> {:ok, rpc} = CerebrosBridge.Grpc.Contract.rpc("watch_run")
      iex> {rpc.form, rpc.path}
      {:credited, "/cerebros.v1.Runs/Attach"}
      iex> CerebrosBridge.Grpc.Contract.rpc("fly")
      :error
  """
  @spec rpc(String.t()) :: {:ok, rpc()} | :error
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
