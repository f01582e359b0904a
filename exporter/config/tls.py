"""The section ``tls`` of a switch or an Alertmanager."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from exporter.config.certificates import CertificateFile, check_key
from exporter.config.sections import ReadableFile, Text
from exporter.fields import Section


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
