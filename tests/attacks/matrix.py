"""The attacks, door by door, and what must hold of the service after each of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from tests.attacks import over_graphql, over_grpc, over_http, over_port, with_files
from tests.attacks.target import Target
from tests.faults.arena import Broken, promise

# Issue 11: /healthz answers within this throughout.
HEALTHZ_MS = 250.0

# Bytes that an attack may add to the log, and to the memory of the server.
LOG_AT_MOST = 256 * 1024
MEMORY_AT_MOST = 400 * 2**20


# All of them together stay within five minutes.
ATTACK_S = 60.0


class Attack(NamedTuple):
    door: str
    name: str
    attack: Callable[[Target], Awaitable[str]]
    quick: bool = False


ATTACKS = (
    Attack("HTTP", "foreign Host", over_http.foreign_hosts, quick=True),
    Attack("HTTP", "foreign WebSocket", over_http.foreign_sockets, quick=True),
    Attack("HTTP", "foreign origin", over_http.foreign_origins, quick=True),
    Attack("HTTP", "crooked requests", over_http.crooked_requests),
    Attack("HTTP", "600 MB body", over_http.large_body, quick=True),
    Attack("HTTP", "endless chunks", over_http.endless_chunks),
    Attack("HTTP", "200 MB headers", over_http.large_headers, quick=True),
    Attack("HTTP", "235 half-open requests", over_http.half_open),
    Attack("HTTP", "slow bodies", over_http.slow_body),
    Attack("HTTP", "3,000 connections", over_http.many_connections),
    Attack("GraphQL", "doubling fragments", over_graphql.doubling_fragments, quick=True),
    Attack("GraphQL", "circles", over_graphql.circles),
    Attack("GraphQL", "overlapping fields", over_graphql.overlapping_fields),
    Attack("GraphQL", "wide and deep", over_graphql.wide_and_deep),
    Attack("GraphQL", "queries by GET", over_graphql.queries_by_get, quick=True),
    Attack("GraphQL", "crooked bodies", over_graphql.crooked_bodies, quick=True),
    Attack("GraphQL", "40 MB of variables", over_graphql.huge_variables),
    Attack("GraphQL", "neighbours of a wide query", over_graphql.neighbours_of_a_wide_query),
    Attack("GraphQL", "crooked messages", over_graphql.crooked_messages, quick=True),
    Attack("GraphQL", "5,000 subscriptions", over_graphql.many_subscriptions),
    Attack("gRPC", "garbage", over_grpc.garbage),
    Attack("gRPC", "large messages", over_grpc.large_messages),
    Attack("gRPC", "crooked ids", over_grpc.crooked_ids, quick=True),
    Attack("gRPC", "flood", over_grpc.flood),
    Attack("gRPC", "words for operators", over_grpc.operator_words, quick=True),
    Attack("port", "crooked frames", over_port.crooked_frames),
    Attack("port", "crooked numbers", over_port.crooked_numbers, quick=True),
    Attack("port", "crooked texts", over_port.crooked_texts),
    Attack("port", "suggests that were left", over_port.left_suggests),
    Attack("file", "files outside the roots", with_files.files_outside, quick=True),
    Attack("file", "sources outside the roots", with_files.sources_outside, quick=True),
    Attack("file", "files that hold a thread", with_files.files_that_hold),
)


async def attempt(attack: Attack, target: Target) -> tuple[bool, str]:
    """Attack once; whether everything held, and what was seen."""
    log, began = target.home / "up.log", time.monotonic()
    logged, resident = log.stat().st_size, target.server.memory_info().rss
    try:
        async with asyncio.timeout(ATTACK_S):
            seen = await attack.attack(target)
        promise(target.server.is_running(), "the service has ended")
        new = log.read_bytes()[logged:]
        promise(len(new) < LOG_AT_MOST, f"the log grew by {len(new) // 1024} kB")
        (_, found, trace) = new.partition(b"Traceback")
        promise(not found, f"the log has a traceback: … {trace.partition(b'}')[0][-900:]!r}")
        grew = target.server.memory_info().rss - resident
        promise(grew < MEMORY_AT_MOST, f"the server grew by {grew // 2**20} MB")
        promise(not any(target.canary in told for told in target.told), "an answer has what stands in a file outside")
    except Broken as broken:
        return False, str(broken)
    except TimeoutError:
        return False, f"not over after {ATTACK_S:.0f} s"
    except Exception as problem:  # noqa: BLE001 - an attack that could not be made has not been withstood
        return False, f"not arranged: {type(problem).__name__}: {problem}"
    finally:
        target.told.clear()
    return True, f"{seen}; {time.monotonic() - began:.0f} s"
