defmodule CerebrosBridge.Event do
  @moduledoc """
  Event number `seq` of a run; numbers start at 1 and have no gaps.

  `name`, `measurements` and `metadata` have the shape of `:telemetry.execute/3`.
  """

  alias CerebrosBridge.Names

  defstruct [:run_id, :seq, :name, :at, measurements: %{}, metadata: %{}]

  @type t :: %__MODULE__{
          run_id: String.t(),
          seq: pos_integer(),
          name: [atom()] | String.t(),
          at: DateTime.t(),
          measurements: map(),
          metadata: map()
        }

  @doc """
  The event that the bridge sent.

      iex> metadata = %{"run_id" => "r", "at" => "2026-01-02T03:04:05Z"}
      iex> event = CerebrosBridge.Event.new(1, "cerebros.run.queued", %{"trials" => 4}, metadata)
      iex> {event.name, event.measurements}
      {[:cerebros, :run, :queued], %{trials: 4}}
  """
  @spec new(pos_integer(), String.t(), map(), map()) :: t()
  def new(seq, name, measurements, %{"run_id" => run_id, "at" => at} = metadata) do
    %__MODULE__{
      run_id: run_id,
      seq: seq,
      name: Names.event(name),
      at: Names.time(at),
      measurements: Names.measurements(measurements),
      metadata: metadata |> Map.delete("at") |> Names.keys()
    }
  end
end
