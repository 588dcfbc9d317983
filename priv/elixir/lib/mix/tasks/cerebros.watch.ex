defmodule Mix.Tasks.Cerebros.Watch do
  @shortdoc "Follow a run"

  alias CerebrosBridge.{Options, Terminal}

  @parts Options.of_request("watch_run")

  @moduledoc """
  Prints a run's events as they happen, the stored ones first, until it has ended.

      mix cerebros.watch 01a1fcfe-b9c9-7f26-b709-7494f4113fe9 --after 12

  #{Options.listed(elem(@parts, 1))}

  The options of `CerebrosBridge.Terminal` hold too. With `--format json` each event is a line of JSON. Exit status 0 when the run succeeded, 1 when it
  ended otherwise.
  """
  use Mix.Task

  @impl true
  def run(arguments) do
    {options, request} = Terminal.request(arguments, "cerebros.watch", @parts)
    {run_id, from} = Map.pop!(request, :run_id)

    run =
      Terminal.with_bridge(options, fn bridge ->
        # Asked first: a stream of an unknown run would raise.
        with {:ok, _run} <- CerebrosBridge.get_run(bridge, run_id) do
          bridge
          |> CerebrosBridge.stream(run_id, Keyword.new(from))
          |> Enum.each(&Terminal.print(options, &1, fn event -> Terminal.line(event) end))

          CerebrosBridge.get_run(bridge, run_id)
        end
      end)

    unless run.state == :succeeded, do: exit({:shutdown, 1})
  end
end
