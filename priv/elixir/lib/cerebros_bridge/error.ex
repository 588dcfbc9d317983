defmodule CerebrosBridge.Error do
  @moduledoc """
  What a call answers when it has no value.

  `code` says what went wrong and is part of the contract; `class` is
  Thunderline's coarser view and decides about retries (`retryable`). The
  message names the value, the rule and the next move.
  """

  @codes ~w(invalid_argument not_found already_exists failed_precondition permission_denied
            unauthenticated resource_exhausted deadline_exceeded cancelled unavailable internal)a
  @classes ~w(validation transient permanent timeout dependency security)a
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
  @spec local(:unavailable | :deadline_exceeded | :invalid_argument, String.t()) :: t()
  def local(:unavailable, message) do
    %__MODULE__{code: :unavailable, class: :dependency, message: message, retryable: true}
  end

  def local(:deadline_exceeded, message) do
    %__MODULE__{code: :deadline_exceeded, class: :timeout, message: message, retryable: true}
  end

  def local(:invalid_argument, message) do
    %__MODULE__{code: :invalid_argument, class: :validation, message: message}
  end
end
