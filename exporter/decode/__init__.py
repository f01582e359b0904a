"""From the bytes a switch sent to an answer, or to the reason why there is none. Nothing here raises.

Read ``classify`` first: it holds the order of all that can be wrong with a body. Then the decoder of the
operation; ``words`` and ``counts.TOTAL_NAMES`` are the tables that an operator can correct.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from exporter.decode.classify import classify
from exporter.decode.counts import decode_counts
from exporter.decode.excerpts import excerpt, is_list, without_credentials
from exporter.decode.limits import decode_limits
from exporter.decode.lists import decode_extensions, decode_peers, decode_tenants
from exporter.decode.numbers import decode_balance, decode_calls, decode_license_days
from exporter.decode.options import Options
from exporter.decode.registration import decode_registration
from exporter.decode.shapes import column_names, holds_records
from exporter.model import Answer, Failure
from exporter.request import Operation

__all__ = [
    "DECODERS",
    "Options",
    "column_names",
    "decode",
    "excerpt",
    "holds_records",
    "is_list",
    "without_credentials",
]

DECODERS: Mapping[Operation, Callable[[str, Options], Answer | Failure]] = MappingProxyType(
    {
        Operation.COUNT_PEERS: decode_counts,
        Operation.COUNT_CHANNELS: decode_counts,
        Operation.COUNT_CALLS: decode_calls,
        Operation.LICENSE_DAYS: decode_license_days,
        Operation.BALANCE: decode_balance,
        Operation.REGISTRATION: decode_registration,
        Operation.EXTENSIONS: decode_extensions,
        Operation.LIMITS: decode_limits,
        Operation.TENANTS: decode_tenants,
        Operation.PEERS: decode_peers,
    }
)
"""How each operation's text is read, once ``classify`` has let it through."""

_AS_DOCUMENTED = Options()


def decode(operation: Operation, body: bytes, options: Options = _AS_DOCUMENTED) -> Answer | Failure:
    """Return what the body of an HTTP 200 says, or why it says nothing. Any bytes will do; nothing is raised.

    The detail of a failure tells what came and what to do. It quotes at most 120 characters of the
    body, and none of a list's, but masks no key: that is left to who shows it.
    """
    text = classify(operation, body)
    return text if isinstance(text, Failure) else DECODERS[operation](text, options)
