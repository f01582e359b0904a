from collections.abc import Callable

import pytest

from exporter.cli.probe.costs import Cost, Installation, installation, size_text
from exporter.cli.probe.sources import BLF, LIST, PEERS, Source, Trial
from exporter.config import SwitchConfiguration
from exporter.model import RegistrationSource

Configured = Callable[..., SwitchConfiguration]
REGSTATE = Source(RegistrationSource.REGSTATE)


@pytest.mark.parametrize(
    ("source", "cost"),
    [
        (PEERS, Cost(1, 1000)),
        (BLF, Cost(5000, 5_000_000)),
        (LIST, Cost(5000, 5_000_000)),
        (REGSTATE, Cost(250_000, 250_000_000)),
    ],
)
def test_cost_of_a_source(source: Source, cost: Cost) -> None:
    """One request for all, for each tenant or for each phone, with responses of the size that was seen."""
    all_phones = Installation(5000, 250_000, 300)
    assert all_phones.cost(Trial(source, None, "", size=1000)) == cost


def test_rate_limit() -> None:
    """95 % of it may be used in each interval."""
    made = Trial(BLF, None, "")
    assert Installation(2850, 0, 300).fits(made, 10)
    assert not Installation(2851, 0, 300).fits(made, 10)


@pytest.mark.parametrize(
    ("cost", "text"),
    [
        (Cost(1, 0), "1 request"),
        (Cost(5000, 15_000_000), "5,000 requests, 15 MB"),
        (Cost(0, 0), "0 requests"),
    ],
)
def test_cost_in_words(cost: Cost, text: str) -> None:
    """A size is printed if it is known."""
    assert str(cost) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1234, "1.2 kB"),
        (51_234, "51 kB"),
        (64e6, "64 MB"),
        (2e12, "2000 GB"),
    ],
)
def test_sizes(size: float, text: str) -> None:
    """Two digits are enough."""
    assert size_text(size) == text


def test_installation_of_discovered_tenants(configured: Configured) -> None:
    """All have as many phones as the tenant that was tried."""
    switch = configured(tenant_defaults={"extensions": "all"}, discover_tenants={"enabled": True})
    made = installation(switch, "A", 20, ["A", "B", "C"])
    assert made == Installation(3, 60, 300, "A")
    assert str(made) == "3 tenants with 60 phones, if all have as many as A, every 5m"


def test_installation_with_configured_extensions(configured: Configured) -> None:
    """Only tenants with extensions count, and their phones are known."""
    switch = configured(
        tenants=[
            {"code": "A", "extensions": ["1", "2"]},
            {"code": "B", "watch": ["7"]},
            {"code": "C"},
            {"code": "D", "extensions": "all", "queries": {"registrations": {"tenant_interval": "off"}}},
        ]
    )
    made = installation(switch, "A", 20, [])
    assert made == Installation(2, 3, 300)
    assert str(made) == "2 tenants with 3 phones, every 5m"


def test_installation_that_is_not_configured_yet(configured: Configured) -> None:
    """All listed tenants count."""
    assert installation(configured(), "A", 20, ["A", "B"]) == Installation(2, 40, 300, "A")
    assert str(installation(configured(), "A", 20, [])) == "1 tenant with 20 phones, every 5m"
