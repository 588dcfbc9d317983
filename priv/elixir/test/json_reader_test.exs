defmodule CerebrosBridge.JsonReaderTest do
  # Issue 11, kind 21: documents for `mix cerebros.run` are files of JSON.
  use ExUnit.Case, async: true

  alias CerebrosBridge.{Json, JsonReader}

  test "every generated document is read as it was written" do
    :rand.seed(:exsss, ExUnit.configuration()[:seed])

    for size <- 1..400 do
      document = document(rem(size, 30))
      assert JsonReader.decode(Json.encode(document)) == {:ok, document}
    end
  end

  defp document(size) when size < 2 do
    Enum.random([nil, true, false, 0, -17, 2 ** 70, 0.1, -1.5e300, "", "é\"\\\n\t€𝄞", "\u0001"])
  end

  defp document(size) do
    parts = for _ <- 1..:rand.uniform(4), do: document(div(size, 2))
    named = parts |> Enum.with_index() |> Map.new(fn {part, n} -> {"k#{n}é", part} end)
    Enum.random([parts, named, [], %{}])
  end

  test "what is not JSON is refused with its place, and never raises" do
    for text <- [
          "",
          "[1,]",
          ~S({"a":1,}),
          "{1:2}",
          "[1 2]",
          "01",
          "+1",
          "1.",
          ".5",
          "1e",
          "1e999",
          "nul",
          "'a'",
          "\"a",
          "\"\n\"",
          ~S("\x"),
          ~S("\ud800"),
          ~S("\ud800\u0041"),
          ~S("\u12"),
          "[1] 2",
          String.duplicate("[", 100_000)
        ] do
      assert {:error, "no " <> place} = JsonReader.decode(text)
      assert place =~ ~r/at byte \d+$/
    end

    assert JsonReader.decode(<<"\"", 255, "\"">>) == {:error, "not UTF-8"}
  end
end
