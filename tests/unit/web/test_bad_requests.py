import asyncio

import pytest
from prometheus_client import CollectorRegistry

from exporter.clock import Clock
from exporter.metrics.exposition import Exposition
from exporter.web import Sources, serve


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /metrics HTTP/1.1\r\nAuthorization: Basic S3CRET\x00S3CRET\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nAuthorization: " + b"S3CRET" * 4000 + b"\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nAuthorization S3CRET\r\n\r\n",
        b"GET /S3CRET\x01 HTTP/1.1\r\n\r\n",
        b"S3CRET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03S3CRET\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_refused_and_not_logged(
    request_line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """400, and nothing of it in the log: a password may stand in it, and anyone can send many."""
    sources = Sources(Exposition(list, CollectorRegistry(), lambda: None), list, lambda: True, Clock())
    server = await serve(sources, [("127.0.0.1", 0)], "/metrics")
    reader, writer = await asyncio.open_connection(*server.addresses[0])
    writer.write(b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"healthy.\n")  # of a first request aiohttp would log less
    writer.write(request_line)
    answer = await reader.read()
    writer.close()
    await server.close()

    assert answer.split()[1] == b"400"
    assert "S3CRET" not in caplog.text
    assert not [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]
