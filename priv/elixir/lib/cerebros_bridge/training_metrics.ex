defmodule CerebrosBridge.TrainingMetrics do
  @moduledoc """
  The measured figures of one training; units are in the names.

  `energy_method` says whether a counter (`"rapl"`, `"nvml"`) or a model
  (`"model"`) gave `energy_j`.
  """

  alias CerebrosBridge.Names

  defstruct [
    :accuracy,
    :accuracy_kind,
    :loss,
    :latency_p50_s,
    :latency_p95_s,
    :latency_p99_s,
    :duration_s,
    :cpu_s,
    :energy_j,
    :energy_method,
    :cost_usd,
    :peak_mem_bytes,
    :parameters,
    :flops,
    :epochs,
    :device,
    :latency_spread_s,
    :accuracy_spread,
    trials_total: 0,
    trials_ok: 0,
    trials_failed: 0,
    trials_pruned: 0,
    population: 1
  ]

  @type t :: %__MODULE__{}

  @doc """
  The struct of a map with binary keys; nil stays nil.

      iex> CerebrosBridge.TrainingMetrics.from_map(%{"accuracy" => 0.5}).accuracy
      0.5
      iex> CerebrosBridge.TrainingMetrics.from_map(nil)
      nil
  """
  @spec from_map(map() | nil) :: t() | nil
  def from_map(nil), do: nil
  def from_map(map), do: Names.fill(__MODULE__, map)
end
