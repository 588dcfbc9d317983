defmodule CerebrosBridge.Figures do
  @moduledoc """
  Figures as people read them, the same as on the bridge's own command line and page: three
  significant digits and a unit that fits, an accuracy with four decimals.
  """

  # Three tell two candidates apart and are more than most measurements hold.
  @digits 3

  # Up to this many decimals a number is written in full, which a billionth needs.
  @decimals 11

  @prefixes %{0 => "", -1 => "m", -2 => "µ", -3 => "n"}

  @doc """
  A number with three significant digits; digits before the point are never cut.

      iex> Enum.map([0, 0.00000041666, 1.5, 123_456.7, 2.5e-12, nil], &CerebrosBridge.Figures.significant/1)
      ["0", "0.000000417", "1.50", "123,457", "2.50e-12", nil]
  """
  @spec significant(number() | atom()) :: String.t() | nil
  def significant(value) when value == 0, do: "0"

  def significant(value) when is_number(value) do
    case max(0, @digits - 1 - magnitude(value)) do
      decimals when decimals <= @decimals ->
        (value / 1) |> :erlang.float_to_binary(decimals: decimals) |> grouped()

      _too_small ->
        :erlang.float_to_binary(value / 1, scientific: @digits - 1)
    end
  end

  def significant(nil), do: nil
  # What has no number: NaN and the infinities.
  def significant(atom), do: to_string(atom)

  @doc """
  A measurement in its unit, or in a thousandth, millionth or billionth of it.

      iex> Enum.map([92.0, 0.0315, 2.31e-5, 0, nil], &CerebrosBridge.Figures.measured(&1, "s"))
      ["92.0 s", "31.5 ms", "23.1 µs", "0 s", nil]
  """
  @spec measured(number() | atom(), String.t()) :: String.t() | nil
  def measured(nil, _unit), do: nil

  def measured(value, unit) when is_number(value) and value != 0 do
    thousands = value |> magnitude() |> Integer.floor_div(3) |> min(0) |> max(-3)
    scaled = value * Enum.at([1, 1.0e3, 1.0e6, 1.0e9], -thousands)
    "#{significant(scaled)} #{@prefixes[thousands]}#{unit}"
  end

  def measured(value, unit), do: "#{significant(value)} #{unit}"

  @doc """
  A sum of money in US dollars, however small.

      iex> Enum.map([12.5, 0.0000020651, nil], &CerebrosBridge.Figures.dollars/1)
      ["$12.5", "$0.00000207", nil]
  """
  @spec dollars(number() | atom()) :: String.t() | nil
  def dollars(nil), do: nil
  def dollars(value), do: "$#{significant(value)}"

  @doc """
  An accuracy.

      iex> Enum.map([0.9, 1, -0.25, nil], &CerebrosBridge.Figures.accuracy/1)
      ["0.9000", "1.0000", "-0.2500", nil]
  """
  @spec accuracy(number() | atom()) :: String.t() | nil
  def accuracy(value) when is_number(value), do: :erlang.float_to_binary(value / 1, decimals: 4)
  def accuracy(value), do: significant(value)

  @doc """
  A field of the contract, whose name has its unit.

      iex> CerebrosBridge.Figures.of_field(:latency_p50_s, 2.31e-5)
      "23.1 µs"
      iex> CerebrosBridge.Figures.of_field(:cost_usd, 2.0651e-6)
      "$0.00000207"
      iex> CerebrosBridge.Figures.of_field("trials", 24)
      "24"
  """
  @spec of_field(atom() | String.t(), term()) :: String.t() | nil
  def of_field(name, value) do
    case name |> to_string() |> String.split("_") |> List.last() do
      "accuracy" -> accuracy(value)
      "usd" -> dollars(value)
      unit when unit in ["s", "j"] and is_number(value) -> measured(value, unit(unit))
      _ when is_float(value) -> significant(value)
      _ -> value && to_string(value)
    end
  end

  defp unit("j"), do: "J"
  defp unit("s"), do: "s"

  # The power of ten of a number's first digit, once it is rounded: 0.9996 counts as 1.
  defp magnitude(value) do
    (value / 1)
    |> :erlang.float_to_binary(scientific: @digits - 1)
    |> String.split("e")
    |> List.last()
    |> String.to_integer()
  end

  defp grouped(text) do
    [whole | rest] = String.split(text, ".")
    Enum.join([Regex.replace(~r/\B(?=(\d{3})+$)/, whole, ",") | rest], ".")
  end
end
