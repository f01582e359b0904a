"""``proxyapi.php``: record each request, then send the true response, a refusal or a fault."""

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import count, islice

from aiohttp import web

from exporter.simulator import responses
from exporter.simulator.faults import Faults, FaultyRequest, inject, reply
from exporter.simulator.options import Options
from exporter.simulator.request import ApiRequest, ForbiddenRequest, Keys, for_log, parse
from exporter.simulator.world import World

API_PATH = "/pbx/proxyapi.php"
_LOGGER = logging.getLogger(__name__)

_KEPT = 200_000
_FORBIDDEN_KEPT = 10_000

# Other installation-wide responses are made in a thread: those for 250,000 phones take up to a second, which
# would block the event loop.
_SMALL = {"LICENSEDAYS", "HELP"}

_IN_FLIGHT = "in flight"


@dataclass(slots=True)
class Entry:
    """One request. ``time`` is in seconds since 1970; ``in_flight`` counts the others at its arrival.

    ``client`` is the IP address that sent it.

    ``outcome`` is ``in flight``, ``answered``, ``refused``, ``forbidden``, ``abandoned`` (the client left
    before a response), or ``fault`` and its kind.
    """

    number: int
    time: float
    parameters: Mapping[str, str]
    key: str
    in_flight: int
    client: str
    outcome: str = _IN_FLIGHT
    seconds: float | None = None


class Journal:
    """The newest requests, and counts over all of them. ``clock`` returns seconds since 1970."""

    def __init__(self, clock: Callable[[], float], *, kept: int = _KEPT) -> None:
        self._clock = clock
        self._numbers = count()
        self._entries: deque[Entry] = deque(maxlen=kept)
        self._forbidden: deque[dict[str, object]] = deque(maxlen=_FORBIDDEN_KEPT)
        self._in_flight: Counter[str] = Counter()  # by tenant, "" for the installation
        self._most_in_flight = 0
        self._most_in_flight_of_a_tenant = 0
        self._by_outcome: Counter[str] = Counter()
        self._by_operation: Counter[str] = Counter()

    def arrive(self, parameters: Mapping[str, str], key: str, client: str) -> Entry:
        """Record a request at its arrival. ``parameters`` and ``key`` (its kind) contain no secret."""
        entry = Entry(next(self._numbers), self._clock(), parameters, key, self._in_flight.total(), client)
        self._entries.append(entry)
        tenant = parameters.get("tenant", "")
        self._in_flight[tenant] += 1
        self._most_in_flight = max(self._most_in_flight, entry.in_flight + 1)
        if tenant:
            self._most_in_flight_of_a_tenant = max(self._most_in_flight_of_a_tenant, self._in_flight[tenant])
        operation = (parameters.get(name, "") for name in ("reqtype", "info", "object", "action"))
        self._by_operation[" ".join(filter(None, operation))] += 1
        return entry

    def leave(self, entry: Entry) -> None:
        """Record the end of a request; without an outcome, its client abandoned it."""
        if entry.outcome == _IN_FLIGHT:
            entry.outcome = "abandoned"
        entry.seconds = self._clock() - entry.time
        tenant = entry.parameters.get("tenant", "")
        self._in_flight[tenant] -= 1
        if not self._in_flight[tenant]:
            del self._in_flight[tenant]
        self._by_outcome[entry.outcome] += 1

    def forbid(self, entry: Entry, why: str) -> None:
        """Record that a request is not allowed, with the reason."""
        entry.outcome = "forbidden"
        self._forbidden.append({**asdict(entry), "why": why})

    def since(self, number: int, limit: int = _KEPT) -> list[Entry]:
        """Return up to ``limit`` stored entries with this number or a higher one."""
        skipped = max(0, number - self._entries[0].number) if self._entries else 0
        return list(islice(self._entries, skipped, skipped + limit))

    @property
    def forbidden(self) -> list[dict[str, object]]:
        """The newest forbidden requests, each with the reason."""
        return list(self._forbidden)

    def counts(self) -> dict[str, object]:
        """Return the counts over all requests since the start."""
        return {
            "total": self._by_operation.total(),
            "in_flight": self._in_flight.total(),
            "most_in_flight": self._most_in_flight,
            "most_in_flight_of_a_tenant": self._most_in_flight_of_a_tenant,
            "by_outcome": dict(self._by_outcome),
            "by_operation": dict(self._by_operation),
        }


@dataclass(slots=True)
class Parts:
    """The parts of one simulator. ``announce`` gets each line that the operator must see.

    ``watched_at``: the URL of the exporter that polls it, if known.
    """

    world: World
    options: Options
    keys: Keys
    faults: Faults
    journal: Journal
    announce: Callable[[str], object]
    allow_remote_control: bool
    watched_at: str | None = None


PARTS = web.AppKey("PARTS", Parts)


async def serve(request: web.Request) -> web.StreamResponse:
    """Respond to one request and record it in the journal."""
    parts = request.app[PARTS]
    pairs = list(request.query.items())
    kind = parts.keys.kind(request.query.get("key", ""))
    entry = parts.journal.arrive(for_log(pairs), kind, request.remote or "")
    try:
        return await _respond(request, parse(request.method, pairs), entry)
    except ForbiddenRequest as forbidden:
        return _forbid(parts, entry, str(forbidden))
    finally:
        parts.journal.leave(entry)


def _forbid(parts: Parts, entry: Entry, why: str) -> web.Response:
    parts.journal.forbid(entry, why)
    _LOGGER.error("forbidden request: %s; parameters: %r", why, entry.parameters)
    parts.announce(f"FORBIDDEN REQUEST: {why}; parameters: {entry.parameters!r}")
    return web.Response(status=403, text=f"The simulator rejects this request: {why}\n")


async def _respond(request: web.Request, wanted: ApiRequest, entry: Entry) -> web.StreamResponse:
    parts, key = request.app[PARTS], request.query.get("key", "")
    if delay := parts.options.delay_of(wanted.operation):
        await asyncio.sleep(delay)
    tenant = parts.world.tenant(wanted.tenant)
    if tenant is not None:
        wanted = replace(wanted, tenant=tenant.code)  # a name is accepted like a code
    refusal = parts.keys.refusal(key, wanted, tenant_exists=tenant is not None or wanted.every_tenant)

    async def truth() -> bytes:
        return (refusal if refusal is not None else await _body(parts, wanted)).encode()

    # The content type follows the requested format, not the body (seen, wire notes 2026-10).
    content_type = "application/json" if wanted.json else "text/html; charset=UTF-8"
    fault = parts.faults.pick(wanted, parts.keys.kind(key))
    if fault is not None:
        entry.outcome = f"fault {fault.kind}"
        return await inject(FaultyRequest(request, fault, content_type, truth, parts.faults.random))
    response = reply(await truth(), content_type)
    entry.outcome = "answered" if refusal is None else "refused"
    return response


async def _body(parts: Parts, request: ApiRequest) -> str:
    if (request.tenant and not request.every_tenant) or request.operation in _SMALL:
        return responses.body(parts.world, parts.options, request)
    return await asyncio.to_thread(responses.body, parts.world, parts.options, request)
