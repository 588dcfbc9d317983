defmodule CerebrosBridge.GateReport do
  use CerebrosBridge.Message, type: "GateReport", words: [:overall_status]

  defmodule Finding do
    use CerebrosBridge.Message, type: "GateFinding", words: [:status]
  end
end
