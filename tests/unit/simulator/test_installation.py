import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.installation import node_names, tenants


def test_the_named_companies_come_first_and_disabled_ones_last() -> None:
    """Tenants get readable codes, then numbered ones; the disabled ones are extra."""
    codes = [tenant.code for tenant in tenants(20, 10, 4, 1)]
    assert codes[0] == "ACME"
    assert codes[16:] == ["T0001", "T0002", "T0003", "T0004", "CLOSED1", "CLOSED2"]


@pytest.mark.parametrize("count", [0, 1, 150, 5000])
def test_codes_are_unique(count: int) -> None:
    """No two tenants share a code, at any size, and as many as asked for are enabled."""
    made = tenants(count, 1, 4, 1)
    assert len({tenant.code for tenant in made}) == len(made)
    assert sum(not tenant.disabled for tenant in made) == count


def test_names_hold_what_labels_may_hold() -> None:
    """Commas, quotes, backslashes and letters beyond ASCII all occur, so that a demo meets them."""
    names = "".join(tenant.name for tenant in tenants(20, 1, 1, 1))
    assert all(character in names for character in ',"\\é<&Ł')


def test_positions_are_those_of_the_numbers() -> None:
    """Every number of an extension leads back to its position."""
    tenant = tenants(1, 1200, 4, 1)[0]
    assert [tenant.position(number) for number in tenant.numbers()] == list(range(1200))


@given(st.text())
def test_no_text_is_taken_for_an_extension_it_is_not(number: str) -> None:
    """Foreign text gives a position only where it is exactly that extension's number."""
    tenant = tenants(1, 5, 4, 1)[0]
    position = tenant.position(number)
    assert (position is None) == (number not in {"100", "101", "102", "103", "104"})


@pytest.mark.parametrize("number", ["99", "105", "0100", "１００", "9" * 5000])  # noqa: RUF001 - other digits on purpose
def test_a_near_miss_is_no_extension(number: str) -> None:
    """Leading zeros, other scripts' digits, and numbers out of range are not extensions."""
    assert tenants(1, 5, 4, 1)[0].position(number) is None


def test_sizes_that_cannot_be_are_refused() -> None:
    """No node, or a negative number of anything, is an error at once."""
    with pytest.raises(ValueError, match="at least 1 node"):
        node_names(0)
    with pytest.raises(ValueError, match="cannot be negative"):
        tenants(-1, 1, 1, 1)
    with pytest.raises(ValueError, match="cannot be negative"):
        tenants(1, -1, 1, 1)
