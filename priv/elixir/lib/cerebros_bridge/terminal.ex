defmodule CerebrosBridge.Terminal do
  @moduledoc """
  What the mix tasks share: their options, a bridge for their time, and their exit status.

  Exit status: 0 done, 1 refused or failed with a typed error, 2 wrong usage. Answers go to
  stdout, everything else to stderr. Every task takes `--home DIR` (the program is started on it),
  or `--grpc ADDRESS` (`host:port` or `unix:/path` of a running service), and `--format json`.
  """

  alias CerebrosBridge.{Error, Event, Figures, Json, Options}

  @switches [home: :string, grpc: :string, format: :string]

  @doc "The options and the positional arguments, as many as `names`; otherwise usage, and status 2."
  @spec parse([String.t()], String.t(), [String.t()], keyword()) :: {keyword(), [String.t()]}
  def parse(arguments, task, names, switches) do
    {options, given, wrong} = OptionParser.parse(arguments, strict: @switches ++ switches)

    if wrong == [] and length(given) == length(names) and
         options[:format] in [nil, "text", "json"] do
      {options, given}
    else
      flags =
        Enum.map_join(@switches ++ switches, " ", fn {name, _} -> "[--#{dashed(name)} …]" end)

      error("usage: mix #{task} #{Enum.map_join(names, &(&1 <> " "))}#{flags}")
      exit({:shutdown, 2})
    end
  end

  @doc "The options, and the request that they and the argument make; otherwise as `parse/4`, or an error and status 1."
  @spec request([String.t()], String.t(), Options.parts(), keyword()) :: {keyword(), map()}
  def request(arguments, task, {positional, options} = parts, switches \\ []) do
    names = positional |> List.wrap() |> Enum.map(&Options.argument/1)
    {given, texts} = parse(arguments, task, names, switches ++ Options.switches(options))

    case Options.request(parts, given, List.first(texts)) do
      {:ok, request} -> {given, request}
      {:error, error} -> refuse(error)
    end
  end

  defp dashed(name), do: name |> Atom.to_string() |> String.replace("_", "-")

  @doc "Run `use` with a bridge as the options name it; an error is told and ends the task with status 1."
  @spec with_bridge(keyword(), (CerebrosBridge.bridge() -> {:ok, value} | {:error, Error.t()})) ::
          value
        when value: term()
  def with_bridge(options, use) do
    start()

    with {:ok, bridge} <- started(adapter(options)),
         {:ok, value} <- use.(bridge) do
      value
    else
      {:error, error} -> refuse(error)
    end
  end

  @doc "Start the client; from `level` on its log is on stderr, because answers alone are on stdout."
  @spec start(Logger.level() | :none) :: :ok
  def start(level \\ :error) do
    {:ok, _} = Application.ensure_all_started(:cerebros_bridge)
    # The pool tells its supervisor; here nobody supervises, and the error itself is told.
    Logger.configure(level: level)

    case :logger.get_handler_config(:default) do
      {:ok, %{config: config} = handler} ->
        :ok = :logger.remove_handler(:default)

        handler = %{
          handler
          | config: Map.take(config, [:type]) |> Map.put(:type, :standard_error)
        }

        :ok = :logger.add_handler(:default, handler.module, handler)

      # Before Elixir 1.15.
      {:error, _} ->
        :ok = apply(Logger, :configure_backend, [:console, [device: :standard_error]])
    end
  end

  defp started(options) do
    Process.flag(:trap_exit, true)
    CerebrosBridge.start_link(options)
  end

  @doc "The options of `CerebrosBridge.start_link/1` that a task's own options stand for."
  @spec adapter(keyword()) :: keyword()
  def adapter(options) do
    case options[:grpc] do
      nil -> [home: options[:home], env: %{"CEREBROS_LOG_LEVEL" => "error"} |> Map.merge(roots())]
      address -> [adapter: CerebrosBridge.Grpc, address: address]
    end
  end

  # Who sits at the terminal names files of their own, wherever they are; the program is theirs alone.
  defp roots, do: %{"CEREBROS_DATASET_ROOTS" => System.get_env("CEREBROS_DATASET_ROOTS") || "/"}

  @doc "Say a typed error and end with status 1."
  @spec refuse(Error.t()) :: no_return()
  def refuse(%Error{code: code, message: message}) do
    error("#{code |> Atom.to_string() |> String.upcase()}: #{message}")
    exit({:shutdown, 1})
  end

  @doc "Print an answer: as JSON with `--format json`, otherwise by `text`."
  @spec print(keyword(), term(), (term() -> iodata())) :: :ok
  def print(options, value, text) do
    IO.puts(if options[:format] == "json", do: Json.encode(value), else: text.(value))
  end

  @doc "Names and values in two columns; values that are nil are left out."
  @spec columns([{String.t(), term()}]) :: iodata()
  def columns(pairs) do
    shown = for {name, value} <- pairs, value != nil, do: {name, value}
    width = shown |> Enum.map(fn {name, _} -> String.length(name) end) |> Enum.max(fn -> 0 end)

    Enum.map_intersperse(shown, ?\n, fn {name, value} ->
      "#{String.pad_trailing(name, width)}  #{value}"
    end)
  end

  @doc "A line of progress on stderr."
  @spec progress(Event.t()) :: :ok
  def progress(event), do: error(line(event))

  @doc """
  An event in one line: its number, name, subject and figures.

      iex> event =
      ...>   CerebrosBridge.Event.from_map(%{
      ...>     "run_id" => "r",
      ...>     "seq" => 9,
      ...>     "name" => "cerebros.trial.stop",
      ...>     "at" => "2026-01-02T03:04:05Z",
      ...>     "measurements" => %{"accuracy" => 0.91234, "loss" => nil},
      ...>     "metadata" => %{"number" => 3, "outcome" => "ok"}
      ...>   })
      iex> CerebrosBridge.Terminal.line(event)
      "   9 trial.stop number=3 outcome=ok accuracy=0.9123"
  """
  @spec line(Event.t()) :: String.t()
  def line(%Event{} = event) do
    name = if is_list(event.name), do: Enum.join(tl(event.name), "."), else: event.name

    told =
      Map.take(event.metadata, [
        :kind,
        :stage,
        :number,
        :outcome,
        :decision,
        :state,
        :error_code,
        :error_message
      ])

    facts =
      for {key, value} <- Enum.to_list(told) ++ Enum.to_list(event.measurements),
          value != nil,
          do: "#{key}=#{Figures.of_field(key, value)}"

    Enum.join([String.pad_leading("#{event.seq}", 4), name | facts], " ")
  end

  defp error(text), do: IO.puts(:stderr, text)
end
