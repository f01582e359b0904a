"""The section ``high_availability``: several exporters for the same switches, of which one polls."""

import re
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator

from exporter.config.fields import Text
from exporter.errors import shown
from exporter.fields import DURATION, Form, SchemaOf, Section, duration_between

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME, _LONGEST_NAMESPACE = 253, 63

_SHORTEST = 5.0
_at_most = duration_between("1s", "5m")


class Start(StrEnum):
    """What an exporter does after its start."""

    ACTIVE = "active"
    STANDBY = "standby"


def _name(name: str) -> str:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise ValueError(
            f"expected a name of lower-case letters, digits, - and ., as in Kubernetes, got {shown(name)}"
        )
    return name


def _namespace(name: str) -> str:
    if not _NAME.fullmatch(name) or "." in name or len(name) > _LONGEST_NAMESPACE:
        raise ValueError(
            f"expected a namespace of at most 63 lower-case letters, digits and -, got {shown(name)}"
        )
    return name


def _duration(value: object) -> float:
    """Return the duration in seconds. The API accepts only whole seconds."""
    seconds = _at_most(value)
    if seconds < _SHORTEST:
        raise ValueError(
            f"expected 5s or more, got {shown(value)}; a shorter Lease expires when the API server is slow"
        )
    if seconds != round(seconds):
        raise ValueError(f"expected whole seconds, got {shown(value)}")
    return seconds


class LeaseConfiguration(Section):
    """The section ``lease``."""

    name: Annotated[Text, AfterValidator(_name)] = Field(
        description="The name of the Lease: the same for all exporters of the same switches. The first one "
        "creates it.",
        examples=["softswitch-exporter"],
    )
    namespace: Annotated[Text, AfterValidator(_namespace)] = Field(
        description="Its namespace.", examples=["telephony"]
    )
    duration: Annotated[
        float, PlainValidator(_duration), Form("duration, 5s to 5m, whole seconds"), SchemaOf(DURATION)
    ] = Field(
        15.0,
        description="How long the exporter that polls may be silent before another one takes over.",
        examples=["30s"],
    )


class HighAvailability(Section):
    """The section ``high_availability``."""

    lease: LeaseConfiguration | None = Field(
        None,
        description="A Lease in Kubernetes (coordination.k8s.io) decides which exporter polls. Needs "
        "`pip install 'softswitch-exporter[kubernetes]'`.",
    )
    start: Start | None = Field(
        None,
        description="Without `lease`: what the exporter does after its start. `active`, the default, polls; "
        "`standby` stands by. `POST /-/activate` and `POST /-/standby` change that, see "
        "[high availability](high-availability.md).",
        examples=["standby"],
    )

    @property
    def starts_active(self) -> bool:
        """Whether the exporter polls after its start."""
        return self.lease is None and self.start is not Start.STANDBY
