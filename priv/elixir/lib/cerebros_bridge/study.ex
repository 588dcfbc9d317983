defmodule CerebrosBridge.Study do
  @about """
  Ask and tell: the bridge proposes, the caller evaluates.

      space = %{
        root: "net",
        types: %{net: %{params: %{rate: %{type: "float", low: 1.0e-4, high: 0.1, log: true}}}}
      }

      {:ok, study} =
        CerebrosBridge.Study.create(bridge, %{
          space: space,
          objectives: [%{name: "accuracy", direction: "maximize"}]
        })

      {:ok, [suggestion]} = CerebrosBridge.Study.suggest(bridge, study.study_id)
      {:ok, _trial} = CerebrosBridge.Study.report(bridge, suggestion, %{"accuracy" => 0.93})
      {:ok, [best | _]} = CerebrosBridge.Study.best_trials(bridge, study.study_id)

  A parameter may wait for others of its node (`when: %{op: ["conv"]}`), and a space may limit
  its trees (`limits: [%{sum: "layer.units", at_most: 512}, %{count: "layer", at_most: 12}]`).
  Flat spaces are read too, a list of parameters as `%{parameters: [%{name: "rate", …}]}`.

  A study is rows in the bridge's database: it outlives both programs, and many processes may
  ask and tell it at once. A trial that is not reported within the study's `lease_s` is handed
  out again with a higher `attempt`; the report of the earlier one is then refused.
  """

  use CerebrosBridge.Message, type: "Study", about: @about

  alias CerebrosBridge.{Error, Message, Request}

  defmodule Objective do
    use CerebrosBridge.Message, type: "StudyObjective", words: [:direction]
  end

  defmodule Suggestion do
    use CerebrosBridge.Message,
      type: "Suggestion",
      about: "A `tree` has `t` (type), `p` (parameters) and `c` (children)."
  end

  defmodule Trial do
    use CerebrosBridge.Message, type: "StudyTrial", words: [:outcome]
  end

  @failures Message.words("Outcome") -- [:ok]

  @type failure :: unquote(Message.one_of(@failures))
  @type outcome :: :ok | failure()

  @typedoc "A field of the request that opens a study."
  @type field :: unquote(Message.options("create_study"))

  @type result(value) :: {:ok, value} | {:error, Error.t()}

  @doc """
  Open a study. The same `study_id` with the same content answers the study that is there.

  #{Message.fields("create_study")}

      {:ok, %CerebrosBridge.Study{trials_total: 0}} =
        CerebrosBridge.Study.create(bridge, %{space: space, objectives: objectives})
  """
  @spec create(CerebrosBridge.bridge(), [field()] | map(), [CerebrosBridge.option()]) ::
          result(t())
  def create(bridge, params, opts \\ []) do
    with {:ok, map} <- CerebrosBridge.call(bridge, :create_study, params, opts),
         do: {:ok, from_map(map)}
  end

  @doc """
  The next trials to evaluate.

  #{Message.fields("suggest", [:count])}

      {:ok, [%CerebrosBridge.Study.Suggestion{number: 0, attempt: 1}]} =
        CerebrosBridge.Study.suggest(bridge, "tuning")
  """
  @spec suggest(CerebrosBridge.bridge(), String.t(), [
          unquote(Message.options("suggest", [:study_id])) | CerebrosBridge.option()
        ]) :: result([Suggestion.t()])
  def suggest(bridge, study_id, opts \\ []) do
    {count, opts} = Keyword.pop(opts, :count)
    params = Request.given(study_id: study_id, count: count)

    with {:ok, %{"suggestions" => maps}} <- CerebrosBridge.call(bridge, :suggest, params, opts),
         do: {:ok, Enum.map(maps, &suggestion/1)}
  end

  @doc """
  Tell how a suggestion ended: its values by objective, or why it has none.

  #{Message.fields("report", [:reason])}

  The same report twice is one; another report of the same
  trial is `:already_exists`, one whose lease ended in somebody else's favour
  `:failed_precondition`. A NaN is no value: report `:diverged`.

      {:ok, %{outcome: :ok}} = CerebrosBridge.Study.report(bridge, suggestion, %{"loss" => 0.2})
      {:ok, _} = CerebrosBridge.Study.report(bridge, suggestion, :oom, reason: "16 GB")
  """
  @spec report(CerebrosBridge.bridge(), Suggestion.t(), map() | failure(), keyword()) ::
          result(Trial.t())
  def report(bridge, %Suggestion{} = suggestion, ended, opts \\ []) do
    {reason, opts} = Keyword.pop(opts, :reason)

    params =
      suggestion
      |> Map.take([:study_id, :number, :attempt])
      |> Map.merge(Request.given(reason: reason))
      |> Map.merge(facts(ended))

    with {:ok, map} <- CerebrosBridge.call(bridge, :report, params, opts), do: {:ok, trial(map)}
  end

  defp facts(failure) when failure in @failures, do: %{outcome: failure}
  defp facts(values) when is_map(values), do: %{values: values}

  @doc """
  The trials that no other trial of the study beats, by number.

  #{Message.fields("best_trials", [:limit])}

      {:ok, [%CerebrosBridge.Study.Trial{values: %{"loss" => _}} | _]} =
        CerebrosBridge.Study.best_trials(bridge, "tuning")
  """
  @spec best_trials(CerebrosBridge.bridge(), String.t(), [
          unquote(Message.options("best_trials", [:study_id])) | CerebrosBridge.option()
        ]) :: result([Trial.t()])
  def best_trials(bridge, study_id, opts \\ []) do
    {limit, opts} = Keyword.pop(opts, :limit)
    params = Request.given(study_id: study_id, limit: limit)

    with {:ok, %{"trials" => maps}} <- CerebrosBridge.call(bridge, :best_trials, params, opts),
         do: {:ok, Enum.map(maps, &trial/1)}
  end

  @doc """
  Forget a study with its trials; the answer is the study as it stood.

      {:ok, %CerebrosBridge.Study{}} = CerebrosBridge.Study.delete(bridge, "tuning")
  """
  @spec delete(CerebrosBridge.bridge(), String.t(), keyword()) :: result(t())
  def delete(bridge, study_id, opts \\ []) do
    with {:ok, map} <- CerebrosBridge.call(bridge, :delete_study, %{study_id: study_id}, opts),
         do: {:ok, from_map(map)}
  end

  @doc """
  The struct of a map with binary keys.

      iex> CerebrosBridge.Study.from_map(%{"study_id" => "s", "trials_out" => 2}).trials_out
      2
  """
  @spec from_map(map()) :: t()
  def from_map(map), do: Message.read(__MODULE__, map)

  defp suggestion(map), do: Message.read(Suggestion, map)
  defp trial(map), do: Message.read(Trial, map)
end
