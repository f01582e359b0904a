from exporter.simulator.journal import ANSWERED, Journal


class _Clock:
    """A clock that is a second later each time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def test_requests_in_flight_are_counted() -> None:
    """Each entry says how many others were in flight when it came, and the most at once is kept."""
    journal = Journal(_Clock())
    first = journal.arrive({"reqtype": "COUNTPEERS"}, "admin")
    second = journal.arrive({"reqtype": "COUNTCALLS", "tenant": "ACME"}, "tenant")
    journal.leave(first)
    third = journal.arrive({"reqtype": "COUNTCALLS", "tenant": "ACME"}, "tenant")
    assert [entry.in_flight for entry in (first, second, third)] == [0, 1, 1]
    journal.leave(second)
    journal.leave(third)
    counts = journal.counts()
    assert counts["in_flight"] == 0
    assert counts["most_in_flight"] == 2
    assert counts["most_in_flight_of_a_tenant"] == 2
    assert counts["total"] == 3
    assert counts["by_operation"] == {"COUNTPEERS": 1, "COUNTCALLS": 2}


def test_outcomes_and_durations_are_written_down() -> None:
    """A request that ends without an outcome was abandoned; others keep theirs, and the time they took."""
    journal = Journal(_Clock())
    answered, abandoned = journal.arrive({}, "admin"), journal.arrive({}, "admin")
    answered.outcome = ANSWERED
    journal.leave(answered)
    journal.leave(abandoned)
    assert (answered.outcome, abandoned.outcome) == ("answered", "abandoned")
    assert answered.seconds == 2
    assert journal.counts()["by_outcome"] == {"answered": 1, "abandoned": 1}


def test_entries_can_be_read_from_a_number_on() -> None:
    """Entries carry consecutive numbers, and reading can go on where it stopped."""
    journal = Journal(_Clock())
    assert journal.since(0) == []
    for _ in range(5):
        journal.leave(journal.arrive({}, "admin"))
    assert [entry.number for entry in journal.since(3)] == [3, 4]
    assert [entry.number for entry in journal.since(1, most=2)] == [1, 2]
    assert journal.since(5) == []


def test_the_oldest_entries_go_first() -> None:
    """No more than 200,000 entries are kept, the counts go on, and numbers stay right."""
    journal = Journal(lambda: 0.0)
    for _ in range(200_010):
        journal.leave(journal.arrive({}, "admin"))
    assert journal.since(0)[0].number == 10
    assert [entry.number for entry in journal.since(200_008)] == [200_008, 200_009]


def test_forbidden_requests_are_kept_with_their_reason() -> None:
    """What must not have been sent stays on a list of its own."""
    journal = Journal(_Clock())
    entry = journal.arrive({"reqtype": "REBOOT"}, "admin")
    journal.forbid(entry, "it reboots")
    journal.leave(entry)
    assert journal.forbidden[0]["why"] == "it reboots"
    assert journal.forbidden[0]["parameters"] == {"reqtype": "REBOOT"}
    assert journal.counts()["by_outcome"] == {"forbidden": 1}
