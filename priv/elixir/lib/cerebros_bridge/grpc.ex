defmodule CerebrosBridge.Grpc do
  @moduledoc """
  The adapter that calls a running `cerebros-bridge up` over gRPC.

  HTTP/2 is gun's, an Erlang client, and its frames are cowlib's; the host application brings both.
  Version 1.3 of gun is needed (2.0 has other options) with a cowlib from 2.7 on:

      defp deps, do: [{:gun, "~> 1.3"}, {:cowlib, "~> 2.9", override: true}, …]

  gun asks for an older cowlib than it works with, hence `override`. Without hex: Debian's package
  `rabbitmq-server` has both compiled, in `plugins/`; put their folders' parent into ERL_LIBS. Where one
  is missing opening a connection is `:failed_precondition`. Options: `:address`, a `"host:port"` or `"unix:/path"`
  (otherwise `bridge.sock` in `:home`, otherwise 127.0.0.1:50051), and `:tls`, the options of
  `:ssl.connect/3` (`cacertfile`, and for mutual TLS `certfile` and `keyfile`).
  """

  @behaviour CerebrosBridge.Adapter

  alias CerebrosBridge.{Adapter, Error}
  alias CerebrosBridge.Grpc.Contract

  @default_address "127.0.0.1:50051"

  # The bridge takes a ping every 5 s; gun's own default is just as often and would be sent away.
  @keepalive_ms 20_000

  # gRPC's numbers of our codes. Others are of gRPC itself, and a defect when they come from us.
  @code_of_status %{
    1 => :cancelled,
    3 => :invalid_argument,
    4 => :deadline_exceeded,
    5 => :not_found,
    6 => :already_exists,
    7 => :permission_denied,
    8 => :resource_exhausted,
    9 => :failed_precondition,
    13 => :internal,
    14 => :unavailable,
    16 => :unauthenticated
  }

  @context [traceparent: "traceparent", correlation_id: "x-correlation-id"]
  @headers [{"content-type", "application/grpc"}, {"te", "trailers"}]

  @enforce_keys [:gun, :monitor]
  defstruct [:gun, :monitor, refs: %{}, calls: %{}]

  @impl Adapter
  def open(options) do
    with {:ok, _versions} <- http2() do
      connect(options[:address] || socket_in(options[:home]) || @default_address, options[:tls])
    end
  end

  @doc """
  The versions of gun and cowlib, started; otherwise the error that names what is missing and how to get it.

      iex> {:ok, "gun 1.3." <> _} = CerebrosBridge.Grpc.http2()
  """
  @spec http2() :: {:ok, String.t()} | {:error, Error.t()}
  def http2 do
    case Application.ensure_all_started(:gun) do
      {:ok, _} ->
        [gun, cowlib] = for app <- [:gun, :cowlib], do: to_string(Application.spec(app, :vsn))

        if String.starts_with?(gun, "1.3"),
          do: {:ok, "gun #{gun}, cowlib #{cowlib}"},
          else: missing("gun is version #{gun}, and 1.3 is needed")

      {:error, {app, _reason}} ->
        missing("#{app} is not on the code path")
    end
  end

  defp missing(what) do
    {:error,
     Error.local(
       :failed_precondition,
       what <>
         ~s(; gRPC's HTTP/2 needs {:gun, "~> 1.3"} and {:cowlib, "~> 2.9", override: true} in your deps, ) <>
         "or both in ERL_LIBS; or use CerebrosBridge.Port, which needs neither"
     )}
  end

  defp socket_in(nil), do: nil
  defp socket_in(home), do: "unix:" <> Path.join(home, "bridge.sock")

  defp connect("unix:" <> path, _tls) do
    opened(:gun.open_unix(String.to_charlist(path), gun_options(:tcp, [])))
  end

  defp connect(address, tls) do
    with [_, host, port] <- Regex.run(~r/^(.+):(\d+)$/, address) do
      host = host |> String.trim_leading("[") |> String.trim_trailing("]") |> String.to_charlist()
      {transport, options} = if tls, do: {:tls, tls}, else: {:tcp, []}
      # Without nodelay each call waits 40 ms for the kernel to send its second packet.
      opened(
        :gun.open(
          host,
          String.to_integer(port),
          gun_options(transport, [{:nodelay, true} | options])
        )
      )
    else
      nil ->
        {:error,
         Error.local(
           :invalid_argument,
           "address #{inspect(address)} is no host:port or unix:/path"
         )}
    end
  end

  defp gun_options(transport, transport_options) do
    %{
      protocols: [:http2],
      transport: transport,
      transport_opts: transport_options,
      http2_opts: %{keepalive: @keepalive_ms},
      # The pool opens anew.
      retry: 0
    }
  end

  defp opened({:ok, gun}), do: {:ok, %__MODULE__{gun: gun, monitor: Process.monitor(gun)}}

  defp opened({:error, reason}),
    do:
      {:error,
       Error.local(:invalid_argument, "gun does not take the options: #{inspect(reason)}")}

  @impl Adapter
  def call(wire, id, procedure, params, options) do
    with {:ok, %{form: :unary, path: path, input: input, output: output}} <- rpc(procedure),
         {:ok, headers} <- headers(options),
         {:ok, body} <- encoded(input, params) do
      ref = :gun.post(wire.gun, path, headers, frame(body))
      {:ok, remember(wire, id, ref, {:call, output})}
    else
      {:ok, _streaming} ->
        {:error, Error.local(:invalid_argument, "#{procedure} streams; use follow/4")}

      {:error, error} ->
        {:error, error}
    end
  end

  # A stream that the contract gives no credited method comes as fast as the bridge has it.
  @impl Adapter
  def attach(wire, id, procedure, params, credit, options) do
    with {:ok, %{form: form, path: path, input: input, output: output}} when form != :unary <-
           rpc(procedure),
         {:ok, headers} <- headers(options),
         {:ok, body} <- encoded(input, first(form, params, credit)) do
      ref = :gun.post(wire.gun, path, headers)
      :gun.data(wire.gun, ref, if(form == :credited, do: :nofin, else: :fin), frame(body))
      {:ok, remember(wire, id, ref, {:stream, output, form == :credited && input})}
    else
      {:ok, _unary} ->
        {:error, Error.local(:invalid_argument, "#{procedure} answers once; use call/4")}

      {:error, error} ->
        {:error, error}
    end
  end

  defp first(:credited, params, credit), do: %{request: params, credit: credit}
  defp first(:streaming, params, _credit), do: params

  defp rpc(procedure) do
    with :error <- Contract.rpc(procedure) do
      {:error,
       Error.local(:not_found, "procedure #{inspect(procedure)} is unknown to this client")}
    end
  end

  @impl Adapter
  def grant(wire, id, n) do
    ref = Map.fetch!(wire.refs, id)

    with {:stream, _output, input} when is_binary(input) <- wire.calls[ref].kind do
      {:ok, body} = Contract.encode(input, %{credit: n})
      :gun.data(wire.gun, ref, :nofin, frame(body))
    end

    wire
  end

  @impl Adapter
  def cancel(wire, id) do
    case Map.pop(wire.refs, id) do
      {nil, _} ->
        wire

      {ref, refs} ->
        :gun.cancel(wire.gun, ref)
        %{wire | refs: refs, calls: Map.delete(wire.calls, ref)}
    end
  end

  @impl Adapter
  def ping(wire, id) do
    ref = :gun.post(wire.gun, "/grpc.health.v1.Health/Check", @headers, frame(<<>>))
    remember(wire, id, ref, :ping)
  end

  # A request inside the first message of a stream has the same place for its caller as one alone.
  defp encoded(message, params) do
    with {:error, fault} <- Contract.encode(message, params),
         do: {:error, Error.local(:invalid_argument, String.replace(fault, "`$.request", "`$"))}
  end

  defp headers(options) do
    told = for {name, header} <- @context, text = options[name], do: {header, text}

    case Enum.reject(told, fn {_header, text} -> header_text?(text) end) do
      [] ->
        {:ok, deadline(options[:timeout] || :infinity) ++ told ++ @headers}

      [{header, text} | _] ->
        fault = "Expected printable ASCII, got `#{inspect(text)}` - in #{header}"
        {:error, Error.local(:invalid_argument, fault)}
    end
  end

  defp header_text?(text), do: is_binary(text) and text =~ ~r/\A[ -~]+\z/

  # gRPC allows eight digits; a longer time is told in seconds.
  defp deadline(:infinity), do: []
  defp deadline(ms) when ms < 100_000_000, do: [{"grpc-timeout", "#{max(ms, 1)}m"}]
  defp deadline(ms), do: [{"grpc-timeout", "#{div(ms, 1000)}S"}]

  defp frame(body), do: [<<0, byte_size(body)::32>>, body]

  defp remember(wire, id, ref, kind) do
    call = %{id: id, kind: kind, buffer: <<>>, reply: nil}
    %{wire | refs: Map.put(wire.refs, id, ref), calls: Map.put(wire.calls, ref, call)}
  end

  @impl Adapter
  def heard(%{gun: gun} = wire, {:gun_response, gun, ref, fin, status, headers}) do
    cond do
      not is_map_key(wire.calls, ref) -> {[], wire}
      status != 200 -> finish(wire, ref, {:error, local(:unavailable, "HTTP status #{status}")})
      fin == :fin -> finish(wire, ref, ended(wire.calls[ref], headers))
      true -> {[], wire}
    end
  end

  def heard(%{gun: gun} = wire, {:gun_data, gun, ref, fin, data}) do
    case wire.calls do
      %{^ref => call} ->
        {notices, call} = messages(%{call | buffer: call.buffer <> data}, [])
        wire = put_in(wire.calls[ref], call)

        if fin == :fin do
          {last, wire} =
            finish(wire, ref, {:error, local(:internal, "an answer without its status")})

          {notices ++ last, wire}
        else
          {notices, wire}
        end

      _ ->
        {[], wire}
    end
  end

  def heard(%{gun: gun} = wire, {:gun_trailers, gun, ref, trailers}) do
    if is_map_key(wire.calls, ref),
      do: finish(wire, ref, ended(wire.calls[ref], trailers)),
      else: {[], wire}
  end

  # HTTP/2's own limit: the bridge has not seen the call.
  def heard(%{gun: gun} = wire, {:gun_error, gun, ref, {:stream_error, :refused_stream, _}})
      when is_map_key(wire.calls, ref) do
    what = "too many calls at once over one connection; wait for answers, or give a larger :pool"
    finish(wire, ref, {:error, Error.local(:resource_exhausted, what)})
  end

  def heard(%{gun: gun} = wire, {:gun_error, gun, ref, reason}) do
    if is_map_key(wire.calls, ref),
      do: finish(wire, ref, {:error, local(:unavailable, inspect(reason))}),
      else: {[], wire}
  end

  def heard(%{gun: gun} = wire, {:gun_up, gun, _protocol}), do: {[], wire}
  def heard(%{gun: gun}, {:gun_error, gun, reason}), do: {:stop, {:bridge_left, reason}}
  def heard(%{gun: gun}, {:gun_down, gun, _, reason, _, _}), do: {:stop, {:bridge_left, reason}}
  def heard(%{monitor: m}, {:DOWN, m, _, _, reason}), do: {:stop, {:bridge_left, reason}}
  def heard(_wire, _message), do: :ignored

  # The whole messages of the buffer: a call keeps its one, a stream tells each.
  defp messages(%{buffer: <<0, size::32, body::binary-size(size), rest::binary>>} = call, notices) do
    case call.kind do
      {:stream, output, _input} ->
        {:ok, item} = Contract.decode(output, body)
        messages(%{call | buffer: rest}, [{:item, call.id, item} | notices])

      _ ->
        messages(%{call | buffer: rest, reply: body}, notices)
    end
  end

  defp messages(call, notices), do: {Enum.reverse(notices), call}

  defp ended(call, trailers) do
    case List.keyfind(trailers, "grpc-status", 0) do
      {_, "0"} -> decoded(call.kind, call.reply)
      {_, status} -> {:error, refused(String.to_integer(status), Map.new(trailers))}
      nil -> {:error, local(:internal, "an answer without its status")}
    end
  end

  defp decoded({:call, output}, body) when is_binary(body) do
    with :error <- Contract.decode(output, body),
         do: {:error, local(:internal, "#{byte_size(body)} bytes that are no #{output}")}
  end

  defp decoded({:call, output}, nil), do: {:error, local(:internal, "no #{output}")}
  defp decoded(_stream_or_ping, _body), do: {:ok, %{}}

  @doc false
  # The error of a status and its trailers; public for the test of codes that nobody can provoke.
  def refused(status, trailers) do
    message = trailers |> Map.get("grpc-message", "") |> URI.decode()

    with %{^status => code} <- @code_of_status,
         {:ok, %{"class" => class, "retryable" => retryable}} <- error_info(trailers) do
      facts = %{"message" => message, "class" => class, "retryable" => retryable == "true"}
      Error.from_map(code, facts)
    else
      # A proxy, or gRPC itself: it knows no classes.
      _ -> local(Map.get(@code_of_status, status, :internal), "gRPC status #{status}: #{message}")
    end
  end

  # grpc-status-details-bin is a google.rpc.Status in base64, with or without its padding.
  defp error_info(trailers) do
    with %{"grpc-status-details-bin" => text} <- trailers,
         {:ok, bytes} <- Base.decode64(text, padding: false),
         {:ok, %{"details" => [%{"value" => value} | _]}} <-
           Contract.decode("google.rpc.Status", bytes),
         {:ok, %{"metadata" => facts}} <- Contract.decode("google.rpc.ErrorInfo", value) do
      {:ok, facts}
    end
  end

  defp local(code, what), do: Error.local(code, "the bridge answered #{what}; ask its log")

  defp finish(wire, ref, result) do
    {%{id: id, kind: kind}, calls} = Map.pop!(wire.calls, ref)
    # Our side of a stream is open still; gun would keep it for ever.
    if match?({:stream, _, _}, kind), do: :gun.cancel(wire.gun, ref)
    {[{:result, id, result}], %{wire | calls: calls, refs: Map.delete(wire.refs, id)}}
  end

  @impl Adapter
  def close(%{gun: gun, monitor: monitor}) do
    Process.demonitor(monitor, [:flush])
    :gun.shutdown(gun)
    :ok
  end
end
