"""The Lease in Kubernetes. No other module imports ``kubernetes_asyncio``.

The import takes 58 MB and several seconds (2026-12), so it happens on first use, in a thread. A part of the
package cannot be imported alone: its ``__init__`` imports all of it.

Its own ``leaderelection`` is not used (36.1): it measures time with the wall clock, has no time limits, does
not free the Lease, and ends when the API server cannot be reached.
"""

import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import Any

import aiohttp

from exporter.config import LeaseConfiguration
from exporter.election import Lease, LeaseError, LeaseProblem
from exporter.errors import StartError
from exporter.storage.values import showable
from exporter.threads import ThreadLimit

_INSTALL = "pip install 'softswitch-exporter[kubernetes]'"

_LONGEST_DURATION = 3600.0
"""Seconds. A longer duration in the Lease is ignored; the configured one is used instead."""

_LONGEST_NAME = 253
"""Characters of the name of a holder. The rest is cut off."""

_MOST_TRANSITIONS = 2**31 - 1
"""The API server rejects a larger number."""

_UNAUTHORIZED, _FORBIDDEN, _MISSING, _CONFLICT = 401, 403, 404, 409


def host() -> str:
    """Return the name of the pod, or of the machine."""
    return os.environ.get("POD_NAME") or socket.gethostname()


def identity() -> str:
    """Return the name of this process in the Lease: that of its pod, and something unique."""
    return f"{host()[: _LONGEST_NAME // 2]}_{secrets.token_hex(4)}"


async def connect(lease: LeaseConfiguration) -> "KubernetesLease":
    """Prepare access to a Lease, without a request. Raises StartError if the client cannot be used."""
    try:
        client, config = await ThreadLimit("kubernetes", 1).run(_modules)
    except ImportError as error:
        raise StartError(
            f"high_availability.lease: the package for Kubernetes is missing ({error}); {_INSTALL}"
        ) from error
    open_api = partial(_open, client, config)
    return KubernetesLease(lease, open_api, await open_api(), client.ApiException)


def _modules() -> tuple[Any, Any]:
    return import_module("kubernetes_asyncio.client"), import_module("kubernetes_asyncio.config")


async def _open(client: Any, config: Any) -> Any:  # noqa: ANN401 -- modules without types
    """Return a CoordinationV1Api with the credentials of the pod or of KUBECONFIG. Raises StartError."""
    settings = client.Configuration()
    # As in `net.tls`, an authority needs no key identifiers, which Python requires since 3.13 (seen 2026-12).
    settings.disable_strict_ssl_verification = True
    is_inside = "KUBERNETES_SERVICE_HOST" in os.environ and not os.environ.get("KUBECONFIG")
    try:
        if is_inside:
            config.load_incluster_config(client_configuration=settings)
        else:
            file = os.environ.get("KUBECONFIG") or "~/.kube/config"
            await config.load_kube_config(file, client_configuration=settings, persist_config=False)
        return client.CoordinationV1Api(client.ApiClient(settings))
    except Exception as error:  # noqa: BLE001 -- of any kind: YAML, certificates; it may quote the file
        reason = "check the file of KUBECONFIG, or ~/.kube/config, with kubectl get leases"
        if is_inside:  # otherwise, the error may contain a token of the file
            reason = f"{error}; check the service account of the pod"
        raise StartError(f"high_availability.lease: no access to Kubernetes: {reason}") from None


class KubernetesLease:
    """Reads and writes one Lease.

    ``api`` is a CoordinationV1Api; ``open_api`` returns another one, with credentials that were loaded again.
    ``refused`` is what they raise.
    """

    def __init__(
        self,
        lease: LeaseConfiguration,
        open_api: Callable[[], Awaitable[Any]],
        api: Any,  # noqa: ANN401 -- has no types
        refused: type[Exception],
    ) -> None:
        self.name = f"{lease.namespace}/{lease.name}"
        self._lease = lease
        self._open_api = open_api
        self._api = api
        self._refused = refused

    async def read(self) -> Lease | None:
        """Return the Lease, or None if it does not exist. Raises LeaseError."""
        try:
            return self._parsed(
                await self._api.read_namespaced_lease(self._lease.name, self._lease.namespace)
            )
        except Exception as error:
            if self._status(error) == _MISSING:
                return None
            raise await self._failed(error) from error

    async def write(self, lease: Lease) -> Lease | None:
        """Create or replace this version; return the new one, or None if the version is not the newest.

        Raises LeaseError.
        """
        body = self._body(lease)
        try:
            if lease.version:
                written = await self._api.replace_namespaced_lease(
                    self._lease.name, self._lease.namespace, body
                )
            else:
                written = await self._api.create_namespaced_lease(self._lease.namespace, body)
            return self._parsed(written)
        except Exception as error:
            if self._status(error) == _CONFLICT:
                return None
            raise await self._failed(error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._api.api_client.close()

    def _body(self, lease: Lease) -> dict[str, Any]:
        body: dict[str, Any] = self._api.api_client.sanitize_for_serialization(lease.rest) or {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._lease.name, "namespace": self._lease.namespace},
        }
        if lease.version:
            body["metadata"]["resourceVersion"] = lease.version
        body["spec"] = {
            **body.get("spec", {}),
            "holderIdentity": lease.holder,
            "leaseDurationSeconds": round(lease.duration),
            "acquireTime": _time(lease.acquired),
            "renewTime": _time(lease.renewed),
            "leaseTransitions": min(lease.transitions, _MOST_TRANSITIONS),
        }
        return body

    def _parsed(self, found: Any) -> Lease:  # noqa: ANN401 -- a V1Lease, which has no types
        spec = found.spec
        if spec is None:
            version = found.metadata.resource_version or ""
            return Lease("", self._lease.duration, 0.0, 0.0, version=version, rest=found)
        duration = float(spec.lease_duration_seconds or self._lease.duration)
        renewed = _seconds(spec.renew_time, 0.0)
        return Lease(
            showable(spec.holder_identity or "")[:_LONGEST_NAME],
            duration if 0 < duration <= _LONGEST_DURATION else self._lease.duration,
            _seconds(spec.acquire_time, renewed),
            renewed,
            spec.lease_transitions or 0,
            found.metadata.resource_version or "",
            found,
        )

    def _status(self, error: Exception) -> int | None:
        # 0: the client could not read the response.
        return getattr(error, "status", None) or None if isinstance(error, self._refused) else None

    async def _failed(self, error: Exception) -> LeaseError:
        status = self._status(error)
        if status == _UNAUTHORIZED:
            await self._load_credentials()
            text = "HTTP 401; the API server rejects the credentials of KUBECONFIG or of the service account"
            return LeaseError(LeaseProblem.FORBIDDEN, text)
        if status == _FORBIDDEN:
            advice = f"allow the account to get, create and update leases in {self._lease.namespace}"
            return LeaseError(LeaseProblem.FORBIDDEN, f"HTTP {status}; {advice}")
        if status is not None:
            return LeaseError(LeaseProblem.HTTP, f"HTTP {status}")
        if isinstance(error, TimeoutError):
            return LeaseError(LeaseProblem.TIMEOUT, "no response")
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return LeaseError(LeaseProblem.CONNECT, _untrusted(error))
        if isinstance(error, (aiohttp.ClientError, OSError)):
            return LeaseError(LeaseProblem.CONNECT, f"no connection ({type(error).__name__})")
        return LeaseError(LeaseProblem.INVALID, f"unexpected response ({type(error).__name__})")

    async def _load_credentials(self) -> None:
        """Load the credentials again for the next attempt: a token may have expired and been replaced."""
        with suppress(StartError):  # the file may be half written: keep the old ones
            before, self._api = self._api, await self._open_api()
            await before.api_client.close()


def _untrusted(error: aiohttp.ClientConnectorCertificateError) -> str:
    cause = getattr(error.certificate_error, "verify_message", "") or type(error.certificate_error).__name__
    return (
        f"the certificate of the API server is not trusted ({cause}); "
        "check certificate-authority and server of KUBECONFIG, or ca.crt of the service account"
    )


def _seconds(time: datetime | None, default: float) -> float:
    """Return seconds since 1970, or the default for what is no time in UTC: anyone may edit a Lease."""
    try:
        seconds = time.astimezone(UTC).timestamp() if time else default
        datetime.fromtimestamp(seconds, UTC)  # the last microsecond of the year 9999 is rounded up
    except (AttributeError, ValueError, OverflowError):
        return default
    return seconds


def _time(seconds: float) -> str:
    # The API server rejects a time without microseconds.
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
