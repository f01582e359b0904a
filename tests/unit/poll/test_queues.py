from collections.abc import Callable, Mapping

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics import catalogue
from exporter.model import Answer, Failure, Query, Reason, Scope, Skipped, Target
from exporter.poll import SwitchContext
from exporter.poll.queues import labels_of, queue_families
from exporter.queries.queue import QueueState
from exporter.queries.queues import Queues
from exporter.request import Operation
from tests.reading import decode
from tests.unit.poll.ingesting import Ingesting, target_of

_TIMEOUT = Failure(Reason.TIMEOUT, "no complete answer within 60 s")
_NAMES = {"12": "Reception", "15": "Support", "18": "Support"}
_LABELS = ("Reception", "Support (15)", "Support (18)")


def _state(waiting: int = 2, received: int = 40, **more: object) -> QueueState:
    fields = {"CALLSINQUEUE": waiting, "FIRSTWAITING": 30, "CALLSRECEIVED": received, **more}
    body = "|".join(f"{name}:{figure}" for name, figure in fields.items())
    state = decode(Operation.QUEUE, body.encode())
    assert isinstance(state, QueueState)
    return state


class _Queues(Ingesting):
    """The ingester of a switch whose tenants A and B have queues."""

    async def take_list(self, outcome: Answer | Failure, tenant: str = "A") -> None:
        await self.ingest(Query.QUEUES, tenant, outcome)

    async def take(self, queue: str, outcome: Answer | Failure, tenant: str = "A") -> None:
        await self.ingest(Query.QUEUE, tenant, outcome, queue)

    def waiting(self, tenant: str = "A") -> object:
        return self.values(catalogue.QUEUE_CALLS_WAITING, tenant)

    def polled(self, tenant: str = "A") -> tuple[str, ...]:
        return self.targets.parts(target_of(Query.QUEUE, tenant))


Made = Callable[..., _Queues]


@pytest.fixture
def made(context: Callable[..., SwitchContext]) -> Made:
    """Return a function that makes the ingester of a switch whose tenants have these settings."""

    def make(**settings: object) -> _Queues:
        return _Queues(context, tenants=[{"code": code, "queues": "all", **settings} for code in "AB"])

    return make


async def test_listed_queues_are_polled_and_served(made: Made) -> None:
    """The list names them; each response sets the values of its queue, by its label."""
    queues = made()
    await queues.take_list(Queues(_NAMES))
    assert queues.polled() == ("12", "15", "18")
    for waiting, queue in enumerate(_NAMES):
        await queues.take(queue, _state(waiting, AGENTSONLINE=3, SERVICELEVEL=87.5, ABANDONEDCALLS=4))

    assert queues.waiting() == dict(zip(_LABELS, (0, 1, 2), strict=True))
    assert queues.values(catalogue.QUEUE_LONGEST_WAIT, "A") == dict.fromkeys(_LABELS, 30)
    assert queues.values(catalogue.QUEUE_SERVICE_LEVEL, "A") == dict.fromkeys(_LABELS, 87.5)
    assert queues.values(catalogue.QUEUE_AGENTS, "A", "online") == dict.fromkeys(_LABELS, 3)
    assert queues.values(catalogue.QUEUE_AGENTS, "A", "free") is None
    assert queues.values(catalogue.QUEUE_CALLS_REPORTED, "A", "abandoned") == dict.fromkeys(_LABELS, 4)
    assert queues.reason(Query.QUEUES, "A") is queues.reason(Query.QUEUE, "A") is None
    [lines] = queues.context.store.sample_lines(catalogue.QUEUE_AGENTS)
    expected = b'softswitch_queue_agents{switch="pbx",tenant="A",state="online",queue="Reception"} 3\n'
    assert expected in b"".join(lines)


async def test_configured_queues_wait_for_their_names(made: Made) -> None:
    """Otherwise each would soon change its label. If the list fails, the ids are used until it arrives."""
    queues = made(queues=["12", "99"])
    assert queues.polled() == ("12", "99")
    await queues.take("12", _state())
    assert queues.waiting() is None

    await queues.take_list(_TIMEOUT)
    await queues.take("12", _state())
    assert queues.waiting() == {"12": 2}

    await queues.take_list(Queues(_NAMES))
    await queues.take("12", _state())
    await queues.take("99", _state(5))
    assert queues.waiting() == {"Reception": 2, "99": 5}
    assert queues.polled() == ("12", "99")


async def test_names_are_not_requested(made: Made) -> None:
    """With the list off, queues are served by id at once."""
    queues = made(queues=["12"], queries={"queues": {"tenant_interval": "off"}})
    await queues.take("12", _state())
    assert queues.waiting() == {"12": 2}


async def test_renamed_queue(made: Made) -> None:
    """It changes its label with the next response; a name that is missing from one list stays."""
    queues = made()
    await queues.take_list(Queues(_NAMES))
    await queues.take("12", _state())
    await queues.take_list(Queues({"12": "Front desk", "15": "Support"}))
    await queues.take("18", _state(7))

    assert queues.waiting() == {"Front desk": 2, "Support (18)": 7}


async def test_removed_queue(made: Made) -> None:
    """A queue that two lists in a row lack is neither polled nor served; a late response changes nothing."""
    queues = made()
    await queues.take_list(Queues(_NAMES))
    await queues.take("12", _state())
    for _ in range(2):
        await queues.take_list(Queues({"15": "Support", "18": "Support"}))
    await queues.take("12", _state())
    assert queues.polled() == ("15", "18")
    await queues.take("15", _state(1))

    assert queues.waiting() == {"Support (15)": 1}


async def test_tenant_without_queues(made: Made) -> None:
    """Its list is empty, which is no failure. A list that is suddenly empty is in doubt."""
    queues = made()
    for _ in range(2):
        await queues.take_list(Queues({}))
        assert queues.reason(Query.QUEUES, "A") is None

    await queues.take_list(Queues(_NAMES), "B")
    await queues.take("12", _state(), "B")
    for times in range(1, 4):
        assert queues.polled("B") == ("12", "15", "18")
        await queues.take_list(Queues({}), "B")
        assert queues.reason(Query.QUEUES, "B") is (Reason.EMPTY if times < 3 else None)
    assert queues.polled("B") == ()
    assert queues.waiting("B") is None
    assert Target(Query.QUEUE, Scope.TENANT, "B") not in queues.context.store.attempts


async def test_incomplete_list(made: Made) -> None:
    """With an unreadable id in it, it adds queues and drops none."""
    queues = made()
    await queues.take_list(Queues(_NAMES))
    for _ in range(3):
        await queues.take_list(Queues({"12": "A", "15": "B", "24": ""}, skipped=Skipped(1, 1, "no id")))

    assert queues.polled() == ("12", "15", "18", "24")


async def test_doubtful_list_after_a_reload(made: Made) -> None:
    """The operator may have removed the queues, so the next list is accepted."""
    queues = made()
    await queues.take_list(Queues(_NAMES))
    await queues.take_list(Queues({}))
    queues.ingester.trust_next_lists()
    await queues.take_list(Queues({}))

    assert queues.polled() == ()


async def test_failing_queue(made: Made) -> None:
    """It keeps its value until that is stale; the query fails, because one of three is more than a tenth."""
    queues = made()
    await queues.take_list(Queues(_NAMES))
    for queue in _NAMES:
        await queues.take(queue, _state())
    await queues.take("12", _TIMEOUT)
    assert queues.waiting() == dict.fromkeys(_LABELS, 2)
    assert queues.reason(Query.QUEUE, "A") is Reason.TIMEOUT

    queues.now = 181
    await queues.take("15", _state(9))
    assert queues.waiting() == {"Support (15)": 9}


async def test_same_answer_for_every_queue(made: Made) -> None:
    """All series are removed, the query fails, and one line is logged; until the answers differ again."""
    queues = made()
    for tenant in "AB":
        await queues.take_list(Queues(_NAMES), tenant)
    await queues.take("12", _state(received=3), "B")
    with structlog.testing.capture_logs() as logs:
        for _ in range(3):
            for queue in _NAMES:
                await queues.take(queue, _state())
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("the switch ignores `id` for this query", "error")
    ]
    assert queues.reason(Query.QUEUE, "A") is Reason.SCOPE_IGNORED
    assert queues.waiting() is queues.waiting("B") is None
    assert queues.values(catalogue.QUEUE_CALLS_REPORTED, "A", "received") is None
    assert queues.count("softswitch_request_failures_total", query="queue", reason="scope_ignored") == 3

    with structlog.testing.capture_logs() as logs:
        for _ in range(4):
            for received, queue in zip((40, 7, 90), _NAMES, strict=True):
                await queues.take(queue, _state(received=received))
    assert [line["event"] for line in logs] == [
        "the switch respects `id` again for this query",
        "query recovered",
    ]
    assert queues.waiting() == dict.fromkeys(_LABELS, 2)
    assert queues.reason(Query.QUEUE, "A") is None


async def test_removed_tenants_leave_nothing(made: Made) -> None:
    """When such a tenant returns, its queues are unknown."""
    queues = made()
    await queues.take_list(Queues(_NAMES))
    queues.ingester.drop_tenants(["A"])
    await queues.take("12", _state())

    assert queues.waiting() is None


def test_no_value_is_invented() -> None:
    """What a response does not state has no series."""
    families = queue_families({"12": _state(AGENTSONLINE="many")})
    given = [(metric.name, part) for part, of in families.items() for metric, values in of.items() if values]
    assert given == [
        ("softswitch_queue_calls_waiting", ""),
        ("softswitch_queue_longest_wait_seconds", ""),
        ("softswitch_queue_calls_reported", "received"),
    ]


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ({"1": "Sales", "2": "Support"}, ["Sales", "Support"]),
        ({"1": "Sales", "2": "Sales"}, ["Sales (1)", "Sales (2)"]),
        ({"1": "", "2": ""}, ["1", "2"]),
        ({"1": "", "2": "1"}, ["1", "1 (2)"]),
        ({"1": "Sales", "2": "Sales", "3": "Sales (1)"}, ["Sales (1) (1)", "Sales (2)", "Sales (1) (3)"]),
    ],
)
def test_labels(names: Mapping[str, str], labels: list[str]) -> None:
    """The label is the name, with the id where it is shared, or the id where there is no name."""
    assert list(labels_of(names).values()) == labels


_names = st.text("1 (2)", max_size=6)


@given(st.dictionaries(st.sampled_from(["1", "2", "11", "12", "21"]), _names))
def test_any_labels_are_unique(names: dict[str, str]) -> None:
    """No two queues of a tenant share a series."""
    labels = labels_of(names)
    assert labels.keys() == names.keys()
    assert len(set(labels.values())) == len(labels)
    assert all(labels.values())
