"""Sends the requests of a survey, one at a time, and prints the plan and the progress."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator, Sequence

from exporter.cli.probe.call_records import window_requests, zone_advice
from exporter.cli.probe.draft.entries import visible
from exporter.cli.probe.draft.flags import SURVEY_RATE
from exporter.cli.probe.draft.survey import Survey, details
from exporter.cli.probe.draft.tenants import reject_unknown
from exporter.cli.probe.findings import Finding, QueryRequest, query_request
from exporter.cli.probe.runner import Runner
from exporter.cli.probe.sources import BLF, LIST, PEERS, TENANT_PEERS, Phones, Source, Trial, trial
from exporter.fields import duration_text
from exporter.model import (
    Counts,
    ExtensionParameter,
    Extensions,
    Failure,
    Number,
    Peers,
    Query,
    Reason,
    RegistrationSource,
    RegistrationState,
    Tenants,
)
from exporter.queries.call_records import CallRecordsQuery
from exporter.request import Operation, Request

_SAMPLED = 3
_REFUSALS = 3
_NOT_THE_API = {Reason.HTTP, Reason.DECODE}
"""Another web server, or a login page. The key must not be sent to it again and again."""

_LONGEST = 15 * 60.0
"""Seconds. Then no further request is sent, for a switch on which many requests time out."""

_FIRST = (Query.CALLS, Query.LICENSE)
_INSTALLATION = (Query.PEERS, Query.CHANNELS, Query.TENANTS)
_OF_TENANT = (Query.CHANNELS, Query.CALLS, Query.BALANCE)
_OF_ONE_TENANT = (Query.LIMITS, Query.QUEUES)
_REGSTATE = tuple(Source(RegistrationSource.REGSTATE, parameter) for parameter in ExtensionParameter)

Say = Callable[[str], None]


def plan(survey: Survey, url: str) -> Iterator[str]:
    """Yield what will be requested, in this order."""
    skip = survey.skip
    yield f"Survey of {url}: requests that only read, one at a time, at most {SURVEY_RATE} per second."
    yield "For the installation, if the key allows it:"
    yield f"  {_names(_FIRST, _INSTALLATION)} (COUNTPEERS took 23 s on a switch with 50 nodes)"
    yield from _expensive("trunks", "MANAGEDB sipregs list, registrations of trunks, cost unknown", skip)
    yield from _expensive("peers", "CHANSIPPEERS, one list of every phone, 0.2 kB each", skip)
    yield from _expensive(
        "call_records", "INFO simplecdrs, twice, to find its time zone; each may take 20 s", skip
    )
    yield f"For {_tenants_text(survey.asked)}:"
    yield f"  {_names(_OF_TENANT, _OF_ONE_TENANT, scope='A')}, BLFS, PEERS"
    yield from _expensive("extensions", "INFO extensions, a list of 3.4 kB per extension", skip)
    yield from _expensive("regstate", "INFO regstate of one extension, with up to three parameters", skip)
    most = f"{_most_requests(survey)} requests and {duration_text(_LONGEST)}"
    yield f"At most {most}. Ctrl-C stops it; nothing is written before the end."


def _names(*queries: Sequence[Query], scope: str = "") -> str:
    return ", ".join(
        label(query_request(query, scope).request, scoped=False) for each in queries for query in each
    )


def _expensive(name: str, text: str, skip: frozenset[str]) -> Iterator[str]:
    yield f"  skipped: {text}" if name in skip else f"  may be expensive: {text}; --skip={name} leaves it out"


def _tenants_text(asked: Sequence[str]) -> str:
    if asked:
        more = f", and INFO balance of {len(asked) - _SAMPLED} more" if len(asked) > _SAMPLED else ""
        return ", ".join(map(visible, asked[:_SAMPLED])) + more
    return f"up to {_SAMPLED} tenants of the list, among them the one with the most phones"


def _most_requests(survey: Survey) -> int:
    skip = survey.skip
    installation = len(_FIRST) + len(_INSTALLATION) + len({"trunks", "peers"} - skip)
    installation += 0 if "call_records" in skip else 2
    lists = 2 + ("extensions" not in skip)
    tenants = _SAMPLED * (len(_OF_TENANT) + lists) + len(_OF_ONE_TENANT)
    more = len(survey.asked[_SAMPLED:]) + (0 if "regstate" in skip else len(_REGSTATE))
    return installation + tenants + more


def label(request: Request, *, scoped: bool = True) -> str:
    """Return the name of a request in the API, and the tenant."""
    fixed = request.operation.parameters
    detail = fixed.get("info") or " ".join(filter(None, [fixed.get("object"), fixed.get("action")]))
    name = f"{fixed['reqtype']} {detail}".strip()
    if request.extension:
        name += f" with {request.extension_parameter}={request.extension}"
    return visible(f"{name} of {request.tenant}") if scoped and request.tenant else name


class Surveyor:
    """Sends the requests. ``say`` prints a line."""

    def __init__(self, runner: Runner, survey: Survey, say: Say, clock: Callable[[], float]) -> None:
        self._runner = runner
        self._survey = survey
        self._say = say
        self._clock = clock
        self._end = clock() + _LONGEST
        self._is_over = False

    async def run(self) -> None:
        """Send all requests of the survey. Raises StartError for a tenant that the switch does not list."""
        await self._installation()
        for position, code in enumerate(self._choose_tenants()):
            self._survey.tenants.append(code)
            await self._tenant(code, is_first=position == 0)
        for code in self._survey.asked[_SAMPLED:] if not self._survey.listed else ():
            await self._ask(query_request(Query.BALANCE, code))

    async def _ask(self, wanted: QueryRequest) -> Finding | None:
        if self._clock() > self._end:
            if not self._is_over:
                self._say(
                    f"  No further requests are sent: the limit of {duration_text(_LONGEST)} is reached"
                )
            self._is_over = True
            return None
        finding = await self._wait_for(wanted)
        if finding is None:
            if not self._is_over:
                self._say(
                    "  No further requests are sent, because all requests so far failed in the same way"
                )
            self._is_over = True
            return None
        outcome = self._runner.mask(outcome_text(finding))
        self._say(f"  {label(finding.request):<38} {finding.seconds:6.2f} s  {outcome}")
        return finding

    async def _wait_for(self, wanted: QueryRequest) -> Finding | None:
        waiting = asyncio.create_task(self._announce_if_slow(label(wanted.request)))
        try:
            return await self._runner.ask(wanted, lambda: None)
        finally:
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await waiting

    async def _announce_if_slow(self, name: str) -> None:
        await asyncio.sleep(3)
        self._say(f"  {name:<38} waiting, at most {duration_text(self._survey.switch.timeout)}")

    async def _installation(self) -> None:
        skip = self._survey.skip
        for query in _FIRST:
            await self._ask(query_request(query))
        if not self._survey.is_admin:  # it may be a tenant's key; three refusals would end the survey
            for code in self._survey.asked[:1]:
                await self._ask(query_request(Query.BALANCE, code))
        requests = [query_request(query) for query in _INSTALLATION]
        requests += [] if "trunks" in skip else [query_request(Query.TRUNKS)]
        requests += [] if "peers" in skip else [PEERS.request("", "")]
        now = time.time()
        latest, future = window_requests(CallRecordsQuery(), now)
        requests += [] if "call_records" in skip else [latest]
        for wanted in requests:
            sent = [each for each in self._survey.findings if not each.request.tenant]
            if len(sent) >= _REFUSALS and self._survey.is_refused(sent):
                self._say("  The switch refuses the key for the installation")
                return
            if len(sent) >= _REFUSALS and all(each.reason in _NOT_THE_API for each in sent):
                self._say("  No further requests are sent, because this does not look like the API")
                self._is_over = True
                return
            await self._ask(wanted)
            if wanted.query is Query.TENANTS:
                reject_unknown(self._survey)
        if self._survey.of(Query.CALL_RECORDS):
            await self._find_zone(future, now)

    async def _find_zone(self, future: QueryRequest, now: float) -> None:
        """Request call records in the future, which shows the time zone; not if the last ones failed."""
        latest = self._survey.of(Query.CALL_RECORDS)
        if latest and latest.reason in {None, Reason.EMPTY} and (found := await self._ask(future)):
            self._survey.zone = next(zone_advice(latest, found, self._survey.switch, now), None)

    def _choose_tenants(self) -> list[str]:
        """Return the tenants to query: those of the flags, else the first, the last and the largest one."""
        survey = self._survey
        if survey.asked:
            return list(survey.asked[:_SAMPLED])
        codes = survey.enabled
        counts = {code: len(phones) for code, phones in survey.peers_by_tenant.items() if code in codes}
        largest = [max(counts, key=counts.__getitem__)] if counts else []
        middle = codes[len(codes) // 2 :][:1]
        return list(dict.fromkeys([*codes[:1], *largest, *codes[-1:], *middle]))[:_SAMPLED]

    async def _tenant(self, code: str, *, is_first: bool) -> None:
        survey = self._survey
        for query in _OF_TENANT:
            if survey.of(query, code) is None:
                await self._ask(query_request(query, code))
        sent = [found for query in _OF_TENANT if (found := survey.of(query, code))]
        if not survey.exists(code) and all(each.reason is not None for each in sent):
            return  # a wrong code, or a key without any right
        for query in _OF_ONE_TENANT if is_first else ():
            await self._ask(query_request(query, code))
        survey.trials[code] = await self._trials(code, tries_regstate=is_first)

    async def _trials(self, code: str, *, tries_regstate: bool) -> list[Trial]:
        """Return what each source of registrations says about a tenant."""
        skip = self._survey.skip
        phones, tried = Phones(names={row.code: row.name for row in self._survey.listed}), list[Trial]()
        for source in (LIST, BLF, TENANT_PEERS, PEERS):
            finding = self._survey.of(Query.REGISTRATIONS, operation=Operation.PEERS)
            if source is not PEERS:
                is_skipped = source is LIST and "extensions" in skip
                finding = None if is_skipped else await self._ask(source.request(code, ""))
            if finding is not None:
                phones = phones.with_list(finding.verdict) if source is LIST else phones
                tried.append(trial(source, finding, code, "", phones))
        known = [number for each in tried for number in each.known]
        extension = next((number for number in (*(phones.able or ()), *known)), "")
        for source in _REGSTATE if tries_regstate and extension and "regstate" not in skip else ():
            finding = await self._ask(source.request(code, extension))
            if finding is not None:
                tried.append(trial(source, finding, code, extension, phones))
                if finding.reason is None or finding.reason is Reason.DECODE:
                    break  # the parameter is right, also if the word for the state is unknown
        return tried


def outcome_text(finding: Finding) -> str:
    """Return the outcome of a request as one line."""
    match finding.verdict:
        case Failure():
            return visible(details(finding))
        case Counts(nodes=nodes) if nodes is not None:
            return f"{len(nodes)} nodes"
        case Number(value=value) | Counts(total=value):
            return f"{value:g}"
        case RegistrationState(state=state):
            return state
        case Tenants(rows=rows):
            return f"{len(rows):,} tenants"
        case Extensions(rows=rows) | Peers(rows=rows):
            return f"{len(rows):,} phones"
        case _:
            return "valid"
