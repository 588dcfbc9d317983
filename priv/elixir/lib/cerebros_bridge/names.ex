defmodule CerebrosBridge.Names do
  @moduledoc """
  The names from the wire that become atoms.

  Atoms are never collected, so only the names in the contract (`CerebrosBridge.Generated`) are
  converted; a name from a newer bridge stays a binary.
  """

  alias CerebrosBridge.Generated

  @events Generated.events()

  # A stream puts `dropped` into a progress event that stands for others.
  @measurements for {_, event} <- @events,
                    {key, type} <- event.measurements,
                    into: %{dropped: :integer},
                    do: {key, type}

  @keys Map.keys(@measurements) ++ Enum.flat_map(@events, fn {_, event} -> event.metadata end)

  @event_of_text Map.new(@events, fn {text, _} ->
                   {text, text |> String.split(".") |> Enum.map(&String.to_atom/1)}
                 end)
  @key_of_text Map.new(@keys, &{Atom.to_string(&1), &1})

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
    # JSON writes `1` for `1.0`.
    Map.new(keys(map), fn
      {key, value} when is_integer(value) and is_atom(key) ->
        {key, if(@measurements[key] == :integer, do: value, else: value / 1)}

      same ->
        same
    end)
  end

  @doc """
  The table that turns texts into these atoms.

      iex> CerebrosBridge.Names.of_text([:allow, :deny])
      %{"allow" => :allow, "deny" => :deny}
  """
  @spec of_text([atom()]) :: %{String.t() => atom()}
  def of_text(atoms), do: Map.new(atoms, &{Atom.to_string(&1), &1})

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
