"""One message to one Alertmanager over HTTP, bounded in time; a failure is a value and not an exception."""

import asyncio
import json
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

import aiohttp
from structlog.typing import FilteringBoundLogger
from yarl import URL

from exporter import __version__
from exporter.alerting.engine import INTERVAL, Alert, Now, State
from exporter.config import AlertmanagerConfiguration
from exporter.errors import TlsFileError
from exporter.masking import Mask
from exporter.net import connections
from exporter.net.connections import Connector, NoAnswer, UnusableAnswer, retry_on_new_connection
from exporter.net.errors import connection_detail, is_encrypted, proxy_failure, status_failure, through
from exporter.net.resolver import Resolver
from exporter.net.tls import ClientTls

TIMEOUT = 10.0
"""Seconds for one message."""

_TOLD = 300
"""Bytes of an answer that are told."""


class Verdict(Enum):
    """What became of a message."""

    ACCEPTED = auto()
    REFUSED = auto()  # at least one alert in it; Alertmanager has stored the others (seen, 0.25)
    FAILED = auto()  # it was not reached, or is not well


_VERDICTS: dict[int, Verdict] = {
    HTTPStatus.BAD_REQUEST: Verdict.REFUSED,
    HTTPStatus.UNPROCESSABLE_ENTITY: Verdict.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a message, and why; ``ahead``: seconds by which the clock over there is ahead."""

    verdict: Verdict
    detail: str = ""
    ahead: float | None = None


class Alertmanager:
    """Sends messages to one Alertmanager. ``url`` names it, and never holds a credential."""

    def __init__(
        self,
        configuration: AlertmanagerConfiguration,
        mask: Mask,
        wall: Callable[[], float],
        resolver: Resolver | None = None,
    ) -> None:
        """Open a session. With a ``resolver`` that outlives it, addresses that are known stay known."""
        self.url = configuration.url
        self._configuration = configuration
        self._mask = mask
        self._wall = wall
        self._endpoint = URL(f"{configuration.url.rstrip('/')}/api/v2/alerts")
        self._proxy = configuration.proxy
        for secret in self._proxy.secrets if self._proxy else ():
            mask.add(secret)
        tls = ClientTls(configuration.tls, f"Alertmanager {self.url}")
        self._tls = tls if is_encrypted(self.url, self._proxy) else None
        self._session = aiohttp.ClientSession(
            connector=Connector(resolver or Resolver(), limit=1),
            # A message may arrive twice: Alertmanager merges alerts with the same labels.
            request_class=connections.Request,
            middlewares=(retry_on_new_connection,),
            timeout=aiohttp.ClientTimeout(total=None),  # it stands in `post`, once
            # Of an answer only a few words are shown: it need not be compressed.
            auto_decompress=False,
            headers={
                "User-Agent": f"softswitch-exporter/{__version__}",
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def load(self) -> None:
        """Read the TLS files, which the first message does otherwise. Raises TlsFileError."""
        if self._tls:
            await self._tls.load()

    async def post(self, alerts: Sequence[dict[str, Any]]) -> Answer:
        """Send alerts, and return what became of them within ``TIMEOUT``."""
        try:
            async with asyncio.timeout(TIMEOUT):
                return await self._post(json.dumps(alerts).encode())
        except TlsFileError as error:
            return Answer(Verdict.FAILED, str(error))
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            return Answer(Verdict.FAILED, self._mask(proxy_failure(error, self._proxy) or _detail(error)))

    async def close(self) -> None:
        """Close the connection."""
        await self._session.close()

    async def _post(self, body: bytes) -> Answer:
        async with self._session.post(
            self._endpoint,
            data=body,
            allow_redirects=False,
            ssl=await self._tls.context() if self._tls else True,
            server_hostname=self._configuration.tls.server_name,
            **_with_headers(through(self._proxy, self._endpoint.scheme), self._credentials()),
        ) as response:
            if detail := status_failure(response.status, self._proxy):
                return Answer(Verdict.FAILED, detail)
            text = " ".join((await response.content.read(_TOLD)).decode(errors="replace").split())
            detail = f"HTTP {response.status}: {text}" if text else f"HTTP {response.status}"
            is_good = HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES
            verdict = Verdict.ACCEPTED if is_good else _VERDICTS.get(response.status, Verdict.FAILED)
            return Answer(verdict, self._mask(detail), self._ahead(response.headers.get("Date", "")))

    def _credentials(self) -> dict[str, str]:
        basic, bearer = self._configuration.basic_auth, self._configuration.bearer_token
        if basic is not None:
            password = basic.password.current()
            value = b64encode(f"{basic.username}:{password}".encode()).decode()
            self._mask.add(password)
            self._mask.add(value)
            return {"Authorization": f"Basic {value}"}
        if bearer is not None:
            token = bearer.current()
            self._mask.add(token)
            return {"Authorization": f"Bearer {token}"}
        return {}

    def _ahead(self, date: str) -> float | None:
        """Return by how much the clock that wrote this date is ahead of ours, to a second."""
        try:
            written = parsedate_to_datetime(date)
        except (ValueError, OverflowError):  # the latter of a year with twenty digits
            return None
        # "-0000" is UTC of which nothing is known about the place: Python leaves the time zone out then.
        return (written if written.tzinfo else written.replace(tzinfo=UTC)).timestamp() - self._wall()


def _with_headers(arguments: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
    return {**arguments, "headers": {**arguments.get("headers", {}), **headers}}


def _detail(error: Exception) -> str:
    """Say in words why a message failed: the texts of exceptions repeat addresses as Python writes them."""
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT:g} s"
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words
    return _tls_or_connection(error)


_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ServerDisconnectedError, "the connection was closed before an answer came"),
    (aiohttp.ClientPayloadError, "the connection was closed before the answer was complete"),
    (aiohttp.ClientResponseError, "what answers does not speak HTTP; check `url`"),
    (UnusableAnswer, "what answers does not speak HTTP; check `url`"),
    (NoAnswer, "the connection was closed before an answer came"),
)


def _tls_or_connection(error: Exception) -> str:
    # In TLS 1.3 a server refuses the client's certificate after the handshake, when the answer is read.
    if isinstance(error.__cause__, ssl.SSLError) and not isinstance(error, aiohttp.ClientSSLError):
        error = error.__cause__
    cause = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate was not accepted: {cause.verify_message}"
    inner = getattr(cause, "os_error", cause)
    if isinstance(inner, ssl.SSLError):
        return f"TLS failed: {inner.reason or type(inner).__name__}"
    return connection_detail(cause, "Alertmanager")


VALID_FOR = 4 * INTERVAL
"""Seconds for which Alertmanager believes that an alert fires unless it is told again: as with Prometheus."""

_EARLIEST = datetime(1, 1, 2, tzinfo=UTC).timestamp()
_LATEST = datetime(9999, 12, 30, tzinfo=UTC).timestamp()


def message(
    alert: Alert, labels: Mapping[str, str], now: Now, valid_for: float = VALID_FOR
) -> dict[str, Any]:
    """Return an alert that fires or ended, with the configured labels where it has none of that name.

    ``valid_for``: seconds after which Alertmanager may assume that an alert that fires has ended.

    Times follow from how long ago it was, not from what the clock showed then: after a step of the clock
    Alertmanager would take an alert that begins in its future, or ended in its past, for none.
    """
    fired_at = alert.since if alert.fired_at is None else alert.fired_at
    ended = alert.state is State.RESOLVED
    ends = now.wall_of(alert.since) if ended else now.wall + valid_for
    return {
        "labels": {name: text for name, text in {**labels, **alert.labels}.items() if text},
        "annotations": dict(alert.annotations),
        "startsAt": timestamp(min(now.wall_of(fired_at), ends)),
        "endsAt": timestamp(ends),
    }


def timestamp(seconds: float) -> str:
    """Return seconds since 1970 as RFC 3339, which knows the years 1 to 9999."""
    seconds = min(max(seconds, _EARLIEST), _LATEST)
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


NOTICEABLE = 30.0
"""Seconds by which two clocks may differ before it is logged."""

_LONGEST_ALLOWANCE = 7 * 86_400.0
"""Seconds. Where our clock is further behind, the operator has to act: alerts have ended when they arrive."""


class Skew:
    """The clock skew of one Alertmanager, in seconds; 0 until it is known."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._ahead = 0.0
        self._is_logged = False

    @property
    def allowance(self) -> float:
        """Seconds by which alerts that fire should expire later."""
        return min(max(0.0, self._ahead), _LONGEST_ALLOWANCE) if self._is_noticeable else 0.0

    def note(self, ahead: float) -> None:
        """Note what an answer said."""
        self._ahead = ahead

    def log(self) -> None:
        """Log when a skew begins, and when it has ended. Call it once a minute: answers may differ."""
        if self._is_noticeable and not self._is_logged:
            self._log.warning(
                "clock skew between Alertmanager, or a proxy before it, and this machine",
                seconds_ahead_of_ours=round(self._ahead),
            )
        elif self._is_logged and not self._is_noticeable:
            self._log.info("no clock skew any more")
        self._is_logged = self._is_noticeable

    @property
    def _is_noticeable(self) -> bool:
        return abs(self._ahead) > NOTICEABLE
