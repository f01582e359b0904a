"""The section ``alerting``: alerts without Prometheus, and the Alertmanagers that receive them."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from exporter.config.connection import ProxySetting, TlsConfiguration
from exporter.config.fields import AlertmanagerUrl, FilePath, LabelName, LabelValue, Text
from exporter.config.keys import Key, Password, PasswordFile
from exporter.fields import Form, SchemaOf, Section, mapping_of_labels, not_empty, with_entries


def _without_colon(name: str) -> str:
    if ":" in name:
        raise ValueError("must not contain a colon, which ends the user name in basic authentication")
    return name


def _without_api_path(url: str) -> str:
    if re.search(r"/api(/v[12])?(/alerts)?/?$", url):
        raise ValueError(
            "must not include the path of Alertmanager's API; remove it, as in http://127.0.0.1:9093"
        )
    return url


_OF_EVERY_ALERT = frozenset({"alertname", "severity", "scope"})


def _added_label(name: str) -> str:
    if name in _OF_EVERY_ALERT:
        raise ValueError(f'every alert already has the label "{name}"; choose another name')
    return name


AddedLabel = Annotated[LabelName, AfterValidator(_added_label)]


class BasicAuth(Section):
    """The section ``basic_auth``, with Prometheus's keys."""

    username: Annotated[Text, AfterValidator(_without_colon)] = Field(
        description="The exporter's user name.", examples=["noc"]
    )
    literal_password: Password | None = Field(
        None,
        alias="password",
        description="The password itself. `password_file` keeps it out of the configuration.",
        examples=["the-password"],
    )
    file_password: PasswordFile | None = Field(
        None,
        alias="password_file",
        description="A file that contains only the password. It is reloaded when it changes.",
        examples=["alertmanager.password"],
    )

    @property
    def password(self) -> Key:
        """The password, literal or from a file."""
        found = self.literal_password or self.file_password
        if found is None:
            raise LookupError("a validated section has a password")
        return found


class AlertmanagerConfiguration(Section):
    """An entry of ``alertmanagers``."""

    url: Annotated[AlertmanagerUrl, AfterValidator(_without_api_path)] = Field(
        description="Its address, without `/api/…`.",
        examples=["http://127.0.0.1:9093"],
    )
    proxy: ProxySetting = Field(
        None,
        alias="proxy_url",
        validate_default=True,
        repr=False,
        description="An HTTP proxy, as for a switch; by default from the environment, `off` for none.",
        examples=["http://proxy.example.com:3128"],
    )
    tls: TlsConfiguration = Field(TlsConfiguration(), description="TLS settings for an https URL.")
    basic_auth: BasicAuth | None = Field(
        None,
        description="User and password.",
        examples=[{"username": "noc", "password_file": "alertmanager.password"}],
    )
    bearer_token: PasswordFile | None = Field(
        None,
        alias="bearer_token_file",
        description="A file that contains only a token, instead of `basic_auth`. Reloaded when it changes.",
        examples=["alertmanager.token"],
    )


class AlertingConfiguration(Section):
    """The section ``alerting``."""

    alertmanagers: Annotated[
        tuple[AlertmanagerConfiguration, ...], AfterValidator(not_empty), SchemaOf(with_entries)
    ] = Field(description="Every alert goes to all of them.", examples=[[{"url": "http://127.0.0.1:9093"}]])
    labels: Annotated[
        dict[AddedLabel, LabelValue],
        Form("mapping of label to value"),
        SchemaOf(mapping_of_labels(*_OF_EVERY_ALERT)),
    ] = Field(
        default_factory=dict,
        description="Labels to add to every alert that does not have them.",
        examples=[{"site": "eu"}],
    )
    state_file: FilePath | None = Field(
        None,
        description="A file that keeps pending and firing alerts across restarts.",
        examples=["alerts.json"],
    )
    dry_run: bool = Field(
        default=False,
        description="Evaluate and show alerts, but do not send them.",
        examples=[True],
    )
