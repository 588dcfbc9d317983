# Lets the Python tests ask this side's codec: frames of {packet, 4} on standard input and output, terms within.
#
#   {message_name, bytes}                        → {decoded map, the map encoded again}
#   {"event", map}                                → {[its name where it is known], measurements, [unknown key]}
alias CerebrosBridge.{Event, Grpc.Contract}

# As bytes: standard input and output are text otherwise.
:ok = :io.setopts(:standard_io, encoding: :latin1)

answer = fn
  {"event", map} ->
    event = Event.from_map(map)
    known = for text when is_list(text) <- [event.name], do: Enum.join(text, ".")

    strange =
      for {key, _} when is_binary(key) <- Enum.concat(event.measurements, event.metadata), do: key

    {known, event.measurements, strange}

  {name, bytes} ->
    {:ok, map} = Contract.decode(name, bytes)
    {:ok, again} = Contract.encode(name, map)
    {map, again}
end

loop = fn loop ->
  with <<size::32>> <- IO.binread(:stdio, 4) do
    frame = IO.binread(:stdio, size)
    reply = frame |> :erlang.binary_to_term() |> answer.() |> :erlang.term_to_binary()
    IO.binwrite(:stdio, <<byte_size(reply)::32, reply::binary>>)
    loop.(loop)
  end
end

loop.(loop)
