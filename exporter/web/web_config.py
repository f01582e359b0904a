"""The file of ``--web.config.file``, its TLS context, and how a change of it or of its files is noticed."""

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
"""As python.org builds Python; Debian's offers RSA key exchange and SHA-1 besides (seen 2026-11, 3.13)."""

_LEVEL = "@SECLEVEL=2"

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CLIENT_POLICIES = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


def server_context(tls: TlsServerConfiguration) -> ssl.SSLContext:
    """Return what new connections are made with. Raises OSError where a file has just changed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_flags = VERIFY_FLAGS
    # "" and not None: with None OpenSSL would ask for a passphrase on the terminal.
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


_NOT_LOADED = "web configuration not loaded; the one before it stays"
_UNUSABLE = "its files have just changed, and do not fit together"
_EVERY = 1.0
"""Seconds between two looks at the files."""

_MAX_BYTES = 64 * 2**20
"""What the configuration may have, and more than a certificate may."""

_Contents = dict[Path, bytes | None]


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read: the rules, the context that new connections are made with, and of which contents."""

    configuration: WebConfiguration
    context: ssl.SSLContext | None = None
    contents: _Contents = field(default_factory=dict)

    def keeping(self, before: "Reading") -> "Reading":
        """Return this with the context of the one before, where nothing of TLS has changed.

        Connections that are open can then stay.
        """
        tls = self.configuration.tls_server_config
        is_same = tls == before.configuration.tls_server_config and all(
            self.contents.get(file, b"") == before.contents.get(file) for file in (tls.files if tls else ())
        )
        return replace(self, context=before.context) if is_same else self


Adopt = Callable[[Reading], Awaitable[None]]
"""Lets a reading hold from now on. It may raise OSError, and is then called again a second later."""

OPEN = Reading(WebConfiguration())
"""What holds without a file."""


def read(path: Path) -> Reading:
    """Read the file and those it names. Raises ConfigurationError with everything that is wrong."""
    # Digests come before what they are of: a change in between then looks like one that is still to be read.
    contents = _contents([path])
    named = load_web(path).tls_server_config
    contents |= _contents(named.files if named else [])
    configuration = load_web(path)
    tls = configuration.tls_server_config
    try:
        context = server_context(tls) if tls else None
    except OSError as error:
        raise ConfigurationError(str(path), [f"tls_server_config: {_UNUSABLE} ({error.strerror})"]) from None
    return Reading(configuration, context, contents)


def _contents(files: Iterable[Path]) -> _Contents:
    """Return a digest of each file, or None where it cannot be read."""
    return {file: _digest(file) for file in files}


def _digest(file: Path) -> bytes | None:
    try:
        return hashlib.sha256(read_regular_file(file, _MAX_BYTES)).digest()
    except (OSError, ValueError):
        return None


class WebFile:
    """The file, kept up with. ``reading`` is the newest that was good; the first has to be.

    Raises ConfigurationError where it is not. ``patience``: seconds after which a disk counts as hanging.
    """

    def __init__(self, path: Path, *, patience: float = 30.0) -> None:
        self._path = path
        self.reading = read(path)
        self._seen = self.reading.contents
        self._told = ""
        self._patience = patience
        self._threads = ThreadLimit("web configuration", 1)
        self._log = structlog.get_logger("exporter.web")

    async def watch(self, adopt: Adopt) -> None:
        """Look at the files again and again, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY)
            await self.look(adopt)

    async def look(self, adopt: Adopt) -> None:
        """Hand over what has changed, once two looks in a row have found it the same.

        So a file that is just being written is not taken for whole. What is bad changes nothing, and is told
        once.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._look(adopt)
        except TimeoutError:
            self._tell(f"{self._path}: not read within {self._patience:g} s; check the disk that it is on")
        except Exception as error:  # noqa: BLE001 -- a defect of ours: later changes are to be seen all the same
            if repr(error) != self._told:
                self._log.exception("job failed", job="web configuration")
            self._told = repr(error)

    async def _look(self, adopt: Adopt) -> None:
        seen = await self._threads.run(lambda: _contents(self.reading.contents))
        is_settled, self._seen = seen == self._seen, seen
        if seen == self.reading.contents:
            self._told = ""
        elif is_settled:
            await self._read_again(adopt)

    async def _read_again(self, adopt: Adopt) -> None:
        try:
            reading = (await self._threads.run(lambda: read(self._path))).keeping(self.reading)
            await adopt(reading)
        except (ConfigurationError, OSError) as error:  # the latter where there are too many open files
            self._tell(error.strerror or "" if isinstance(error, OSError) else shortened(error))
            return
        self.reading, self._seen = reading, reading.contents
        self._log.info("web configuration loaded", tls=reading.context is not None)

    def _tell(self, problems: str) -> None:
        if problems != self._told:
            self._log.warning(_NOT_LOADED, problems=problems)
        self._told = problems
