"""Faults: rules that say which requests go wrong and how."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter

from exporter.simulator.request import ApiRequest, KeyKind


class FaultKind(StrEnum):
    """What the client gets instead of the true response."""

    HANG = "hang"  # no response, until the client leaves
    RESET = "reset"  # the connection is reset
    RESET_MIDWAY = "reset_midway"  # headers, half of the body, then a reset
    SLOW = "slow"  # the true response, late
    REFUSE_KEY = "refuse_key"  # the known refusal
    SENTENCE = "sentence"  # any other sentence
    GARBAGE = "garbage"  # random bytes
    BODY = "body"  # any body
    EMPTY = "empty"  # no body
    HTML = "html"  # a login page
    PHP_WARNING = "php_warning"  # a warning of PHP, then the true response
    TRUNCATE = "truncate"  # the first half of the true response, with a matching length
    LATIN1 = "latin1"  # the true response, with names in Latin-1
    STATUS = "status"  # an HTTP status
    REDIRECT = "redirect"  # to another place
    ENDLESS = "endless"  # a body that continues until the client stops, or 200 MiB
    DRIP = "drip"  # the true response, one byte at a time


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule. A request must match every condition that is not ""; the first rule that matches acts.

    ``probability`` (0 to 1) and ``limit`` (number of uses) restrict it further. ``seconds`` is the delay of a
    response or between two bytes, ``size`` the number of random bytes.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    kind: FaultKind
    reqtype: str = ""
    info: str = ""
    object: str = ""
    tenant: str = ""
    node: str = ""
    extension: str = ""
    queue: str = ""
    key: Annotated[str, Field(pattern=f"^({'|'.join(KeyKind)}|)$")] = ""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    limit: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    seconds: Annotated[float, Field(ge=0, le=86400)] = 1.0
    text: str = "Something went wrong"
    size: Annotated[int, Field(ge=0, le=1_000_000)] = 200
    status: Annotated[int, Field(ge=200, le=599)] = 500
    location: str = "/pbx/login.php"

    def matches(self, request: ApiRequest, key_kind: KeyKind) -> bool:
        """Return whether a request meets all conditions."""
        return all(
            not wanted or wanted == given
            for wanted, given in (
                (self.reqtype.upper(), request.reqtype),
                (self.info.lower(), request.info),
                (self.object.lower(), request.object),
                (self.tenant, request.tenant),
                (self.node, request.node),
                (self.extension, request.extension),
                (self.queue, request.queue),
                (self.key, key_kind.value),
            )
        )


_FAULT = TypeAdapter(Fault)
_CONDITIONS = {
    "reqtype",
    "info",
    "object",
    "tenant",
    "node",
    "extension",
    "queue",
    "key",
    "probability",
    "limit",
}
_ARGUMENTS: Mapping[FaultKind, str] = {
    FaultKind.SLOW: "seconds",
    FaultKind.DRIP: "seconds",
    FaultKind.SENTENCE: "text",
    FaultKind.BODY: "text",
    FaultKind.GARBAGE: "size",
    FaultKind.STATUS: "status",
    FaultKind.REDIRECT: "location",
}


def parse(document: str | bytes) -> Fault:
    """Return the rule in a JSON document. Raises ValueError (pydantic's for invalid values)."""
    fault = _FAULT.validate_json(document)
    if unused := sorted(json.loads(document).keys() - _parameters(fault.kind)):
        raise ValueError(f"{', '.join(unused)}: not used by a fault of kind {fault.kind}")
    return fault


def _parameters(kind: FaultKind) -> set[str]:
    return {"kind", *_CONDITIONS, _ARGUMENTS.get(kind, "kind")}


@dataclass(slots=True)
class _Rule:
    fault: Fault
    used: int = 0


class Faults:
    """The active rules. ``random`` decides on probabilities and makes the garbage."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - a repeatable sequence is the point
        self._rules: dict[int, _Rule] = {}
        self._added = 0

    def add(self, fault: Fault) -> int:
        """Append a rule and return its number."""
        self._added += 1
        self._rules[self._added] = _Rule(fault)
        return self._added

    def remove(self, number: int) -> bool:
        """Remove a rule and return whether it existed."""
        return self._rules.pop(number, None) is not None

    def clear(self) -> None:
        """Remove all rules."""
        self._rules.clear()

    def pick(self, request: ApiRequest, key_kind: KeyKind) -> Fault | None:
        """Return the fault for a request, and count its use; None if no rule acts."""
        for rule in self._rules.values():
            fault = rule.fault
            if fault.limit is not None and rule.used >= fault.limit:
                continue
            if fault.matches(request, key_kind) and self.random.random() < fault.probability:
                rule.used += 1
                return fault
        return None

    def described(self) -> list[dict[str, object]]:
        """Return the rules in order, each with its number, number of uses, conditions and arguments."""
        return [
            {"number": number, "used": rule.used}
            | {
                name: value
                for name, value in asdict(rule.fault).items()
                if name in _parameters(rule.fault.kind) and value not in {"", None}
            }
            for number, rule in self._rules.items()
        ]
