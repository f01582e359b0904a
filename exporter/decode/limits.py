"""What a tenant may use at most."""

import re

from exporter.decode.complaints import complaint, is_complaint, unread
from exporter.decode.documents import parse_record
from exporter.decode.excerpts import quoted
from exporter.decode.numbers import whole_of
from exporter.decode.options import Options
from exporter.model import Failure, Limits, Reason

_UNLIMITED = -1
_POSITIONAL = re.compile(r"-?[0-9]+(?:[|,;\s]+-?[0-9]+)+[|,;\s]*")


def decode_limits(text: str, _options: Options) -> Limits | Failure:
    """INFO config: an object with ``maxchannels``; -1 presumably means unlimited (seen, wire notes)."""
    if not text.startswith(("{", "[")):
        if _POSITIONAL.fullmatch(text):
            return Failure(
                Reason.DECODE,
                "the limits came as numbers without names, in an order that is not documented; "
                "a switch that ignores format=json cannot be asked for them",
            )
        return unread(text, "an object with maxchannels")
    record = parse_record(text)
    if isinstance(record, Failure):
        return Failure(record.reason, f"an object with maxchannels was due; {record.detail}: {quoted(text)}")
    if "maxchannels" not in record:
        return unread(text, "an object with maxchannels")
    if is_complaint(record):
        return complaint(record, text)
    channels = whole_of(record["maxchannels"])
    if channels is None or channels < _UNLIMITED:
        return Failure(Reason.DECODE, f"maxchannels, whole and not below -1, was due: {quoted(text)}")
    return Limits(channels=None if channels == _UNLIMITED else channels)
