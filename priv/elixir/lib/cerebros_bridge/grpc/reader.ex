defmodule CerebrosBridge.Grpc.Reader do
  @moduledoc """
  Protobuf's bytes to maps; `CerebrosBridge.Grpc.Protobuf` says how.
  """

  import Bitwise
  alias CerebrosBridge.Grpc.Protobuf

  @struct "google.protobuf.Struct"
  @value "google.protobuf.Value"
  @list "google.protobuf.ListValue"
  @timestamp "google.protobuf.Timestamp"

  @doc "See `CerebrosBridge.Grpc.Protobuf.decode/3`."
  @spec decode(Protobuf.messages(), String.t(), binary()) :: {:ok, term()} | :error
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
    case Map.fetch!(messages, name) do
      {:union, tag, cases} -> read_union(messages, tag, cases, bytes)
      fields -> read_message(messages, fields, bytes)
    end
  end

  # Of several cases the last one holds.
  defp read_union(messages, tag, cases, bytes) do
    fields =
      for {number, name, kind, _} <- cases, do: {number, :case, {:tagged, name, kind}, :one}

    case read_fields(messages, fields, bytes, %{}) do
      %{case: {name, held}} -> Map.put(held, tag, name)
      none -> none
    end
  end

  defp read_message(messages, fields, bytes) do
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

  defp value(messages, {:tagged, case_name, kind}, wire_type, raw),
    do: {case_name, value(messages, kind, wire_type, raw)}

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
