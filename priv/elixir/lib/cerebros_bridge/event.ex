defmodule CerebrosBridge.Event do
  use CerebrosBridge.Message,
    type: "RunEvent",
    types: [name: [atom()] | String.t(), measurements: map(), metadata: map()],
    about: "`name`, `measurements` and `metadata` have the shape of `:telemetry.execute/3`."

  alias CerebrosBridge.{Message, Names}

  @doc """
  The event of a map with binary keys, as the bridge sends it.

      iex> event =
      ...>   CerebrosBridge.Event.from_map(%{
      ...>     "run_id" => "r",
      ...>     "seq" => 1,
      ...>     "name" => "cerebros.run.queued",
      ...>     "at" => "2026-01-02T03:04:05Z",
      ...>     "measurements" => %{"trials" => 4},
      ...>     "metadata" => %{"kind" => "nas"}
      ...>   })
      iex> {event.name, event.measurements, event.metadata}
      {[:cerebros, :run, :queued], %{trials: 4}, %{run_id: "r", kind: "nas"}}
  """
  @spec from_map(map()) :: t()
  def from_map(map) do
    event = Message.read(__MODULE__, map)

    %{
      event
      | name: Names.event(event.name),
        measurements: Names.measurements(event.measurements),
        metadata: event.metadata |> Names.keys() |> Map.put(:run_id, event.run_id)
    }
  end
end
