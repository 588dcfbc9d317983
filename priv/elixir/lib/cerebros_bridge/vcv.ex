defmodule CerebrosBridge.VCV do
  @moduledoc """
  One immutable version of a PAC's capability vector; `capability` has 384 floats.
  """

  alias CerebrosBridge.Names

  defstruct [
    :pac_id,
    :version,
    :task,
    :accuracy,
    :latency_s,
    :cost_usd,
    :energy_j,
    :trust,
    :reliability,
    :dataset_digest,
    :artifact_digest,
    :run_id,
    :verdict_id,
    :created_at,
    :rolled_back_from,
    capability: [],
    skills: [],
    resources: %{},
    policy_flags: []
  ]

  @type t :: %__MODULE__{
          pac_id: String.t(),
          version: pos_integer(),
          capability: [float()],
          accuracy: float()
        }

  @doc """
  The struct of a map with binary keys.

      iex> CerebrosBridge.VCV.from_map(%{"pac_id" => "p", "version" => 2}).version
      2
  """
  @spec from_map(map()) :: t()
  def from_map(map) do
    vcv = Names.fill(__MODULE__, map)
    %{vcv | created_at: Names.time(vcv.created_at)}
  end
end
