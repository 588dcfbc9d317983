defmodule CerebrosBridge.Grpc.Writer do
  @moduledoc """
  Maps to protobuf's bytes; `CerebrosBridge.Grpc.Protobuf` says how.
  """

  import Bitwise
  alias CerebrosBridge.Grpc.Protobuf

  @struct "google.protobuf.Struct"
  @value "google.protobuf.Value"
  @list "google.protobuf.ListValue"
  @timestamp "google.protobuf.Timestamp"

  # Elixir cannot go through every struct, nor through an improper list, which has no length.
  defguardp is_plain_map(map) when is_map(map) and not is_struct(map)
  defguardp is_proper_list(list) when length(list) >= 0

  # The product of a whole number beyond every double fails, and the guard with it.
  defguardp is_double(number) when is_float(number * 1.0)

  @doc "See `CerebrosBridge.Grpc.Protobuf.encode/3`."
  @spec encode(Protobuf.messages(), String.t(), map() | keyword()) ::
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
    case Map.fetch!(messages, name) do
      {:union, tag, cases} -> union(messages, tag, cases, map, path)
      fields -> fields(messages, fields, map, path)
    end
  end

  defp message(_messages, _name, value, path), do: refuse("object", value, path)

  defp fields(messages, fields, map, path) do
    for {key, value} <- map, value != nil do
      key = scalar(messages, :string, key, path)

      case List.keyfind(fields, key, 1) do
        nil -> throw({:refused, "Object contains unknown field `#{key}`", path})
        field -> field(messages, field, value, "#{path}.#{key}")
      end
    end
  end

  defp union(messages, tag, cases, map, path) do
    {tags, rest} = Enum.split_with(map, &names?(&1, tag))

    case {tags, rest} do
      {[], []} ->
        []

      {[], _} ->
        throw({:refused, "Object missing required field `#{tag}`", path})

      {[{_, value} | _], _} ->
        name = scalar(messages, :string, value, "#{path}.#{tag}")

        with {number, _, {:message, held}, _} <- List.keyfind(cases, name, 1) do
          tagged(number, 2, sized(message(messages, held, rest, path)))
        else
          nil -> throw({:refused, "Invalid value #{inspect(name)}", "#{path}.#{tag}"})
        end
    end
  end

  defp names?({key, _value}, tag) when is_atom(key), do: Atom.to_string(key) == tag
  defp names?(pair, tag), do: match?({^tag, _value}, pair)

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
end
