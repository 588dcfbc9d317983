defmodule CerebrosBridge.Grpc.Protobuf do
  @moduledoc """
  Protobuf's wire format, driven by a table of messages.

  A message is a map with binary keys, as every other reply of the bridge is. Absent is nil,
  a list or a map that is absent is empty; `google.protobuf.Struct` is a map of JSON values (a whole number is an integer),
  `google.protobuf.Timestamp` an ISO 8601 text; a double that Elixir has no number for is
  `:nan`, `:infinity` or `:neg_infinity`. Fields that the table does not know are skipped.

  The table comes from `CerebrosBridge.Grpc.Contract`.
  """

  import Bitwise

  @typedoc "A message's name to its fields; a field is {number, name, kind, cardinality}."
  @type messages :: %{String.t() => [field()]}
  @type field ::
          {pos_integer(), String.t(), kind(), :one | :optional | :many | {:map, kind(), kind()}}
  @type kind ::
          :double | :int64 | :int32 | :enum | :bool | :string | :bytes | {:message, String.t()}

  @struct "google.protobuf.Struct"
  @value "google.protobuf.Value"
  @list "google.protobuf.ListValue"
  @timestamp "google.protobuf.Timestamp"

  # Elixir cannot go through every struct, nor through an improper list, which has no length.
  defguardp is_plain_map(map) when is_map(map) and not is_struct(map)
  defguardp is_proper_list(list) when length(list) >= 0

  # The product of a whole number beyond every double fails, and the guard with it.
  defguardp is_double(number) when is_float(number * 1.0)

  @doc """
  The bytes of a map; keys and texts may be atoms, nil is left out.

      iex> CerebrosBridge.Grpc.Protobuf.encode(%{"Run" => [{1, "id", :string, :one}]}, "Run", %{id: "a"})
      {:ok, <<10, 1, ?a>>}
      iex> CerebrosBridge.Grpc.Protobuf.encode(%{"Run" => [{1, "id", :string, :one}]}, "Run", %{colour: 1})
      {:error, "Object contains unknown field `colour` - at `$`"}
  """
  @spec encode(messages(), String.t(), map() | keyword()) ::
          {:ok, binary()} | {:error, String.t()}
  def encode(messages, name, map) do
    {:ok, messages |> message(name, map, "$") |> IO.iodata_to_binary()}
  catch
    {:refused, fault, path} -> {:error, "#{fault} - at `#{path}`"}
  end

  defp message(_messages, @struct, map, path), do: json_object(map, path)
  defp message(_messages, @value, value, path), do: json(value, path)
  defp message(_messages, @list, values, path), do: json_list(values, path)

  defp message(_messages, @timestamp, %DateTime{} = time, _path) do
    micros = DateTime.to_unix(time, :microsecond)
    seconds = Integer.floor_div(micros, 1_000_000)
    [varint_field(1, seconds), varint_field(2, (micros - seconds * 1_000_000) * 1000)]
  end

  defp message(messages, @timestamp, text, path) do
    with true <- is_binary(text), {:ok, time, _offset} <- DateTime.from_iso8601(text) do
      message(messages, @timestamp, time, path)
    else
      _ -> refuse("time", text, path)
    end
  end

  defp message(messages, name, map, path) when is_plain_map(map) or is_proper_list(map) do
    fields = Map.fetch!(messages, name)

    for {key, value} <- map, value != nil do
      key = scalar(messages, :string, key, path)

      case List.keyfind(fields, key, 1) do
        nil -> throw({:refused, "Object contains unknown field `#{key}`", path})
        field -> field(messages, field, value, "#{path}.#{key}")
      end
    end
  end

  defp message(_messages, _name, value, path), do: refuse("object", value, path)

  defp field(messages, {number, _, kind, :many}, values, path)
       when is_proper_list(values) do
    items =
      Enum.with_index(values, fn value, i -> scalar(messages, kind, value, "#{path}[#{i}]") end)

    cond do
      items == [] -> []
      packed?(kind) -> tagged(number, 2, sized(items))
      true -> Enum.map(items, &tagged(number, 2, sized(&1)))
    end
  end

  defp field(messages, {number, _, _, {:map, key_kind, kind}}, map, path)
       when is_plain_map(map) do
    for {key, value} <- map do
      entry = [
        tagged(1, wire_type(key_kind), framed(key_kind, scalar(messages, key_kind, key, path))),
        tagged(2, wire_type(kind), framed(kind, scalar(messages, kind, value, "#{path}.#{key}")))
      ]

      tagged(number, 2, sized(entry))
    end
  end

  defp field(_messages, {_, _, _, cardinality}, value, path)
       when cardinality not in [:one, :optional] do
    refuse(if(cardinality == :many, do: "array", else: "object"), value, path)
  end

  defp field(messages, {number, _, kind, _}, value, path) do
    tagged(number, wire_type(kind), framed(kind, scalar(messages, kind, value, path)))
  end

  defp scalar(_messages, :double, value, _path) when is_double(value), do: <<value::float-little>>
  defp scalar(_messages, :double, :nan, _path), do: <<0::48, 0xF8, 0x7F>>
  defp scalar(_messages, :double, :infinity, _path), do: <<0::48, 0xF0, 0x7F>>
  defp scalar(_messages, :double, :neg_infinity, _path), do: <<0::48, 0xF0, 0xFF>>

  defp scalar(_messages, kind, value, path) when kind in [:int64, :int32, :enum] do
    if is_integer(value) and value >= -(1 <<< 63) and value < 1 <<< 63,
      do: varint(value),
      else: refuse("int", value, path)
  end

  defp scalar(_messages, :bool, value, _path) when is_boolean(value),
    do: varint(if value, do: 1, else: 0)

  defp scalar(_messages, :string, value, path) when is_binary(value) do
    if String.valid?(value), do: value, else: refuse("str", value, path)
  end

  defp scalar(_messages, :string, value, _path)
       when is_atom(value) and value not in [nil, true, false],
       do: Atom.to_string(value)

  defp scalar(_messages, :bytes, value, _path) when is_binary(value), do: value
  defp scalar(messages, {:message, name}, value, path), do: message(messages, name, value, path)
  defp scalar(_messages, kind, value, path), do: refuse(expected(kind), value, path)

  defp expected(:double), do: "float"
  defp expected(:string), do: "str"
  defp expected(kind), do: Atom.to_string(kind)

  defp refuse(expected, value, path) do
    throw({:refused, "Expected `#{expected}`, got `#{inspect(value, limit: 5)}`", path})
  end

  defp json_object(map, path) when is_plain_map(map) do
    for {key, value} <- map do
      key = scalar(%{}, :string, key, path)

      tagged(
        1,
        2,
        sized([tagged(1, 2, sized(key)), tagged(2, 2, sized(json(value, "#{path}.#{key}")))])
      )
    end
  end

  defp json_object(value, path), do: refuse("object", value, path)

  defp json_list(values, path) when is_proper_list(values) do
    Enum.with_index(values, &tagged(1, 2, sized(json(&1, "#{path}[#{&2}]"))))
  end

  defp json_list(values, path), do: refuse("array", values, path)

  defp json(nil, _path), do: varint_field(1, 0)
  defp json(value, _path) when is_boolean(value), do: varint_field(4, if(value, do: 1, else: 0))

  defp json(value, path) when is_number(value),
    do: tagged(2, 1, scalar(%{}, :double, value, path))

  defp json(value, path) when is_atom(value) or is_binary(value),
    do: tagged(3, 2, sized(scalar(%{}, :string, value, path)))

  defp json(value, path) when is_map(value), do: tagged(5, 2, sized(json_object(value, path)))
  defp json(value, path) when is_list(value), do: tagged(6, 2, sized(json_list(value, path)))
  defp json(value, path), do: refuse("JSON", value, path)

  defp tagged(number, wire_type, bytes), do: [varint(number <<< 3 ||| wire_type), bytes]
  defp varint_field(number, value), do: tagged(number, 0, varint(value))
  defp sized(bytes), do: [bytes |> IO.iodata_length() |> varint(), bytes]
  defp framed(kind, bytes), do: if(wire_type(kind) == 2, do: sized(bytes), else: bytes)

  defp wire_type(:double), do: 1
  defp wire_type(kind) when kind in [:int64, :int32, :enum, :bool], do: 0
  defp wire_type(_kind), do: 2

  defp packed?(kind), do: wire_type(kind) != 2

  # A negative number is its two's complement in 64 bits.
  defp varint(n) when n < 0, do: varint(n + (1 <<< 64))
  defp varint(n) when n < 128, do: <<n>>
  defp varint(n), do: [<<1::1, n::7>>, varint(n >>> 7)]

  @doc """
  The map of a message's bytes; `:error` where they are no such message.

      iex> CerebrosBridge.Grpc.Protobuf.decode(%{"Run" => [{1, "id", :string, :one}]}, "Run", <<10, 1, ?a>>)
      {:ok, %{"id" => "a"}}
      iex> CerebrosBridge.Grpc.Protobuf.decode(%{"Run" => []}, "Run", <<10, 9, ?a>>)
      :error
  """
  @spec decode(messages(), String.t(), binary()) :: {:ok, term()} | :error
  def decode(messages, name, bytes) do
    {:ok, read(messages, name, bytes)}
  catch
    :malformed -> :error
  end

  defp read(messages, @struct, bytes) do
    messages |> read_fields(json_entries(), bytes, %{"fields" => %{}}) |> Map.fetch!("fields")
  end

  defp read(messages, @list, bytes) do
    fields = [{1, "values", {:message, @value}, :many}]

    messages
    |> read_fields(fields, bytes, %{"values" => []})
    |> Map.fetch!("values")
    |> Enum.reverse()
  end

  defp read(messages, @value, bytes) do
    fields = [
      {1, "json", :null, :one},
      {2, "json", :number, :one},
      {3, "json", :string, :one},
      {4, "json", :bool, :one},
      {5, "json", {:message, @struct}, :one},
      {6, "json", {:message, @list}, :one}
    ]

    messages |> read_fields(fields, bytes, %{}) |> Map.get("json")
  end

  defp read(messages, @timestamp, bytes) do
    fields = [{1, "seconds", :int64, :one}, {2, "nanos", :int64, :one}]
    time = read_fields(messages, fields, bytes, %{"seconds" => 0, "nanos" => 0})
    micros = time["seconds"] * 1_000_000 + div(time["nanos"], 1000)

    case DateTime.from_unix(micros, :microsecond) do
      {:ok, time} -> DateTime.to_iso8601(time)
      {:error, _} -> throw(:malformed)
    end
  end

  defp read(messages, name, bytes) do
    fields = Map.fetch!(messages, name)
    read = read_fields(messages, fields, bytes, Map.new(fields, &{elem(&1, 1), absent(&1)}))

    # Items were put in front of each other.
    for {_, name, _, :many} <- fields, read[name] != [], reduce: read do
      read -> Map.update!(read, name, &Enum.reverse/1)
    end
  end

  defp json_entries, do: [{1, "fields", nil, {:map, :string, {:message, @value}}}]

  defp absent({_, _, _, :many}), do: []
  defp absent({_, _, _, {:map, _, _}}), do: %{}
  defp absent({_, _, _, :optional}), do: nil
  defp absent({_, _, kind, :one}), do: zero(kind)

  defp zero(:double), do: 0.0
  defp zero(:bool), do: false
  defp zero(kind) when kind in [:string, :bytes], do: ""
  defp zero({:message, @struct}), do: nil
  defp zero({:message, _}), do: nil
  defp zero(_integer), do: 0

  defp read_fields(_messages, _fields, <<>>, read), do: read

  defp read_fields(messages, fields, bytes, read) do
    {tag, rest} = read_varint(bytes, 0, 0)
    {raw, rest} = cut(band(tag, 7), rest)

    case List.keyfind(fields, tag >>> 3, 0) do
      nil ->
        read_fields(messages, fields, rest, read)

      {_, name, kind, cardinality} ->
        value = taken(messages, kind, cardinality, band(tag, 7), raw, Map.get(read, name))
        read_fields(messages, fields, rest, Map.put(read, name, value))
    end
  end

  defp taken(messages, _kind, {:map, key_kind, kind}, 2, raw, map) do
    fields = [{1, "key", key_kind, :one}, {2, "value", kind, :one}]
    # A map's value that is left out is its kind's zero, a message without fields.
    blank = if match?({:message, _}, kind), do: value(messages, kind, 2, <<>>), else: zero(kind)
    entry = read_fields(messages, fields, raw, %{"key" => zero(key_kind), "value" => blank})
    Map.put(map, entry["key"], entry["value"])
  end

  defp taken(_messages, kind, :many, 2, raw, items)
       when kind in [:double, :int64, :int32, :bool] do
    unpacked(kind, raw, items)
  end

  defp taken(messages, kind, :many, wire_type, raw, items) do
    [value(messages, kind, wire_type, raw) | items]
  end

  defp taken(messages, kind, _one, wire_type, raw, _earlier) do
    value(messages, kind, wire_type, raw)
  end

  defp unpacked(_kind, <<>>, items), do: items

  defp unpacked(:double, <<raw::binary-8, rest::binary>>, items),
    do: unpacked(:double, rest, [double(raw) | items])

  defp unpacked(:double, _short, _items), do: throw(:malformed)

  defp unpacked(kind, raw, items) do
    {n, rest} = read_varint(raw, 0, 0)
    unpacked(kind, rest, [integer(kind, n) | items])
  end

  defp value(_messages, :double, 1, raw), do: double(raw)
  defp value(_messages, :number, 1, raw), do: raw |> double() |> whole()
  defp value(_messages, :null, 0, _raw), do: nil

  defp value(_messages, kind, 0, n) when kind in [:int64, :int32, :enum, :bool],
    do: integer(kind, n)

  defp value(_messages, :bytes, 2, raw), do: raw
  defp value(messages, {:message, name}, 2, raw), do: read(messages, name, raw)

  defp value(_messages, :string, 2, raw) do
    if String.valid?(raw), do: raw, else: throw(:malformed)
  end

  defp value(_messages, _kind, _wire_type, _raw), do: throw(:malformed)

  defp double(<<value::float-little>>), do: value
  defp double(<<0::48, 0xF0, 0x7F>>), do: :infinity
  defp double(<<0::48, 0xF0, 0xFF>>), do: :neg_infinity
  defp double(_nan), do: :nan

  # JSON's numbers have no type, and every double below 2^53 that looks whole is exact.
  defp whole(value) when is_float(value) and abs(value) < 9.0e15 and trunc(value) == value,
    do: trunc(value)

  defp whole(value), do: value

  defp integer(:bool, n), do: n != 0
  defp integer(_kind, n) when n >= 1 <<< 63, do: n - (1 <<< 64)
  defp integer(_kind, n), do: n

  # A field's raw value: a number for a varint, bytes for everything else.
  defp cut(0, bytes), do: read_varint(bytes, 0, 0)
  defp cut(1, <<raw::binary-8, rest::binary>>), do: {raw, rest}
  defp cut(5, <<raw::binary-4, rest::binary>>), do: {raw, rest}

  defp cut(2, bytes) do
    case read_varint(bytes, 0, 0) do
      {size, rest} when size <= byte_size(rest) ->
        <<raw::binary-size(size), rest::binary>> = rest
        {raw, rest}

      _ ->
        throw(:malformed)
    end
  end

  defp cut(_wire_type, _bytes), do: throw(:malformed)

  defp read_varint(<<1::1, low::7, rest::binary>>, shift, n) when shift < 63,
    do: read_varint(rest, shift + 7, n ||| low <<< shift)

  defp read_varint(<<0::1, high::7, rest::binary>>, shift, n),
    do: {band(n ||| high <<< shift, 0xFFFF_FFFF_FFFF_FFFF), rest}

  defp read_varint(_bytes, _shift, _n), do: throw(:malformed)
end
