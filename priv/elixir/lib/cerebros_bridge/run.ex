defmodule CerebrosBridge.Run do
  @moduledoc """
  A run as it stands. `front` holds the trials that no other beats, as maps with binary keys.
  """

  alias CerebrosBridge.{Names, TrainingMetrics}

  defstruct [
    :run_id,
    :kind,
    :pac_id,
    :state,
    :dataset,
    :last_seq,
    :epoch,
    :queue,
    :priority,
    :trials_total,
    :trials_ok,
    :trials_failed,
    :created_at,
    :started_at,
    :finished_at,
    :metrics,
    :promoted_version,
    :error,
    stages_done: [],
    front: []
  ]

  @type state :: :queued | :running | :succeeded | :failed | :cancelled | :timed_out
  @type t :: %__MODULE__{
          run_id: String.t(),
          state: state(),
          metrics: TrainingMetrics.t() | nil,
          error: map() | nil
        }

  @doc """
  The struct of a map with binary keys.

      iex> CerebrosBridge.Run.from_map(%{"run_id" => "r", "state" => "running"}).state
      :running
  """
  @spec from_map(map()) :: t()
  def from_map(map) do
    run = Names.fill(__MODULE__, map)

    %{
      run
      | state: Names.state(run.state),
        metrics: TrainingMetrics.from_map(run.metrics),
        created_at: Names.time(run.created_at),
        started_at: Names.time(run.started_at),
        finished_at: Names.time(run.finished_at)
    }
  end

  @doc """
  Whether the run will not change any more.

      iex> CerebrosBridge.Run.ended?(%CerebrosBridge.Run{state: :failed})
      true
  """
  @spec ended?(t()) :: boolean()
  def ended?(%__MODULE__{state: state}), do: state not in [:queued, :running]
end
