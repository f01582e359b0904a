"""From the bytes a switch sent to an answer, or to the reason why there is none. Nothing here raises.

Read ``classify`` first: it holds the order of all that can be wrong with a body. Then the decoder of the
operation; ``words`` and ``counts.TOTAL_NAMES`` are the tables that an operator can correct.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from exporter.decode.classify import classify, classify_list
from exporter.decode.counts import decode_counts
from exporter.decode.excerpts import excerpt, is_list, without_credentials
from exporter.decode.limits import decode_limits
from exporter.decode.lists import decode_extensions, decode_peers, decode_tenants
from exporter.decode.numbers import decode_balance, decode_calls, decode_license_days
from exporter.decode.options import Options
from exporter.decode.registration import decode_registration
from exporter.decode.shapes import column_names, holds_records
from exporter.decode.windows import Windows
from exporter.model import Answer, Content, Failure
from exporter.request import Operation

__all__ = [
    "DECODERS",
    "LIST_DECODERS",
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
        Operation.LIMITS: decode_limits,
    }
)
"""How each operation's text is read, once ``classify`` has let it through."""

LIST_DECODERS: Mapping[Operation, Callable[[Windows, Options], Answer | Failure]] = MappingProxyType(
    {
        Operation.EXTENSIONS: decode_extensions,
        Operation.TENANTS: decode_tenants,
        Operation.PEERS: decode_peers,
    }
)
"""The same for lists, which are read a window at a time."""

_AS_DOCUMENTED = Options()


def decode(
    operation: Operation, body: Content, options: Options = _AS_DOCUMENTED, charset: str = ""
) -> Answer | Failure:
    """Return what the body of an HTTP 200 says, or why it says nothing. Any bytes will do; nothing is raised.

    ``charset`` is what the answer declares. The detail of a failure tells what came and what to do. It quotes
    at most 120 characters of the body, and none of a list's, but masks no key: that is left to who shows it.
    """
    if operation in LIST_DECODERS:
        windows = classify_list(body, charset)
        return windows if isinstance(windows, Failure) else LIST_DECODERS[operation](windows, options)
    text = classify(operation, body, charset)
    return text if isinstance(text, Failure) else DECODERS[operation](text, options)
