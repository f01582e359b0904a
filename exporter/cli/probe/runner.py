"""Asks one switch, one request after the other, and prints what comes of each."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial

import aiohttp
from yarl import URL

from exporter.cli.probe.advice import advice
from exporter.cli.probe.questions import Advice, Finding, Question
from exporter.cli.probe.render import about_answer, about_request, advice_lines
from exporter.client import Client, open_client
from exporter.config import SwitchConfiguration
from exporter.errors import TlsFileError
from exporter.masking import Mask
from exporter.model import TRANSPORT_REASONS, Failure, Reason
from exporter.net.tls import client_context
from exporter.poll.fetch import read_answer
from exporter.queries import QUERIES
from exporter.threads import ThreadLimit

_DEAD = 2
_REFUSED = 3
"""Failures in a row, with nothing else before them, after which the rest is not asked."""


class Runner:
    """Asks within the rate limit of the switch. ``findings`` and ``given`` grow with each request."""

    def __init__(
        self, switch: SwitchConfiguration, client: Client, responses: list[aiohttp.ClientResponse], mask: Mask
    ) -> None:
        self.switch = switch
        self.findings: list[Finding] = []
        self.given: list[tuple[Finding | None, Advice]] = []
        self.not_asked: list[str] = []
        self._client = client
        self._responses = responses
        self._mask = mask
        self._next = time.monotonic()

    async def ask(self, question: Question) -> Finding | None:
        """Ask one thing and print all about it; None where it is not asked, since that would be in vain."""
        key = self._key(question.request.tenant)
        if key is None or self._is_pointless(question.request.tenant):
            self.not_asked.append(f"{question.query} ({question.request.tenant or 'whole installation'})")
            return None
        self._mask.add(key)
        self.write(about_request(self._client.url, question))
        await asyncio.sleep(max(0.0, self._next - time.monotonic()))
        finding = await self._finding(question, key)
        self.write(about_answer(finding, self.switch, self._mask))
        for given in advice(finding, self.switch, self.findings):
            self.write(advice_lines(given))
            self.given.append((finding, given))
        self.write([""])
        self.findings.append(finding)
        return finding

    def write(self, lines: Iterable[str]) -> None:
        """Print lines, without any key."""
        for line in lines:
            print(self._mask(line), flush=True)

    def _key(self, tenant: str) -> str | None:
        holder = self.switch.settings(tenant).key if tenant else self.switch.key
        return holder.current() if holder else None

    def _is_pointless(self, tenant: str) -> bool:
        """Tell whether nothing but the same is to be expected: be sparing, keys can be locked out."""
        reasons = [_reason(finding) for finding in self.findings]
        if len(reasons) >= _DEAD and all(reason in TRANSPORT_REASONS for reason in reasons):
            return True
        key = self._key(tenant)
        with_this_key = [_reason(each) for each in self.findings if self._key(each.request.tenant) == key]
        return len(with_this_key) >= _REFUSED and all(reason is Reason.AUTH for reason in with_this_key)

    async def _finding(self, question: Question, key: str) -> Finding:
        started = time.monotonic()
        self._next = started + 1 / self.switch.max_requests_per_second
        self._responses.clear()
        spec = QUERIES[question.query]
        endpoint = spec.of(question.request)
        async with self._client.ask(question.request, key, max_bytes=endpoint.max_bytes) as body:
            seconds = time.monotonic() - started
            if not isinstance(body, Failure):
                verdict = read_answer(endpoint, self.switch.queries.options(spec), body, self._mask)
                return Finding(*question, seconds, verdict, body, status=200)
        response = self._responses[0] if self._responses else None
        names = await certificate_names(self.switch) if body.reason is Reason.TLS else ()
        return Finding(
            *question,
            seconds,
            body,
            status=response.status if response else None,
            location=_location(response, self._mask) if response else "",
            certificate_names=names,
        )


def _reason(finding: Finding) -> Reason | None:
    return finding.verdict.reason if isinstance(finding.verdict, Failure) else None


@contextlib.asynccontextmanager
async def open_runner(switch: SwitchConfiguration, mask: Mask) -> AsyncIterator[Runner]:
    """Yield a runner for one switch; its connections are closed at the end."""
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
    """Return where a redirect leads, without all that may be a key; "" where that leaves nothing of use."""
    try:
        target = response.url.with_query(None).join(URL(response.headers.get("Location", "")))
        bare = str(target.with_query(None).with_fragment(None).with_user(None))
    except ValueError:
        return ""
    is_redirect = 300 <= response.status < 400 and "Location" in response.headers  # noqa: PLR2004
    return bare if is_redirect and mask(bare) == bare else ""


async def certificate_names(switch: SwitchConfiguration) -> tuple[str, ...]:
    """Return the host names of the switch's certificate where it is trusted; () where not, or not to be had.

    Nothing is sent but the start of TLS, so no key.
    """
    url = URL(switch.url)
    if switch.proxy or url.host is None:
        return ()
    try:
        context = await ThreadLimit("certificates", 1).run(partial(client_context, switch.tls))
    except TlsFileError:  # a file has just changed, and the verdict says so
        return ()
    context.check_hostname = False  # the chain is checked all the same
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
