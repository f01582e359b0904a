"""Fault rules as JSON: read from what somebody sends, and written for who asks."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from exporter.simulator.checks import number, one_of, or_null, problems, text, whole
from exporter.simulator.faults import Fault, FaultKind, Faults
from exporter.simulator.keys import KeyKind

_CONDITIONS = {
    "reqtype": text(),
    "info": text(),
    "tenant": text(),
    "node": text(),
    "extension": text(),
    "key": one_of([kind.value for kind in KeyKind]),
    "probability": number(0, 1),
    "limit": or_null(whole(1, 1_000_000_000)),
}
_MEMBERS = {
    "kind": one_of([kind.value for kind in FaultKind]),
    **_CONDITIONS,
    "seconds": number(0, 86400),
    "text": text(),
    "size": whole(0, 1_000_000),
    "status": whole(200, 599),
    "location": text(),
}

# The arguments that each kind reads beside the conditions.
_ARGUMENTS: Mapping[FaultKind, tuple[str, ...]] = {
    FaultKind.SLOW: ("seconds",),
    FaultKind.DRIP: ("seconds",),
    FaultKind.SENTENCE: ("text",),
    FaultKind.BODY: ("text",),
    FaultKind.GARBAGE: ("size",),
    FaultKind.STATUS: ("status",),
    FaultKind.REDIRECT: ("location",),
}


def parse(document: object) -> Fault:
    """Return the rule that a JSON object describes. Raises ValueError that names everything wrong with it."""
    if not isinstance(document, dict) or "kind" not in document:
        raise ValueError('a rule is an object with a "kind"')
    members: dict[str, Any] = document
    if found := problems(members, _MEMBERS):
        raise ValueError("; ".join(found))
    kind = FaultKind(members["kind"])
    unread = sorted(members.keys() - _read_by(kind))
    if unread:
        raise ValueError(f"{', '.join(unread)}: the kind {kind} does not read this")
    return Fault(**{**members, "kind": kind})


def described(faults: Faults) -> list[dict[str, object]]:
    """Return the rules in force: number, how often used, conditions that are set, and arguments."""
    return [{"number": number, "used": used, **_given(fault)} for number, used, fault in faults.rules()]


def _read_by(kind: FaultKind) -> set[str]:
    return {"kind", *_CONDITIONS, *_ARGUMENTS.get(kind, ())}


def _given(fault: Fault) -> dict[str, object]:
    members = asdict(fault)
    return {
        name: members[name]
        for name in members
        if name in _read_by(fault.kind) and members[name] not in {"", None}
    }
