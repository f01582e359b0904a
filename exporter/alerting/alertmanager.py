"""Sends a message to one Alertmanager over HTTP, with a timeout; a failure is a value, not an exception."""

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
from exporter.alerting.rule import NO_LINKS, Links
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

_SHOWN = 300
"""Bytes of a response that are shown."""


class Verdict(Enum):
    """The outcome of a message."""

    ACCEPTED = auto()
    REFUSED = auto()  # at least one alert is invalid; Alertmanager has stored the others (seen, 0.25)
    FAILED = auto()  # Alertmanager was not reached, or has an error


_VERDICTS: dict[int, Verdict] = {
    HTTPStatus.BAD_REQUEST: Verdict.REFUSED,
    HTTPStatus.UNPROCESSABLE_ENTITY: Verdict.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The outcome of a message, and its reason.

    ``ahead``: seconds by which Alertmanager's clock is ahead of ours, None if unknown.
    """

    verdict: Verdict
    detail: str = ""
    ahead: float | None = None


class Alertmanager:
    """Sends messages to one Alertmanager. ``url`` never has a credential."""

    def __init__(
        self,
        configuration: AlertmanagerConfiguration,
        mask: Mask,
        wall: Callable[[], float],
        resolver: Resolver | None = None,
    ) -> None:
        """Open a session. ``resolver`` may outlive it, so that a reload keeps the known addresses."""
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
            # A retried message may arrive twice, which is harmless: Alertmanager merges equal alerts.
            request_class=connections.Request,
            middlewares=(retry_on_new_connection,),
            timeout=aiohttp.ClientTimeout(total=None),  # `post` has one
            # Only a few words of a response are shown.
            auto_decompress=False,
            headers={
                "User-Agent": f"softswitch-exporter/{__version__}",
                "Content-Type": "application/json",
                "Accept-Encoding": "identity",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def load(self) -> None:
        """Read the TLS files before the first message does. Raises TlsFileError."""
        if self._tls:
            await self._tls.load()

    async def post(self, alerts: Sequence[dict[str, Any]]) -> Answer:
        """Send alerts, and return the outcome within ``TIMEOUT``."""
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
            text = " ".join((await response.content.read(_SHOWN)).decode(errors="replace").split())
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
        """Return the seconds by which the clock of a ``Date`` is ahead of ours, None if it is invalid."""
        try:
            written = parsedate_to_datetime(date)
        except (ValueError, OverflowError):  # a year with twenty digits
            return None
        # Python returns no time zone for "-0000", which means UTC.
        return (written if written.tzinfo else written.replace(tzinfo=UTC)).timestamp() - self._wall()


def _with_headers(arguments: Mapping[str, Any], headers: Mapping[str, str]) -> Mapping[str, Any]:
    return {**arguments, "headers": {**arguments.get("headers", {}), **headers}}


def _detail(error: Exception) -> str:
    """Return the reason of a failure in words: the texts of exceptions have addresses in Python syntax."""
    if isinstance(error, TimeoutError):
        return f"no response within {TIMEOUT:g} s"
    for kind, words in _WORDS:
        if isinstance(error, kind):
            return words
    return _tls_or_connection(error)


_WORDS: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ServerDisconnectedError, "the connection was closed before a response arrived"),
    (aiohttp.ClientPayloadError, "the connection was closed before the response was complete"),
    (aiohttp.ClientResponseError, "the server does not speak HTTP; check `url`"),
    (UnusableAnswer, "the server does not speak HTTP; check `url`"),
    (NoAnswer, "the connection was closed before a response arrived"),
)


def _tls_or_connection(error: Exception) -> str:
    # In TLS 1.3 a server rejects the client's certificate after the handshake, when the response is read.
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
"""Seconds after which Alertmanager resolves an alert that is not sent again, as with Prometheus."""

_EARLIEST = datetime(1, 1, 2, tzinfo=UTC).timestamp()
_LATEST = datetime(9999, 12, 30, tzinfo=UTC).timestamp()


def message(
    alert: Alert,
    labels: Mapping[str, str],
    now: Now,
    valid_for: float = VALID_FOR,
    links: Links = NO_LINKS,
) -> dict[str, Any]:
    """Return the JSON of a firing or resolved alert. Its own labels override the configured ``labels``.

    ``valid_for``: seconds after which Alertmanager resolves a firing alert that is not sent again.

    Times are computed from ages, not from old readings of the clock: after a step of the clock, these may be
    in the future or too far in the past, and Alertmanager would ignore the alert.
    """
    fired_at = alert.since if alert.fired_at is None else alert.fired_at
    ended = alert.state is State.RESOLVED
    ends = now.wall_of(alert.since) if ended else now.wall + valid_for
    own = alert.labels
    page = links.page(own)
    return {
        "labels": {name: text for name, text in {**labels, **own}.items() if text},
        "annotations": links.annotations(alert.identity[0].name, alert.annotations),
        "startsAt": timestamp(min(now.wall_of(fired_at), ends)),
        "endsAt": timestamp(ends),
        **({"generatorURL": page} if page else {}),
    }


def timestamp(seconds: float) -> str:
    """Return seconds since 1970 as RFC 3339, within the years 1 to 9999."""
    seconds = min(max(seconds, _EARLIEST), _LATEST)
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


NOTICEABLE = 30.0
"""Seconds. A larger clock skew is logged."""

_LONGEST_ALLOWANCE = 7 * 86_400.0
"""Seconds. With more skew, alerts have expired when they arrive: the operator has to set a clock."""


class Skew:
    """The clock skew of one Alertmanager; 0 until it is known."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._ahead = 0.0
        self._is_logged = False

    @property
    def allowance(self) -> float:
        """Seconds to add to the expiry of firing alerts."""
        return min(max(0.0, self._ahead), _LONGEST_ALLOWANCE) if self._is_noticeable else 0.0

    def update(self, ahead: float) -> None:
        """Set the skew that the newest response shows."""
        self._ahead = ahead

    def log(self) -> None:
        """Log when a skew begins or ends. Call this once a minute only, because responses may differ."""
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
