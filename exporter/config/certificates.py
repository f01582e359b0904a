"""Files of certificates and keys: whether they are what their names say, before a connection depends on it.

They are read by the library that will use them, so nothing passes here that fails there.
"""

import ssl
from pathlib import Path
from typing import Annotated, NoReturn

from pydantic import PlainValidator, ValidationInfo

from exporter.config.sections import readable_file
from exporter.fields import Form


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
    """See that a private key belongs to a certificate. Without ``key`` it stands in the certificate's file.

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
