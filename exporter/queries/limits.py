"""Limits of a tenant: INFO config, an object with three numbers (seen, wire notes 2026-10)."""

import re
from dataclasses import dataclass

from exporter.decode.classify import complaint, is_complaint, unread
from exporter.decode.redact import quoted
from exporter.decode.text import parse_record
from exporter.decode.values import whole_of
from exporter.fields import Interval, Section
from exporter.metrics import catalogue
from exporter.model import Answer, Failure, Query, Reason, Skipped
from exporter.queries.spec import Endpoint, Families, QuerySpec, every
from exporter.request import Operation

_NAMES = ("maxchannels", "maxextensions", "maxdids")
_EXPECTED = "an object with maxchannels, maxextensions and maxdids"
_UNLIMITED = -1  # presumably
_POSITIONAL = re.compile(r"-?[0-9]+(?:[|,;\s]+-?[0-9]+)+[|,;\s]*")


@dataclass(frozen=True, slots=True)
class Limits(Answer):
    """The most channels, extensions and numbers (DIDs) of a tenant; None if unlimited or not stated."""

    channels: int | None = None
    extensions: int | None = None
    dids: int | None = None


class LimitsQuery(Section):
    """Per tenant only."""

    tenant_interval: Interval = every(
        None,
        "How often to request the limits of each tenant: channels, extensions and numbers. A configured "
        "`channels_limit` overrides the limit of channels.",
        example="1h",
    )


def read_limits(text: str, _: LimitsQuery) -> Limits | Failure:
    """Read an object with the three limits. One that is missing or unreadable costs only itself."""
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
    if record.keys().isdisjoint(_NAMES):
        return unread(text, _EXPECTED)
    if is_complaint(record):
        return complaint(record, text)
    limits = {name: whole_of(record[name]) for name in _NAMES if name in record}
    wrong = [name for name, limit in limits.items() if limit is None or limit < _UNLIMITED]
    if len(wrong) == len(limits):
        return Failure(Reason.DECODE, f"expected {wrong[0]}, whole and not below -1, got {quoted(text)}")
    skipped = Skipped(len(wrong), 0, f"{', '.join(wrong)} cannot be read") if wrong else None
    usable = {*limits} - {*wrong}
    stated = [limits[name] if name in usable and limits[name] != _UNLIMITED else None for name in _NAMES]
    return Limits(*stated, skipped=skipped)


def _fill(limits: Limits) -> Families:
    filled = {
        catalogue.TENANT_CHANNELS_LIMIT: limits.channels,
        catalogue.TENANT_EXTENSIONS_LIMIT: limits.extensions,
        catalogue.TENANT_DIDS_LIMIT: limits.dids,
    }
    return {metric: limit for metric, limit in filled.items() if limit is not None}


SPEC = QuerySpec(
    query=Query.LIMITS,
    summary="Limits of a tenant (INFO config).",
    section=LimitsQuery,
    tenant=Endpoint(operation=Operation.LIMITS, value=read_limits, fills=_fill, private=False, partial=True),
    start=0.83,
    series=3,
)
