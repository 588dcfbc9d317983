"""Every error of the family as each transport writes it, one a line.

Code, class, retryable, gRPC status, rich details in base64, ETF frame in hexadecimal.
"""

import base64

from bridge.transports.grpc.codec import refusal
from bridge.transports.port.etf import Atom, encode
from cerebros.errors import family

for error in family():
    problem = error("why ✓")
    told = refusal(problem)
    details = base64.b64encode(dict(told.metadata)["grpc-status-details-bin"]).decode().rstrip("=")
    facts = {"message": problem.message, "class": problem.error_class.value, "retryable": problem.retryable}
    frame = encode((Atom("error"), 7, Atom(problem.code.value.lower()), facts))
    facts = (problem.code.lower(), problem.error_class, problem.retryable, told.status.value[0], details, frame.hex())
    print(*facts)
