"""A client process that watches a run over gRPC and prints the numbers of its events: PORT RUN_ID AFTER_SEQ."""

from __future__ import annotations

import asyncio
import sys

import grpc

from tests.rpcs import RPCS


async def watch(port: str, run_id: str, after_seq: str) -> None:
    rpc = RPCS["watch_run"]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_stream(rpc.path, response_deserializer=rpc.reply.FromString)
        request = rpc.request(run_id=run_id, after_seq=int(after_seq))
        async for event in call(request.SerializeToString()):
            print(event.seq, flush=True)


if __name__ == "__main__":
    asyncio.run(watch(*sys.argv[1:]))
