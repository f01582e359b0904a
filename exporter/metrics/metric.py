"""What the declaration of a metric says. The declarations are in ``catalogue``."""

from dataclasses import KW_ONLY, dataclass, field
from enum import IntEnum, StrEnum


class Kind(StrEnum):
    """The type of a metric, as in ``# TYPE``."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class DropRank(IntEnum):
    """The order in which metrics are dropped to stay within ``max_series``."""

    EXTENSION = 0  # except watched extensions
    TENANT_NODE = 1
    TENANT = 2
    TENANT_STATUS = 3  # per tenant only: the status of installation-wide queries stays
    TENANT_CONFIG = 4  # what the configuration says about each tenant
    NODE = 5


@dataclass(frozen=True, slots=True, eq=False)  # each is declared once, so identity is equality
class Metric:
    """One metric family.

    ``common``: the labels that all values of one response share, separated by spaces. ``part``: the next
    label, if the values for each of its values are stored separately. ``per``: the last label, if a response
    has one value for each of its values; "" if a response has a single value.
    ``source``: the request or file that the values come from.
    ``drop``: when the metric is dropped; None if it cannot grow beyond what the configuration names.
    """

    kind: Kind
    name: str
    meaning: str
    common: str = ""
    per: str = ""
    _: KW_ONLY
    unit: str
    part: str = ""
    source: str = "the exporter"
    buckets: tuple[float, ...] = ()
    drop: DropRank | None = None
    labels: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(f"{self.common} {self.part} {self.per}".split()))

    @property
    def help(self) -> str:
        """The text of ``# HELP``."""
        return f"{self.meaning} Unit: {self.unit}. Source: {self.source}."
