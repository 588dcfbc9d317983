defmodule CerebrosBridge.Trial do
  use CerebrosBridge.Message, type: "Trial", words: [:outcome]
end
