defmodule CerebrosBridge.JsonReader do
  @moduledoc """
  Reads JSON for the mix tasks, which cannot count on a library for it (RFC 8259).

  Objects are maps with binary keys, of which the last of a name counts; `null` is nil. Nothing here makes an atom.
  """

  # Deeper documents are refused; the bridge takes 200.
  @depth 200

  @number ~r/\A-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/

  @doc """
  The value of a JSON text.

      iex> CerebrosBridge.JsonReader.decode(~S([{"a": "\\u00e9\\ud83d\\ude00"}, 1, -2.5e1, true, null]))
      {:ok, [%{"a" => "é😀"}, 1, -25.0, true, nil]}
      iex> CerebrosBridge.JsonReader.decode("[1,]")
      {:error, "no JSON value at byte 3"}
  """
  @spec decode(binary()) :: {:ok, term()} | {:error, String.t()}
  def decode(text) do
    if String.valid?(text) do
      {value, rest} = text |> String.trim_leading("\uFEFF") |> value(0)
      if blank(rest) == "", do: {:ok, value}, else: no("end", rest)
    else
      {:error, "not UTF-8"}
    end
  catch
    {:no, what, rest} -> {:error, "no #{what} at byte #{byte_size(text) - byte_size(rest)}"}
  end

  defp no(what, rest), do: throw({:no, what, rest})

  defp value(text, depth) do
    case blank(text) do
      <<opening, rest::binary>> when opening in ~c"[{" and depth >= @depth ->
        no("more depth", rest)

      "{" <> rest ->
        rest |> blank() |> members(%{}, depth + 1)

      "[" <> rest ->
        rest |> blank() |> items([], depth + 1)

      "\"" <> rest ->
        string(rest, [])

      "true" <> rest ->
        {true, rest}

      "false" <> rest ->
        {false, rest}

      "null" <> rest ->
        {nil, rest}

      rest ->
        number(rest)
    end
  end

  defp items("]" <> rest, [], _depth), do: {[], rest}

  defp items(text, items, depth) do
    {item, rest} = value(text, depth)

    case blank(rest) do
      "," <> rest -> items(blank_of_more(rest), [item | items], depth)
      "]" <> rest -> {Enum.reverse([item | items]), rest}
      rest -> no("comma or ]", rest)
    end
  end

  # Behind a comma there is another item.
  defp blank_of_more(text) do
    case blank(text) do
      "]" <> _ = rest -> no("JSON value", rest)
      rest -> rest
    end
  end

  defp members("}" <> rest, members, _depth) when members == %{}, do: {%{}, rest}

  defp members("\"" <> text, members, depth) do
    {name, rest} = string(text, [])

    rest =
      case blank(rest) do
        ":" <> rest -> rest
        rest -> no("colon", rest)
      end

    {value, rest} = value(rest, depth)
    members = Map.put(members, name, value)

    case blank(rest) do
      "," <> rest -> rest |> blank() |> members_of_more(members, depth)
      "}" <> rest -> {members, rest}
      rest -> no("comma or }", rest)
    end
  end

  defp members(rest, _members, _depth), do: no("name", rest)

  defp members_of_more("}" <> _ = rest, _members, _depth), do: no("name", rest)
  defp members_of_more(rest, members, depth), do: members(rest, members, depth)

  @escapes %{
    ?" => ?",
    ?\\ => ?\\,
    ?/ => ?/,
    ?b => ?\b,
    ?f => ?\f,
    ?n => ?\n,
    ?r => ?\r,
    ?t => ?\t
  }

  defp string("\"" <> rest, done), do: {done |> Enum.reverse() |> IO.iodata_to_binary(), rest}

  defp string("\\u" <> rest, done) do
    case unit(rest) do
      {high, "\\u" <> low_text} when high in 0xD800..0xDBFF ->
        case unit(low_text) do
          {low, rest} when low in 0xDC00..0xDFFF ->
            point = 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00)
            string(rest, [<<point::utf8>> | done])

          _ ->
            no("second half of a character", low_text)
        end

      {point, after_it} when point not in 0xD800..0xDFFF ->
        string(after_it, [<<point::utf8>> | done])

      _ ->
        no("character", rest)
    end
  end

  defp string(<<?\\, escape, rest::binary>>, done) when is_map_key(@escapes, escape),
    do: string(rest, [@escapes[escape] | done])

  defp string(<<c::utf8, rest::binary>>, done) when c >= 32 and c != ?\\,
    do: string(rest, [<<c::utf8>> | done])

  defp string(rest, _done), do: no("character", rest)

  defp unit(<<digits::binary-size(4), rest::binary>>) do
    case Base.decode16(digits, case: :mixed) do
      {:ok, <<unit::16>>} -> {unit, rest}
      :error -> no("character", digits <> rest)
    end
  end

  defp unit(rest), do: no("character", rest)

  defp number(text) do
    case Regex.run(@number, text) do
      nil -> no("JSON value", text)
      [digits | parts] -> {figure(digits, parts, text), binary_part_behind(text, digits)}
    end
  end

  defp figure(digits, parts, _text) when length(parts) == 1, do: String.to_integer(digits)

  defp figure(digits, _parts, text) do
    case Float.parse(digits) do
      {number, ""} -> number
      _ -> no("number of 64 bits", text)
    end
  rescue
    ArgumentError -> no("number of 64 bits", text)
  end

  defp binary_part_behind(text, digits),
    do: binary_part(text, byte_size(digits), byte_size(text) - byte_size(digits))

  defp blank(<<c, rest::binary>>) when c in ~c" \t\n\r", do: blank(rest)
  defp blank(rest), do: rest
end
