from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.metrics import catalogue
from exporter.model import (
    Failure,
    Query,
    Reason,
    Registration,
    Scope,
    Target,
    Tenant,
    Tenants,
)
from exporter.poll import SwitchContext
from exporter.poll.trunks import tenant_finder, trunk_families
from exporter.queries.trunks import Trunk, Trunks
from exporter.store import Values
from tests.unit.poll.ingesting import Ingesting

_UP, _DOWN, _UNKNOWN = Registration.REGISTERED, Registration.UNREGISTERED, Registration.UNKNOWN
_NONE = {"registered": 0, "unregistered": 0, "unknown": 0}
_EVERYBODY = {"interval": "1m"}
_EACH = {"interval": "off", "tenant_interval": "1m"}


def _trunk(name: str, state: Registration = _UP, tenant: str = "", row_id: str = "") -> Trunk:
    return Trunk(name, row_id, tenant, state, "")


class _Taking(Ingesting):
    """An ingester of trunks."""

    async def take(self, *outcome: Trunk | Failure, tenant: str = "") -> None:
        """Ingest a list of these trunks, or a failure."""
        rows = tuple(row for row in outcome if isinstance(row, Trunk))
        failures = [row for row in outcome if isinstance(row, Failure)]
        await self.ingest(Query.TRUNKS, tenant, failures[0] if failures else Trunks(rows))

    def registered(self, tenant: str = "") -> Values | None:
        """Return the trunks of a tenant."""
        return self.values(catalogue.TRUNK_REGISTERED, tenant)

    def counts(self, tenant: str = "") -> Values | None:
        """Return the number of trunks of a tenant by state."""
        return self.values(catalogue.TRUNKS, tenant)


Taking = Callable[..., _Taking]


@pytest.fixture
def taking(context: Callable[..., SwitchContext]) -> Taking:
    """Return a function that makes an ingester, of a list for all tenants by default."""

    def make(*tenants: object, trunks: object = _EVERYBODY, **settings: object) -> _Taking:
        polled = tenants or ({"code": "ACME"}, {"code": "BOREAL"})
        return _Taking(context, queries={"trunks": trunks}, tenants=polled, **settings)

    return make


async def test_a_list_becomes_values(taking: Taking) -> None:
    """Of the installation, and of each polled tenant that a row names; unknown states have no series."""
    made = taking()
    await made.take(
        _trunk("carrier-a"),
        _trunk("carrier-b", _UNKNOWN),
        _trunk("acme", _DOWN, "ACME"),
        _trunk("x", tenant="ELSE"),
    )

    assert made.registered() == {"carrier-a": 1, "x": 1}
    assert made.counts() == {"registered": 2, "unregistered": 0, "unknown": 1}
    assert made.registered("ACME") == {"acme": 0}
    assert made.counts("ACME") == {**_NONE, "unregistered": 1}
    assert made.counts("BOREAL") is None
    assert made.failure(Query.TRUNKS) is None


async def test_a_trunk_that_leaves_the_list_has_no_series(taking: Taking) -> None:
    """It is not down: nobody knows. A tenant whose last trunk left has no counts."""
    made = taking()
    await made.take(_trunk("carrier-a"), _trunk("carrier-b", _DOWN), _trunk("acme", _DOWN, "ACME"))
    await made.take(_trunk("carrier-a"))

    assert made.registered() == {"carrier-a": 1}
    assert made.registered("ACME") is made.counts("ACME") is None


async def test_an_empty_list_changes_no_value(taking: Taking) -> None:
    """A key without the right may get an empty list, and that must not end an alert."""
    made = taking()
    await made.take(_trunk("carrier-a", _DOWN), _trunk("acme", _DOWN, "ACME"))
    await made.take()

    assert made.failure(Query.TRUNKS) == Failure(
        Reason.EMPTY, "the list is empty; known states stay until they are stale"
    )
    assert made.registered() == {"carrier-a": 0}
    assert made.registered("ACME") == {"acme": 0}
    assert made.count("softswitch_empty_answers_total", query="trunks") == 1
    assert made.count("softswitch_request_failures_total", query="trunks", reason="empty") == 1


async def test_an_empty_list_of_a_tenant(taking: Taking) -> None:
    """Most tenants have no trunks. It is in doubt only if the tenant had some."""
    made = taking(trunks=_EACH)
    await made.take(tenant="ACME")
    assert made.failure(Query.TRUNKS, "ACME") is None
    assert made.counts("ACME") is None

    await made.take(_trunk("acme", _DOWN), tenant="ACME")
    await made.take(tenant="ACME")

    assert isinstance(made.failure(Query.TRUNKS, "ACME"), Failure)
    assert made.registered("ACME") == {"acme": 0}


async def test_the_own_list_of_a_tenant_overrides_that_of_the_installation(taking: Taking) -> None:
    """In any order; rows of other tenants in its list are left out."""
    own = {"code": "ACME", "queries": {"trunks": {"tenant_interval": "1m"}}}
    made = taking(own, {"code": "BOREAL"})
    await made.take(
        _trunk("own"), _trunk("mine", tenant="ACME"), _trunk("other", tenant="BOREAL"), tenant="ACME"
    )
    await made.take(_trunk("carrier-a"), _trunk("stale", tenant="ACME"))

    assert made.registered("ACME") == {"own": 1, "mine": 1}
    assert made.registered() == {"carrier-a": 1}


async def test_values_of_tenants_age_with_the_list(taking: Taking) -> None:
    """A reload keeps them while the list is polled, and they are stale after three of its intervals."""
    made = taking()
    await made.take(_trunk("acme", tenant="ACME"))
    target = Target(Query.TRUNKS, Scope.TENANT, "ACME")

    assert made.targets.has_values(target)
    assert not made.targets.has_values(Target(Query.TRUNKS, Scope.TENANT, "GONE"))
    assert made.store.expire(170) == []
    assert target in made.store.expire(190)


async def test_dropped_tenants_are_forgotten(taking: Taking) -> None:
    """Their trunks belong to the installation until they are polled again."""
    made = taking()
    await made.take(_trunk("acme", tenant="ACME"))
    made.targets.tenants.pop("ACME")
    made.store.drop_tenants({"ACME"})
    made.ingester.drop_tenants({"ACME"})
    await made.take(_trunk("acme", tenant="ACME"))

    assert made.registered() == {"acme": 1}
    assert made.registered("ACME") is None


@pytest.mark.parametrize(
    ("written", "code"),
    [("ACME", "ACME"), ("Acme Ltd", "ACME"), ("7", "ACME"), ("8", ""), ("Twins", ""), ("", ""), ("acme", "")],
)
async def test_a_tenant_is_found_by_code_name_or_id(taking: Taking, written: str, code: str) -> None:
    """Names and ids come from discovery. What two tenants share, or belongs to nobody polled, names none."""
    made = taking()
    rows = (
        Tenant("ACME", "Acme Ltd", disabled=False, id="7"),
        Tenant("OTHER", "Other", disabled=False, id="8"),
        Tenant("BOREAL", "Twins", disabled=False),
        Tenant("CINDER", "Twins", disabled=False),
    )
    made.discovery.accept(Tenants(rows), date(2026, 12, 1))
    await made.take(_trunk("carrier-a", tenant=written))

    assert made.registered(code) == {"carrier-a": 1}


def test_a_code_is_matched_before_a_name() -> None:
    """A tenant may be named like the code of another one."""
    find = tenant_finder(["ACME", "BOREAL"], {"ACME": "BOREAL", "BOREAL": "ACME"})
    assert (find("ACME"), find("BOREAL")) == ("ACME", "BOREAL")


def test_trunks_that_share_a_name() -> None:
    """Their ids tell them apart; without ids they are one, in the worst state."""
    with_ids = [_trunk("a", _UP, row_id="1"), _trunk("a", _DOWN, row_id="2"), _trunk("b", row_id="3")]
    assert trunk_families(with_ids)[catalogue.TRUNK_REGISTERED] == {"a (1)": 1, "a (2)": 0, "b": 1}

    without = [_trunk("a", _UP), _trunk("a", _DOWN), _trunk("b", _UP), _trunk("b", _UNKNOWN)]
    assert trunk_families(without) == {
        catalogue.TRUNK_REGISTERED: {"a": 0},
        catalogue.TRUNKS: {"registered": 2, "unregistered": 1, "unknown": 1},
    }


_rows = st.builds(
    Trunk,
    st.sampled_from(["a", "b", "a (1)"]),
    st.sampled_from(["", "1", "2"]),
    st.just(""),
    st.sampled_from(Registration),
    st.just(""),
)


@given(st.lists(_rows, min_size=1))
def test_no_trunk_that_is_down_is_hidden(rows: list[Trunk]) -> None:
    """Whatever names are shared: the counts are complete, and each trunk that is down has a series of 0."""
    families = trunk_families(rows)
    counts, registered = families[catalogue.TRUNKS], families[catalogue.TRUNK_REGISTERED]
    assert isinstance(counts, dict)
    assert isinstance(registered, dict)
    assert sum(counts.values()) == len(rows)
    for row in rows:
        if row.state is _DOWN:
            assert 0 in {registered.get(row.name), registered.get(f"{row.name} ({row.id})")}


async def test_the_timeline_has_trunks_that_changed(taking: Taking) -> None:
    """Those of the installation, and those of its tenants, also if a tenant has none any more."""
    made = taking()
    await made.take(_trunk("a"), _trunk("b", tenant="ACME"), _trunk("c", _UNKNOWN))
    await made.take(_trunk("a", _DOWN), _trunk("c", _UNKNOWN), _trunk("d", tenant="BOREAL"))

    assert sorted(made.changes) == [
        "new trunk: d of BOREAL",
        "trunk no longer listed: b of ACME",
        "trunk not registered: a",
    ]


async def test_the_timeline_has_trunks_of_a_tenants_own_list(taking: Taking) -> None:
    """Failures, and empty lists of known trunks, are no change."""
    made = taking(trunks=_EACH)
    await made.take(_trunk("a"), tenant="ACME")
    await made.take(tenant="ACME")
    await made.take(_trunk("a", _DOWN), tenant="ACME")

    assert made.changes == ["trunk not registered: a of ACME"]


async def test_the_timeline_waits_for_the_tenants(taking: Taking) -> None:
    """Before they are discovered, no trunk can be told to be of one."""
    made = taking(discover_tenants={"enabled": True})
    await made.take(_trunk("a", _DOWN, tenant="ACME"))
    assert made.changes == []

    made.discovery.names = {"ACME": ""}
    await made.take(_trunk("a", _DOWN, tenant="ACME"))
    assert made.changes == ["trunk not registered: a of ACME"]
