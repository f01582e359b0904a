import pytest

from exporter.model import Failure, Reason
from exporter.poll.parts import PartValues

_TIMEOUT = Failure(Reason.TIMEOUT, "no complete answer within 60 s")
_REJECTED = Failure(Reason.REJECTED, "the switch answered: No id specified")


def _following(parts: list[str]) -> PartValues[int]:
    held: PartValues[int] = PartValues("queues")
    held.set_parts(parts)
    return held


def _after(count: int, failures: list[Failure]) -> PartValues[int]:
    """Return the values of a tenant of so many parts, of which the first ones failed."""
    parts = [str(100 + number) for number in range(count)]
    held = _following(parts)
    for position, part in enumerate(parts):
        held.record(part, failures[position] if position < len(failures) else position, 0)
    return held


@pytest.mark.parametrize(
    ("count", "failed", "succeeds"),
    [
        (1, 0, True),
        (1, 1, False),
        (9, 1, False),
        (10, 0, True),
        (10, 1, True),
        (10, 2, False),
        (11, 1, True),
        (19, 2, False),
        (20, 2, True),
        (30, 3, True),
        (50, 5, True),
        (70, 7, True),
        (100, 10, True),
        (1000, 101, False),
        (100, 11, False),
        (1000, 100, True),
    ],
)
def test_ninety_percent_are_enough(count: int, failed: int, succeeds: bool) -> None:  # noqa: FBT001 -- a table
    """The query succeeds if 90 % of the parts gave a value; exactly 90 % count."""
    verdict = _after(count, [_TIMEOUT] * failed).verdict()
    assert (verdict is True, isinstance(verdict, Failure)) == (succeeds, not succeeds)


def test_complete_sweep_has_a_verdict() -> None:
    """After a request for each part, the query has either succeeded or failed."""
    wrong = []
    for count in range(1, 61):
        for failed in range(count + 1):
            verdict = _after(count, [_TIMEOUT] * failed).verdict()
            enough = (count - failed) * 10 >= count * 9
            if (verdict is True, isinstance(verdict, Failure)) != (enough, not enough):
                wrong.append((count, failed))

    assert wrong == []


def test_undecided_at_first() -> None:
    """The first few of many parts are neither success nor failure."""
    held = _following(["100", "101", "102"])
    assert held.verdict() is False
    held.record("100", 1, 0)
    assert held.verdict() is False


def test_most_common_failure_is_reported() -> None:
    """With one of its details and the number of failed parts."""
    verdict = _after(10, [_TIMEOUT, _REJECTED, _REJECTED]).verdict()

    assert isinstance(verdict, Failure)
    assert verdict.reason is Reason.REJECTED
    assert "3 of 10 queues" in verdict.detail
    assert verdict.detail.endswith("No id specified")


def test_failure_changes_no_value() -> None:
    """The last value stays known."""
    held = _after(2, [])
    held.record("100", _TIMEOUT, 10)

    assert held.current(oldest=0) == {"100": 0, "101": 1}


def test_old_values_are_not_current() -> None:
    """A value exactly as old as allowed still is."""
    held = _following(["100", "101"])
    held.record("100", 1, 50)
    held.record("101", 1, 49)

    assert held.current(oldest=50) == {"100": 1}


def test_removed_parts_are_dropped() -> None:
    """Neither their value nor their failure counts, and a late response changes nothing."""
    held = _after(3, [_TIMEOUT])
    held.set_parts(["102"])
    held.record("101", 7, 0)

    assert held.current(oldest=0) == {"102": 2}
    assert held.verdict() is True
