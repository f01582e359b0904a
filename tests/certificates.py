"""Certificates for tests: an authority of their own, and what it issues."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_LOCAL = "DNS:localhost,IP:127.0.0.1"


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """Issues certificates into a directory, with the program ``openssl``."""

    openssl: str
    directory: Path
    name: str = "authority"

    @property
    def certificate(self) -> Path:
        """Its own certificate, which others trust; made on first use."""
        return self._own.certificate

    def issue(self, name: str, names: str = _LOCAL, usage: str = "serverAuth,clientAuth") -> Pair:
        """Make a key and a certificate with these alternative names for these uses."""
        return self._make(
            name,
            *("-CA", str(self._own.certificate), "-CAkey", str(self._own.key)),
            *("-addext", f"subjectAltName={names}", "-addext", f"extendedKeyUsage={usage}"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
        )

    @property
    def _own(self) -> Pair:
        pair = self._files(self.name)
        if pair.certificate.exists():
            return pair
        # Python 3.13 accepts no authority that does not say so.
        return self._make(self.name, "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def _files(self, name: str) -> Pair:
        return Pair(self.directory / f"{name}.pem", self.directory / f"{name}.key")

    def _make(self, name: str, *flags: str) -> Pair:
        pair = self._files(name)
        subprocess.run(
            [
                *(self.openssl, "req", "-x509", *_NEW_KEY, "-days", "2", "-subj", f"/CN={name}"),
                *("-keyout", str(pair.key), "-out", str(pair.certificate), *flags),
            ],
            check=True,
            capture_output=True,
        )
        return pair
