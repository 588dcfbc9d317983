"""External Term Format: Erlang terms as bytes, without a line of C.

| BEAM                      | Python                                        |
|---------------------------|-----------------------------------------------|
| binary                    | `str` when it is UTF-8, otherwise `bytes`     |
| atom                      | `Atom`; `true false nil` are True, False, None |
| integer, float            | `int`, `float`                                |
| list, tuple, map          | `list`, `tuple`, `dict`                       |
| pid, port, reference, fun | `Opaque`: may be sent back, nothing else      |

The BEAM has no NaN and no infinities, so `encode` writes the atoms `nan`,
`infinity` and `neg_infinity`; `decode` does not guess and leaves them atoms.
Refused: compressed terms, bit strings, improper lists, and whatever would
cost more than linear time. Both functions raise `EtfError` and nothing else.

Source: Erlang/OTP, ERTS User's Guide, "External Term Format".
"""

from bridge.transports.port.etf.reading import decode
from bridge.transports.port.etf.terms import Atom, EtfError, Opaque
from bridge.transports.port.etf.writing import encode

__all__ = ["Atom", "EtfError", "Opaque", "decode", "encode"]
