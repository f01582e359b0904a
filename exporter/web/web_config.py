"""The file of ``--web.config.file``, its TLS context, and loading it again when a file changes."""

import asyncio
import hashlib
import ssl
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from exporter.config import TlsServerConfiguration, WebConfiguration, load_web
from exporter.config.web import CURVES, SUITES
from exporter.errors import ConfigurationError, shortened
from exporter.files import read_regular_file
from exporter.net.tls import VERIFY_FLAGS
from exporter.threads import ThreadLimit

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
"""The ciphers of python.org's builds; Debian's also allow RSA key exchange and SHA-1 (seen 2026-11, 3.13)."""

_LEVEL = "@SECLEVEL=2"

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENT_POLICIES = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}

_INTERVAL = 1.0
"""Seconds between two checks of the files."""

_MAX_BYTES = 64 * 2**20
"""Maximum size of each file: that of the configuration, which is larger than that of a certificate."""

_Contents = dict[Path, bytes | None]


@dataclass(frozen=True, slots=True)
class LoadedWebFile:
    """The configuration, the context for new connections, and digests of the files that were loaded."""

    configuration: WebConfiguration
    context: ssl.SSLContext | None = None
    contents: _Contents = field(default_factory=dict)

    def keeping_context_of(self, before: "LoadedWebFile") -> "LoadedWebFile":
        """Return this, with the previous context if TLS has not changed, so that connections stay open."""
        tls = self.configuration.tls_server_config
        is_same = tls == before.configuration.tls_server_config and all(
            self.contents.get(file, b"") == before.contents.get(file) for file in (tls.files if tls else ())
        )
        return replace(self, context=before.context) if is_same else self


Apply = Callable[[LoadedWebFile], Awaitable[None]]
"""Applies a loaded file. If it raises OSError, it is called again a second later."""

NO_WEB_FILE = LoadedWebFile(WebConfiguration())
"""The configuration without a file."""


def load(path: Path) -> LoadedWebFile:
    """Read the file and the files that it names. Raises ConfigurationError with all errors."""
    # Digests are computed before the content is read, so that a change in between is detected later.
    contents = _contents([path])
    named = load_web(path).tls_server_config
    contents |= _contents(named.files if named else [])
    configuration = load_web(path)
    tls = configuration.tls_server_config
    try:
        context = server_context(tls) if tls else None
    except OSError as error:
        problem = f"tls_server_config: files changed while they were loaded ({error.strerror})"
        raise ConfigurationError(str(path), [problem]) from None
    return LoadedWebFile(configuration, context, contents)


def server_context(tls: TlsServerConfiguration) -> ssl.SSLContext:
    """Return the context for new connections. Raises OSError if a file has just changed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_flags = VERIFY_FLAGS
    # With password=None OpenSSL would ask for a passphrase on the terminal.
    context.load_cert_chain(tls.cert_file, tls.key_file, password="")
    if tls.client_ca_file:
        context.load_verify_locations(tls.client_ca_file)
    context.verify_mode = _CLIENT_POLICIES[tls.client_auth_type]
    context.minimum_version = _VERSIONS[tls.min_version]
    context.maximum_version = _VERSIONS[tls.max_version]
    suites = [SUITES[name] for name in tls.cipher_suites if name in SUITES]
    context.set_ciphers(":".join([*(suites or [_CIPHERS]), _LEVEL]))
    if not tls.prefer_server_cipher_suites:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    for curve in tls.curve_preferences:
        context.set_ecdh_curve(CURVES[curve])
    context.set_alpn_protocols(["http/1.1"])
    return context


def _contents(files: Iterable[Path]) -> _Contents:
    return {file: _digest(file) for file in files}


def _digest(file: Path) -> bytes | None:
    """Return a digest of a file, or None if it cannot be read."""
    try:
        return hashlib.sha256(read_regular_file(file, _MAX_BYTES)).digest()
    except (OSError, ValueError):
        return None


class WebFile:
    """The file, loaded again when it changes. ``loaded`` is the newest valid version.

    Raises ConfigurationError if the first version is invalid. ``patience`` is the timeout for reading files,
    in seconds; they are read in ``threads``.
    """

    def __init__(self, path: Path, *, patience: float = 30.0, threads: ThreadLimit | None = None) -> None:
        self._path = path
        self.loaded = load(path)
        self._seen = self.loaded.contents
        self._warned = ""
        self._patience = patience
        self._threads = threads or ThreadLimit("web configuration", 1)
        self._log = structlog.get_logger("exporter.web")

    async def watch(self, apply: Apply) -> None:
        """Check the files every second until cancelled."""
        while True:
            await asyncio.sleep(_INTERVAL)
            await self.check(apply)

    async def check(self, apply: Apply) -> None:
        """Apply a change once two consecutive checks see the same content, so the file is completely written.

        An invalid file changes nothing and is logged once.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._check(apply)
        except TimeoutError:
            self._warn(f"{self._path}: not read within {self._patience:g} s; check its disk")
        except Exception as error:  # noqa: BLE001 -- a bug here must not stop later checks
            if repr(error) != self._warned:
                self._log.exception("job failed", job="web configuration")
            self._warned = repr(error)

    async def _check(self, apply: Apply) -> None:
        seen = await self._threads.run(lambda: _contents(self.loaded.contents))
        is_settled, self._seen = seen == self._seen, seen
        if seen == self.loaded.contents:
            self._warned = ""
        elif is_settled:
            await self._read_again(apply)

    async def _read_again(self, apply: Apply) -> None:
        try:
            loaded = (await self._threads.run(lambda: load(self._path))).keeping_context_of(self.loaded)
            await apply(loaded)
        except (ConfigurationError, OSError) as error:  # OSError: too many open files
            self._warn(error.strerror or "" if isinstance(error, OSError) else shortened(error))
            return
        self.loaded, self._seen = loaded, loaded.contents
        self._log.info("web configuration loaded", tls=loaded.context is not None)

    def _warn(self, problems: str) -> None:
        if problems != self._warned:
            self._log.warning("web configuration not loaded; keeping the previous one", problems=problems)
        self._warned = problems
