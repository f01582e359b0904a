import asyncio
import socket

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

from exporter.web.limits import bounded


def _application(scrape: Handler) -> web.Application:
    application = web.Application()
    application.router.add_get("/metrics", scrape)
    return application


async def test_so_many_at_a_time_and_the_next_is_told() -> None:
    """503 with a sentence for those beyond, and as soon as one has ended the next is answered."""
    go_on = asyncio.Event()
    begun = asyncio.Semaphore(0)

    async def slow(_: web.Request) -> web.Response:
        begun.release()
        await go_on.wait()
        return web.Response(text="a page")

    async with TestClient(TestServer(_application(bounded(slow, most=2)))) as client:
        first = [asyncio.create_task(client.get("/metrics")) for _ in range(2)]
        for _ in first:
            await begun.acquire()
        beyond = await client.get("/metrics")
        assert (beyond.status, beyond.headers["Retry-After"]) == (503, "1")
        assert (
            await beyond.text() == "2 such requests are being answered, and no more at a time; try again.\n"
        )
        go_on.set()
        assert [(await task).status for task in first] == [200, 200]
        assert (await client.get("/metrics")).status == 200


def _end(connection: socket.socket) -> bytes:
    """Read until the connection ends, and return the end of what came."""
    end = b""
    while part := connection.recv(2**20):
        end = (end + part)[-5:]
    return end


async def test_who_does_not_read_is_cut_off(caplog: pytest.LogCaptureFixture) -> None:
    """The connection ends without having been read, the place is free again, and nothing is logged of it."""
    begun = asyncio.Event()

    async def scrape(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while not begun.is_set() or request.query:
            begun.set()
            await response.write(b"x" * 2**20)
        return response

    server = TestServer(_application(bounded(scrape, most=1, seconds=0.3)))
    async with TestClient(server) as client, asyncio.timeout(20):
        with socket.create_connection(("127.0.0.1", client.port or 0), 10) as connection:
            connection.sendall(b"GET /metrics?endless=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            await begun.wait()
            assert await _status(client) == 503
            while await _status(client) != 200:  # noqa: ASYNC110 -- a page tells nobody
                await asyncio.sleep(0.05)
            assert server.runner
            assert server.runner.server
            while server.runner.server.connections:  # noqa: ASYNC110 -- likewise
                await asyncio.sleep(0.05)
            assert await asyncio.to_thread(_end, connection) != b"0\r\n\r\n", "it looks complete"
    assert not caplog.records


async def _status(client: TestClient[web.Request, web.Application]) -> int:
    async with client.get("/metrics", headers={"Connection": "close"}) as answer:
        return answer.status


async def test_a_scrape_that_fails_frees_its_place() -> None:
    """However it ends."""

    async def broken(_: web.Request) -> web.Response:
        raise web.HTTPInternalServerError

    async with TestClient(TestServer(_application(bounded(broken, most=1)))) as client:
        assert [(await client.get("/metrics")).status for _ in range(3)] == [500] * 3
