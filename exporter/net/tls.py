"""TLS, the same on every Python: how certificates are verified, and the context of connections that we open.

Use one ``ClientTls`` for each switch or Alertmanager, and ask it for the context with each request::

    tls = ClientTls(configuration.tls, server="switch pbx-eu")
    await tls.load()  # raises TlsFileError where a file cannot be used
    session.get(url, ssl=await tls.context(), server_hostname=configuration.tls.server_name)

aiohttp keeps idle connections by context, so a new context opens new connections, and requests in flight end
on the connection where they began.
"""

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from pathlib import Path

import structlog

from exporter.config import TlsConfiguration
from exporter.errors import TlsFileError
from exporter.files import read_regular_file
from exporter.threads import ThreadLimit

VERIFY_FLAGS = ssl.VERIFY_X509_TRUSTED_FIRST | ssl.VERIFY_X509_PARTIAL_CHAIN
"""As Go, and so Prometheus, verifies: every certificate of a CA file is trusted by itself, be it an
intermediate or the server's own, and an authority needs no key identifiers.

Python's defaults differ: since 3.13 ``create_default_context`` sets VERIFY_X509_PARTIAL_CHAIN, which allows
the first, and VERIFY_X509_STRICT, which forbids the second; before, neither (seen 2026-11, 3.11 and 3.13).
"""

CIPHERS = "DEFAULT:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=2"
"""What curl offers. Python's own list depends on how Python was built."""

_LEGACY_CIPHERS = CIPHERS.replace("@SECLEVEL=2", "@SECLEVEL=0")
"""TLS 1.0 and 1.1 sign with SHA-1, which OpenSSL allows at level 0 only (seen 2026-11, 3.0 and 3.5)."""

_LEGACY_VERSIONS = frozenset({"TLS10", "TLS11"})

_LIMIT = 4 * 2**20
"""Bytes. All authorities of Debian take 0.2 MiB."""

_LOOK_EVERY = 1.0
"""Seconds between two looks at the files. A look costs a thread and a ``stat`` for each file."""

_SETTLED_AFTER = 1.0
"""Seconds that changed files must stay as they are before they are read: they may be half written."""

_PATIENCE = 3.0
"""Seconds that requests wait for a look, so that the first request after a change uses the new files."""

_LOAD_LIMIT = 10.0
"""Seconds for the first load. A disk that hangs must not hold up a start or a reload for longer."""

_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}

_Signature = tuple[tuple[int, ...] | None, ...]


class ClientTls:
    """The TLS context for connections to one server. It is replaced when a certificate or key file changes.

    ``server`` names it in the log. ``load`` makes the context, in a thread. While changed files cannot be
    used, the last good context stays.
    """

    def __init__(
        self,
        tls: TlsConfiguration,
        server: str,
        *,
        look_every: float = _LOOK_EVERY,
        settled_after: float = _SETTLED_AFTER,
        patience: float = _PATIENCE,
    ) -> None:
        self._tls = tls
        self._server = server
        self._look_every = look_every
        self._settled_after = settled_after
        self._patience = patience
        self._files = tuple(file for file in (tls.ca_file, tls.cert_file, tls.key_file) if file)
        self._thread = ThreadLimit("TLS files", 1)
        self._context: ssl.SSLContext | None = None
        self._loaded: _Signature = ()
        self._refused: _Signature | None = None
        self._looking: asyncio.Task[None] | None = None
        self._looked_at = 0.0
        self._told = ""
        self._log = structlog.get_logger("exporter.tls")

    async def load(self) -> None:
        """Read the files. Raises TlsFileError where one cannot be used, or takes too long to read."""
        try:
            async with asyncio.timeout(_LOAD_LIMIT):
                self._loaded = await self._thread.run(partial(_signature, self._files))
                self._context = await self._thread.run(partial(client_context, self._tls))
        except TimeoutError:
            raise TlsFileError(
                f"reading its `tls` files took longer than {_LOAD_LIMIT:g} s; check the disk"
            ) from None
        except RuntimeError as error:  # of ThreadLimit
            raise TlsFileError(f"its `tls` files cannot be read now: {error}") from error
        self._looked_at = asyncio.get_running_loop().time()

    async def context(self) -> ssl.SSLContext:
        """Return the context for a new request. Raises TlsFileError where ``load`` was left out and fails."""
        if self._context is None:
            await self.load()
        elif self._files:
            await self._keep_up()
        assert self._context is not None  # noqa: S101 -- for the type checker: load sets it or raises
        return self._context

    async def _keep_up(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._looking is None and now >= self._looked_at + self._look_every:
            self._looked_at = now
            self._looking = asyncio.create_task(self._look(), name=f"TLS files of {self._server}")
            self._looking.add_done_callback(self._end_look)
        # Files on a disk that hangs delay the requests of the first seconds, and no later ones.
        patience = self._looked_at + self._patience - now
        if self._looking is not None and patience > 0:
            await asyncio.wait({self._looking}, timeout=patience)

    def _end_look(self, look: asyncio.Task[None]) -> None:
        self._looking = None
        if not look.cancelled() and (defect := look.exception()):
            self._tell(repr(defect))

    async def _look(self) -> None:
        """Replace the context once changed files have stayed as they are."""
        found = await self._thread.run(partial(_signature, self._files))
        if found == self._loaded:
            self._told = ""
            return
        before = self._refused  # nobody waits a second time for the same files
        while found != before:
            before = found
            await asyncio.sleep(self._settled_after)
            found = await self._thread.run(partial(_signature, self._files))
        await self._replace(found)

    async def _replace(self, found: _Signature) -> None:
        try:
            self._context = await self._thread.run(partial(client_context, self._tls))
        except TlsFileError as error:
            self._refused = found
            self._tell(str(error))
            return
        self._loaded, self._refused, self._told = found, None, ""
        self._log.info("TLS files loaded", server=self._server)

    def _tell(self, problem: str) -> None:
        """Log a problem once for as long as it lasts."""
        if problem != self._told:
            self._log.warning(
                "TLS files not loaded; the last good ones stay", server=self._server, problem=problem
            )
        self._told = problem


def _signature(files: tuple[Path, ...]) -> _Signature:
    return tuple(_signature_of(file) for file in files)


def _signature_of(file: Path) -> tuple[int, ...] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    # ctime: a permission that was corrected changes nothing else.
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev


def client_context(tls: TlsConfiguration) -> ssl.SSLContext:
    """Return a context that is the same on every Python. Raises TlsFileError where a file cannot be used.

    It reads files: call it in a thread.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags = VERIFY_FLAGS
    context.minimum_version = _VERSIONS[tls.min_version]
    context.set_ciphers(_LEGACY_CIPHERS if tls.min_version in _LEGACY_VERSIONS else CIPHERS)
    if tls.ca_file:
        _use(tls.ca_file, context.load_verify_locations)
    else:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if tls.cert_file:
        key = tls.key_file
        if key:
            _use(key, lambda _: None)
        # "" and not None: with None OpenSSL would ask for a passphrase on the terminal.
        _use(tls.cert_file, lambda path: context.load_cert_chain(path, key, password=""))
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _use(path: Path, use: Callable[[Path], None]) -> None:
    try:
        read_regular_file(path, _LIMIT)  # OpenSSL would wait for a FIFO, and read /dev/zero for ever
        use(path)
    except ssl.SSLError as error:
        reason = (error.reason or "not in PEM format").replace("_", " ").lower()
        raise TlsFileError(f'"{path}" cannot be used ({reason})') from None
    except OSError as error:
        raise TlsFileError(f'"{path}" cannot be read ({error.strerror or type(error).__name__})') from None
    except ValueError as error:
        raise TlsFileError(f'"{path}" {error}') from None
