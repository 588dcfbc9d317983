defmodule CerebrosBridge.TrainingMetrics do
  use CerebrosBridge.Message, type: "TrainingMetrics"

  alias CerebrosBridge.Message

  @doc """
  The struct of a map with binary keys; nil stays nil.

      iex> CerebrosBridge.TrainingMetrics.from_map(%{"accuracy" => 0.5}).accuracy
      0.5
      iex> CerebrosBridge.TrainingMetrics.from_map(nil)
      nil
  """
  @spec from_map(map() | nil) :: t() | nil
  def from_map(nil), do: nil
  def from_map(map), do: Message.read(__MODULE__, map)
end
