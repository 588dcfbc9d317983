defmodule CerebrosBridge.RunError do
  use CerebrosBridge.Message, type: "RunError"
end
