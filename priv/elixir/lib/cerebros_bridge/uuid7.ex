defmodule CerebrosBridge.Uuid7 do
  @moduledoc """
  Ids that sort by the time they were made (RFC 9562), as the bridge itself gives to runs.
  """

  @doc """
  A new id.

      iex> <<_time::binary-14, version::binary-1, _rest::binary>> = CerebrosBridge.Uuid7.generate()
      iex> version
      "7"
  """
  @spec generate() :: String.t()
  def generate do
    <<a::12, b::62, _::6>> = :crypto.strong_rand_bytes(10)

    <<p::binary-8, q::binary-4, r::binary-4, s::binary-4, t::binary-12>> =
      Base.encode16(<<System.system_time(:millisecond)::48, 7::4, a::12, 2::2, b::62>>,
        case: :lower
      )

    Enum.join([p, q, r, s, t], "-")
  end
end
