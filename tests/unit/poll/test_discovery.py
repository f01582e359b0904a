from collections.abc import Callable

from exporter.config import SwitchConfiguration
from exporter.model import Failure, Reason, Skipped, Tenant, Tenants
from exporter.poll.discovery import TenantDiscovery

Configured = Callable[..., SwitchConfiguration]

_CODES = ("ACME", "BOREAL", "CINDER", "DELTA9")


def _list(*codes: str, disabled: tuple[str, ...] = (), name: str = "Name of") -> Tenants:
    return Tenants(tuple(Tenant(code, f"{name} {code}", code in disabled) for code in codes))


def _wanted(discovery: TenantDiscovery, configured: Configured, **patterns: list[str]) -> list[str]:
    return discovery.wanted(configured(discover_tenants={"enabled": True, **patterns}))


def test_what_is_listed_is_wanted(configured: Configured) -> None:
    """In the order of the alphabet, and with its name."""
    discovery = TenantDiscovery()

    assert discovery.take_in(_list("BOREAL", "ACME")) is None
    assert _wanted(discovery, configured) == ["ACME", "BOREAL"]
    assert discovery.names == {"ACME": "Name of ACME", "BOREAL": "Name of BOREAL"}


def test_not_where_it_is_off(configured: Configured) -> None:
    """A list that came before the configuration was changed has no effect."""
    discovery = TenantDiscovery()
    discovery.take_in(_list(*_CODES))

    assert discovery.wanted(configured()) == []


def test_patterns_match_whole_codes(configured: Configured) -> None:
    """Who is excluded is out, whoever includes it."""
    discovery = TenantDiscovery()
    discovery.take_in(_list(*_CODES))

    assert _wanted(discovery, configured, include=["[A-C].*", "DELTA"]) == ["ACME", "BOREAL", "CINDER"]
    assert _wanted(discovery, configured, exclude=["A.*", "BOREA", "DELTA[0-9]"]) == ["BOREAL", "CINDER"]


def test_disabled_ones_are_not_wanted(configured: Configured) -> None:
    """Until they are enabled."""
    discovery = TenantDiscovery()
    discovery.take_in(_list(*_CODES, disabled=("ACME",)))
    assert _wanted(discovery, configured) == ["BOREAL", "CINDER", "DELTA9"]

    discovery.take_in(_list(*_CODES))
    assert _wanted(discovery, configured) == list(_CODES)


def test_a_disabled_one_that_is_missing_once_stays_disabled(configured: Configured) -> None:
    """A list that leaves it out does not say that it is enabled."""
    discovery = TenantDiscovery()
    discovery.take_in(_list(*_CODES, disabled=("ACME",)))
    discovery.take_in(_list(*_CODES[1:]))

    assert _wanted(discovery, configured) == ["BOREAL", "CINDER", "DELTA9"]
    discovery.take_in(_list(*_CODES))
    assert _wanted(discovery, configured) == list(_CODES)


def test_a_name_changes_and_stays_while_its_tenant_is_missing(configured: Configured) -> None:
    """The newest one counts."""
    discovery = TenantDiscovery()
    discovery.take_in(_list(*_CODES))
    discovery.take_in(_list(*_CODES[1:], name="New name of"))

    assert discovery.names["ACME"] == "Name of ACME"
    assert discovery.names["BOREAL"] == "New name of BOREAL"
    discovery.take_in(_list(*_CODES[1:]))
    assert "ACME" not in discovery.names


def test_a_doubtful_list_changes_nothing(configured: Configured) -> None:
    """It is a failure that tells how many are left, and nobody is dropped or renamed."""
    discovery = TenantDiscovery()
    discovery.take_in(_list(*_CODES))

    short = discovery.take_in(_list("ACME", name="New name of"))
    empty = discovery.take_in(_list())

    assert isinstance(short, Failure)
    assert isinstance(empty, Failure)
    assert (short.reason, empty.reason) == (Reason.DECODE, Reason.EMPTY)
    assert "1 are left" in short.detail
    assert "ACME" not in short.detail  # of lists only their size is shown
    assert discovery.names["ACME"] == "Name of ACME"
    assert _wanted(discovery, configured) == list(_CODES)
    assert discovery.is_in_doubt


def test_after_a_reload(configured: Configured) -> None:
    """The operator knows: while a list is in doubt, the next one is taken as it is; at other times not."""
    discovery = TenantDiscovery()
    discovery.take_in(_list(*_CODES))
    discovery.believe_next()
    assert discovery.take_in(_list("ACME")) is not None

    discovery.believe_next()

    assert discovery.take_in(_list("ACME")) is None
    assert _wanted(discovery, configured) == ["ACME"]
    assert not discovery.is_in_doubt


def test_a_tenant_that_may_be_disabled_stays_what_it_was(configured: Configured) -> None:
    """Where the list does not say so in a known word, and a new one is not polled until it does."""
    discovery = TenantDiscovery()
    discovery.take_in(_list("ACME", "BOREAL", disabled=("BOREAL",)))
    unclear = Tenants(tuple(Tenant(code, "", None) for code in ("ACME", "BOREAL", "CINDER")))

    for _ in range(3):
        assert discovery.take_in(unclear) is None
        assert _wanted(discovery, configured) == ["ACME"]

    discovery.take_in(_list("ACME", "BOREAL", "CINDER"))
    assert _wanted(discovery, configured) == ["ACME", "BOREAL", "CINDER"]


def test_a_row_without_a_name_drops_nobody(configured: Configured) -> None:
    """Whoever is not in the list may be that row."""
    discovery = TenantDiscovery()
    discovery.take_in(_list("ACME", "BOREAL", "CINDER"))

    for _ in range(4):
        discovery.take_in(Tenants(_list("ACME", "BOREAL").rows, Skipped(1, 1, "row 3 has no code")))
        assert _wanted(discovery, configured) == ["ACME", "BOREAL", "CINDER"]
