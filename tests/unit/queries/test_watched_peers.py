import pytest

from exporter.metrics import catalogue
from exporter.model import Peer, Peers
from exporter.queries.watched_peers import watched
from exporter.queries.words import lookup, state_of


def _peers(*rows: tuple[str, str]) -> Peers:
    known = lookup({})
    return Peers(
        tuple(Peer(user, f"pbx{at}", state_of(known, word), word) for at, (user, word) in enumerate(rows))
    )


@pytest.mark.parametrize(
    ("words", "reachable", "seconds"),
    [
        (["OK (10 ms)"], 1, 0.01),
        (["LAGGED (2100 ms)"], 1, 2.1),
        (["UNREACHABLE"], 0, None),
        (["UNKNOWN"], None, None),
        (["Unmonitored"], None, None),
        ([""], None, None),
        (["OK"], 1, None),
        # Several nodes: one that reaches it is enough, and the nearest one counts.
        (["UNREACHABLE", "OK (30 ms)", "OK (20 ms)", "UNKNOWN"], 1, 0.02),
        (["UNREACHABLE", "UNKNOWN"], 0, None),
    ],
)
def test_states(words: list[str], reachable: float | None, seconds: float | None) -> None:
    """Of a peer that nodes list with these words."""
    values, missing = watched(_peers(*(("trunk", word) for word in words)), ["trunk"])
    assert values[catalogue.PEER_REACHABLE] == ({} if reachable is None else {"trunk": reachable})
    assert values[catalogue.PEER_ROUND_TRIP] == ({} if seconds is None else {"trunk": seconds})
    assert missing == ()


@pytest.mark.parametrize("name", ["trunk", "trunk/account", "trunk / account"])
def test_a_peer_is_found_by_its_name(name: str) -> None:
    """As the list has it, or the part before `/`. The series has the configured name."""
    values, missing = watched(_peers(("trunk", "OK (1 ms)"), ("trunk-2", "UNREACHABLE")), [name])
    assert values[catalogue.PEER_REACHABLE] == {name: 1}
    assert missing == ()


def test_missing_names() -> None:
    """A name that is not in the list is neither up nor down. Case matters, as in Asterisk's list."""
    values, missing = watched(_peers(("trunk", "OK (1 ms)")), ["Trunk", "trunk", "other"])
    assert values[catalogue.PEER_REACHABLE] == {"trunk": 1}
    assert missing == ("Trunk", "other")
