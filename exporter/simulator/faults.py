"""What can go wrong with an answer, as rules that are switched on and off while the simulator runs."""

from dataclasses import dataclass
from enum import StrEnum
from random import Random

from exporter.simulator.asked import Asked
from exporter.simulator.keys import KeyKind


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

    kind: FaultKind
    reqtype: str = ""
    info: str = ""
    tenant: str = ""
    node: str = ""
    extension: str = ""
    key: str = ""
    probability: float = 1.0
    limit: int | None = None
    seconds: float = 1.0
    text: str = "Something went wrong"
    size: int = 200
    status: int = 500
    location: str = "/pbx/login.php"

    def applies(self, asked: Asked, key_kind: KeyKind) -> bool:
        """Return whether a request is one that this rule is about."""
        return all(
            not wanted or wanted == given
            for wanted, given in (
                (self.reqtype.upper(), asked.reqtype),
                (self.info.lower(), asked.info),
                (self.tenant, asked.tenant),
                (self.node, asked.node),
                (self.extension, asked.extension),
                (self.key, key_kind.value),
            )
        )


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

    def pick(self, asked: Asked, key_kind: KeyKind) -> Fault | None:
        """Return the fault that befalls a request, and count it; None where all is well."""
        for rule in self._rules.values():
            fault = rule.fault
            if fault.limit is not None and rule.used >= fault.limit:
                continue
            if fault.applies(asked, key_kind) and self.random.random() < fault.probability:
                rule.used += 1
                return fault
        return None

    def rules(self) -> list[tuple[int, int, Fault]]:
        """Return the rules in order: number, how often used, rule."""
        return [(number, rule.used, rule.fault) for number, rule in self._rules.items()]
