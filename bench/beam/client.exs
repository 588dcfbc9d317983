# The Elixir client's half of bench_beam.py, run by mix in priv/elixir: rates through the whole
# client (pool, connection, structs), over either adapter, one `name figure` a line.
defmodule Rates do
  @calls 1_000

  def main([home, run_id]) do
    for {name, options} <- [
          port: [home: home],
          grpc: [adapter: CerebrosBridge.Grpc, address: "unix:#{home}/bridge.sock"]
        ] do
      {:ok, bridge} = CerebrosBridge.start_link(options)
      {:ok, _} = CerebrosBridge.ping(bridge, timeout: 60_000)
      say("#{name}_calls", @calls, fn -> for _ <- 1..@calls, do: call(bridge) end)
      events = CerebrosBridge.stream(bridge, run_id)
      count = Enum.count(events)
      say("#{name}_events", count, fn -> ^count = Enum.count(events) end)
    end
  end

  # One that asks the database for a run.
  defp call(bridge), do: {:ok, _} = CerebrosBridge.call(bridge, :get_run, %{run_id: "stored"})

  defp say(name, times, work) do
    {microseconds, _} = :timer.tc(work)
    IO.puts("#{name} #{times / microseconds * 1.0e6}")
  end
end

Rates.main(System.argv())
