"""A Kubernetes API that only stores objects, as Helm needs it: no controller acts on them.

It enforces what a chart could violate: names, selectors that cannot change, and the size of a ConfigMap. Only
pods run, as ``run`` says. Helm's own Secrets are refused, because Helm sends them in the format of Protocol
Buffers: let it keep releases in memory.
"""

import asyncio
import contextlib
import itertools
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import yaml
from aiohttp import web

Json = dict[str, Any]
Key = tuple[str, str, str]
"""Plural, namespace and name of an object."""

_LARGEST = 1024 * 1024

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")

_PLURALS = {
    "v1": {
        "configmaps": "ConfigMap",
        "persistentvolumeclaims": "PersistentVolumeClaim",
        "pods": "Pod",
        "secrets": "Secret",
        "serviceaccounts": "ServiceAccount",
        "services": "Service",
    },
    "apps/v1": {"deployments": "Deployment"},
    "monitoring.coreos.com/v1": {"prometheusrules": "PrometheusRule", "servicemonitors": "ServiceMonitor"},
    "networking.k8s.io/v1": {"ingresses": "Ingress", "networkpolicies": "NetworkPolicy"},
    "policy/v1": {"poddisruptionbudgets": "PodDisruptionBudget"},
    "rbac.authorization.k8s.io/v1": {"rolebindings": "RoleBinding", "roles": "Role"},
}


@dataclass
class Cluster:
    """The objects of a running API."""

    port: int = 0
    objects: dict[Key, Json] = field(default_factory=dict)
    run: Callable[[Json], bool] = lambda _: True
    """Runs a pod; returns whether it succeeds."""
    release_bytes: int = 0
    """The size of the Secret that was refused."""
    _versions: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    @property
    def kubeconfig(self) -> str:
        """The text of a file for KUBECONFIG."""
        return yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [{"name": "test", "cluster": {"server": f"http://127.0.0.1:{self.port}"}}],
                "users": [{"name": "test", "user": {"token": "token"}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
            }
        )

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request about objects."""
        plural, namespace, name = (
            request.match_info.get(part, "") for part in ("plural", "namespace", "name")
        )
        if request.content_type == "application/vnd.kubernetes.protobuf":
            self.release_bytes = len(await request.read())
            return _failure(415, "UnsupportedMediaType", "expected JSON")
        if request.method == "POST":
            body = await request.json()
            return await self._store((plural, namespace, body["metadata"]["name"]), body, status=201)
        if request.method == "PATCH":
            return await self._store(
                (plural, namespace, name), yaml.safe_load(await request.text()), status=200
            )
        if not name:
            return await self._list(plural, namespace, request)
        if (plural, namespace, name) not in self.objects:
            return _failure(404, "NotFound", f"{plural} {name!r} not found")
        if request.method == "DELETE":
            return web.json_response(self.objects.pop((plural, namespace, name)))
        return web.json_response(self.objects[plural, namespace, name])

    async def _list(self, plural: str, namespace: str, request: web.Request) -> web.StreamResponse:
        if "sendInitialEvents" in request.query:  # the client then lists
            return _failure(422, "Invalid", "sendInitialEvents is not supported")
        if "watch" in request.query:
            response = web.StreamResponse(headers={"Content-Type": "application/json"})
            with contextlib.suppress(ConnectionError):  # the client has what it needs from the list
                await response.prepare(request)
                await asyncio.sleep(60)
            return response
        items = [each for key, each in self.objects.items() if key[:2] == (plural, namespace)]
        return web.json_response({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items})

    async def _store(self, key: Key, body: Json, status: int) -> web.Response:
        if problem := _problem(self.objects.get(key), body):
            return _failure(422, "Invalid", problem)
        metadata = {"uid": str(uuid4()), "creationTimestamp": "2026-12-01T00:00:00Z", "namespace": key[1]}
        body["metadata"] = metadata | body["metadata"] | {"resourceVersion": str(next(self._versions))}
        if body["kind"] == "Pod":
            succeeds = await asyncio.to_thread(self.run, body)
            body["status"] = {"phase": "Succeeded" if succeeds else "Failed"}
        self.objects[key] = body
        return web.json_response(body, status=status)


def _problem(before: Json | None, body: Json) -> str:
    if not _NAME.fullmatch(body["metadata"]["name"]):
        return f"metadata.name: invalid value {body['metadata']['name']!r}"
    if before and before.get("spec", {}).get("selector") != body.get("spec", {}).get("selector"):
        return "spec.selector: field is immutable"
    if len(json.dumps(body.get("data", {}))) > _LARGEST:
        return "data: must have at most 1048576 bytes"
    return ""


def _failure(code: int, reason: str, message: str) -> web.Response:
    status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return web.json_response({**status, "message": message}, status=code)


async def _core(_: web.Request) -> web.Response:
    return web.json_response({"kind": "APIVersions", "versions": ["v1"]})


async def _version(_: web.Request) -> web.Response:
    return web.json_response({"major": "1", "minor": "33", "gitVersion": "v1.33.0"})


async def _groups(_request: web.Request) -> web.Response:
    groups = []
    for name in _PLURALS:
        group, _, version = name.rpartition("/")
        described = {"groupVersion": name, "version": version}
        if group:
            groups.append({"name": group, "versions": [described], "preferredVersion": described})
    return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})


def _resources(version: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    verbs = ["create", "delete", "get", "list", "patch", "update"]
    found = [
        {"name": plural, "singularName": kind.lower(), "kind": kind, "namespaced": True, "verbs": verbs}
        for plural, kind in _PLURALS[version].items()
    ]

    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"kind": "APIResourceList", "groupVersion": version, "resources": found})

    return answer


def _paths(version: str) -> str:
    return f"apis/{version}" if "/" in version else f"api/{version}"


async def _openapi(_: web.Request) -> web.Response:
    paths = {_paths(version): {"serverRelativeURL": f"/openapi/v3/{_paths(version)}"} for version in _PLURALS}
    return web.json_response({"paths": paths})


def _schema(version: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Return a handler that says that the API validates fields itself: Helm then does not."""
    group, _, short = version.rpartition("/")
    parameter = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
    paths = {
        f"/{_paths(version)}/namespaces/{{namespace}}/{plural}/{{name}}": {
            "patch": {
                "parameters": [parameter],
                "responses": {},
                "x-kubernetes-group-version-kind": {"group": group, "version": short, "kind": kind},
            }
        }
        for plural, kind in _PLURALS[version].items()
    }
    document = {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.33.0"}, "paths": paths}

    async def answer(_: web.Request) -> web.Response:
        return web.json_response(document)

    return answer


@contextlib.asynccontextmanager
async def cluster() -> AsyncIterator[Cluster]:
    """Serve the API on a free port while the context is open."""
    found = Cluster()
    application = web.Application()
    application.router.add_get("/version", _version)
    application.router.add_get("/api", _core)
    application.router.add_get("/apis", _groups)
    application.router.add_get("/openapi/v3", _openapi)
    for version in _PLURALS:
        root = f"/{_paths(version)}"
        application.router.add_get(f"/openapi/v3{root}", _schema(version))
        application.router.add_get(root, _resources(version))
        objects = f"{root}/namespaces/{{namespace}}/{{plural}}"
        application.router.add_route("*", objects, found.handle)
        application.router.add_route("*", f"{objects}/{{name}}", found.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.port = runner.addresses[0][1]
    try:
        yield found
    finally:
        await runner.cleanup()
