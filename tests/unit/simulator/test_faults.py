import asyncio
import json
import time
from random import Random

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.faults import Fault, FaultKind, Faults, parse
from exporter.simulator.request import ApiRequest, KeyKind
from exporter.simulator.request import parse as parse_request
from exporter.simulator.server import RunningSimulator
from tests.unit.simulator.conftest import Wait


def _request(**parameters: str) -> ApiRequest:
    return parse_request("GET", list(parameters.items()))


_BALANCE = _request(reqtype="INFO", info="balance", tenant="ACME")
_REGISTRATION = _request(reqtype="INFO", info="regstate", tenant="ACME", ext="100")
_NODE = _request(reqtype="COUNTCHANNELS", nodename="pbx1")


@pytest.fixture
def faults() -> Faults:
    """Return rules with a fixed seed."""
    return Faults(1)


def _picked(faults: Faults) -> FaultKind | None:
    fault = faults.pick(_BALANCE, KeyKind.ADMIN)
    return None if fault is None else fault.kind


@pytest.mark.parametrize(
    ("fault", "matches"),
    [
        (Fault(FaultKind.EMPTY), [True, True, True]),
        (Fault(FaultKind.EMPTY, reqtype="info"), [True, True, False]),
        (Fault(FaultKind.EMPTY, info="Balance"), [True, False, False]),
        (Fault(FaultKind.EMPTY, tenant="ACME"), [True, True, False]),
        (Fault(FaultKind.EMPTY, extension="100"), [False, True, False]),
        (Fault(FaultKind.EMPTY, node="pbx1"), [False, False, True]),
        (Fault(FaultKind.EMPTY, node="pbx2"), [False, False, False]),
        (Fault(FaultKind.EMPTY, key="admin"), [True, True, True]),
        (Fault(FaultKind.EMPTY, key="tenant"), [False, False, False]),
    ],
)
def test_a_request_must_match_every_condition(fault: Fault, matches: list[bool]) -> None:
    """A rule matches the requests that meet all its conditions, and no others."""
    assert [fault.matches(request, KeyKind.ADMIN) for request in (_BALANCE, _REGISTRATION, _NODE)] == matches


def test_the_first_matching_rule_acts(faults: Faults) -> None:
    """Of two rules for a request the earlier one acts, and the later one after its removal."""
    first = faults.add(Fault(FaultKind.HANG, tenant="ACME"))
    faults.add(Fault(FaultKind.EMPTY))
    assert _picked(faults) is FaultKind.HANG
    assert faults.remove(first)
    assert not faults.remove(first)
    assert _picked(faults) is FaultKind.EMPTY
    faults.clear()
    assert _picked(faults) is None


def test_a_limit_restricts_the_number_of_uses(faults: Faults) -> None:
    """A rule with a limit acts on that many matching requests."""
    faults.add(Fault(FaultKind.EMPTY, tenant="ACME", limit=2))
    faults.pick(_NODE, KeyKind.ADMIN)
    assert [_picked(faults) for _ in range(3)] == [FaultKind.EMPTY, FaultKind.EMPTY, None]
    assert faults.described()[0]["used"] == 2


def test_a_probability_is_repeatable(faults: Faults) -> None:
    """About a quarter of 1,000 requests match, and the same ones with the same seed."""
    hits = []
    for some in (faults, Faults(1)):
        some.add(Fault(FaultKind.EMPTY, probability=0.25))
        hits.append([_picked(some) for _ in range(1000)])
    assert hits[0] == hits[1]
    assert 200 < hits[0].count(FaultKind.EMPTY) < 300


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
_members = st.sampled_from(
    ["kind", "reqtype", "key", "probability", "limit", "seconds", "text", "size", "status", "location", "x"]
)
_kind = st.sampled_from([kind.value for kind in FaultKind])


@given(_json | st.dictionaries(_members, _json) | st.fixed_dictionaries({"kind": _kind, "limit": _json}))
def test_untrusted_rules_are_accepted_or_rejected(document: object) -> None:
    """Any document becomes a valid rule or a ValueError."""
    try:
        fault = parse(json.dumps(document))
    except ValueError:
        return
    assert isinstance(fault.kind, FaultKind)
    assert 0 <= fault.probability <= 1


def test_unused_arguments_are_rejected() -> None:
    """A status for a hanging request is an error."""
    with pytest.raises(ValueError, match="status: not used by a fault of kind hang"):
        parse('{"kind": "hang", "status": 500}')


@pytest.mark.parametrize("kind", list(FaultKind))
def test_every_kind_needs_only_its_name(kind: FaultKind) -> None:
    """Each kind has defaults for its arguments."""
    assert parse(json.dumps({"kind": kind.value})) == Fault(kind)


_CUT = (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError)
_LICENSE = {"reqtype": "LICENSEDAYS", "key": "demo-admin", "format": "json"}


async def _license(session: aiohttp.ClientSession, simulator: RunningSimulator) -> tuple[int, str, bytes]:
    async with session.get(simulator.url, params=_LICENSE, allow_redirects=False) as response:
        return response.status, response.headers.get("Content-Type", ""), await response.read()


@pytest.mark.parametrize(
    ("fault", "status", "content_type", "body"),
    [
        (Fault(FaultKind.REFUSE_KEY), 200, "json", b"Too bad... you mistaken the security api key.\n"),
        (Fault(FaultKind.SENTENCE, text="No id specified"), 200, "json", b"No id specified"),
        (Fault(FaultKind.BODY, text="{\u00e9"), 200, "json", "{\u00e9".encode()),
        (Fault(FaultKind.EMPTY), 200, "json", b""),
        (Fault(FaultKind.TRUNCATE), 200, "json", b"4"),
        (Fault(FaultKind.GARBAGE, size=16), 200, "json", Random(5).randbytes(16)),  # noqa: S311 - the seed below
        (Fault(FaultKind.STATUS, status=503), 503, "html", b"<h1>503</h1>\n"),
        (Fault(FaultKind.DRIP, seconds=0), 200, "json", b"45"),
    ],
)
async def test_a_fault_changes_the_response(
    simulator: RunningSimulator,
    session: aiohttp.ClientSession,
    fault: Fault,
    status: int,
    content_type: str,
    body: bytes,
) -> None:
    """Each of these kinds gives its status, content type and body, and is recorded in the journal."""
    simulator.parts.faults.random.seed(5)
    simulator.parts.faults.random.random = lambda: 0.0  # type: ignore[method-assign]  # keeps the seed for the garbage
    simulator.parts.faults.add(fault)
    got = await _license(session, simulator)
    assert (got[0], got[2]) == (status, body)
    assert content_type in got[1]
    assert simulator.parts.journal.since(0)[0].outcome == f"fault {fault.kind}"


async def test_a_login_page_is_html(simulator: RunningSimulator, session: aiohttp.ClientSession) -> None:
    """The page is HTML by type and by body, whatever format was requested."""
    simulator.parts.faults.add(Fault(FaultKind.HTML))
    status, content_type, body = await _license(session, simulator)
    assert (status, content_type) == (200, "text/html; charset=UTF-8")
    assert b"<form" in body


async def test_a_php_warning_precedes_the_true_body(
    simulator: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """The true value follows the warning."""
    simulator.parts.faults.add(Fault(FaultKind.PHP_WARNING))
    _, _, body = await _license(session, simulator)
    assert body.startswith(b"<br />\n<b>Warning</b>")
    assert body.endswith(b"<br />\n45")


async def test_a_redirect(simulator: RunningSimulator, session: aiohttp.ClientSession) -> None:
    """It is a 302 with the location of the rule."""
    simulator.parts.faults.add(Fault(FaultKind.REDIRECT, location="http://127.0.0.1:1/"))
    async with session.get(simulator.url, params=_LICENSE, allow_redirects=False) as response:
        assert (response.status, response.headers["Location"]) == (302, "http://127.0.0.1:1/")


# aiohttp's client retries once if a connection is reset before the headers (seen, 3.14.5).
@pytest.mark.parametrize(("kind", "limit"), [(FaultKind.RESET, 2), (FaultKind.RESET_MIDWAY, 1)])
async def test_a_connection_is_reset(
    simulator: RunningSimulator, session: aiohttp.ClientSession, kind: FaultKind, limit: int
) -> None:
    """The client gets a connection error, and the next request after the limit succeeds."""
    simulator.parts.faults.add(Fault(kind, limit=limit))
    with pytest.raises(_CUT):
        await _license(session, simulator)
    assert (await _license(session, simulator))[2] == b"45"


async def test_a_reset_sends_rst(simulator: RunningSimulator) -> None:
    """The connection ends with RST, not FIN."""
    simulator.parts.faults.add(Fault(FaultKind.RESET))
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(b"GET /pbx/proxyapi.php?reqtype=LICENSEDAYS&key=demo-admin HTTP/1.1\r\nHost: x\r\n\r\n")
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_a_hanging_request_ends_with_its_client(
    simulator: RunningSimulator, session: aiohttp.ClientSession, in_flight: Wait
) -> None:
    """It gets no response, and ends in the simulator, too, when the client gives up."""
    simulator.parts.faults.add(Fault(FaultKind.HANG))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await _license(session, simulator)
    await in_flight(simulator, 0)
    assert simulator.parts.journal.since(0)[0].outcome == "fault hang"


async def test_a_slow_response_is_delayed(
    simulator: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """The true response comes after the delay."""
    simulator.parts.faults.add(Fault(FaultKind.SLOW, seconds=0.3))
    started = time.monotonic()
    assert (await _license(session, simulator))[2] == b"45"
    assert time.monotonic() - started >= 0.3


async def test_a_dripping_response_comes_byte_by_byte(
    simulator: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """The headers come at once, then one byte at a time."""
    simulator.parts.faults.add(Fault(FaultKind.DRIP, seconds=0.2))
    started = time.monotonic()
    async with session.get(simulator.url, params=_LICENSE) as response:
        assert time.monotonic() - started < 0.2
        chunks = [chunk async for chunk in response.content.iter_any()]
    assert chunks == [b"4", b"5"]


async def test_an_endless_response_ends_when_the_client_stops(
    simulator: RunningSimulator, session: aiohttp.ClientSession, in_flight: Wait
) -> None:
    """The body continues until the client closes the connection."""
    simulator.parts.faults.add(Fault(FaultKind.ENDLESS, limit=1))
    async with session.get(simulator.url, params=_LICENSE) as response:
        assert len(await response.content.readexactly(3_000_000)) == 3_000_000
        response.close()
    await in_flight(simulator, 0)
    assert (await _license(session, simulator))[2] == b"45"


@pytest.mark.parametrize("kind", list(FaultKind))
async def test_a_fault_does_not_hide_a_forbidden_request(
    simulator: RunningSimulator, session: aiohttp.ClientSession, kind: FaultKind
) -> None:
    """A forbidden request gets HTTP 403, whatever the faults."""
    simulator.parts.faults.add(Fault(kind))
    async with session.get(simulator.url, params={"reqtype": "REBOOT", "key": "demo-admin"}) as response:
        assert response.status == 403
