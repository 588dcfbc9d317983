defmodule Mix.Tasks.Cerebros.Watch do
  @shortdoc "Follow a run"
  @moduledoc """
  Prints a run's events as they happen, the stored ones first, until it has ended.

      mix cerebros.watch 01a1fcfe-b9c9-7f26-b709-7494f4113fe9 --after 12

  Options: `--after N` skips the events up to number N; and those of `CerebrosBridge.Terminal`.
  With `--format json` each event is a line of JSON. Exit status 0 when the run succeeded, 1 when it
  ended otherwise.
  """
  use Mix.Task

  alias CerebrosBridge.Terminal

  @impl true
  def run(arguments) do
    {options, [run_id]} = Terminal.parse(arguments, "cerebros.watch", ["RUN"], after: :integer)

    run =
      Terminal.with_bridge(options, fn bridge ->
        # Asked first: a stream of an unknown run would raise.
        with {:ok, _run} <- CerebrosBridge.get_run(bridge, run_id) do
          bridge
          |> CerebrosBridge.stream(run_id, after_seq: options[:after] || 0)
          |> Enum.each(&Terminal.print(options, &1, fn event -> Terminal.line(event) end))

          CerebrosBridge.get_run(bridge, run_id)
        end
      end)

    unless run.state == :succeeded, do: exit({:shutdown, 1})
  end
end
