defmodule CerebrosBridge.Request do
  @moduledoc """
  Requests as callers like to write them.
  """

  alias CerebrosBridge.{Generated, Message}

  # The one that Thunderline asks for.
  @default_kind "cycle"

  @doc """
  The kind of a run that is asked for without one.

      iex> CerebrosBridge.Request.default_kind()
      "cycle"
  """
  @spec default_kind() :: String.t()
  def default_kind, do: @default_kind

  @doc """
  The request with all that is no field of its own put into its tagged union, whose tag is `default_kind/0` unless given.

  A request that has the union already, or that has no union, stays as it is.

      iex> CerebrosBridge.Request.folded("start_run", %{pac_id: "p", manifest: "digits.toml"})
      %{pac_id: "p", spec: %{kind: "cycle", manifest: "digits.toml"}}
      iex> CerebrosBridge.Request.folded("start_run", %{pac_id: "p", spec: %{kind: "nas"}})
      %{pac_id: "p", spec: %{kind: "nas"}}
      iex> CerebrosBridge.Request.folded("get_run", %{run_id: "r"})
      %{run_id: "r"}
  """
  @spec folded(String.t(), map()) :: map()
  def folded(procedure, params) do
    fields = Message.request(procedure)

    with {union, %{type: {:union, tag_field, _}}} <- Enum.find(fields, &union?/1),
         false <- has?(params, union) do
      {common, rest} = Enum.split_with(params, fn {key, _} -> field?(fields, key) end)
      rest = Map.new(rest)
      spec = if has?(rest, tag_field), do: rest, else: Map.put(rest, tag_field, @default_kind)
      common |> Map.new() |> Map.put(union, spec)
    else
      _no_union_or_there -> params
    end
  end

  defp union?({_name, field}), do: match?({:union, _, _}, field.type)
  defp has?(map, name), do: is_map_key(map, name) or is_map_key(map, Atom.to_string(name))

  # A key of a caller may be any term.
  defp field?(fields, key) when is_atom(key), do: Keyword.has_key?(fields, key)
  defp field?(fields, key), do: Enum.any?(fields, fn {name, _} -> Atom.to_string(name) == key end)

  @doc """
  The request of what is given; the bridge has its own defaults for the rest.

      iex> CerebrosBridge.Request.given(study_id: "s", count: nil)
      %{study_id: "s"}
  """
  @spec given(keyword()) :: map()
  def given(fields), do: for({name, value} <- fields, value != nil, into: %{}, do: {name, value})

  @doc """
  True of a procedure that streams, false of one that answers once, nil of one that this client does not know.

      iex> Enum.map(~w(watch_run get_run fly), &CerebrosBridge.Request.streams?/1)
      [true, false, nil]
  """
  @spec streams?(String.t()) :: boolean() | nil
  def streams?(procedure), do: get_in(Generated.procedures(), [procedure, :streams])
end
