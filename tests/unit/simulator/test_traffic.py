from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.installation import Tenant, tenants
from exporter.simulator.traffic import calls_wanted, channels_of, natural_balance, spent

_TENANTS = tenants(10, 40, 4, 3)
_tenant = st.sampled_from(_TENANTS)
_moment = st.floats(0, 400 * 86400)


@given(_tenant, _moment, st.floats(0, 86400))
def test_money_that_is_spent_is_gone(tenant: Tenant, moment: float, later: float) -> None:
    """What calls cost never falls in the course of time."""
    assert spent(tenant, moment) <= spent(tenant, moment + later) + 1e-9


@pytest.mark.parametrize("tenant", _TENANTS[:3])
def test_a_day_costs_what_its_minutes_cost(tenant: Tenant) -> None:
    """The closed form of the day's integral agrees with a sum over calls, to a few per cent of wobble."""
    minutes = sum(calls_wanted(3, tenant, 60.0 * minute) for minute in range(20 * 1440))
    assert spent(tenant, 20 * 86400.0) - spent(tenant, 0.0) == pytest.approx(minutes * tenant.price, rel=0.05)


def test_days_are_busier_than_nights() -> None:
    """At ten in the morning all tenants together run at least ten times the calls of two at night."""
    night, morning = (sum(calls_wanted(3, tenant, hour * 3600) for tenant in _TENANTS) for hour in (2, 10))
    assert morning > 10 * max(1, night)


@given(_tenant, _moment, st.integers(0, 1000))
def test_channels_are_about_twice_the_calls(tenant: Tenant, moment: float, calls: int) -> None:
    """A call has two channels, or one while it rings, and at most a quarter of them ring."""
    assert 2 * calls - calls // 4 <= channels_of(3, tenant, calls, moment) <= 2 * calls


@given(_tenant, _moment)
def test_credit_stays_where_its_kind_of_contract_puts_it(tenant: Tenant, moment: float) -> None:
    """A prepaid tenant stays above its reserve, a post-paid one owes up to its limit."""
    balance = natural_balance(tenant, moment)
    if tenant.postpaid:
        assert -tenant.top_up <= balance <= 0
    else:
        assert tenant.reserve <= balance <= tenant.reserve + tenant.top_up


def test_credit_is_paid_in_now_and_then() -> None:
    """Over sixty days the credit of a prepaid tenant falls most of the time, and rises at least once."""
    tenant = _TENANTS[0]
    balances = [natural_balance(tenant, hour * 3600.0) for hour in range(60 * 24)]
    steps = [later - earlier for earlier, later in pairwise(balances)]
    assert sum(step > 0 for step in steps) >= 1
    assert sum(step < 0 for step in steps) > len(steps) * 0.9
