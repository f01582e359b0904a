"""The section ``tls`` of a switch or an Alertmanager, and the files of certificates and keys.

These are read by the library that will use them, so nothing passes here that fails there.
"""

import ssl
from pathlib import Path
from typing import Annotated, Literal, NoReturn

from pydantic import Field, PlainValidator, ValidationInfo, field_validator, model_validator

from exporter.config.fields import ReadableFile, Text, readable_file
from exporter.fields import Form, Section


def _certificates(value: object, info: ValidationInfo) -> Path:
    path = readable_file(value, info)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:
        raise ValueError(
            f'"{path}" holds no certificate that can be read; name a file in PEM format, '
            "with -----BEGIN CERTIFICATE----- in it"
        ) from None
    return path


def check_key(certificate: Path, key: Path | None) -> None:
    """Check that a private key belongs to a certificate. Without ``key`` it is in the certificate's file.

    Raises ValueError with the second half of a sentence about the key. Nothing of a key is repeated.
    """
    path = key or certificate
    try:
        # Without a function for the passphrase, OpenSSL asks for it on the terminal, and waits.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, _no_passphrase)
    except ssl.SSLError as error:
        raise ValueError(_complaint(path, certificate, error.reason)) from None
    except OSError as error:
        raise ValueError(f'"{path}" cannot be read ({error.strerror}); check its permissions') from None
    except _EncryptedError:
        raise ValueError(
            f'"{path}" is encrypted with a passphrase, which nobody is there to type; '
            "write the key without one, readable for the exporter alone"
        ) from None


class _EncryptedError(Exception):
    """A key cannot be read without a passphrase."""


def _no_passphrase() -> NoReturn:
    raise _EncryptedError


def _complaint(path: Path, certificate: Path, reason: str | None) -> str:
    if reason is None:
        return f'"{path}" holds no private key that can be read; name a file in PEM format, with one in it'
    if reason in {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"}:
        return f'"{path}" is not the key of "{certificate}"; name the two that were made together'
    return f'"{path}" and "{certificate}" cannot be used ({reason.replace("_", " ").lower()}); make new ones'


CertificateFile = Annotated[Path, PlainValidator(_certificates), Form("path of a file in PEM format")]
"""A file in PEM format with at least one certificate in it."""


class TlsConfiguration(Section):
    """TLS of connections to a switch or an Alertmanager, named as in Prometheus's ``tls_config``."""

    ca_file: CertificateFile | None = Field(
        None,
        description="Certificates that are trusted, in place of those of the system: of an authority, an "
        "intermediate one, or the server itself. Read again when the file changes, like the next two.",
        examples=["private-ca.pem"],
    )
    cert_file: CertificateFile | None = Field(
        None, description="Certificate that the exporter shows to the server.", examples=["client.pem"]
    )
    key_file: ReadableFile | None = Field(
        None,
        description="Private key of `cert_file`, where it is not in the same file.",
        examples=["client.key"],
    )
    server_name: Text | None = Field(
        None,
        description="The name that the certificate is for, where it is another than in `url`.",
        examples=["pbx.internal"],
    )
    min_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] = Field(
        "TLS12",
        description="The oldest version of TLS that is spoken. `TLS10` and `TLS11` also accept the short "
        "keys and SHA-1 signatures of that time (OpenSSL's security level 0, else 2).",
        examples=["TLS13"],
    )
    insecure_skip_verify: bool = Field(
        default=False,
        description="Take any certificate: anybody in between can then read the key. For a test only.",
        examples=[True],
    )

    @field_validator("key_file")
    @classmethod
    def _of_the_certificate(cls, key_file: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("cert_file")
        if certificate is not None and key_file is not None:
            check_key(certificate, key_file)
        return key_file

    @model_validator(mode="after")
    def _key_with_certificate(self) -> "TlsConfiguration":
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("has key_file without cert_file; add cert_file, or take key_file away")
        if self.cert_file is not None and self.key_file is None:
            try:
                check_key(self.cert_file, None)
            except ValueError as error:
                raise ValueError(f"has no key_file, and cert_file {error}, or add key_file") from None
        return self
