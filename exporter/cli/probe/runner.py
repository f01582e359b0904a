"""Sends the requests of a probe to one switch sequentially, and prints their outcomes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial

import aiohttp
from yarl import URL

from exporter.cli.probe.advice import advice
from exporter.cli.probe.findings import Advice, Finding, QueryRequest
from exporter.cli.probe.render import about_request, about_response, advice_lines
from exporter.client import Client, open_client
from exporter.config import SwitchConfiguration
from exporter.errors import TlsFileError
from exporter.masking import Mask
from exporter.model import TRANSPORT_REASONS, Failure, Reason
from exporter.net.tls import client_context
from exporter.poll.fetch import read_answer
from exporter.queries import QUERIES
from exporter.threads import ThreadLimit

_TRANSPORT_FAILURES = 2
_REFUSALS = 3
"""Consecutive failures from the start after which the remaining requests are skipped."""


class Runner:
    """Sends requests within the rate limit. Each request adds to ``findings`` and ``given`` (advice)."""

    def __init__(
        self, switch: SwitchConfiguration, client: Client, responses: list[aiohttp.ClientResponse], mask: Mask
    ) -> None:
        self.switch = switch
        self.findings: list[Finding] = []
        self.given: list[tuple[Finding | None, Advice]] = []
        self.skipped: list[str] = []
        self._client = client
        self._responses = responses
        self.mask = mask
        self._next = time.monotonic()

    async def send(self, wanted: QueryRequest) -> Finding | None:
        """Send a request and print its outcome. Returns None if it is skipped because it cannot succeed."""
        before = tuple(self.findings)
        finding = await self.ask(wanted, lambda: self.write(about_request(self._client.url, wanted)))
        if finding is None:
            self.skipped.append(f"{wanted.query} ({wanted.request.tenant or 'installation'})")
            return None
        self.write(about_response(finding, self.switch, self.mask))
        for given in advice(finding, self.switch, before):
            self.write(advice_lines(given))
            self.given.append((finding, given))
        self.write([""])
        return finding

    async def ask(self, wanted: QueryRequest, announce: Callable[[], None]) -> Finding | None:
        """Call ``announce`` and send a request. Returns None, without both, if it cannot succeed."""
        key = self._key(wanted.request.tenant)
        if key is None or self._is_pointless(key):
            return None
        self.mask.add(key)
        announce()
        await asyncio.sleep(max(0.0, self._next - time.monotonic()))
        finding = await self._finding(wanted, key)
        self.findings.append(finding)
        return finding

    def write(self, lines: Iterable[str]) -> None:
        """Print lines with the keys masked."""
        for line in lines:
            print(self.mask(line), flush=True)

    def _key(self, tenant: str) -> str | None:
        holder = self.switch.settings(tenant).key if tenant else self.switch.key
        return holder.current() if holder else None

    def _is_pointless(self, key: str) -> bool:
        """Return whether all requests so far failed alike: a switch may lock a key after refusals."""
        reasons = [finding.reason for finding in self.findings]
        if len(reasons) >= _TRANSPORT_FAILURES and all(reason in TRANSPORT_REASONS for reason in reasons):
            return True
        of_key = [each.reason for each in self.findings if self._key(each.request.tenant) == key]
        return len(of_key) >= _REFUSALS and all(reason is Reason.AUTH for reason in of_key)

    async def _finding(self, wanted: QueryRequest, key: str) -> Finding:
        started = time.monotonic()
        self._next = started + 1 / self.switch.max_requests_per_second
        self._responses.clear()
        spec = QUERIES[wanted.query]
        endpoint = spec.of(wanted.request)
        async with self._client.send(wanted.request, key, max_bytes=endpoint.max_bytes) as body:
            seconds = time.monotonic() - started
            if not isinstance(body, Failure):
                verdict = read_answer(endpoint, self.switch.queries.options(spec), body, self.mask)
                return Finding(*wanted, seconds, verdict, body, status=200)
        response = self._responses[0] if self._responses else None
        return Finding(
            *wanted,
            seconds,
            body,
            status=response.status if response else None,
            location=_location(response, self.mask) if response else "",
            certificate_names=await certificate_names(self.switch) if body.reason is Reason.TLS else (),
        )


@contextlib.asynccontextmanager
async def open_runner(switch: SwitchConfiguration, mask: Mask) -> AsyncIterator[Runner]:
    """Yield a runner for one switch, and close its connections at the end."""
    responses: list[aiohttp.ClientResponse] = []
    trace = aiohttp.TraceConfig()

    async def keep(_session: object, _context: object, ended: aiohttp.TraceRequestEndParams) -> None:
        responses.append(ended.response)

    trace.on_request_end.append(keep)
    client = open_client(switch, [trace])
    try:
        yield Runner(switch, client, responses, mask)
    finally:
        await client.session.close()


def _location(response: aiohttp.ClientResponse, mask: Callable[[str], str]) -> str:
    """Return the target of a redirect without what may be a key, or "" if the rest contains one."""
    if not 300 <= response.status < 400 or "Location" not in response.headers:  # noqa: PLR2004 -- redirects
        return ""
    try:
        target = response.url.with_query(None).join(URL(response.headers["Location"]))
        bare = str(target.with_query(None).with_fragment(None).with_user(None))
    except ValueError:
        return ""
    return bare if mask(bare) == bare else ""


async def certificate_names(switch: SwitchConfiguration) -> tuple[str, ...]:
    """Return the host names of the switch's certificate, or () if it is not trusted or not available.

    Only a TLS handshake is sent, so no key.
    """
    url = URL(switch.url)
    if switch.proxy or url.host is None:
        return ()
    try:
        context = await ThreadLimit("certificates", 1).run(partial(client_context, switch.tls))
    except TlsFileError:  # the file has just changed; the verdict reports it
        return ()
    context.check_hostname = False  # the chain is still verified
    try:
        async with asyncio.timeout(switch.timeout):
            _, writer = await asyncio.open_connection(
                url.host, url.port, ssl=context, server_hostname=switch.tls.server_name or url.host
            )
    except (OSError, ValueError):  # TimeoutError and ssl.SSLError are OSErrors
        return ()
    certificate = writer.get_extra_info("peercert") or {}
    writer.transport.abort()
    names = [value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS"]
    return tuple(name for name in names if "*" not in name)
