defmodule CerebrosBridge.Run do
  use CerebrosBridge.Message,
    type: "Run",
    words: [:state]

  alias CerebrosBridge.Message

  @ended Message.words("RunState") -- [:queued, :running]

  @type state :: unquote(Message.one_of(Message.words("RunState")))

  @doc """
  The struct of a map with binary keys.

      iex> CerebrosBridge.Run.from_map(%{"run_id" => "r", "state" => "running"}).state
      :running
  """
  @spec from_map(map()) :: t()
  def from_map(map), do: Message.read(__MODULE__, map)

  @doc """
  True of a run that will not change any more.

      iex> CerebrosBridge.Run.ended?(%CerebrosBridge.Run{state: :failed})
      true
  """
  @spec ended?(t()) :: boolean()
  def ended?(%__MODULE__{state: state}), do: state in @ended
end
