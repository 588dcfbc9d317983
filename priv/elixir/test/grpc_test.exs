defmodule CerebrosBridge.GrpcTest do
  # What the two codecs make of the bridge's own bytes.
  use ExUnit.Case, async: true
  doctest CerebrosBridge.Grpc.Contract
  doctest CerebrosBridge.Grpc.Protobuf

  alias CerebrosBridge.{Error, Grpc, Port, Service}
  alias CerebrosBridge.Grpc.Protobuf

  test "gun is here: without it nothing in this suite speaks gRPC" do
    assert Code.ensure_loaded?(:gun),
           "gun is not on the code path; `make test` puts it into ERL_LIBS"
  end

  test "every error of the family is the same error over either adapter" do
    home = Service.fresh_home()
    on_exit(fn -> File.rm_rf!(home) end)
    lines = "refusals.py" |> Service.script(home, []) |> String.split("\n", trim: true)

    codes =
      for line <- lines do
        [code, class, retryable, status, details, frame] = String.split(line)
        trailers = %{"grpc-message" => "why %E2%9C%93", "grpc-status-details-bin" => details}
        error = Grpc.refused(String.to_integer(status), trailers)

        assert %Error{message: "why ✓"} = error
        assert {to_string(error.code), to_string(error.class)} == {code, class}
        assert error.retryable == (retryable == "True")

        bytes = Base.decode16!(frame, case: :lower)
        port = %Port{port: self()}

        assert {[{:result, 7, {:error, ^error}}], ^port} =
                 Port.heard(port, {self(), {:data, bytes}})

        error.code
      end

    assert codes |> Enum.uniq() |> Enum.sort() == Enum.sort(Error.codes())
  end

  test "a status without our details, as a proxy sends it, has its code's class" do
    assert %Error{code: :unavailable, class: :dependency, retryable: true} = Grpc.refused(14, %{})

    assert %Error{code: :internal, class: :permanent} =
             Grpc.refused(2, %{"grpc-message" => "odd"})

    assert %Error{code: :not_found} = Grpc.refused(5, %{"grpc-status-details-bin" => "???"})
  end

  test "every prefix and every damaged byte of a message is a message or an error, never a crash" do
    fields = %{
      pac_id: "p",
      spec: %{
        kind: "nas",
        manifest: "m",
        objectives: ["accuracy"],
        budget: %{trials: 3, wall_s: 1.5},
        seed: 7
      }
    }

    {:ok, bytes} = Grpc.Contract.encode("cerebros.v1.StartRunRequest", fields)

    for size <- 0..byte_size(bytes) do
      prefix = binary_part(bytes, 0, size)
      assert read(prefix) in [:ok, :error]
    end

    for at <- 0..(byte_size(bytes) - 1), value <- [0, 1, 0x7F, 0x80, 0xFF] do
      <<before::binary-size(at), _, rest::binary>> = bytes
      assert read(<<before::binary, value, rest::binary>>) in [:ok, :error]
    end
  end

  test "a message that is one oneof is a tagged union, and faults in it have the place that the port tells" do
    spec = %{"kind" => "cycle", "manifest" => "m", "budget" => %{"trials" => 3}}
    {:ok, bytes} = Grpc.Contract.encode("cerebros.v1.EstimateRequest", %{spec: spec})
    {:ok, %{"spec" => read}} = Grpc.Contract.decode("cerebros.v1.EstimateRequest", bytes)
    assert %{"kind" => "cycle", "manifest" => "m", "budget" => %{"trials" => 3}} = read

    spec = [budget: [trials: 3], manifest: "m", kind: :cycle]
    {:ok, bytes} = Grpc.Contract.encode("cerebros.v1.EstimateRequest", %{spec: spec})
    assert {:ok, %{"spec" => ^read}} = Grpc.Contract.decode("cerebros.v1.EstimateRequest", bytes)

    for {spec, fault} <- [
          {%{kind: "comet"}, "Invalid value \"comet\" - at `$.spec.kind`"},
          {%{manifest: "m"}, "Object missing required field `kind` - at `$.spec`"},
          {%{kind: 3}, "Expected `str`, got `3` - at `$.spec.kind`"},
          {%{kind: "nas", colour: 1}, "Object contains unknown field `colour` - at `$.spec`"},
          {%{kind: "nas", budget: %{trials: "x"}},
           "Expected `int`, got `\"x\"` - at `$.spec.budget.trials`"},
          {["nas" | "cycle"], "Expected `object`, got `[\"nas\" | \"cycle\"]` - at `$.spec`"}
        ] do
      assert Grpc.Contract.encode("cerebros.v1.EstimateRequest", %{spec: spec}) == {:error, fault}
    end
  end

  defp read(bytes) do
    case Grpc.Contract.decode("cerebros.v1.StartRunRequest", bytes) do
      {:ok, %{}} -> :ok
      :error -> :error
    end
  end

  test "a term that has no place in a message is refused with its own" do
    messages = %{
      "M" => [
        {1, "json", {:message, "google.protobuf.Struct"}, :one},
        {2, "at", {:message, "google.protobuf.Timestamp"}, :one},
        {3, "names", :string, :many},
        {4, "share", :string, {:map, :string, :double}},
        {5, "x", :double, :one},
        {6, "m", {:message, "M"}, :one}
      ]
    }

    for {map, path} <- [
          {%{json: %{day: ~D[2026-01-02]}}, "$.json.day"},
          {%{json: %{{1, 2} => 3}}, "$.json"},
          {%{json: %{a: [1 | 2]}}, "$.json.a"},
          {%{json: %{a: 10 ** 400}}, "$.json.a"},
          {%{json: 1..2}, "$.json"},
          {%{at: %{}}, "$.at"},
          {%{names: ["a" | "b"]}, "$.names"},
          {%{share: ~D[2026-01-02]}, "$.share"},
          {%{share: %{{1, 2} => 0.5}}, "$.share"},
          {%{x: 10 ** 400}, "$.x"},
          {%{m: ~D[2026-01-02]}, "$.m"},
          {%{m: %{{1, 2} => 3}}, "$.m"},
          {%{m: [{:x, 1.0} | :rest]}, "$.m"}
        ] do
      assert {:error, fault} = Protobuf.encode(messages, "M", map)
      assert fault =~ "Expected `"
      assert String.ends_with?(fault, "at `#{path}`")
    end
  end

  test "numbers at their limits arrive as they were sent" do
    messages = %{"M" => [{1, "n", :int64, :one}, {2, "x", :double, :many}]}

    for n <- [0, 1, -1, 127, 128, 2 ** 63 - 1, -(2 ** 63)],
        x <- [0.0, -0.5, 1.0e308, :nan, :infinity, :neg_infinity] do
      {:ok, bytes} = Protobuf.encode(messages, "M", %{n: n, x: [x, x]})
      assert Protobuf.decode(messages, "M", bytes) == {:ok, %{"n" => n, "x" => [x, x]}}
    end

    assert {:error, "Expected `int`" <> _} = Protobuf.encode(messages, "M", %{n: 2 ** 63})
  end
end
