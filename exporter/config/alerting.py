"""The section ``alerting``: alerts without Prometheus, and the Alertmanagers that receive them."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from exporter.config.connection import ProxySetting, TlsConfiguration
from exporter.config.fields import FilePath, LabelName, LabelValue, Text, Url, not_empty
from exporter.config.keys import Key, Password, PasswordFile
from exporter.fields import Form, Section


def _without_colon(name: str) -> str:
    if ":" in name:
        raise ValueError("has a colon in it, which ends a user name in basic authentication; take it out")
    return name


def _without_endpoint(url: str) -> str:
    if re.search(r"/api(/v[12])?(/alerts)?/?$", url):
        raise ValueError(
            "ends in a path of Alertmanager's API; write what stands before /api, such as http://127.0.0.1:9093"
        )
    return url


class BasicAuth(Section):
    """User and password, named as in Prometheus's ``basic_auth``."""

    username: Annotated[Text, AfterValidator(_without_colon)] = Field(
        description="Who we are.", examples=["noc"]
    )
    literal_password: Password | None = Field(
        None,
        alias="password",
        description="The password as it is. A file keeps it out of the configuration.",
        examples=["the-password"],
    )
    file_password: PasswordFile | None = Field(
        None,
        alias="password_file",
        description="A file that holds the password alone. It is read again when it changes.",
        examples=["alertmanager.password"],
    )

    @model_validator(mode="after")
    def _one_password(self) -> "BasicAuth":
        if self.literal_password and self.file_password:
            raise ValueError("has password and password_file; keep one of them")
        if not (self.literal_password or self.file_password):
            raise ValueError("has no password; give it password_file or password")
        return self

    @property
    def password(self) -> Key:
        """The password, literal or from a file."""
        found = self.literal_password or self.file_password
        if found is None:
            raise LookupError("a validated section has a password")
        return found


class AlertmanagerConfiguration(Section):
    """One Alertmanager that alerts are sent to, and how it knows us."""

    url: Annotated[Url, AfterValidator(_without_endpoint)] = Field(
        description="Its address, without `/api/…`.",
        examples=["http://127.0.0.1:9093"],
    )
    proxy: ProxySetting = Field(
        None,
        alias="proxy_url",
        validate_default=True,
        repr=False,
        description="An HTTP proxy on the way, as for a switch: without it the environment decides; `off` is "
        "for none.",
        examples=["http://proxy.example.com:3128"],
    )
    tls: TlsConfiguration = Field(TlsConfiguration(), description="How an https connection is made safe.")
    basic_auth: BasicAuth | None = Field(
        None,
        description="User and password.",
        examples=[{"username": "noc", "password_file": "alertmanager.password"}],
    )
    bearer_token: PasswordFile | None = Field(
        None,
        alias="bearer_token_file",
        description="A file that holds a token, in place of `basic_auth`. It is read again when it changes.",
        examples=["alertmanager.token"],
    )

    @model_validator(mode="after")
    def _one_credential(self) -> "AlertmanagerConfiguration":
        if self.basic_auth and self.bearer_token:
            raise ValueError("has basic_auth and bearer_token_file; keep one of them")
        return self


class AlertingConfiguration(Section):
    """The section ``alerting``: alerts without Prometheus."""

    alertmanagers: Annotated[tuple[AlertmanagerConfiguration, ...], AfterValidator(not_empty)] = Field(
        description="Each alert goes to all of them.", examples=[[{"url": "http://127.0.0.1:9093"}]]
    )
    labels: Annotated[dict[LabelName, LabelValue], Form("mapping of label to value")] = Field(
        default_factory=dict,
        description="Labels of every alert that has none of that name.",
        examples=[{"site": "eu"}],
    )
    state_file: FilePath | None = Field(
        None,
        description="Where it is remembered over a restart what pends and fires.",
        examples=["alerts.json"],
    )
    dry_run: bool = Field(
        default=False, description="Whether alerts are judged and shown, and not sent.", examples=[True]
    )
