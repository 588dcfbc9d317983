defmodule CerebrosBridge.Error do
  @moduledoc """
  What a call answers when it has no value.

  `code` says what went wrong and is part of the contract; `class` is
  Thunderline's coarser view and decides about retries (`retryable`). The
  message names the value, the rule and the next move.
  """

  @class_of_code %{
    invalid_argument: :validation,
    not_found: :permanent,
    already_exists: :permanent,
    failed_precondition: :permanent,
    permission_denied: :security,
    unauthenticated: :security,
    resource_exhausted: :transient,
    deadline_exceeded: :timeout,
    cancelled: :permanent,
    unavailable: :dependency,
    internal: :permanent
  }
  @codes Map.keys(@class_of_code)
  @classes ~w(validation transient permanent timeout dependency security)a
  @retryable ~w(transient timeout dependency)a
  @class_of_text Map.new(@classes, &{Atom.to_string(&1), &1})

  defexception [:code, :class, :message, retryable: false]

  @type code ::
          :invalid_argument
          | :not_found
          | :already_exists
          | :failed_precondition
          | :permission_denied
          | :unauthenticated
          | :resource_exhausted
          | :deadline_exceeded
          | :cancelled
          | :unavailable
          | :internal
  @type class :: :validation | :transient | :permanent | :timeout | :dependency | :security
  @type t :: %__MODULE__{
          code: code(),
          class: class(),
          message: String.t(),
          retryable: boolean()
        }

  @doc """
  Every code there is.

      iex> :not_found in CerebrosBridge.Error.codes()
      true
  """
  @spec codes() :: [code()]
  def codes, do: @codes

  @doc """
  The error that the bridge sent as a code and a map with binary keys.

      iex> facts = %{"message" => "no run", "class" => "permanent", "retryable" => false}
      iex> CerebrosBridge.Error.from_map(:not_found, facts)
      %CerebrosBridge.Error{code: :not_found, class: :permanent, message: "no run"}
  """
  @spec from_map(code(), map()) :: t()
  def from_map(code, %{"message" => message, "class" => class, "retryable" => retryable})
      when code in @codes do
    %__MODULE__{
      code: code,
      class: Map.fetch!(@class_of_text, class),
      message: message,
      retryable: retryable
    }
  end

  @doc """
  An error that this side found by itself: the bridge is gone, or did not answer in time.

      iex> CerebrosBridge.Error.local(:unavailable, "the bridge has ended").retryable
      true
  """
  @spec local(code(), String.t()) :: t()
  def local(code, message) do
    class = Map.fetch!(@class_of_code, code)
    %__MODULE__{code: code, class: class, message: message, retryable: class in @retryable}
  end

  @doc """
  `:unavailable`, out of the reason that a process of the bridge ended with.

      iex> CerebrosBridge.Error.gone({:noproc, {GenServer, :call, [:nowhere]}}).message
      "the bridge is not there (:noproc); is it supervised?"
  """
  @spec gone(term()) :: t()
  def gone({reason, {GenServer, :call, _arguments}}), do: gone(reason)
  def gone({:shutdown, reason}), do: gone(reason)

  def gone(reason),
    do: local(:unavailable, "the bridge is not there (#{inspect(reason)}); is it supervised?")
end
