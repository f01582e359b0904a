"""A Kubernetes API with Leases only, as several exporters use it: it enforces ``resourceVersion``.

Clients are told apart by their token. Each can be cut off, refused, or slowed down.
"""

import asyncio
import itertools
import queue
import ssl
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

Json = dict[str, Any]


@dataclass
class LeaseServer:
    """A running API. ``leases`` by namespace and name.

    ``delays``: seconds by client, infinite for one that is cut off. ``refused``: the status by client.
    """

    port: int
    leases: dict[tuple[str, str], Json] = field(default_factory=dict)
    delays: dict[str, float] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    conflicts: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    before_write: Callable[[str], None] = lambda _: None
    _versions: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1000))

    @property
    def holder(self) -> str:
        """The holder of the only Lease, "" if it is free or there is none."""
        return next((str(lease["spec"].get("holderIdentity", "")) for lease in self.leases.values()), "")

    def cut_off(self, *clients: str) -> None:
        """Never answer these clients."""
        self.delays |= dict.fromkeys(clients, float("inf"))

    def touch(self, change: Json) -> None:
        """Change the spec of the only Lease, as another client would."""
        (lease,) = self.leases.values()
        lease["spec"] |= change
        lease["metadata"]["resourceVersion"] = str(next(self._versions))

    def kubeconfig(self, file: Path, client: str) -> Path:
        """Write a file for KUBECONFIG, with which a client is known by this name."""
        names = {"name": "test"}
        whole = {
            "current-context": "test",
            "clusters": [{**names, "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
            "users": [{**names, "user": {"token": client}}],
            "contexts": [{**names, "context": {"cluster": "test", "user": "test"}}],
        }
        file.write_text(yaml.safe_dump(whole))
        return file

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request."""
        client = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.requests[client] += 1
        await asyncio.sleep(min(self.delays.get(client, 0.0), 3600.0))
        if status := self.refused.get(client):
            return _status(status)
        namespace, name = request.match_info["namespace"], request.match_info.get("name", "")
        if request.method == "GET":
            found = self.leases.get((namespace, name))
            return web.json_response(found) if found else _status(404)
        body = await request.json()
        self.before_write(client)
        return self._write(client, (namespace, name or body["metadata"]["name"]), body, is_new=not name)

    def _write(self, client: str, key: tuple[str, str], body: Json, *, is_new: bool) -> web.Response:
        for time in ("acquireTime", "renewTime"):  # as the API server does, it accepts microseconds only
            datetime.strptime(body["spec"][time], "%Y-%m-%dT%H:%M:%S.%f%z")
        before = self.leases.get(key)
        version = body["metadata"].get("resourceVersion")
        is_newest = before is not None and version == before["metadata"]["resourceVersion"]
        if is_new is (before is not None) or not (is_new or is_newest):
            self.conflicts[client] += 1
            return _status(409)
        metadata = {**body["metadata"], "name": key[1], "namespace": key[0]}
        metadata["resourceVersion"] = str(next(self._versions))
        self.leases[key] = {**body, "metadata": metadata}
        return web.json_response(self.leases[key], status=201 if is_new else 200)


def _status(code: int) -> web.Response:
    return web.json_response(
        {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code}, status=code
    )


@asynccontextmanager
async def lease_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[LeaseServer]:
    """Serve Leases on a free port while the context is open."""
    server = LeaseServer(0)
    application = web.Application()
    path = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    application.router.add_post(path, server.handle)
    application.router.add_get(f"{path}/{{name}}", server.handle)
    application.router.add_put(f"{path}/{{name}}", server.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


@contextmanager
def lease_server_in_thread() -> Iterator[LeaseServer]:
    """Serve Leases from a thread, for tests without an event loop."""
    started: queue.Queue[LeaseServer] = queue.Queue()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        async with lease_server() as server:
            started.put(server)
            await ended.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield started.get(timeout=60)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
