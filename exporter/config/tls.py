"""The section ``tls`` of a switch."""

from typing import Literal

from pydantic import model_validator

from exporter.config.sections import ReadableFile, Section, Text


class TlsConfiguration(Section):
    """How the connection to a switch is made safe. The names are those of Prometheus's ``tls_config``."""

    ca_file: ReadableFile | None = None
    cert_file: ReadableFile | None = None
    key_file: ReadableFile | None = None
    server_name: Text | None = None
    min_version: Literal["TLS10", "TLS11", "TLS12", "TLS13"] = "TLS12"
    insecure_skip_verify: bool = False

    @model_validator(mode="after")
    def _key_with_certificate(self) -> "TlsConfiguration":
        if self.key_file is not None and self.cert_file is None:
            raise ValueError("has key_file without cert_file; add cert_file, or take key_file away")
        return self
