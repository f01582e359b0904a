"""Connections to an HTTP server: how long they are kept, and what a server may send before a response.

aiohttp reuses connections. This module adds three rules:

- A connection is used for five minutes at most, so that a name that moves to another address is followed even
  if the old server still responds.
- A request whose connection breaks before the response starts is sent once more, always on a new connection.
  aiohttp itself retries on the next kept connection, which is often closed as well: 78 of 631 requests failed
  against a server that closes connections right after its responses (seen 2026-11, aiohttp 3.14).
- A connection that receives data without a request is closed. The data would be taken for the response to the
  next request, and one tenant's value be served as another's. Proxies send such data: a 408 before closing.
"""

import time
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from exporter.net.resolver import Resolver

GREATEST_AGE = 300.0
"""Seconds from opening a connection to the last request on it."""

HEADER_LIMIT = 64 * 1024
"""Bytes of one header."""

HEADERS_LIMIT = 300

_HEAD_LIMIT = 512 * 1024
"""Bytes before the body of a response."""

_INTERIM_LIMIT = 20
"""Interim responses (status 100 to 199) before a response; one is common."""

_AT_A_TIME = 16 * 1024
"""Bytes that are parsed at a time until the body starts. asyncio reads 256 KiB at once, which may be 10,000
interim responses that take 50 ms to parse."""

_SWITCHING_PROTOCOLS = 101


class UnusableAnswer(aiohttp.ClientError):
    """The response is rejected. The text continues "the response"."""


class NoAnswer(aiohttp.ClientConnectionError):
    """The connection broke twice before a response started. ``__cause__`` is the second error."""


class _Protocol(ResponseHandler):
    """One connection, with limits on what it receives before a response and between responses."""

    def __init__(self, opened: float, **aiohttp_arguments: Any) -> None:  # noqa: ANN401 -- aiohttp's own
        super().__init__(**aiohttp_arguments)
        self.opened = opened
        self.requests = 0
        self._is_answered = True
        self._before = 0
        self._interim = 0

    def set_response_params(self, **parameters: Any) -> None:  # noqa: ANN401 -- aiohttp's own
        """Expect a response: a request is about to be sent."""
        self.requests += 1
        self._is_answered = False
        self._before = self._interim = 0
        super().set_response_params(**parameters)

    def data_received(self, data: bytes) -> None:
        """Parse data, in pieces until the response has started."""
        while not self._is_answered and self.exception() is None and len(data) > _AT_A_TIME:
            self._parse(data[:_AT_A_TIME])
            data = data[_AT_A_TIME:]
        if self.exception() is None:
            self._parse(data)

    def feed_data(self, data: Any, size: int = 0) -> None:  # noqa: ANN401 -- aiohttp's message and its body
        """Accept one parsed response."""
        status = data[0].code
        if self._is_answered:
            self._close()  # the server sent it without a request
        elif status < 200 and status != _SWITCHING_PROTOCOLS:  # noqa: PLR2004 -- the interim ones
            self._interim += 1
            if self._interim > _INTERIM_LIMIT:
                self._refuse(f"is preceded by more than {_INTERIM_LIMIT} interim responses (HTTP {status})")
        else:
            self._is_answered = True
            super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """Fail, also for the reader of the body: aiohttp 3.14 leaves it waiting after a bad chunk."""
        super().set_exception(exc, *cause)
        body = self._payload
        if body is not None and not body.is_eof() and body.exception() is None:
            error = UnusableAnswer("is not valid HTTP")
            error.__cause__ = cause[0] if cause else exc
            body.set_exception(error)

    def _parse(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_answered:
            self._before += len(data)
            if self._before > _HEAD_LIMIT:
                self._refuse(f"has a head of more than {_HEAD_LIMIT // 1024} KiB")

    def _refuse(self, why: str) -> None:
        if self.exception() is None:
            self.set_exception(UnusableAnswer(why))
        self._close()

    def _close(self) -> None:
        self.force_close()
        if self.transport is not None:
            self.transport.abort()


class Request(aiohttp.ClientRequest):
    """A request that may require a new connection; the ``request_class`` of a session."""

    needs_new_connection = False


class Connector(aiohttp.TCPConnector):
    """Opens and keeps connections. ``clock`` returns seconds."""

    def __init__(
        self,
        resolver: Resolver,
        *,
        clock: Callable[[], float] = time.monotonic,
        **aiohttp_arguments: Any,  # noqa: ANN401 -- aiohttp's own
    ) -> None:
        super().__init__(resolver=resolver, use_dns_cache=False, **aiohttp_arguments)
        self._clock = clock
        # Not a documented interface of aiohttp (3.14); covered by tests/unit/net/test_connections.py.
        self._factory = self._protocol  # type: ignore[assignment]  # a function is as good as a partial

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 -- aiohttp's own
    ) -> Connection:
        """Return a new or a reusable connection."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            assert isinstance(protocol, _Protocol)  # noqa: S101 -- for the type checker
            is_new = not protocol.requests
            if is_new and protocol.should_close:
                connection.close()
                raise UnusableAnswer("arrived before a request was sent")
            if is_new:
                return connection
            is_young = self._clock() - protocol.opened < GREATEST_AGE
            if is_young and not protocol.should_close and not getattr(req, "needs_new_connection", False):
                return connection
            connection.close()

    def _protocol(self) -> _Protocol:
        return _Protocol(self._clock(), loop=self._loop)


async def retry_on_new_connection(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Retry a request once, on a new connection, if the connection breaks before the response starts.

    A middleware for sessions with ``Request`` as their ``request_class``. Raises NoAnswer if the second
    connection breaks as well.
    """
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise  # no connection at all
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        request.needs_new_connection = True  # type: ignore[attr-defined]  # see `Request`
    try:
        return await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise NoAnswer from error  # aiohttp would retry these two once more
