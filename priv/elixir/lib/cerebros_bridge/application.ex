defmodule CerebrosBridge.Application do
  @moduledoc false
  use Application

  @impl true
  def start(_type, _args) do
    # The table lives as long as the process that runs this function: as the application.
    CerebrosBridge.Telemetry.create_table()
    children = [CerebrosBridge.RunTelemetry]
    Supervisor.start_link(children, strategy: :one_for_one, name: CerebrosBridge.Supervisor)
  end
end
