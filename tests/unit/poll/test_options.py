from collections.abc import Callable

import pytest

from exporter.config import SwitchConfiguration
from exporter.decode import Options
from exporter.model import Query, Registration
from exporter.poll.options import options

Configured = Callable[..., SwitchConfiguration]

_QUERIES = {
    "peers": {"total_name": "Peers in all"},
    "channels": {"total_name": "Channels in all"},
    "calls": {"pattern": r"calls (\d+)"},
    "license": {"pattern": r"days (-?\d+)"},
    "balance": {"pattern": r"EUR (-?\d+)"},
    "registrations": {"words": {"registered": ["Online"], "unregistered": ["Offline"]}},
}


def test_each_query_has_its_own(configured: Configured) -> None:
    """Every option of section 4 of the design arrives at the decoder of its query, and at no other."""
    switch = configured(queries=_QUERIES)

    assert options(Query.PEERS, switch) == Options(total_name="Peers in all")
    assert options(Query.CHANNELS, switch) == Options(total_name="Channels in all")
    for query, begins in ((Query.CALLS, "calls"), (Query.LICENSE, "days"), (Query.BALANCE, "EUR")):
        made = options(query, switch)
        assert made.pattern is not None
        assert made.pattern.pattern.startswith(begins)
        assert (made.total_name, made.words) == (None, {})
    assert options(Query.REGISTRATIONS, switch) == Options(
        words={Registration.REGISTERED: ("Online",), Registration.UNREGISTERED: ("Offline",)}
    )
    for query in (Query.LIMITS, Query.TENANTS):
        assert options(query, switch) == Options()


@pytest.mark.parametrize("query", Query)
def test_nothing_configured(query: Query, configured: Configured) -> None:
    """Without options every decoder reads what is known of the switch."""
    assert options(query, configured()) == Options()
