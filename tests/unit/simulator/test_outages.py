from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.installation import Tenant, tenants
from exporter.simulator.outages import dropped, outages, slot_of, spares

_TENANTS = tenants(200, 30, 4, 3)
_tenant = st.sampled_from(_TENANTS)


@given(_tenant, st.integers(0, 10_000))
def test_no_outage_is_overlooked(tenant: Tenant, slot: int) -> None:
    """Whatever is out during an hour is listed for that hour, as it is for the hours around it."""
    for outage in outages(3, tenant, slot):
        assert 0 <= outage.position < tenant.extensions
        assert 300 <= outage.end - outage.start < 3600
        for moment in (outage.start, outage.end - 1):
            assert outage in outages(3, tenant, slot_of(moment))


def test_a_tenant_without_extensions_has_no_phone_to_lose() -> None:
    """Where there are no extensions nothing is out, spare or dropped."""
    tenant = tenants(1, 0, 4, 3)[0]
    assert not outages(3, tenant, 9)
    assert not spares(3, tenant)
    assert not dropped(3, tenant, 1.0)


def test_a_few_phones_are_spares() -> None:
    """About three in a hundred phones never connect."""
    share = sum(len(spares(3, tenant)) for tenant in _TENANTS) / (len(_TENANTS) * 30)
    assert 0.02 < share < 0.04


@given(_tenant, st.floats(0, 1))
def test_dropping_meets_the_share(tenant: Tenant, share: float) -> None:
    """A share of phones is met to the next whole phone."""
    assert abs(len(dropped(3, tenant, share)) - 30 * share) < 1


def test_dropping_all_leaves_none() -> None:
    """A share of 1 holds every phone off."""
    assert dropped(3, _TENANTS[0], 1.0) == frozenset(range(30))
