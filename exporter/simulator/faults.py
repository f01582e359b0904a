"""What can go wrong with an answer, as rules that are switched on and off while the simulator runs."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, TypeAdapter

from exporter.simulator.keys import KeyKind
from exporter.simulator.request import ApiRequest


class FaultKind(StrEnum):
    """What happens instead of the true answer, or to it."""

    HANG = "hang"  # never answers; ends when the client goes
    RESET = "reset"  # the connection is reset
    RESET_MIDWAY = "reset_midway"  # headers, half of the body, then a reset
    SLOW = "slow"  # the true answer, late
    REFUSE_KEY = "refuse_key"  # the known refusal
    SENTENCE = "sentence"  # any other sentence
    GARBAGE = "garbage"  # random bytes
    BODY = "body"  # any body
    EMPTY = "empty"  # no body
    HTML = "html"  # a login page
    PHP_WARNING = "php_warning"  # a warning of PHP, then the true answer
    TRUNCATE = "truncate"  # the first part of the true answer, as if it were all
    STATUS = "status"  # an HTTP status
    REDIRECT = "redirect"  # to another place
    ENDLESS = "endless"  # a body that goes on until the client stops, or 200 MB
    DRIP = "drip"  # the true answer, a byte at a time


@dataclass(frozen=True, slots=True)
class Fault:
    """One rule. Every condition that is not "" must hold; of several rules that apply, the first one acts.

    ``probability`` (0 to 1) and ``limit`` (how often at most) narrow it further. ``seconds``: how late an
    answer is, or the time between two bytes. ``size``: bytes of garbage.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    kind: FaultKind
    reqtype: str = ""
    info: str = ""
    tenant: str = ""
    node: str = ""
    extension: str = ""
    key: Annotated[str, Field(pattern=f"^({'|'.join(KeyKind)}|)$")] = ""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    limit: Annotated[int, Field(ge=1, le=1_000_000_000)] | None = None
    seconds: Annotated[float, Field(ge=0, le=86400)] = 1.0
    text: str = "Something went wrong"
    size: Annotated[int, Field(ge=0, le=1_000_000)] = 200
    status: Annotated[int, Field(ge=200, le=599)] = 500
    location: str = "/pbx/login.php"

    def applies(self, request: ApiRequest, key_kind: KeyKind) -> bool:
        """Return whether a request meets all conditions of this rule."""
        return all(
            not wanted or wanted == given
            for wanted, given in (
                (self.reqtype.upper(), request.reqtype),
                (self.info.lower(), request.info),
                (self.tenant, request.tenant),
                (self.node, request.node),
                (self.extension, request.extension),
                (self.key, key_kind.value),
            )
        )


_FAULT = TypeAdapter(Fault)
_CONDITIONS = {"reqtype", "info", "tenant", "node", "extension", "key", "probability", "limit"}
# The arguments that each kind reads beside the conditions.
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
    """Return the rule in a JSON document. Raises ValueError, pydantic's or one with the reason."""
    fault = _FAULT.validate_json(document)
    if unread := sorted(json.loads(document).keys() - _read_by(fault.kind)):
        raise ValueError(f"{', '.join(unread)}: the kind {fault.kind} does not read this")
    return fault


def _read_by(kind: FaultKind) -> set[str]:
    return {"kind", *_CONDITIONS, _ARGUMENTS.get(kind, "kind")}


@dataclass(slots=True)
class _Rule:
    fault: Fault
    used: int = 0


class Faults:
    """The rules in force. ``random`` decides where a probability is given, and makes the garbage."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)  # noqa: S311 - chance that can be repeated is the point
        self._rules: dict[int, _Rule] = {}
        self._added = 0

    def add(self, fault: Fault) -> int:
        """Put a rule behind the others and return its number."""
        self._added += 1
        self._rules[self._added] = _Rule(fault)
        return self._added

    def remove(self, number: int) -> bool:
        """Take a rule away; return whether there was one."""
        return self._rules.pop(number, None) is not None

    def clear(self) -> None:
        """Take all rules away."""
        self._rules.clear()

    def pick(self, request: ApiRequest, key_kind: KeyKind) -> Fault | None:
        """Return the fault that befalls a request, and count it; None where all is well."""
        for rule in self._rules.values():
            fault = rule.fault
            if fault.limit is not None and rule.used >= fault.limit:
                continue
            if fault.applies(request, key_kind) and self.random.random() < fault.probability:
                rule.used += 1
                return fault
        return None

    def rules(self) -> list[tuple[int, int, Fault]]:
        """Return the rules in order: number, how often used, rule."""
        return [(number, rule.used, rule.fault) for number, rule in self._rules.items()]

    def described(self) -> list[dict[str, object]]:
        """Return the rules in order: number, how often used, conditions that are set, and arguments."""
        return [
            {"number": number, "used": used}
            | {
                name: value
                for name, value in asdict(fault).items()
                if name in _read_by(fault.kind) and value not in {"", None}
            }
            for number, used, fault in self.rules()
        ]
