defmodule CerebrosBridge.Json do
  @moduledoc """
  Writes JSON for the mix tasks, which cannot count on a library for it.
  """

  @escapes %{?" => "\\\"", ?\\ => "\\\\", ?\n => "\\n", ?\r => "\\r", ?\t => "\\t"}

  @doc """
  The JSON text of a value; a struct is its fields, a time its ISO 8601 text.

      iex> CerebrosBridge.Json.encode(%{at: ~U[2026-01-02 03:04:05Z], name: "a\\n", list: [1, 0.5, nil, true, :x]})
      ~S({"at":"2026-01-02T03:04:05Z","list":[1,0.5,null,true,"x"],"name":"a\\n"})
  """
  @spec encode(term()) :: String.t()
  def encode(value), do: value |> write() |> IO.iodata_to_binary()

  defp write(nil), do: "null"
  defp write(value) when is_boolean(value) or is_integer(value), do: to_string(value)
  # The shortest digits that give the same float back, which are JSON too.
  defp write(value) when is_float(value), do: to_string(value)
  # What has no number in JSON: NaN and the infinities.
  defp write(value) when value in [:nan, :infinity, :neg_infinity], do: "null"
  defp write(value) when is_atom(value), do: value |> Atom.to_string() |> write()
  defp write(value) when is_binary(value), do: [?", for(<<c::utf8 <- value>>, do: escape(c)), ?"]

  defp write(values) when is_list(values),
    do: [?[, Enum.map_intersperse(values, ?,, &write/1), ?]]

  defp write(%DateTime{} = time), do: time |> DateTime.to_iso8601() |> write()
  defp write(%_{} = struct), do: struct |> Map.from_struct() |> write()

  defp write(map) when is_map(map) do
    members = map |> Enum.map(fn {key, value} -> {to_string(key), value} end) |> Enum.sort()

    [
      ?{,
      Enum.map_intersperse(members, ?,, fn {key, value} -> [write(key), ?:, write(value)] end),
      ?}
    ]
  end

  defp escape(c) when is_map_key(@escapes, c), do: @escapes[c]

  defp escape(c) when c < 32,
    do: "\\u" <> (c |> Integer.to_string(16) |> String.pad_leading(4, "0"))

  defp escape(c), do: <<c::utf8>>
end
