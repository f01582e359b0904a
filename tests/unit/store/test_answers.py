from exporter.metrics import catalogue
from exporter.model import Query, Scope, Target
from exporter.store.answers import Answers, Job

_CHANNELS = Target(Query.CHANNELS, Scope.TENANT, "ACME")
_JOB = (Query.CHANNELS, Scope.TENANT)
_BOTH = frozenset({catalogue.TENANT_CHANNELS, catalogue.TENANT_NODE_CHANNELS})
_ONE = frozenset({catalogue.TENANT_CHANNELS})


def test_what_an_answer_does_not_say_any_more() -> None:
    """The next answer tells which families of the one before it are gone."""
    answers = Answers()

    assert answers.add((_CHANNELS, ""), _BOTH, _JOB, 30, now=0) == set()
    assert answers.add((_CHANNELS, ""), _ONE, _JOB, 30, now=30) == _BOTH - _ONE
    assert answers.add((_CHANNELS, ""), _BOTH, _JOB, 60, now=60) == set()
    assert answers.metrics((_CHANNELS, "")) == _BOTH
    assert answers.remove((_CHANNELS, "")) == _BOTH
    assert list(answers) == []


def test_the_oldest_is_stale_first_and_one_that_is_postponed_is_not() -> None:
    """An answer is stale where it is older than its job and interval allow, each on its own."""
    answers = Answers()
    for now, part in enumerate(("a", "b", "c")):
        answers.add((_CHANNELS, part), _ONE, _JOB, 30, now=now)
    answers.add((_CHANNELS, "slow"), _ONE, _JOB, 300, now=0)
    answers.add((_CHANNELS, "a"), _ONE, _JOB, 30, now=5)

    found = []
    for source in answers.stale(lambda job, interval: 3 if (job, interval) == (_JOB, 30) else 0):
        found.append(source[1])
        if source[1] == "b":
            answers.postpone(source, 3)
        else:
            answers.remove(source)

    assert found == ["b", "c"]
    assert sorted(part for _, part in answers) == ["a", "b", "slow"]


def test_intervals_that_change_leave_nothing_behind() -> None:
    """Whatever plans came before, an answer takes as much memory as one."""
    answers = Answers()
    for number in range(200):
        answers.add((_CHANNELS, ""), _ONE, _JOB, 30 + number / 7, now=number)

    intervals: list[float] = []

    def oldest(_: Job, interval: float) -> float:
        intervals.append(interval)
        return 0

    assert list(answers.stale(oldest)) == []
    assert intervals == [30 + 199 / 7]
