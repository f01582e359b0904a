"""A switch that responds immediately, with as little CPU time as possible, to measure its clients.

    python -m benchmarks.stub [--round-trip=SECONDS]

Prints its URL and serves until it is stopped. ``/lateness`` has percentiles of how much later than their
interval requests came, ``/in-flight`` the maximum of concurrent requests.
"""

import argparse
import asyncio
import json
import time

RESPONSES = (
    # Part of the URL, body (as real switches send it), default interval per tenant in seconds. The values of
    # a tenant differ from those of the installation, or the switch would seem to ignore `tenant`.
    (
        b"reqtype=COUNTCHANNELS&format=json&tenant",
        b'{"pbx1": 3, "pbx2": 0, "pbx3": 1, "pbx4": 0, "pbx5": 2, "Total": 6}',
        120,
    ),
    (b"reqtype=COUNTCHANNELS", b'{"pbx1": 512, "pbx2": 340, "pbx3": 411, "Total": 1263}', 0),
    (b"reqtype=COUNTPEERS", b"pbx1:812|pbx2:644|pbx3:790|pbx4:0|pbx5:301|Total:2547|", 0),
    (b"reqtype=COUNTCALLS&tenant", b"3\r\n", 120),
    (b"reqtype=COUNTCALLS", b"4711\r\n", 0),
    (b"reqtype=LICENSEDAYS", b"45", 0),
    (b"info=balance", b"123.45", 300),
    (b"info=regstate", b'"Online"', 0),
)


class Journal:
    """The newest time of each tenant request, and its lateness."""

    def __init__(self) -> None:
        self.in_flight = 0
        self.most_in_flight = 0
        self._came: dict[bytes, float] = {}
        self._late: list[float] = []
        self._repeated: set[bytes] = set()

    def record(self, request: bytes, interval: float) -> None:
        """Record a request. The first sweep is faster, so only later ones count."""
        now = time.monotonic()
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        if not interval or b"tenant=" not in request:
            return
        before = self._came.get(request)
        self._came[request] = now
        if before is None:
            return
        if request in self._repeated:
            self._late.append(now - before - interval)
        self._repeated.add(request)

    def lateness(self) -> dict[str, float]:
        """Return percentiles of the lateness in seconds, or nothing before the third sweep."""
        late = sorted(self._late)
        return {f"p{part}": late[len(late) * part // 100] for part in (50, 99)} if late else {}


class Switch(asyncio.Protocol):
    """One connection. On loopback each request comes in one piece."""

    def __init__(self, journal: Journal, round_trip: float) -> None:
        self._journal = journal
        self._round_trip = round_trip

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- for the type checker
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Respond to a request."""
        line = data[: data.index(b"\r\n")]
        if b"/lateness" in line:
            self._write(json.dumps(self._journal.lateness()).encode())
            return
        if b"/in-flight" in line:
            self._write(b'{"most": %d}' % self._journal.most_in_flight)
            return
        body, interval = next(((body, every) for sign, body, every in RESPONSES if sign in line), (b"", 0))
        self._journal.record(line, interval)
        if self._round_trip:
            asyncio.get_running_loop().call_later(self._round_trip, self._respond, body)
        else:
            self._respond(body)

    def _respond(self, body: bytes) -> None:
        self._journal.in_flight -= 1
        self._write(body)

    def _write(self, body: bytes) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def _serve(round_trip: float) -> None:
    journal = Journal()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Switch(journal, round_trip), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--round-trip", type=float, default=0.0)
    asyncio.run(_serve(parser.parse_args().round_trip))
