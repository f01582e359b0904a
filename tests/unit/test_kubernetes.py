"""The Lease over HTTP, against an API that enforces versions."""

import base64
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import yaml

from exporter import kubernetes
from exporter.config import LeaseConfiguration
from exporter.election import Lease, LeaseError, LeaseProblem
from exporter.errors import StartError
from exporter.kubernetes import KubernetesLease
from tests.certificates import Authority
from tests.e2e.lease_server import LeaseServer, lease_server

_CONFIGURATION = LeaseConfiguration.model_validate(
    {"name": "softswitch-exporter", "namespace": "telephony", "duration": "15s"}
)
_LEASE = Lease("a", 15.0, 1_700_000_000.0, 1_700_000_060.5)

Connect = Callable[[], Awaitable[KubernetesLease]]


@pytest.fixture
async def server() -> AsyncIterator[LeaseServer]:
    """Return an API without a Lease."""
    async with lease_server() as running:
        yield running


@pytest.fixture
async def lease(
    server: LeaseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[KubernetesLease]:
    """Return access to a Lease of that API, through KUBECONFIG."""
    monkeypatch.setenv("KUBECONFIG", str(server.kubeconfig(tmp_path / "kubeconfig", "a")))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    connected = await kubernetes.connect(_CONFIGURATION)
    yield connected
    await connected.close()


async def test_creating_and_replacing(lease: KubernetesLease, server: LeaseServer) -> None:
    """The API accepts what is written, and what others keep in the object stays in it."""
    assert lease.name == "telephony/softswitch-exporter"
    assert await lease.read() is None
    created = await lease.write(_LEASE)
    assert created == replace(_LEASE, version=created.version if created else "")

    ((_, stored),) = server.leases.items()
    stored["metadata"]["labels"] = {"team": "voice"}
    found = await lease.read()
    assert found is not None
    written = await lease.write(replace(found, renewed=1_700_000_075.0))
    assert written is not None
    assert written.renewed == 1_700_000_075.0
    assert written.version != found.version
    assert server.leases["telephony", "softswitch-exporter"]["metadata"]["labels"] == {"team": "voice"}


async def test_a_conflict(lease: KubernetesLease) -> None:
    """A write of an old version, and a second creation, return None."""
    created = await lease.write(_LEASE)
    assert created is not None
    assert await lease.write(created) is not None
    assert await lease.write(created) is None
    assert await lease.write(_LEASE) is None


@pytest.mark.parametrize(
    ("status", "reason", "text"),
    [
        (403, "forbidden", "HTTP 403; allow the account to get, create and update leases in telephony"),
        (503, "http", "HTTP 503"),
    ],
)
async def test_an_error(
    status: int, reason: str, text: str, lease: KubernetesLease, server: LeaseServer
) -> None:
    """Its text says what to do about it."""
    server.refused["a"] = status
    for attempt in (lease.read, partial(lease.write, _LEASE)):
        with pytest.raises(LeaseError) as found:
            await attempt()
        assert (found.value.reason, str(found.value)) == (reason, text)


async def test_expired_credentials(lease: KubernetesLease, server: LeaseServer, tmp_path: Path) -> None:
    """After HTTP 401, those of the file are loaded again; until it is whole, the old ones are used."""
    file = tmp_path / "kubeconfig"
    server.refused["a"] = 401
    file.write_text("")
    for client in ("", "b"):
        with pytest.raises(LeaseError, match="rejects the credentials of KUBECONFIG") as found:
            await lease.read()
        assert found.value.reason is LeaseProblem.FORBIDDEN
        if client:
            server.kubeconfig(file, client)
    with pytest.raises(LeaseError, match="HTTP 401"):
        await lease.read()
    assert await lease.write(_LEASE)
    assert server.requests["b"] == 1


async def test_a_namespace_that_does_not_exist(lease: KubernetesLease, server: LeaseServer) -> None:
    """There is no Lease to read, and it cannot be created."""
    server.refused["a"] = 404
    assert await lease.read() is None
    with pytest.raises(LeaseError, match="HTTP 404"):
        await lease.write(_LEASE)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"holderIdentity": None}, replace(_LEASE, holder="")),
        ({"leaseDurationSeconds": 10**9}, _LEASE),
        ({"leaseDurationSeconds": None}, _LEASE),
        ({"leaseTransitions": None, "acquireTime": None}, replace(_LEASE, acquired=_LEASE.renewed)),
        ({"holderIdentity": "x" * 1000}, replace(_LEASE, holder="x" * 253)),
        ({"holderIdentity": "a\x00\ud800"}, replace(_LEASE, holder="a\ufffd\ufffd")),
    ],
)
async def test_an_unusual_lease(
    change: dict[str, object], expected: Lease, lease: KubernetesLease, server: LeaseServer
) -> None:
    """What is missing has a default, and what is absurd is not believed."""
    await lease.write(_LEASE)
    server.touch(change)
    found = await lease.read()
    assert found is not None
    assert found == replace(expected, version=found.version)


async def test_a_response_that_is_no_lease(lease: KubernetesLease, server: LeaseServer) -> None:
    """It is a failure like others."""
    await lease.write(_LEASE)
    server.touch({"leaseDurationSeconds": "soon", "renewTime": "soon"})
    with pytest.raises(LeaseError) as found:
        await lease.read()
    assert found.value.reason is LeaseProblem.INVALID


@pytest.mark.parametrize(
    "time",
    [
        "9999-12-31T23:59:59.000000-12:00",
        "9999-12-31T23:59:59.999999Z",
        "0001-01-01T00:00:00.000000+12:00",
    ],
)
async def test_a_time_that_is_none(time: str, lease: KubernetesLease, server: LeaseServer) -> None:
    """Anyone may edit a Lease: it is read and written all the same."""
    await lease.write(_LEASE)
    server.touch({"acquireTime": time})
    found = await lease.read()
    assert found is not None
    assert found.acquired == found.renewed == _LEASE.renewed
    assert await lease.write(found)


async def test_a_lease_without_content(lease: KubernetesLease, server: LeaseServer) -> None:
    """It is free."""
    await lease.write(_LEASE)
    server.leases["telephony", "softswitch-exporter"].pop("spec")
    found = await lease.read()
    assert found is not None
    assert (found.holder, found.duration) == ("", _CONFIGURATION.duration)


async def test_figures_out_of_range(lease: KubernetesLease, server: LeaseServer) -> None:
    """Of a duration, the configured one is used; the number of transitions ends at its limit."""
    await lease.write(_LEASE)
    server.touch({"leaseDurationSeconds": -5, "leaseTransitions": 2**31 - 1})
    found = await lease.read()
    assert found is not None
    assert found.duration == _CONFIGURATION.duration
    written = await lease.write(replace(found, transitions=found.transitions + 1))
    assert written is not None
    assert written.transitions == 2**31 - 1


def test_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins with the name of the pod, is unique, and short enough to be read back unchanged."""
    monkeypatch.setenv("POD_NAME", "softswitch-0")
    first, second = kubernetes.identity(), kubernetes.identity()
    assert first.startswith("softswitch-0_")
    assert first != second
    monkeypatch.setenv("POD_NAME", "p" * 253)
    assert len(kubernetes.identity()) < 200


async def test_a_server_that_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To connect sends nothing, so that the exporter starts without an API server."""
    monkeypatch.setenv("KUBECONFIG", str(LeaseServer(9).kubeconfig(tmp_path / "kubeconfig", "a")))
    lease = await kubernetes.connect(_CONFIGURATION)
    with pytest.raises(LeaseError, match="no connection") as found:
        await lease.read()
    assert found.value.reason is LeaseProblem.CONNECT
    await lease.close()


@pytest.mark.parametrize(
    ("environment", "text"),
    [
        ({"KUBECONFIG": "/nonexistent"}, "check the file of KUBECONFIG"),
        (
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"},
            "check the service account of the pod",
        ),
    ],
)
async def test_no_access(environment: dict[str, str], text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The exporter does not start, and says where the account should be."""
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StartError, match="no access to Kubernetes") as found:
        await kubernetes.connect(_CONFIGURATION)
    assert text in str(found.value)


@pytest.mark.parametrize(
    ("found", "put"),
    [("name: test", "title: test"), ("the-token", '"the-token'), ("clusters:", "\0clusters:")],
)
async def test_an_invalid_kubeconfig(
    found: str, put: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its content may be secret, and is not shown."""
    file = LeaseServer(9).kubeconfig(tmp_path / "kubeconfig", "the-token")
    assert found in file.read_text()
    file.write_text(file.read_text().replace(found, put))
    monkeypatch.setenv("KUBECONFIG", str(file))
    with pytest.raises(StartError, match="no access to Kubernetes") as raised:
        await kubernetes.connect(_CONFIGURATION)
    assert "the-token" not in str(raised.value)


@pytest.fixture
def authority(require_program: Callable[[str, str], str], tmp_path: Path) -> Authority:
    """Return an authority without key identifiers, as of old clusters, which Python requires since 3.13."""
    return Authority(require_program("openssl", "openssl"), tmp_path, identified=False)


@pytest.fixture
async def tls(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Connect]]:
    """Return how to connect to an API with TLS whose entry in KUBECONFIG names an authority in some way."""
    pair = authority.issue("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.certificate, pair.key)
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    async with lease_server(context) as server:

        def through(**trusted: str) -> Connect:
            file = server.kubeconfig(authority.directory / "kubeconfig", "a")
            written = yaml.safe_load(file.read_text())
            written["clusters"][0]["cluster"] = {"server": f"https://127.0.0.1:{server.port}", **trusted}
            file.write_text(yaml.safe_dump(written))
            monkeypatch.setenv("KUBECONFIG", str(file))
            return partial(kubernetes.connect, _CONFIGURATION)

        yield through


async def test_trusted_authorities(authority: Authority, tls: Callable[..., Connect]) -> None:
    """The authority of the API server is in a file, or in KUBECONFIG itself."""
    encoded = base64.b64encode(authority.certificate.read_bytes()).decode()
    for trusted in (
        {"certificate-authority": str(authority.certificate)},
        {"certificate-authority-data": encoded},
    ):
        lease = await tls(**trusted)()
        assert await lease.read() is None  # not LeaseError: the server answered that there is none
        await lease.close()


async def test_another_authority(authority: Authority, tls: Callable[..., Connect]) -> None:
    """The error says which file to check."""
    other = replace(authority, name="other").certificate
    lease = await tls(**{"certificate-authority": str(other)})()
    with pytest.raises(LeaseError, match=r"not trusted \(.+\); check certificate-authority") as found:
        await lease.read()
    assert found.value.reason is LeaseProblem.CONNECT
    await lease.close()
