defmodule CerebrosBridge.Options do
  @moduledoc """
  The options of a mix task, built from the contract's type of the request that it sends.

  Each field is an option, the fields of nested structs beside the others. An option is called as its
  field, `pac_id` as `--pac`; where an outer field has that name, the names of the structs around it come
  first. A list is written with commas, a map of numbers as `NAME=NUMBER`, an option for each entry.
  A field that is a JSON document, or a list of them, is a file with its JSON.
  Nothing is checked here that the bridge checks.
  """

  alias CerebrosBridge.{Error, Generated, JsonReader, Message}

  @enforce_keys [:name, :path, :type, :doc, :required]
  defstruct @enforce_keys

  @typedoc "A field of a request, at its path from the request, and the name of its option."
  @type t :: %__MODULE__{
          name: atom(),
          path: [atom()],
          type: term(),
          doc: String.t(),
          required: boolean()
        }

  @typedoc "The argument without a name, nil where there is none, and the options."
  @type parts :: {t() | nil, [t()]}

  @spelt %{pac_id: :pac, after_seq: :after}

  # Options of the tasks themselves (`CerebrosBridge.Terminal`), and the kind, which names the union's member.
  @reserved ~w(home grpc format timeout retries kind)a

  # Fields that are paths. The bridge need not run in the directory of the task.
  @paths ~w(manifest)a

  @scalars ~w(string integer float boolean time)a

  @doc """
  The arguments of a procedure: the first field that its request cannot do without is written without
  its name, the others are options.

      iex> {pac, [version]} = CerebrosBridge.Options.of_request("get_capability")
      iex> {CerebrosBridge.Options.argument(pac), CerebrosBridge.Options.flag(version)}
      {"PAC", "--version"}
  """
  @spec of_request(String.t()) :: parts()
  def of_request(procedure), do: procedure |> Message.request() |> of_fields([])

  @doc """
  The kinds of runs.

      iex> CerebrosBridge.Options.kinds()
      ["cycle", "nas"]
  """
  @spec kinds() :: [String.t()]
  def kinds, do: Enum.sort(Map.keys(specs()))

  @doc """
  The arguments that start a run of a kind: the first field that the kind cannot do without is written
  without its name, the others are options.

      iex> {manifest, options} = CerebrosBridge.Options.of_run("cycle")
      iex> {manifest.name, Enum.map(options, & &1.name) |> Enum.take(3)}
      {:manifest, [:pac, :task, :trials]}
  """
  @spec of_run(String.t()) :: parts()
  def of_run(kind) do
    Message.request("start_run")
    |> put_in([:spec, :type], {:struct, Map.fetch!(specs(), kind)})
    |> of_fields([:spec])
  end

  @doc """
  The arguments of these fields; the one without a name is looked for among those of the struct at the path `inside`.

      iex> fields = [
      ...>   pac_id: %{type: :string, doc: "PAC."},
      ...>   spec: %{type: {:struct, "WatchRun"}, doc: "Watch."},
      ...>   after_seq: %{type: :integer, optional: true, doc: "Number."}
      ...> ]
      iex> {run, options} = CerebrosBridge.Options.of_fields(fields, [:spec])
      iex> {run.name, Enum.map(options, & &1.name)}
      {:run_id, [:pac, :spec_after, :after]}
  """
  @spec of_fields(keyword(map()), [atom()]) :: parts()
  def of_fields(fields, inside) do
    flat = flat(fields, [], true)
    positional = Enum.find(flat, &(&1.required and Enum.drop(&1.path, -1) == inside))
    others = List.delete(flat, positional)

    names =
      others
      |> Enum.sort_by(&length(&1.path))
      |> Enum.reduce(%{}, fn option, taken -> Map.put(taken, name(option, taken), option.path) end)
      |> Map.new(fn {name, path} -> {path, name} end)

    {positional, Enum.map(others, &%{&1 | name: names[&1.path]})}
  end

  defp specs do
    {:union, _tag_field, structs} = Message.request("start_run")[:spec].type
    structs
  end

  defp flat(fields, around, needed) do
    Enum.flat_map(fields, fn {name, field} ->
      required = needed and not Map.get(field, :optional, false)

      case field.type do
        {:struct, struct} ->
          flat(Map.fetch!(Generated.types(), struct).fields, around ++ [name], required)

        type ->
          [
            %__MODULE__{
              name: name,
              path: around ++ [name],
              type: type,
              doc: field.doc,
              required: required
            }
          ]
      end
    end)
  end

  # Too much for a command line.
  defp document?({:map, :float}), do: false
  defp document?({:list, type}), do: document?(type)
  defp document?({:word, _vocabulary}), do: false
  defp document?(type), do: type not in @scalars

  defp name(%{path: path, type: type}, taken) do
    [last | around] = path |> Enum.map(&Map.get(@spelt, &1, &1)) |> Enum.reverse()
    text = Atom.to_string(last)
    free(if(repeated?(type), do: String.trim_trailing(text, "s"), else: text), around, taken)
  end

  # The names come from the contract; there are no more atoms than it has fields.
  defp free(text, around, taken) do
    name = String.to_atom(text)

    case around do
      [outer | further] when is_map_key(taken, name) or name in @reserved ->
        free("#{outer}_#{text}", further, taken)

      _ ->
        name
    end
  end

  defp repeated?(type), do: type == {:map, :float}

  @doc """
  The options as `OptionParser` wants them.

      iex> {_manifest, options} = CerebrosBridge.Options.of_run("nas")
      iex> options |> CerebrosBridge.Options.switches() |> Keyword.take([:pac, :wall_s, :limit])
      [pac: :string, wall_s: :float, limit: [:string, :keep]]
  """
  @spec switches([t()]) :: keyword()
  def switches(options), do: Enum.map(options, &{&1.name, switch(&1.type)})

  defp switch(type) when type in [:integer, :float, :boolean], do: type
  defp switch(type), do: if(repeated?(type), do: [:string, :keep], else: :string)

  @doc """
  The options as a list in Markdown, with the contract's words.

      iex> {_manifest, options} = CerebrosBridge.Options.of_run("cycle")
      iex> options |> Enum.filter(&(&1.name == :trials)) |> CerebrosBridge.Options.listed()
      "  * `--trials N` - Number of candidates trained. 1 to 10,000; 24 when absent."
  """
  @spec listed([t()]) :: String.t()
  def listed(options),
    do: Enum.map_join(options, "\n", &"  * `#{flag(&1)}#{placeholder(&1.type)}` - #{&1.doc}")

  @doc """
  Help for the runs of all kinds, in Markdown: the options that every kind has, then each kind with its own.

      iex> CerebrosBridge.Options.runs() =~ "`cycle MANIFEST`: A whole training cycle"
      true
  """
  @spec runs() :: String.t()
  def runs do
    kinds = for {kind, struct} <- Enum.sort(specs()), do: {kind, struct, of_run(kind)}
    shared = kinds |> Enum.map(fn {_, _, {_, options}} -> options end) |> Enum.reduce(&both/2)

    told =
      Enum.map(kinds, fn {kind, struct, {positional, options}} ->
        usage = if positional, do: "#{kind} #{argument(positional)}", else: kind
        arguments = List.wrap(positional) |> Enum.map(&"  * `#{argument(&1)}` - #{&1.doc}")
        own = Enum.reject(options, &(&1 in shared)) |> listed()

        ["`#{usage}`: #{Map.fetch!(Generated.types(), struct).doc}" | arguments ++ [own]]
        |> Enum.reject(&(&1 == ""))
        |> Enum.join("\n")
      end)

    Enum.join([listed(shared) | told], "\n\n")
  end

  defp both(options, others), do: Enum.filter(options, &(&1 in others))

  @doc """
  The argument without a name, as usage shows it.

      iex> {manifest, _options} = CerebrosBridge.Options.of_run("cycle")
      iex> CerebrosBridge.Options.argument(manifest)
      "MANIFEST"
  """
  @spec argument(t()) :: String.t()
  def argument(%__MODULE__{path: path}) do
    last = List.last(path)
    @spelt |> Map.get(last, last) |> Atom.to_string() |> String.upcase()
  end

  @doc """
  An option as it is written.

      iex> {_manifest, [pac | _]} = CerebrosBridge.Options.of_run("cycle")
      iex> CerebrosBridge.Options.flag(pac)
      "--pac"
  """
  @spec flag(t()) :: String.t()
  def flag(%__MODULE__{name: name}),
    do: "--" <> (name |> Atom.to_string() |> String.replace("_", "-"))

  defp placeholder(:boolean), do: ""
  defp placeholder(type) when type in [:integer, :float], do: " N"
  defp placeholder({:map, :float}), do: " NAME=NUMBER"

  defp placeholder(type) do
    cond do
      document?(type) -> " FILE"
      match?({:list, _}, type) -> " A,B"
      true -> " TEXT"
    end
  end

  @doc """
  The request of what was given: keyword options, and the text of the argument without a name.

      iex> parts = CerebrosBridge.Options.of_run("nas")
      iex> given = [pac: "p", trials: 8, objectives: "accuracy,cost", limit: "cost=2"]
      iex> CerebrosBridge.Options.request(parts, given, "/digits.toml")
      {:ok,
       %{
         pac_id: "p",
         spec: %{
           manifest: "/digits.toml",
           budget: %{trials: 8},
           objectives: ["accuracy", "cost"],
           limits: %{"cost" => 2.0}
         }
       }}
      iex> {:error, error} = CerebrosBridge.Options.request(parts, [pac: "p", limit: "cost"], "/d.toml")
      iex> error.message
      "--limit cost is not NAME=NUMBER"
  """
  @spec request(parts(), keyword(), String.t() | nil) :: {:ok, map()} | {:error, Error.t()}
  def request({positional, options}, given, text) do
    for(option <- options, values = Keyword.get_values(given, option.name), do: {option, values})
    |> then(&if(positional, do: [{positional, [text]} | &1], else: &1))
    |> Enum.reduce_while({:ok, %{}}, fn {option, values}, {:ok, request} ->
      case value(option, values) do
        :absent -> {:cont, {:ok, request}}
        {:ok, value} -> {:cont, {:ok, placed(request, option.path, value)}}
        {:error, why} -> {:halt, {:error, Error.local(:invalid_argument, why)}}
      end
    end)
  end

  defp placed(map, [name], value), do: Map.put(map, name, value)

  defp placed(map, [name | path], value),
    do: Map.put(map, name, placed(Map.get(map, name, %{}), path, value))

  defp value(%{required: true} = option, []), do: {:error, "give #{flag(option)}: #{option.doc}"}
  defp value(_option, []), do: :absent

  defp value(%{type: {:map, :float}} = option, entries) do
    with {:ok, pairs} <- each(entries, &entry(option, &1)), do: {:ok, Map.new(pairs)}
  end

  defp value(option, [value]) do
    if document?(option.type),
      do: document(option, value),
      else: typed(option, option.type, value)
  end

  defp document(option, file) do
    with {:ok, text} <- File.read(file),
         {:ok, document} <- JsonReader.decode(text) do
      {:ok, document}
    else
      {:error, reason} when is_atom(reason) ->
        {:error, "#{flag(option)} #{file} cannot be read: #{:file.format_error(reason)}"}

      {:error, why} ->
        {:error, "#{flag(option)} #{file} is not JSON: #{why}"}
    end
  end

  defp typed(option, {:list, type}, text),
    do: text |> String.split(",") |> each(&typed(option, type, &1))

  defp typed(option, type, text) when type in [:integer, :float] and is_binary(text) do
    case number(type, text) do
      {number, ""} -> {:ok, number}
      _ -> {:error, "#{flag(option)} #{text} is no #{type}"}
    end
  end

  defp typed(%{path: path}, :string, text) do
    {:ok, if(List.last(path) in @paths, do: Path.expand(text), else: text)}
  end

  defp typed(_option, _type, value), do: {:ok, value}

  defp entry(option, text) do
    with [name, number] <- String.split(text, "=", parts: 2),
         {number, ""} <- Float.parse(number) do
      {:ok, {name, number}}
    else
      _ -> {:error, "#{flag(option)} #{text} is not NAME=NUMBER"}
    end
  end

  defp number(:integer, text), do: Integer.parse(text)
  defp number(:float, text), do: Float.parse(text)

  defp each(items, read) do
    Enum.reduce_while(Enum.reverse(items), {:ok, []}, fn item, {:ok, done} ->
      case read.(item) do
        {:ok, value} -> {:cont, {:ok, [value | done]}}
        error -> {:halt, error}
      end
    end)
  end
end
