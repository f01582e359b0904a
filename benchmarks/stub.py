"""A switch that answers at once, in as little time as Python can: what is measured is who asks.

python -m benchmarks.stub          prints the URL it answers at, until it is ended
"""

import asyncio

ANSWERS = (
    # what a request has in its URL, and what it is answered: bodies as real switches send them
    (b"reqtype=COUNTCHANNELS", b'{"pbx1": 3, "pbx2": 0, "pbx3": 1, "pbx4": 0, "pbx5": 2, "Total": 6}'),
    (b"reqtype=COUNTPEERS", b"pbx1:812|pbx2:644|pbx3:790|pbx4:0|pbx5:301|Total:2547|"),
    (b"reqtype=COUNTCALLS", b"3\r\n"),
    (b"reqtype=LICENSEDAYS", b"45"),
    (b"info=balance", b"123.45"),
    (b"info=regstate", b'"Online"'),
)


class Switch(asyncio.Protocol):
    """One connection. Requests come one after the other, each whole: there is nothing else on loopback."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- for the type checker
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer a request."""
        body = next((answer for sign, answer in ANSWERS if sign in data), b"")
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Switch, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve())
