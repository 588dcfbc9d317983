defmodule CerebrosBridge.Message do
  @moduledoc """
  Structs and documentation out of the contract (`CerebrosBridge.Generated`).

      defmodule CerebrosBridge.Run do
        use CerebrosBridge.Message, type: "Run", words: [:state], structs: [metrics: CerebrosBridge.TrainingMetrics]
      end

  gives the struct with the fields of that type, `t:t/0` and a `@moduledoc` that lists the fields. The
  closed vocabularies of the fields in `:words` are atoms; fields in `:structs` are structs of these
  modules; times are `DateTime`. `:about` is added to the documentation, and `:types` overrule those
  of the contract.
  """

  alias CerebrosBridge.{Generated, Names}

  @doc false
  defmacro __using__(options) do
    {about, options} = Keyword.pop(options, :about, "")
    {types, options} = Keyword.pop(options, :types, [])
    {options, _} = Code.eval_quoted(options, [], __CALLER__)
    %{doc: doc, fields: fields} = Map.fetch!(Generated.types(), options[:type])
    words = Keyword.get(options, :words, [])
    structs = Keyword.get(options, :structs, [])

    types =
      for {name, field} <- fields do
        {name, types[name] || typespec(field, name in words, structs[name])}
      end

    readings =
      for {name, field} <- fields do
        {name, Atom.to_string(name), default(field), reading(field, name in words, structs[name])}
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

  defp typespec(field, word?, module) do
    type =
      case {field.type, word?} do
        {{:word, name}, true} -> one_of(words(name))
        _ when module != nil -> quote(do: unquote(module).t())
        {type, _} -> typespec(type)
      end

    if field[:nullable], do: {:|, [], [type, nil]}, else: type
  end

  defp typespec(:string), do: quote(do: String.t())
  defp typespec({:word, _}), do: quote(do: String.t())
  defp typespec(:time), do: quote(do: DateTime.t())
  defp typespec(:any), do: quote(do: term())
  defp typespec({:list, type}), do: [typespec(type)]
  defp typespec({:map, type}), do: quote(do: %{optional(String.t()) => unquote(typespec(type))})
  defp typespec(type) when type in [:integer, :float, :boolean], do: {type, [], []}
  defp typespec(_map_or_struct), do: quote(do: map())

  defp reading(%{type: :time}, _word?, _module), do: :time
  defp reading(%{type: {:word, name}}, true, _module), do: {:word, Names.of_text(words(name))}
  # protobuf has no absent list, only an empty one.
  defp reading(%{type: {:list, _}, nullable: true}, _word?, nil), do: :some
  defp reading(_field, _word?, nil), do: :same
  defp reading(_field, _word?, module), do: {:struct, module}

  @doc """
  The words of a closed vocabulary as atoms.

      iex> CerebrosBridge.Message.words("Decision")
      [:allow, :deny]
  """
  @spec words(String.t()) :: [atom()]
  def words(vocabulary),
    do: Generated.vocabularies() |> Map.fetch!(vocabulary) |> Enum.map(&String.to_atom/1)

  @doc """
  The type of one of these atoms, to be unquoted into a `@type`.

      iex> [:a, :b, :c] |> CerebrosBridge.Message.one_of() |> Macro.to_string()
      ":a | :b | :c"
  """
  @spec one_of([atom()]) :: Macro.t()
  def one_of(atoms) do
    [last | others] = Enum.reverse(atoms)
    Enum.reduce(others, last, fn atom, type -> {:|, [], [atom, type]} end)
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
  defp read_as([], :some), do: nil
  defp read_as(value, :some), do: value
  defp read_as(text, :time), do: Names.time(text)
  defp read_as(text, {:word, of_text}), do: Map.get(of_text, text, text)
  defp read_as(nil, {:struct, _module}), do: nil
  defp read_as(map, {:struct, module}), do: module.from_map(map)
end
