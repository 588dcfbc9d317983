defmodule CerebrosBridge.Names do
  @moduledoc """
  Which names from the wire become atoms.

  Atoms are never collected, so only the names listed here are converted;
  a name from a newer bridge stays a binary.
  """

  @events ~w(
    cerebros.run.queued cerebros.run.start cerebros.run.stop
    cerebros.stage.start cerebros.stage.stop cerebros.stage.exception
    cerebros.trial.progress cerebros.trial.rung cerebros.trial.stop cerebros.shortlist.stop cerebros.verdict.stop cerebros.promotion.stop
  )

  @keys ~w(
    trials queue_s duration_s accuracy latency_s cost_usd energy_j trials_total trials_ok
    trials_failed loss parameters candidates observations probes version
    run_id kind pac_id dataset correlation_id epoch worker_id state error_code error_message
    stage number outcome tree_hash reason verdict_id decision artifact_digest at dropped
  )a

  # Measurements that are whole numbers; the others are floats, also where JSON wrote `1` for `1.0`.
  @counts ~w(epoch dropped trials trials_total trials_ok trials_failed parameters candidates observations probes version)a

  @states ~w(queued running succeeded failed cancelled timed_out)a

  @event_of_text Map.new(@events, fn text ->
                   {text, text |> String.split(".") |> Enum.map(&String.to_atom/1)}
                 end)
  @key_of_text Map.new(@keys, &{Atom.to_string(&1), &1})
  @state_of_text Map.new(@states, &{Atom.to_string(&1), &1})

  @doc """
  Every event of a run, as `:telemetry` names it.

      iex> [:cerebros, :run, :stop] in CerebrosBridge.Names.events()
      true
  """
  @spec events() :: [[atom()]]
  def events, do: Map.values(@event_of_text)

  @doc """
  The `:telemetry` name of an event.

      iex> CerebrosBridge.Names.event("cerebros.run.start")
      [:cerebros, :run, :start]
      iex> CerebrosBridge.Names.event("cerebros.comet.stop")
      "cerebros.comet.stop"
  """
  @spec event(String.t()) :: [atom()] | String.t()
  def event(text), do: Map.get(@event_of_text, text, text)

  @doc """
  The map with its known keys as atoms.

      iex> CerebrosBridge.Names.keys(%{"accuracy" => 0.9, "colour" => 1})
      %{:accuracy => 0.9, "colour" => 1}
  """
  @spec keys(%{optional(String.t()) => term()}) :: %{optional(atom() | String.t()) => term()}
  def keys(map), do: Map.new(map, fn {key, value} -> {Map.get(@key_of_text, key, key), value} end)

  @doc """
  The measurements of an event: known keys are atoms, and each figure has its own type over any adapter.

      iex> CerebrosBridge.Names.measurements(%{"accuracy" => 1, "version" => 1, "loss" => nil})
      %{accuracy: 1.0, version: 1, loss: nil}
  """
  @spec measurements(%{optional(String.t()) => term()}) :: %{
          optional(atom() | String.t()) => term()
        }
  def measurements(map) do
    Map.new(keys(map), fn
      {key, value} when is_integer(value) and is_atom(key) and key not in @counts ->
        {key, value / 1}

      same ->
        same
    end)
  end

  @doc """
  A run's state as an atom.

      iex> CerebrosBridge.Names.state("succeeded")
      :succeeded
  """
  @spec state(String.t()) :: atom() | String.t()
  def state(text), do: Map.get(@state_of_text, text, text)

  @doc """
  The struct's fields out of a map with binary keys; what the map lacks stays at its default.

      iex> CerebrosBridge.Names.fill(CerebrosBridge.Event, %{"seq" => 3}).seq
      3
  """
  @spec fill(module(), map()) :: struct()
  def fill(module, map) do
    module.__struct__()
    |> Map.from_struct()
    |> Map.new(fn {field, default} -> {field, Map.get(map, Atom.to_string(field), default)} end)
    |> then(&struct(module, &1))
  end

  @doc """
  A time that the bridge wrote.

      iex> CerebrosBridge.Names.time("2026-01-02T03:04:05Z")
      ~U[2026-01-02 03:04:05Z]
      iex> CerebrosBridge.Names.time("2026-01-02T05:04:05+02:00")
      ~U[2026-01-02 03:04:05Z]
      iex> CerebrosBridge.Names.time(nil)
      nil
  """
  @spec time(String.t() | nil) :: DateTime.t() | nil
  def time(nil), do: nil

  def time(text) do
    {:ok, time, _offset} = DateTime.from_iso8601(text)
    time
  end
end
