defmodule CerebrosBridge.VCV do
  use CerebrosBridge.Message, type: "VcvEntry"

  alias CerebrosBridge.Message

  @doc """
  The struct of a map with binary keys.

      iex> CerebrosBridge.VCV.from_map(%{"pac_id" => "p", "version" => 2}).version
      2
  """
  @spec from_map(map()) :: t()
  def from_map(map), do: Message.read(__MODULE__, map)
end
