import asyncio
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog.testing

from exporter.config import TlsConfiguration
from exporter.errors import TlsFileError
from exporter.net.tls import ClientTls, client_context
from tests.certificates import Authority, Pair

# Python has deprecated the versions of TLS that old switches speak.
pytestmark = pytest.mark.filterwarnings(r"ignore:ssl\.TLSVersion\.TLSv1:DeprecationWarning")

_OLD = "DEFAULT:@SECLEVEL=0"


@pytest.fixture(scope="module")
def authority(authority_of_module: Authority) -> Authority:
    """Return an authority that has issued the certificate `switch`."""
    authority_of_module.issue("switch")
    return authority_of_module


def _tls(**settings: Any) -> TlsConfiguration:
    return TlsConfiguration.model_construct(**settings)


def _server(pair: Pair, *chain: Path) -> ssl.SSLContext:
    """Return a server that shows a certificate, and those of `chain` behind it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    bundle = pair.certificate.with_suffix(".bundle")
    bundle.write_bytes(b"".join(path.read_bytes() for path in (pair.certificate, *chain)))
    context.load_cert_chain(bundle, pair.key)
    return context


def _connect(client: ssl.SSLContext, server: ssl.SSLContext, name: str = "localhost") -> ssl.SSLObject:
    """Shake hands in memory and return the client's side. Raises ssl.SSLError where one of them refuses."""
    ways = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(ways[1], ways[0], server_hostname=name)
    there = server.wrap_bio(ways[0], ways[1], server_side=True)
    waiting = [here, there]
    while waiting:
        for side in list(waiting):
            try:
                side.do_handshake()
                waiting.remove(side)
            except ssl.SSLWantReadError:
                continue
    # In TLS 1.3 the server judges the client's certificate after the client has finished.
    there.write(b"x")
    assert here.read() == b"x"
    return here


def test_flags_and_level_are_explicit() -> None:
    """They do not depend on the version of Python, nor on how it was built."""
    context = client_context(_tls(min_version="TLS12"))
    assert context.verify_flags == ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
    assert context.security_level == 2
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_an_authority_without_key_identifiers(authority: Authority, tmp_path: Path) -> None:
    """A certificate of an old private authority is accepted, as by curl and Go."""
    old = Authority(authority.openssl, tmp_path, "old authority", identified=False)
    server = _server(old.issue("old switch"))
    _connect(client_context(_tls(ca_file=old.certificate)), server)


@pytest.mark.parametrize("shown", ["certificate alone", "with intermediate"])
@pytest.mark.parametrize("trusted", ["root", "intermediate", "certificate"])
def test_ca_file(trusted: str, shown: str, authority: Authority, tmp_path: Path) -> None:
    """It may contain the root if the chain is sent, an intermediate, or the certificate of the switch."""
    root = Authority(authority.openssl, tmp_path, "root")
    between = root.intermediate("between")
    pair = between.issue("below")
    server = _server(pair, *([between.certificate] if shown == "with intermediate" else []))
    files = {"root": root.certificate, "intermediate": between.certificate, "certificate": pair.certificate}
    client = client_context(_tls(ca_file=files[trusted]))
    if (trusted, shown) == ("root", "certificate alone"):
        with pytest.raises(ssl.SSLCertVerificationError):
            _connect(client, server)
    else:
        _connect(client, server)
        with pytest.raises(ssl.SSLCertVerificationError):
            _connect(client, server, "other.test")


def test_no_other_authority_is_trusted(authority: Authority, tmp_path: Path) -> None:
    """A certificate is rejected if its authority is not in `ca_file`, or unknown to the system."""
    server = _server(Pair(authority.directory / "switch.pem", authority.directory / "switch.key"))
    other = Authority(authority.openssl, tmp_path, "other").certificate
    for tls in (_tls(ca_file=other), _tls()):
        with pytest.raises(ssl.SSLCertVerificationError):
            _connect(client_context(tls), server)


@pytest.mark.parametrize("version", ["TLS10", "TLS11"])
def test_an_old_version(version: str, authority: Authority) -> None:
    """`min_version` allows a switch that supports nothing newer; the default does not."""
    server = _server(Pair(authority.directory / "switch.pem", authority.directory / "switch.key"))
    server.set_ciphers(_OLD)
    server.minimum_version = ssl.TLSVersion.TLSv1
    server.maximum_version = ssl.TLSVersion.TLSv1 if version == "TLS10" else ssl.TLSVersion.TLSv1_1
    old = _connect(client_context(_tls(ca_file=authority.certificate, min_version=version)), server)
    assert old.version() == ("TLSv1" if version == "TLS10" else "TLSv1.1")
    with pytest.raises(ssl.SSLError):
        _connect(client_context(_tls(ca_file=authority.certificate)), server)


def _self_signed(authority: Authority, directory: Path, algorithm: str) -> Pair:
    pair = Pair(directory / "own.pem", directory / "own.key")
    request = (
        f"req -x509 -newkey {algorithm} -nodes -days 2 -subj /CN=own -addext subjectAltName=DNS:localhost"
    )
    files = ("-keyout", str(pair.key), "-out", str(pair.certificate))
    subprocess.run([authority.openssl, *request.split(), *files], check=True, capture_output=True)
    return pair


def test_a_short_key(authority: Authority, tmp_path: Path) -> None:
    """The short key of an old switch is accepted together with old versions only."""
    pair = _self_signed(authority, tmp_path, "rsa:1024")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_ciphers(_OLD)
    server.load_cert_chain(pair.certificate, pair.key)
    _connect(client_context(_tls(ca_file=pair.certificate, min_version="TLS11")), server)
    with pytest.raises(ssl.SSLCertVerificationError, match="EE certificate key too weak"):
        _connect(client_context(_tls(ca_file=pair.certificate)), server)


def test_a_switch_without_forward_secrecy(authority: Authority, tmp_path: Path) -> None:
    """The ciphers are those of curl, so TLS 1.2 with RSA key exchange works."""
    pair = _self_signed(authority, tmp_path, "rsa:2048")
    server = _server(pair)
    server.maximum_version = ssl.TLSVersion.TLSv1_2
    server.set_ciphers("AES128-SHA")
    here = _connect(client_context(_tls(ca_file=pair.certificate)), server)
    assert (here.cipher() or ("",))[0] == "AES128-SHA"


def _client(tls: TlsConfiguration) -> ClientTls:
    return ClientTls(tls, "switch pbx", check_every=0.0, settled_after=0.01)


async def test_a_changed_client_certificate(authority: Authority, tmp_path: Path) -> None:
    """Certificate and key change one after the other and are used only together."""
    own, new = (authority.issue(name) for name in ("own", "new"))
    certificate, key = tmp_path / "client.pem", tmp_path / "client.key"
    server = _server(own)
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(authority.certificate)
    shutil.copy(own.certificate, certificate)
    shutil.copy(own.key, key)
    tls = _client(_tls(ca_file=authority.certificate, cert_file=certificate, key_file=key))
    before = await tls.context()
    assert await tls.context() is before

    shutil.copy(new.certificate, certificate)
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            assert await tls.context() is before
    assert [(entry["event"], str(certificate) in entry["problem"]) for entry in logged] == [
        ("cannot load TLS files; still using the last good ones", True)
    ]
    shutil.copy(new.key, key)

    after = await tls.context()
    assert after is not before
    for context in (before, after):
        _connect(context, server)


def _cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-60])


def _fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    "spoil",
    [
        Path.unlink,
        _cut,
        _fifo,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"x" * (5 * 2**20)),
        lambda file: (file.unlink(), file.symlink_to("/dev/zero")),
    ],
    ids=["gone", "cut", "fifo", "empty", "huge", "endless"],
)
async def test_a_bad_file_keeps_the_last_good(
    spoil: Callable[[Path], object], authority: Authority, tmp_path: Path
) -> None:
    """Requests continue with the last good file, and a later good one is used."""
    file = tmp_path / "ca.pem"
    shutil.copy(authority.certificate, file)
    tls = _client(_tls(ca_file=file))
    before = await tls.context()

    spoil(file)
    with structlog.testing.capture_logs() as logged:
        for _ in range(3):
            assert await tls.context() is before
    assert [str(file) in entry["problem"] for entry in logged] == [True]

    file.unlink(missing_ok=True)
    shutil.copy(authority.certificate, file)
    assert await tls.context() is not before


async def test_a_file_that_is_still_being_written(authority: Authority, tmp_path: Path) -> None:
    """A growing file is not used until it stays unchanged."""
    file = tmp_path / "ca.pem"
    shutil.copy(authority.certificate, file)
    tls = ClientTls(_tls(ca_file=file), "switch pbx", check_every=0.0, settled_after=0.2)
    before = await tls.context()

    file.write_bytes(Authority(authority.openssl, tmp_path, "first").certificate.read_bytes())
    waiting = asyncio.create_task(tls.context())
    await asyncio.sleep(0.1)  # half the time that a file must stay as it is
    with file.open("ab") as stream:
        stream.write(authority.certificate.read_bytes())

    after = await waiting
    assert after is not before
    assert len(after.get_ca_certs()) == 2


class _OnSlowDisk(os.PathLike[str]):
    """A file whose ``stat`` does not return while ``works`` is cleared."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.works = threading.Event()
        self.works.set()

    def __fspath__(self) -> str:
        return str(self.file)

    def stat(self) -> os.stat_result:
        self.works.wait(20)
        return self.file.stat()


async def test_a_disk_that_hangs(authority: Authority) -> None:
    """Requests wait once for a bounded time, and later ones not at all."""
    file = _OnSlowDisk(authority.certificate)
    tls = ClientTls(_tls(ca_file=file), "switch pbx", check_every=0.0, wait=0.05)
    before = await tls.context()

    file.works.clear()
    assert await tls.context() is before  # waits
    with pytest.raises(StopIteration):  # at once
        tls.context().send(None)
    file.works.set()


async def test_a_bad_file_delays_requests_once(authority: Authority, tmp_path: Path) -> None:
    """Requests wait for changed files to settle, but not again while they stay bad."""
    file = tmp_path / "ca.pem"
    shutil.copy(authority.certificate, file)
    tls = ClientTls(_tls(ca_file=file), "switch pbx", check_every=0.0, settled_after=0.5)
    await tls.context()

    file.write_text("not a certificate")
    await tls.context()
    async with asyncio.timeout(5):  # where each waited, it would take ten
        for _ in range(20):
            await tls.context()


@pytest.mark.parametrize(
    ("content", "because"),
    [("", "cannot be used"), (None, "cannot be read")],
    ids=["empty", "gone"],
)
async def test_files_that_are_bad_at_first(content: str | None, because: str, tmp_path: Path) -> None:
    """Without a last good file the error names the file."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_text(content)
    with pytest.raises(TlsFileError, match=f'"{file}" {because}'):
        await _client(_tls(ca_file=file)).load()


def test_a_key_with_a_passphrase(authority: Authority, tmp_path: Path) -> None:
    """OpenSSL does not prompt on the terminal: the key is unusable."""
    pair = authority.issue("locked")
    locked = tmp_path / "locked.key"
    encrypt = ("pkcs8", "-topk8", "-in", str(pair.key), "-out", str(locked), "-passout", "pass:secret")
    subprocess.run([authority.openssl, *encrypt], check=True, capture_output=True)
    with pytest.raises(TlsFileError, match="cannot be used"):
        client_context(_tls(cert_file=pair.certificate, key_file=locked))
