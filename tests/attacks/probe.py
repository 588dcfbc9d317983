"""`python -m tests.attacks.probe PORT`: ask /healthz on a new connection every 50 ms and tell how long it took.

Each line of the output is the time by the monotonic clock, in seconds, and the milliseconds of the answer.
A process of its own, so that what it measures is the server and not the attacker's event loop.
"""

from __future__ import annotations

import socket
import sys
import time

PAUSE_S = 0.05

# Who does not answer for so long does not answer; that is what is told then.
PATIENCE_S = 10.0

REQUEST = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
            connection.sendall(REQUEST)
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def main(port: int) -> None:
    while True:
        began = time.monotonic()
        took_s = time.monotonic() - began if answers(port) else PATIENCE_S
        print(f"{time.monotonic():.3f} {took_s * 1000:.1f}", flush=True)
        time.sleep(PAUSE_S)


if __name__ == "__main__":
    main(int(sys.argv[1]))
