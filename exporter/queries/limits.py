"""Channel limit of a tenant: INFO config, an object with ``maxchannels`` (seen, wire notes)."""

import re
from dataclasses import dataclass

from exporter.decode.classify import complaint, is_complaint, unread
from exporter.decode.redact import quoted
from exporter.decode.text import parse_record
from exporter.decode.values import whole_of
from exporter.fields import Interval, Section
from exporter.metrics import catalogue
from exporter.model import Answer, Failure, Query, Reason
from exporter.queries.spec import Endpoint, Families, QuerySpec, every
from exporter.request import Operation

_EXPECTED = "an object with maxchannels"
_UNLIMITED = -1  # presumably
_POSITIONAL = re.compile(r"-?[0-9]+(?:[|,;\s]+-?[0-9]+)+[|,;\s]*")


@dataclass(frozen=True, slots=True)
class Limits(Answer):
    """``channels`` is the most channels that the tenant may use; None if unlimited."""

    channels: int | None


class LimitsQuery(Section):
    """Per tenant only."""

    tenant_interval: Interval = every(
        None,
        "How often to request the channel limit of each tenant without a `channels_limit`.",
        example="1h",
    )


def read_limits(text: str, _: LimitsQuery) -> Limits | Failure:
    """Read an object with ``maxchannels``."""
    if _POSITIONAL.fullmatch(text):
        return Failure(
            Reason.DECODE,
            "expected limits with names, got numbers in an undocumented order; "
            "a switch that ignores format=json does not support this query",
        )
    if not text.startswith(("{", "[")):
        return unread(text, _EXPECTED)
    record = parse_record(text)
    if isinstance(record, Failure):
        return Failure(record.reason, f"expected {_EXPECTED}; {record.detail}: {quoted(text)}")
    if "maxchannels" not in record:
        return unread(text, _EXPECTED)
    if is_complaint(record):
        return complaint(record, text)
    channels = whole_of(record["maxchannels"])
    if channels is None or channels < _UNLIMITED:
        return Failure(Reason.DECODE, f"expected maxchannels, whole and not below -1, got {quoted(text)}")
    return Limits(channels=None if channels == _UNLIMITED else channels)


def _fill(limits: Limits) -> Families:
    return {} if limits.channels is None else {catalogue.TENANT_CHANNELS_LIMIT: limits.channels}


SPEC = QuerySpec(
    query=Query.LIMITS,
    summary="Channel limit of a tenant (INFO config).",
    section=LimitsQuery,
    tenant=Endpoint(operation=Operation.LIMITS, value=read_limits, fills=_fill, private=False),
    start=0.83,
)
