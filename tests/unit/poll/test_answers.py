from exporter.model import Query, Reason, Scope, Target
from exporter.poll.answers import Answers

_CALLS = Target(Query.CALLS, Scope.TENANT, "ACME")


def test_the_newest_answer_of_a_target_is_kept() -> None:
    """A newer answer takes the place of the one before; a value, or no answer at all, ends it."""
    answers = Answers()
    answers.keep(_CALLS, Reason.DECODE, "first")
    answers.keep(_CALLS, Reason.REJECTED, "second")

    assert answers.of(_CALLS, Reason.REJECTED) == "second"
    answers.forget(_CALLS)
    answers.forget(_CALLS)
    assert answers.of(_CALLS, Reason.REJECTED) is None


def test_an_answer_belongs_to_its_failure() -> None:
    """It is not shown with a failure that has another reason: that one came from elsewhere."""
    answers = Answers()
    answers.keep(_CALLS, Reason.DECODE, "text")

    assert answers.of(_CALLS, Reason.SCOPE_IGNORED) is None
    assert answers.of(Target(Query.CALLS, Scope.SWITCH), Reason.DECODE) is None


def test_there_are_never_more_than_fifty() -> None:
    """When 5,000 tenants fail at once the newest 50 answers are kept, counted by when they came."""
    answers = Answers()
    targets = [Target(Query.CALLS, Scope.TENANT, f"T{number}") for number in range(5000)]
    for target in targets:
        answers.keep(target, Reason.DECODE, target.tenant)
        answers.keep(targets[0], Reason.DECODE, "again and again")

    kept = [target for target in targets if answers.of(target, Reason.DECODE)]

    assert kept == [targets[0], *targets[-49:]]
