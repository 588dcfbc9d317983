defmodule CerebrosBridge.Invocation do
  @moduledoc """
  One call of a procedure, told to `:telemetry` as it begins and ends, and made again where
  that may help.

  | event | measurements | metadata |
  |---|---|---|
  | `[:cerebros, :bridge, :invoke, :start]` | `system_time` | `op, attempt, run_id, correlation_id, pulse_id` |
  | `…, :stop]` | `duration, duration_ms` | those and `ok, code, error` |
  | `…, :exception]` | `duration, duration_ms` | those and `kind, reason, stacktrace, duration_ms` |

  Every key is always there, nil where it has no value. `duration` is in native units, `code` is
  `:ok` or the error's, `ok` a boolean. `:stop` tells that the bridge answered, with an error too;
  `:exception` that it was not there to answer.
  """

  alias CerebrosBridge.{Connection, Error, Pool, Telemetry}

  # Milliseconds before the second attempt; each further one waits twice as long.
  @pause_ms 250

  @doc """
  Call `op`; options `:timeout` per attempt, `:retries`, `:traceparent`, `:correlation_id`, `:pulse_id`.

      {:ok, %{"status" => "serving"}} = CerebrosBridge.Invocation.call(bridge, "health", %{}, timeout: 5_000, retries: 2)
  """
  @spec call(GenServer.server(), String.t(), map(), keyword()) :: Connection.answer()
  def call(bridge, op, params, options), do: attempt(bridge, op, params, options, 1)

  @doc """
  What a call with these options tells the bridge it belongs to.

      iex> CerebrosBridge.Invocation.context(timeout: 5, correlation_id: "c-1", traceparent: nil)
      %{correlation_id: "c-1"}
  """
  @spec context(keyword()) :: Connection.context()
  def context(options) do
    for name <- [:traceparent, :correlation_id],
        value = options[name],
        into: %{},
        do: {name, value}
  end

  defp attempt(bridge, op, params, options, attempt) do
    told = %{
      op: op,
      attempt: attempt,
      run_id: params[:run_id] || params["run_id"],
      correlation_id:
        options[:correlation_id] || params[:correlation_id] || params["correlation_id"],
      pulse_id: options[:pulse_id]
    }

    case invoke(bridge, op, params, options, told) do
      {:error, %Error{retryable: true}} = error ->
        if attempt <= options[:retries] do
          Process.sleep(@pause_ms * 2 ** (attempt - 1))
          attempt(bridge, op, params, options, attempt + 1)
        else
          error
        end

      answer ->
        answer
    end
  end

  defp invoke(bridge, op, params, options, told) do
    began = System.monotonic_time()
    emit(:start, %{system_time: System.system_time()}, told)

    try do
      with {:ok, connection} <- Pool.checkout(bridge, :any),
           do: Connection.call(connection, op, params, options[:timeout], context(options))
    catch
      :exit, reason ->
        error = Error.gone(reason)
        took = took(began)

        told
        |> Map.merge(%{ok: false, code: error.code, error: error})
        |> Map.merge(%{kind: :exit, reason: reason, stacktrace: __STACKTRACE__})
        |> Map.put(:duration_ms, took.duration_ms)
        |> then(&emit(:exception, took, &1))

        {:error, error}
    else
      {:ok, _value} = answer ->
        emit(:stop, took(began), Map.merge(told, %{ok: true, code: :ok, error: nil}))
        answer

      {:error, error} = answer ->
        emit(:stop, took(began), Map.merge(told, %{ok: false, code: error.code, error: error}))
        answer
    end
  end

  defp took(began) do
    duration = System.monotonic_time() - began

    %{
      duration: duration,
      duration_ms: System.convert_time_unit(duration, :native, :microsecond) / 1000
    }
  end

  defp emit(what, measurements, metadata) do
    Telemetry.execute([:cerebros, :bridge, :invoke, what], measurements, metadata)
  end
end
