"""A certificate authority for tests."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
_LOCAL = "DNS:localhost,IP:127.0.0.1"
_SIGNS = ("-addext", "keyUsage=critical,keyCertSign,cRLSign")
_AUTHORITY = ("-addext", "basicConstraints=critical,CA:TRUE")
_UNIDENTIFIED = ("-addext", "subjectKeyIdentifier=none", "-addext", "authorityKeyIdentifier=none")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """Issues certificates into a directory with ``openssl``.

    If ``identified`` is false, certificates lack the key identifiers and key usage required by RFC 5280, like
    those of old private authorities.
    """

    openssl: str
    directory: Path
    name: str = "authority"
    identified: bool = True

    @property
    def certificate(self) -> Path:
        """The certificate of the authority, created on first use."""
        return self._own.certificate

    def issue(self, name: str, names: str = _LOCAL, usage: str = "serverAuth,clientAuth") -> Pair:
        """Issue a certificate with these alternative names and extended key usage."""
        return self._make(
            name,
            *self._signed,
            *("-addext", f"subjectAltName={names}", "-addext", f"extendedKeyUsage={usage}"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
        )

    def intermediate(self, name: str) -> "Authority":
        """Return an intermediate authority."""
        self._make(name, *self._signed, *_AUTHORITY, *_SIGNS)
        return Authority(self.openssl, self.directory, name, self.identified)

    @property
    def _own(self) -> Pair:
        pair = self._files(self.name)
        if pair.certificate.exists():
            return pair
        return self._make(self.name, *(_SIGNS if self.identified else _AUTHORITY))

    @property
    def _signed(self) -> tuple[str, ...]:
        return "-CA", str(self._own.certificate), "-CAkey", str(self._own.key)

    def _files(self, name: str) -> Pair:
        return Pair(self.directory / f"{name}.pem", self.directory / f"{name}.key")

    def _make(self, name: str, *flags: str) -> Pair:
        pair = self._files(name)
        subprocess.run(
            [
                *(self.openssl, "req", "-x509", *_NEW_KEY, "-days", "2", "-subj", f"/CN={name}"),
                *("-keyout", str(pair.key), "-out", str(pair.certificate), *flags),
                *(() if self.identified else self._without_identifiers()),
            ],
            check=True,
            capture_output=True,
        )
        return pair

    def _without_identifiers(self) -> tuple[str, ...]:
        # The default configuration adds identifiers despite the flags.
        configuration = self.directory / "bare.cnf"
        configuration.write_text("[req]\ndistinguished_name = name\n[name]\n")
        return "-config", str(configuration), *_UNIDENTIFIED
