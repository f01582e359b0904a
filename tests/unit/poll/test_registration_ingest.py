from collections.abc import Callable, Mapping
from datetime import date

import pytest
import structlog

from exporter.metrics import catalogue
from exporter.model import (
    Answer,
    Devices,
    Extension,
    Extensions,
    Failure,
    Peer,
    Peers,
    Query,
    Reason,
    Registration,
    RegistrationState,
    Skipped,
    Technology,
    Tenant,
    Tenants,
)
from exporter.poll import SwitchContext
from exporter.request import Operation
from tests.unit.poll.ingesting import Ingesting

YES, NO, UNKNOWN = Registration.REGISTERED, Registration.UNREGISTERED, Registration.UNKNOWN


class Switch(Ingesting):
    """A switch whose responses are given to an ingester."""

    async def returns(self, operation: Operation, outcome: Answer | Failure, tenant: str = "") -> None:
        """Store a response about registrations."""
        await self.ingest(Query.REGISTRATIONS, tenant, outcome, operation=operation)

    async def lists_extensions(self, tenant: str, *rows: Extension) -> None:
        """Store a list for the discovery of extensions."""
        await self.ingest(Query.EXTENSIONS, tenant, Extensions(rows))

    async def has_state(self, tenant: str, extension: str, state: Registration) -> None:
        """Store the state of one extension."""
        outcome = RegistrationState(state, state.value)
        await self.ingest(Query.REGISTRATIONS, tenant, outcome, extension, operation=Operation.REGISTRATION)

    def counts(self, tenant: str = "A") -> Mapping[str, float]:
        """Return the extensions of a tenant by state, without zeros."""
        counted = self.values(catalogue.TENANT_EXTENSIONS, tenant)
        assert isinstance(counted, Mapping)
        return {state: count for state, count in counted.items() if count}

    def phones(self, tenant: str = "A") -> object:
        """Return which extensions of a tenant are registered."""
        return self.values(catalogue.EXTENSION_REGISTERED, tenant)

    def devices(self, tenant: str = "A") -> object:
        """Return the extensions of a tenant by device state."""
        return self.values(catalogue.TENANT_DEVICES, tenant)


Starting = Callable[..., Switch]


@pytest.fixture
def starting(context: Callable[..., SwitchContext]) -> Starting:
    """Return a function that returns a switch with these tenants and this source of registrations."""

    def start(
        source: str, *tenants: Mapping[str, object], queries: Mapping[str, object] | None = None
    ) -> Switch:
        registrations = {"registrations": {"tenant_interval": "5m", "source": source}}
        return Switch(context, tenants=tenants, queries={**registrations, **(queries or {})})

    return start


def peers(*users: str, state: Registration = YES, skipped: Skipped | None = None) -> Peers:
    """Return a list of peers in the same state."""
    return Peers(tuple(Peer(user, "n1", state, state.value) for user in users), skipped=skipped)


def extension(number: str, technology: Technology | None, state: Registration = YES) -> Extension:
    """Return a row of a list of extensions."""
    return Extension(number, state, state.value, technology)


async def test_absent_peer_is_unregistered_only_if_it_was_listed(starting: Starting) -> None:
    """A phone that no list has contained since the start is unknown: it may use PJSIP."""
    switch = starting("peers", {"code": "A", "extensions": ["100", "101", "102"]})

    await switch.returns(Operation.PEERS, peers("100-A", "101_A"))
    assert switch.phones() == {"100": 1, "101": 1}
    assert switch.counts() == {"registered": 2, "unknown": 1}

    await switch.returns(Operation.PEERS, peers("100-A"))
    assert switch.phones() == {"100": 1, "101": 0}
    assert switch.counts() == {"registered": 1, "unregistered": 1, "unknown": 1}


async def test_absent_peer_of_a_known_technology(starting: Starting) -> None:
    """A chan_sip phone is unregistered, a PJSIP phone unknown; a custom or virtual one has no state."""
    switch = starting("peers", {"code": "A", "extensions": "all"})
    await switch.lists_extensions("A", *map(extension, "12345", Technology))

    await switch.returns(Operation.PEERS, peers("100-OTHER"))

    assert switch.phones() == {"1": 0}
    assert switch.counts() == {"unregistered": 1, "unknown": 2, "not_applicable": 2}


@pytest.mark.parametrize(
    ("source", "operation", "counts"),
    [
        ("peers", Operation.PEERS, {"registered": 1, "unknown": 1}),
        ("tenant_peers", Operation.TENANT_PEERS, {"registered": 1, "unregistered": 1}),
    ],
)
async def test_phone_that_moved_to_pjsip(
    source: str, operation: Operation, counts: Mapping[str, float], starting: Starting
) -> None:
    """CHANSIPPEERS never lists it again, so it is unknown; PEERS may list it."""
    switch = starting(source, {"code": "A", "extensions": "all"})
    await switch.lists_extensions("A", extension("1", None), extension("2", None))
    tenant = "A" if operation is Operation.TENANT_PEERS else ""
    await switch.returns(operation, peers("1-A", "2-A"), tenant)

    await switch.lists_extensions("A", extension("1", Technology.SIP), extension("2", Technology.PJSIP))
    await switch.returns(operation, peers("1-A"), tenant)

    assert switch.counts() == counts


async def test_incomplete_list_of_peers(starting: Starting) -> None:
    """A missing peer may be the unreadable row, so it is unknown, not unregistered."""
    switch = starting("peers", {"code": "A", "extensions": ["100", "101"]})
    await switch.returns(Operation.PEERS, peers("100-A", "101-A"))

    await switch.returns(Operation.PEERS, peers("100-A", skipped=Skipped(1, 1, "a name")))

    assert switch.counts() == {"registered": 1, "unknown": 1}


async def test_peers_named_after_the_name_of_a_tenant(starting: Starting) -> None:
    """The name on the list of tenants counts like the code; a code counts before a name."""
    switch = starting("peers", *({"code": code, "extensions": ["100"]} for code in "AB"))
    rows = (Tenant("A", "Alpha", disabled=False), Tenant("B", "A", disabled=False))
    assert switch.discovery.accept(Tenants(rows), date(2026, 12, 1)) is None

    await switch.returns(Operation.PEERS, peers("100_Alpha"))
    assert switch.phones("A") == {"100": 1}
    await switch.returns(Operation.PEERS, peers("100-A", state=NO))
    assert switch.phones("A") == {"100": 0}
    assert switch.phones("B") is None


async def test_removed_tenant_is_forgotten(starting: Starting) -> None:
    """If it comes back, its absent phones are unknown."""
    switch = starting("peers", *({"code": code, "extensions": ["100"]} for code in "AB"))
    await switch.returns(Operation.PEERS, peers("100-A", "100-B"))
    switch.ingester.drop_tenants(["A"])

    await switch.returns(Operation.PEERS, peers("999-B"))

    assert (switch.counts("A"), switch.counts("B")) == ({"unknown": 1}, {"unregistered": 1})


async def test_peers_of_one_tenant(starting: Starting) -> None:
    """PEERS is requested per tenant; phones of other tenants in it do not count."""
    tenants = ({"code": code, "extensions": ["100"]} for code in "AB")
    switch = starting("tenant_peers", *tenants)

    await switch.returns(Operation.TENANT_PEERS, peers("100-A", "100-B", "trunk"), "A")
    assert (switch.phones("A"), switch.phones("B")) == ({"100": 1}, None)

    await switch.returns(Operation.TENANT_PEERS, peers(), "A")
    failure = switch.failure(Query.REGISTRATIONS, "A")
    assert failure is not None
    assert failure.reason is Reason.EMPTY
    assert switch.phones("A") == {"100": 1}


@pytest.mark.parametrize(
    ("source", "tenant", "operation", "listed"),
    [
        ("peers", "", Operation.PEERS, peers("100-A")),
        ("extensions", "A", Operation.EXTENSIONS, Extensions((extension("100", None),))),
    ],
)
async def test_empty_list_changes_no_registration(
    source: str, tenant: str, operation: Operation, listed: Peers | Extensions, starting: Starting
) -> None:
    """It is a typical fault of a switch: the query fails as `empty`, and this is counted."""
    switch = starting(source, {"code": "A", "extensions": ["100"]})
    for answer in (listed, type(listed)(())):
        await switch.returns(operation, answer, tenant)

    assert switch.reason(Query.REGISTRATIONS, tenant) is Reason.EMPTY
    assert switch.phones() == {"100": 1}
    assert switch.count("softswitch_empty_answers_total", query="registrations") == 1


async def test_technologies_in_a_list_of_registrations(starting: Starting) -> None:
    """A custom extension in the list has no state, whether it is configured or not."""
    switch = starting(
        "extensions",
        {"code": "A", "extensions": ["1", "3"], "watch": ["4"]},
        {"code": "B", "extensions": "all"},
    )
    for code in "AB":
        listed = Extensions(tuple(map(extension, "12345", Technology)))
        await switch.returns(Operation.EXTENSIONS, listed, code)

    assert switch.phones("A") == {"1": 1}
    assert switch.counts("A") == {"registered": 1, "not_applicable": 2}
    assert switch.counts("B") == {"registered": 3, "not_applicable": 2}


async def test_extensions_are_requested_one_by_one_if_they_can_register(starting: Starting) -> None:
    """The others are only counted, and a tenant without a list has no such count."""
    switch = starting("regstate", {"code": "A", "extensions": "all"}, {"code": "B", "extensions": ["1"]})
    await switch.lists_extensions("A", *map(extension, "12345", Technology))

    for number in "13":
        await switch.has_state("A", number, NO)
    await switch.has_state("B", "1", NO)

    assert switch.counts("A") == {"unregistered": 1, "unknown": 2, "not_applicable": 2}
    counted = switch.values(catalogue.TENANT_EXTENSIONS, "B")
    assert counted == {"registered": 0, "unregistered": 1, "unknown": 0}


async def test_a_tenant_whose_extensions_all_cannot_register(starting: Starting) -> None:
    """They are counted although none is requested; the first that can register replaces these counts."""
    switch = starting("regstate", {"code": "A", "extensions": "all"})
    await switch.lists_extensions("A", extension("1", Technology.CUSTOM), extension("2", Technology.VIRTUAL))
    counted = switch.values(catalogue.TENANT_EXTENSIONS, "A")
    assert counted == {"registered": 0, "unregistered": 0, "unknown": 0, "not_applicable": 2}
    assert switch.phones() is None

    await switch.lists_extensions("A", extension("1", Technology.CUSTOM), extension("2", Technology.SIP))
    await switch.has_state("A", "2", YES)
    assert switch.counts() == {"registered": 1, "not_applicable": 1}


async def test_counts_of_extensions_that_cannot_register_become_stale(starting: Starting) -> None:
    """They are as old as the list: three times its interval, 6 hours."""
    switch = starting("regstate", {"code": "A", "extensions": "all"})
    await switch.lists_extensions("A", extension("1", Technology.CUSTOM))

    switch.store.expire(18 * 3600.0)
    assert switch.counts() == {"not_applicable": 1}
    switch.store.expire(18 * 3600.0 + 1)
    assert switch.values(catalogue.TENANT_EXTENSIONS, "A") is None


async def test_watched_extension_that_cannot_register_is_logged_once(starting: Starting) -> None:
    """Until it can register, and cannot again."""
    switch = starting("regstate", {"code": "A", "extensions": "all", "watch": ["3", "1"]})
    with structlog.testing.capture_logs() as logs:
        for technology in (*[Technology.CUSTOM] * 2, Technology.SIP, Technology.VIRTUAL):
            await switch.lists_extensions("A", extension("1", Technology.SIP), extension("3", technology))

    told = [(log["event"], log["log_level"], log["tenant"], log["extension"]) for log in logs]
    assert told == [("watched extension cannot register", "warning", "A", "3")] * 2


def devices(*rows: tuple[str, str, Registration]) -> Devices:
    """Return a list of device states: number, word and state."""
    return Devices(tuple(Extension(number, state, word) for number, word, state in rows))


PHONES = devices(
    ("100", "INUSE", YES), ("101", "UNAVAILABLE", NO), ("102", "RINGING", YES), ("*72", "BUSY", YES)
)


async def test_device_states_of_configured_extensions(starting: Starting) -> None:
    """Only these are counted, and an extension without a record is unknown."""
    switch = starting("blf", {"code": "A", "extensions": ["100", "101"], "watch": ["199"]})

    await switch.returns(Operation.BLFS, PHONES, "A")

    assert switch.phones() == {"100": 1, "101": 0}
    assert switch.counts() == {"registered": 1, "unregistered": 1, "unknown": 1}
    assert switch.devices() == {"in_use": 1, "ringing": 0, "busy": 0}


async def test_device_states_of_discovered_extensions(starting: Starting) -> None:
    """The list of extensions says which records are phones; before it came, no record is one."""
    switch = starting("blf", {"code": "A", "extensions": "all"})
    await switch.returns(Operation.BLFS, PHONES, "A")
    assert switch.values(catalogue.TENANT_EXTENSIONS, "A") is None
    assert switch.devices() is None

    listed = (
        extension("100", Technology.PJSIP),
        extension("101", None),
        extension("102", Technology.VIRTUAL),
    )
    await switch.lists_extensions("A", *listed)
    await switch.returns(Operation.BLFS, PHONES, "A")

    assert switch.phones() == {"100": 1, "101": 0}
    assert switch.counts() == {"registered": 1, "unregistered": 1, "not_applicable": 1}
    assert switch.devices() == {"in_use": 1, "ringing": 1, "busy": 0}


async def test_device_states_without_a_list_of_extensions(starting: Starting) -> None:
    """If that list is off, every record counts as an extension."""
    off = {"extensions": {"tenant_interval": "off"}}
    switch = starting("blf", {"code": "A", "extensions": "all"}, queries=off)

    await switch.returns(Operation.BLFS, PHONES, "A")

    assert switch.phones() == {"100": 1, "101": 0, "102": 1, "*72": 1}
    assert switch.devices() == {"in_use": 1, "ringing": 1, "busy": 1}


async def test_list_of_device_states_without_the_extensions(starting: Starting) -> None:
    """The query fails if it lacks more than a tenth of them: their numbers are probably wrong."""
    switch = starting("blf", {"code": "A", "extensions": ["100", "101", "300"]})

    await switch.returns(Operation.BLFS, PHONES, "A")

    failure = switch.failure(Query.REGISTRATIONS, "A")
    assert failure is not None
    assert (failure.reason, switch.phones()) == (Reason.DECODE, {"100": 1, "101": 0})
