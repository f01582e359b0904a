from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.simulator.tenants import (
    Technologies,
    Technology,
    Tenant,
    calls_wanted,
    draw,
    make_tenants,
    natural_balance,
    spent,
)
from exporter.simulator.world import Size, World


def test_the_named_companies_come_first_and_disabled_ones_last() -> None:
    """Codes are names first, then numbers; disabled tenants are additional."""
    codes = [tenant.code for tenant in make_tenants(20, 10, 4, 1)]
    assert codes[0] == "ACME"
    assert codes[16:] == ["T0001", "T0002", "T0003", "T0004", "CLOSED1", "CLOSED2"]


@pytest.mark.parametrize("count", [0, 1, 150, 5000])
def test_codes_are_unique(count: int) -> None:
    """Codes are unique at any size, and the requested number of tenants is enabled."""
    made = make_tenants(count, 1, 4, 1)
    assert len({tenant.code for tenant in made}) == len(made)
    assert sum(not tenant.disabled for tenant in made) == count


def test_names_contain_special_characters() -> None:
    """Names contain commas, quotes, backslashes and non-ASCII letters."""
    names = "".join(tenant.name for tenant in make_tenants(20, 1, 1, 1))
    assert all(character in names for character in ',"\\é<&Ł')


def test_positions_are_those_of_the_numbers() -> None:
    """The number of every extension gives its position."""
    tenant = make_tenants(1, 1200, 4, 1)[0]
    assert [tenant.position(number) for number in tenant.numbers()] == list(range(1200))


@given(st.text())
@example("99")
@example("105")
@example("0100")
@example("１００")  # noqa: RUF001 - other digits on purpose
@example("9" * 5000)
def test_only_exact_numbers_are_extensions(number: str) -> None:
    """Untrusted text gives a position only if it is exactly the number of an extension."""
    tenant = make_tenants(1, 5, 4, 1)[0]
    position = tenant.position(number)
    assert (position is None) == (number not in {"100", "101", "102", "103", "104"})


_TENANTS = make_tenants(10, 40, 4, 3)
_tenant = st.sampled_from(_TENANTS)
_moment = st.floats(0, 400 * 86400)


@pytest.mark.parametrize("tenant", _TENANTS[:3])
def test_costs_match_the_calls(tenant: Tenant) -> None:
    """The integral of the cost is within 5 % of the sum over the calls of each minute."""
    minutes = sum(calls_wanted(3, tenant, 60.0 * minute) for minute in range(20 * 1440))
    assert spent(tenant, 20 * 86400.0) - spent(tenant, 0.0) == pytest.approx(minutes * tenant.price, rel=0.05)


def test_days_are_busier_than_nights() -> None:
    """All tenants together have at least ten times the calls at 10 a.m. than at 2 a.m."""
    night, morning = (sum(calls_wanted(3, tenant, hour * 3600) for tenant in _TENANTS) for hour in (2, 10))
    assert morning > 10 * max(1, night)


@given(_tenant, _moment)
def test_credit_depends_on_the_contract(tenant: Tenant, moment: float) -> None:
    """A prepaid tenant stays above its reserve, a postpaid one owes up to its limit."""
    balance = natural_balance(tenant, moment)
    if tenant.postpaid:
        assert -tenant.top_up <= balance <= 0
    else:
        assert tenant.reserve <= balance <= tenant.reserve + tenant.top_up


def test_draws_are_the_same_on_every_machine() -> None:
    """A seed gives the same world in every release and on every Python."""
    assert [draw(1, 2, 3), draw(0)] == [12609890810788547416, 5227554356578644984]


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_shares_are_kept_for_each_tenant(count: int, first: float) -> None:
    """The phones of every tenant have the shares, to within two phones."""
    phones = Counter(Technologies(0.4, 0.1, 0.05).of_phones(count, first))
    for technology, share in zip(Technology, (0.45, 0.4, 0.1, 0.05), strict=True):
        assert abs(phones[technology] - count * share) <= 2.5


def test_custom_and_virtual_extensions_never_register() -> None:
    """No view of the phones shows one as registered, and peers per node do not count it."""
    world = World(Size(tenants=2, extensions=30), technologies=Technologies(custom=0.5, virtual=0.5))
    for tenant in world.tenants():
        assert not any(world.phones.registrations(tenant, 0.0))
        assert sum(world.figures(tenant, 0.0).peers.values()) == 0
