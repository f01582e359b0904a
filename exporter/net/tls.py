"""TLS for outgoing connections, with the same verification on every Python version.

Create one ``ClientTls`` per switch or Alertmanager, and get the context from it for each request::

    tls = ClientTls(configuration.tls, server="switch pbx-eu")
    await tls.load()  # raises TlsFileError if a file is unusable
    session.get(url, ssl=await tls.context(), server_hostname=configuration.tls.server_name)

aiohttp pools connections by context: a new context opens new connections, and requests in flight finish on
their old one.
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
"""Verification as in Go, and so in Prometheus: every certificate in a CA file is trusted, even an
intermediate or the server's own, and an authority needs no key identifiers.

Python's defaults differ by version: only since 3.13, ``create_default_context`` sets
VERIFY_X509_PARTIAL_CHAIN, which trusts such certificates, and VERIFY_X509_STRICT, which requires key
identifiers (seen 2026-11, 3.11 and 3.13).
"""

CIPHERS = "DEFAULT:!aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=2"
"""The ciphers of curl. Python's default depends on how Python was built."""

_LEGACY_CIPHERS = CIPHERS.replace("@SECLEVEL=2", "@SECLEVEL=0")
"""TLS 1.0 and 1.1 sign with SHA-1, which OpenSSL allows only at level 0 (seen 2026-11, 3.0 and 3.5)."""

_LEGACY_VERSIONS = frozenset({"TLS10", "TLS11"})

_LIMIT = 4 * 2**20
"""Bytes. All authorities of Debian have 0.2 MiB."""

_CHECK_EVERY = 1.0
"""Seconds between two checks of the files. A check takes a thread and a ``stat`` per file."""

_SETTLED_AFTER = 1.0
"""Seconds that changed files must stay unchanged before they are read: they may be half written."""

_WAIT = 3.0
"""Seconds that requests wait for a check, so that the first request after a change uses the new files."""

_LOAD_LIMIT = 10.0
"""Seconds for the first load. A hanging disk must not block a start or a reload for longer."""

_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}

_Signature = tuple[tuple[int, ...] | None, ...]


class ClientTls:
    """The TLS context for connections to one server, replaced when a certificate or key file changes.

    ``server`` is its name in the log. While changed files are unusable, the last good context stays.
    """

    def __init__(
        self,
        tls: TlsConfiguration,
        server: str,
        *,
        check_every: float = _CHECK_EVERY,
        settled_after: float = _SETTLED_AFTER,
        wait: float = _WAIT,
    ) -> None:
        self._tls = tls
        self._server = server
        self._check_every = check_every
        self._settled_after = settled_after
        self._wait = wait
        self._files = tuple(file for file in (tls.ca_file, tls.cert_file, tls.key_file) if file)
        self._thread = ThreadLimit("TLS files", 1)
        self._context: ssl.SSLContext | None = None
        self._loaded: _Signature = ()
        self._refused: _Signature | None = None
        self._checking: asyncio.Task[None] | None = None
        self._checked_at = 0.0
        self._logged = ""
        self._log = structlog.get_logger("exporter.tls")

    async def load(self) -> None:
        """Read the files. Raises TlsFileError if one is unusable or takes too long to read."""
        try:
            async with asyncio.timeout(_LOAD_LIMIT):
                self._loaded = await self._thread.run(partial(_signature, self._files))
                self._context = await self._thread.run(partial(client_context, self._tls))
        except TimeoutError:
            raise TlsFileError(
                f"reading the files took longer than {_LOAD_LIMIT:g} s; check the disk"
            ) from None
        except RuntimeError as error:  # of ThreadLimit
            raise TlsFileError(f"cannot read the files now: {error}") from error
        self._checked_at = asyncio.get_running_loop().time()

    async def context(self) -> ssl.SSLContext:
        """Return the context for a new request. Raises TlsFileError if no usable files were ever loaded."""
        if self._context is None:
            await self.load()
        elif self._files:
            await self._keep_up()
        assert self._context is not None  # noqa: S101 -- for the type checker: load sets it or raises
        return self._context

    async def _keep_up(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._checking is None and now >= self._checked_at + self._check_every:
            self._checked_at = now
            self._checking = asyncio.create_task(self._check(), name=f"TLS files of {self._server}")
            self._checking.add_done_callback(self._end_check)
        # A hanging disk delays the requests of the first seconds only.
        wait = self._checked_at + self._wait - now
        if self._checking is not None and wait > 0:
            await asyncio.wait({self._checking}, timeout=wait)

    def _end_check(self, check: asyncio.Task[None]) -> None:
        self._checking = None
        if not check.cancelled() and (defect := check.exception()):
            self._warn(repr(defect))

    async def _check(self) -> None:
        """Replace the context when changed files have not changed for a while."""
        found = await self._thread.run(partial(_signature, self._files))
        if found == self._loaded:
            self._logged = ""
            return
        before = self._refused  # do not wait a second time for the same files
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
            self._warn(str(error))
            return
        self._loaded, self._refused, self._logged = found, None, ""
        self._log.info("TLS files loaded", server=self._server)

    def _warn(self, problem: str) -> None:
        """Log a problem once until it changes or ends."""
        if problem != self._logged:
            self._log.warning(
                "cannot load TLS files; still using the last good ones", server=self._server, problem=problem
            )
        self._logged = problem


def _signature(files: tuple[Path, ...]) -> _Signature:
    return tuple(_signature_of(file) for file in files)


def _signature_of(file: Path) -> tuple[int, ...] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    # ctime, because a corrected permission changes nothing else.
    return status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_dev


def client_context(tls: TlsConfiguration) -> ssl.SSLContext:
    """Return a context that is the same on every Python version. Raises TlsFileError if a file is unusable.

    This function reads files: call it in a thread.
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
        read_regular_file(path, _LIMIT)  # OpenSSL would wait for a FIFO, and read /dev/zero forever
        use(path)
    except ssl.SSLError as error:
        reason = (error.reason or "not in PEM format").replace("_", " ").lower()
        raise TlsFileError(f'"{path}" cannot be used ({reason})') from None
    except OSError as error:
        raise TlsFileError(f'"{path}" cannot be read ({error.strerror or type(error).__name__})') from None
    except ValueError as error:
        raise TlsFileError(f'"{path}" {error}') from None
