"""What each source of registrations costs an installation: requests and bytes in each interval. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from exporter.cli.probe.sources import Trial
from exporter.config import SwitchConfiguration
from exporter.fields import duration_text
from exporter.model import Query, RegistrationSource

_USABLE = 0.95
"""Share of the rate limit that the exporter plans to use."""

_UNITS = ("bytes", "kB", "MB", "GB")
_THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class Cost:
    """Requests and bytes in each interval."""

    requests: int
    size: int

    def __str__(self) -> str:
        """Return the cost, to print."""
        noun = "request" if self.requests == 1 else "requests"
        return (
            f"{self.requests:,} {noun}, {size_text(self.size)}" if self.size else f"{self.requests:,} {noun}"
        )


@dataclass(frozen=True, slots=True)
class Installation:
    """The tenants whose phones are polled, and the number of their phones.

    ``interval``: the polling interval in seconds. ``like``: the tenant whose number of phones is assumed for
    tenants where it is unknown; "" if there are none.
    """

    tenants: int
    phones: int
    interval: float
    like: str = ""

    def cost(self, trial: Trial) -> Cost:
        """Return what a source costs if all responses are like that of the trial."""
        match trial.source.kind:
            case RegistrationSource.PEERS:
                return Cost(1, trial.size)
            case RegistrationSource.REGSTATE:
                requests = self.phones
            case _:
                requests = self.tenants
        return Cost(requests, requests * trial.size)

    def fits(self, trial: Trial, max_requests_per_second: float) -> bool:
        """Return whether the rate limit allows the requests of a source in each interval."""
        return self.cost(trial).requests <= self.interval * max_requests_per_second * _USABLE

    def __str__(self) -> str:
        """Return a description, to print."""
        like = f", if all have as many as {self.like}" if self.like else ""
        interval = duration_text(self.interval)
        tenants = "1 tenant" if self.tenants == 1 else f"{self.tenants:,} tenants"
        return f"{tenants} with {self.phones:,} phones{like}, every {interval}"


def installation(
    switch: SwitchConfiguration, tenant: str, phones: int, listed: Collection[str]
) -> Installation:
    """Return the installation. ``phones``: how many ``tenant`` has. ``listed``: codes in the switch's list.

    If the configuration polls no tenant, all tenants count, with all their phones.
    """
    codes = dict.fromkeys([tenant, *(each.code for each in switch.tenants), *listed])
    settings = [switch.settings(code) for code in codes]
    polled = [each for each in settings if each.interval(Query.REGISTRATIONS) is not None]
    polled = [each for each in polled if each.extensions == "all" or each.polled]
    interval = switch.settings(tenant).interval(Query.REGISTRATIONS) or 300.0
    if not polled:
        return Installation(len(codes), len(codes) * phones, interval, tenant if len(codes) > 1 else "")
    unnamed = [each.code for each in polled if each.extensions == "all"]
    named = sum(len(each.polled) for each in polled if each.extensions != "all")
    like = tenant if set(unnamed) - {tenant} else ""
    return Installation(len(polled), named + len(unnamed) * phones, interval, like)


def size_text(size: float) -> str:
    """Return a number of bytes with a unit, such as ``17 kB``."""
    thousands = 0
    while size >= _THOUSAND and thousands < len(_UNITS) - 1:
        size /= _THOUSAND
        thousands += 1
    is_short = thousands and size < 10  # noqa: PLR2004 -- two digits
    return f"{size:.{int(is_short)}f} {_UNITS[thousands]}"
