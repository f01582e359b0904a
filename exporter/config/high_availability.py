"""The section ``high_availability``: several exporters for the same switches, of which one polls."""

from enum import StrEnum

from pydantic import Field

from exporter.fields import Section


class Start(StrEnum):
    """What an exporter does after its start."""

    ACTIVE = "active"
    STANDBY = "standby"


class HighAvailability(Section):
    """The section ``high_availability``."""

    start: Start | None = Field(
        None,
        description="Whether the exporter polls after its start, `active`, the default, or stands by, "
        "`standby`. `POST /-/activate` and `POST /-/standby` change that, see "
        "[high availability](high-availability.md).",
        examples=["standby"],
    )

    @property
    def starts_active(self) -> bool:
        """Whether the exporter polls after its start."""
        return self.start is not Start.STANDBY
