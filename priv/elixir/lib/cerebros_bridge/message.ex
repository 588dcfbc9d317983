defmodule CerebrosBridge.Message do
  @moduledoc """
  Structs and documentation out of the contract (`CerebrosBridge.Generated`).

      defmodule CerebrosBridge.Run do
        use CerebrosBridge.Message, type: "Run", words: [:state]
      end

  gives the struct with the fields of that type, `t:t/0` and a `@moduledoc` that lists the fields. The
  closed vocabularies of the fields in `:words` are atoms; a field whose type has a module here is its
  struct, or a list of them; times are `DateTime`. `:about` is added to the documentation, and `:types`
  overrule those of the contract.
  """

  alias CerebrosBridge.{Generated, Names}

  # The contract's types that are structs of this client.
  @modules %{
    "GateFinding" => CerebrosBridge.GateReport.Finding,
    "GateReport" => CerebrosBridge.GateReport,
    "Run" => CerebrosBridge.Run,
    "RunError" => CerebrosBridge.RunError,
    "RunEvent" => CerebrosBridge.Event,
    "Study" => CerebrosBridge.Study,
    "StudyObjective" => CerebrosBridge.Study.Objective,
    "StudyTrial" => CerebrosBridge.Study.Trial,
    "Suggestion" => CerebrosBridge.Study.Suggestion,
    "TrainingMetrics" => CerebrosBridge.TrainingMetrics,
    "Trial" => CerebrosBridge.Trial,
    "VcvEntry" => CerebrosBridge.VCV
  }

  @doc false
  defmacro __using__(options) do
    {about, options} = Keyword.pop(options, :about, "")
    {types, options} = Keyword.pop(options, :types, [])
    {options, _} = Code.eval_quoted(options, [], __CALLER__)
    %{doc: doc, fields: fields} = Map.fetch!(Generated.types(), options[:type])
    words = Keyword.get(options, :words, [])

    types =
      for {name, field} <- fields do
        {name, types[name] || nullable(field, typespec(field.type, name in words))}
      end

    readings =
      for {name, field} <- fields do
        {name, Atom.to_string(name), default(field), reading(field, name in words)}
      end

    quote do
      @moduledoc Enum.join([unquote(doc), unquote(about), unquote(list(fields))], "\n\n")
      defstruct unquote(for {name, field} <- fields, do: {name, Macro.escape(default(field))})
      @type t :: %__MODULE__{unquote_splicing(types)}
      @doc false
      def __fields__, do: unquote(Macro.escape(readings))
    end
  end

  # What a struct has before anything was read into it.
  defp default(%{default: default}), do: default
  defp default(%{nullable: true}), do: nil
  defp default(%{type: {:list, _}}), do: []
  defp default(%{type: {:map, _}}), do: %{}
  defp default(%{type: :map}), do: %{}
  defp default(_field), do: nil

  defp nullable(%{nullable: true}, type), do: {:|, [], [type, nil]}
  defp nullable(_field, type), do: type

  defp typespec({:word, name}, true), do: one_of(words(name))
  defp typespec({:word, _}, _word?), do: quote(do: String.t())
  defp typespec(:string, _), do: quote(do: String.t())
  defp typespec(:time, _), do: quote(do: DateTime.t())
  defp typespec(:any, _), do: quote(do: term())
  # A JSON document.
  defp typespec(:map, _), do: quote(do: %{optional(String.t()) => term()})
  defp typespec({:list, type}, word?), do: [typespec(type, word?)]

  defp typespec({:map, type}, word?),
    do: quote(do: %{optional(String.t()) => unquote(typespec(type, word?))})

  defp typespec({:struct, name}, _) when is_map_key(@modules, name),
    do: quote(do: unquote(@modules[name]).t())

  defp typespec(type, _) when type in [:integer, :float, :boolean], do: {type, [], []}
  defp typespec(_struct_of_none, _), do: quote(do: map())

  defp reading(%{type: :time}, _word?), do: :time
  defp reading(%{type: {:word, name}}, true), do: {:word, Names.of_text(words(name))}
  # protobuf has no absent list, only an empty one.
  defp reading(%{type: {:list, _}, nullable: true} = field, word?),
    do: {:some, reading(%{field | nullable: false}, word?)}

  defp reading(%{type: {:list, {:struct, name}}}, _) when is_map_key(@modules, name),
    do: {:structs, @modules[name]}

  defp reading(%{type: {:struct, name}}, _) when is_map_key(@modules, name),
    do: {:struct, @modules[name]}

  defp reading(_field, _word?), do: :same

  @doc """
  What a caller may give for a procedure's request, to be unquoted into a `@type`: an option for each field but `others`.

      iex> "list_trials" |> CerebrosBridge.Message.options([:run_id]) |> Macro.to_string()
      "{:after, integer()} | {:limit, integer()}"
  """
  @spec options(String.t(), [atom()]) :: Macro.t()
  def options(procedure, others \\ []) do
    one_of(
      for {name, field} <- Keyword.drop(request(procedure), others), do: {name, given(field.type)}
    )
  end

  # A word may be written as a text or an atom; a struct is a map, with either as keys.
  defp given({:word, name}), do: {:|, [], [one_of(words(name)), quote(do: String.t())]}
  defp given({:list, type}), do: [given(type)]

  defp given({:map, type}),
    do: quote(do: %{optional(atom() | String.t()) => unquote(given(type))})

  defp given(:time), do: quote(do: String.t())

  defp given(type) when type in [:string, :integer, :float, :boolean, :any],
    do: typespec(type, false)

  defp given(_document_struct_or_union), do: quote(do: %{optional(atom() | String.t()) => term()})

  @doc """
  The words of a closed vocabulary as atoms.

      iex> CerebrosBridge.Message.words("Decision")
      [:allow, :deny]
  """
  @spec words(String.t()) :: [atom()]
  def words(vocabulary),
    do: Generated.vocabularies() |> Map.fetch!(vocabulary) |> Enum.map(&String.to_atom/1)

  @doc """
  The type of one of these atoms or types, to be unquoted into a `@type`.

      iex> [:a, :b, :c] |> CerebrosBridge.Message.one_of() |> Macro.to_string()
      ":a | :b | :c"
  """
  @spec one_of([Macro.t()]) :: Macro.t()
  def one_of(types) do
    [last | others] = Enum.reverse(types)
    Enum.reduce(others, last, fn one, type -> {:|, [], [one, type]} end)
  end

  @doc """
  The fields of a procedure's request as a list in Markdown: those that are named, or all but those in `:except`.

      iex> CerebrosBridge.Message.fields("get_run")
      "  * `:run_id` - Id of the run. 1 to 128 letters, digits or `._:-`, the first a letter or a digit."
  """
  @spec fields(String.t(), [atom()] | [except: [atom()]]) :: String.t()
  def fields(procedure, chosen \\ [except: []])

  def fields(procedure, except: others) do
    procedure |> request() |> Keyword.drop(others) |> list()
  end

  def fields(procedure, names), do: procedure |> request() |> Keyword.take(names) |> list()

  @doc """
  The fields of a procedure's request, by name.

      iex> CerebrosBridge.Message.request("health")
      []
  """
  @spec request(String.t()) :: keyword(map())
  def request(procedure) do
    %{request: type} = Map.fetch!(Generated.procedures(), procedure)
    Map.fetch!(Generated.types(), type).fields
  end

  @doc """
  The fields of a type as a list in Markdown.

      iex> CerebrosBridge.Message.list(rate: %{doc: "Learning rate."})
      "  * `:rate` - Learning rate."
  """
  @spec list(keyword(map())) :: String.t()
  def list(fields),
    do: Enum.map_join(fields, "\n", fn {name, %{doc: doc}} -> "  * `:#{name}` - #{doc}" end)

  @doc """
  The struct of a map with binary keys; what the map lacks stays at its default, what the struct lacks is left out.

      iex> CerebrosBridge.Message.read(CerebrosBridge.Study.Suggestion, %{"number" => 3, "colour" => "red"}).number
      3
  """
  @spec read(module(), map()) :: struct()
  def read(module, map) do
    for {name, key, default, reading} <- module.__fields__(), reduce: module.__struct__() do
      read -> Map.put(read, name, map |> Map.get(key, default) |> read_as(reading))
    end
  end

  defp read_as(value, :same), do: value
  defp read_as([], {:some, _reading}), do: nil
  defp read_as(nil, _reading), do: nil
  defp read_as(list, {:some, reading}), do: read_as(list, reading)
  defp read_as(text, :time), do: Names.time(text)
  defp read_as(text, {:word, of_text}), do: Map.get(of_text, text, text)
  defp read_as(map, {:struct, module}), do: read(module, map)
  defp read_as(maps, {:structs, module}), do: Enum.map(maps, &read(module, &1))
end
