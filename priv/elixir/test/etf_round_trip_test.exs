defmodule CerebrosBridge.EtfRoundTripTest do
  # Generated terms to the Python codec and back; they follow from ExUnit's seed.
  use ExUnit.Case, async: true

  @terms 3_000
  @codec Path.expand("../../../bench/beam/terms.py", __DIR__)

  # Characters of one to four bytes, so that lengths in bytes and in characters differ.
  @alphabet [?a, ?z, ?0, ?_, ?ø, ?€, ?𝄞]

  # Keys that Python can tell apart whatever is drawn: 1 and true, 2 and 2.0, :a and "a" are one key to it.
  @names ~w(accuracy loss latency_s energy_j device outcome)

  setup_all do
    port =
      Port.open({:spawn_executable, python()}, [
        :binary,
        {:packet, 4},
        :nouse_stdio,
        args: [@codec, "ours"]
      ])

    on_exit(fn -> if Port.info(port), do: Port.close(port) end)
    {:ok, port: port}
  end

  # The one that runs the bridge program, so that both have the same packages.
  defp python do
    bridge = System.get_env("CEREBROS_BRIDGE_BIN") || System.find_executable("cerebros-bridge")
    beside = bridge && Path.join(Path.dirname(bridge), "python")
    if beside && File.exists?(beside), do: beside, else: System.find_executable("python3")
  end

  defp round_trip(port, term) do
    Port.connect(port, self())
    Port.command(port, :erlang.term_to_binary(term))
    assert_receive {^port, {:data, frame}}, 10_000
    :erlang.binary_to_term(frame)
  end

  test "every generated term comes back as it went", %{port: port} do
    :rand.seed(:exsss, ExUnit.configuration()[:seed])

    for number <- 1..@terms do
      term = term(rem(number, 40))
      assert round_trip(port, term) === term, "term #{number}: #{inspect(term)}"
    end
  end

  # A term of at most `size` leaves: small ones come first, so the first failure is a short one.
  defp term(size) when size < 2, do: scalar()

  defp term(size) do
    case :rand.uniform(6) do
      1 -> scalar()
      2 -> list(size)
      3 -> size |> list() |> List.to_tuple()
      4 -> for _ <- 1..size, do: one_of([&float/0, &integer/0])
      5 -> for _ <- 1..size, into: [], do: :rand.uniform(256) - 1
      6 -> map(size)
    end
  end

  defp list(size) do
    count = :rand.uniform(min(size, 6)) - 1
    for _ <- 1..count//1, do: term(div(size, count))
  end

  defp map(size) do
    count = :rand.uniform(min(size, 6))
    for _ <- 1..count, into: %{}, do: {key(), term(div(size, count))}
  end

  defp key do
    one_of([fn -> Enum.random(@names) end, &text/0, &integer/0, fn -> Enum.random([nil, :ok]) end])
  end

  defp scalar do
    one_of([
      &integer/0,
      &float/0,
      &text/0,
      &bytes/0,
      &atom/0,
      &opaque/0,
      fn -> [] end,
      fn -> {} end
    ])
  end

  defp one_of(generators), do: Enum.random(generators).()

  # Around the borders of every size that the format knows.
  defp integer do
    magnitude = Integer.pow(2, Enum.random([0, 7, 8, 27, 31, 32, 59, 63, 64, 2040, 2048]))
    Enum.random([-1, 1]) * (magnitude + Enum.random(-2..2))
  end

  defp float do
    <<number::64>> = :rand.bytes(8)

    case <<number::64>> do
      <<float::float>> -> float
      _not_a_number -> :rand.normal()
    end
  end

  defp text, do: List.to_string(for _ <- 1..(:rand.uniform(9) - 1)//1, do: Enum.random(@alphabet))

  defp bytes, do: :rand.bytes(:rand.uniform(9) - 1)

  defp atom do
    Enum.random([true, false, nil, :ok, :"", :søk, :"with space", :undefined, :nan, :infinity])
  end

  defp opaque do
    Enum.random([self(), make_ref(), hd(Port.list()), &Enum.map/2])
  end
end
