from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.technologies import ONLY_SIP, Technologies, Technology
from exporter.simulator.world import Size, World


@given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
def test_shares_are_kept_for_each_tenant(count: int, first: float) -> None:
    """The phones of every tenant have the shares, to within two phones."""
    phones = Counter(Technologies(0.4, 0.1, 0.05).of_phones(count, first))
    for technology, share in zip(Technology, (0.45, 0.4, 0.1, 0.05), strict=True):
        assert abs(phones[technology] - count * share) <= 2.5


def test_phones_are_sip_by_default() -> None:
    """Without shares every phone is a SIP phone."""
    assert set(World(Size(tenants=1)).all_tenants[0].technologies) == {Technology.SIP}


def test_custom_and_virtual_extensions_never_register() -> None:
    """No view of the phones shows one as registered, and peers per node do not count it."""
    world = World(Size(tenants=2, extensions=30), technologies=Technologies(custom=0.5, virtual=0.5))
    for tenant in world.tenants():
        assert not any(world.phones.registrations(tenant, 0.0))
        assert sum(world.figures(tenant, 0.0).peers.values()) == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pjsip=0.4", Technologies(pjsip=0.4)),
        ("pjsip=0.4, custom=0.05,virtual=0.05", Technologies(0.4, 0.05, 0.05)),
        ("", ONLY_SIP),
    ],
)
def test_shares_are_parsed(text: str, expected: Technologies) -> None:
    """Shares are pairs with commas between them."""
    assert Technologies.parse(text) == expected


@pytest.mark.parametrize(
    "text", ["pjsip", "sip=1", "pjsip=x", "pjsip=-0.1", "pjsip=0.6,custom=0.6", "pjsip=nan"]
)
def test_invalid_shares(text: str) -> None:
    """An unknown technology, and shares that are negative or more than 1 in total, are errors."""
    with pytest.raises(ValueError, match="expected shares such as"):
        Technologies.parse(text)
