"""What the modules that poll one switch share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import structlog

from exporter.client import Client
from exporter.clock import Clock
from exporter.config import SwitchConfiguration
from exporter.masking import Mask
from exporter.metrics.self_metrics import Instruments
from exporter.poll.planner import Targets
from exporter.storage.inventory import Inventory
from exporter.storage.timeline import Timeline
from exporter.store import Store
from exporter.threads import ThreadLimit

_Result = TypeVar("_Result")
Hold = Callable[[], Awaitable[object] | None]


@dataclass(slots=True)
class SwitchContext:
    """One switch: its configuration, its client, its targets and its store.

    A reload replaces ``configuration``, ``client`` and ``label_names``, the tenant labels of all switches.
    A long gap replaces ``client``, because its connections may be dead. The rest never changes. ``inventory``
    has the nodes, trunks and tenants, and adds changes of them to ``timeline``. ``hold`` returns what a
    request has to wait for, or None: after a pause of the process, another exporter may poll.
    """

    configuration: SwitchConfiguration
    client: Client
    instruments: Instruments
    mask: Mask
    clock: Clock
    label_names: tuple[str, ...] = ()
    timeline: Timeline | None = None
    hold: Hold = lambda: None
    inventory: Inventory = field(init=False)
    store: Store = field(init=False)
    targets: Targets = field(init=False)
    log: structlog.typing.FilteringBoundLogger = field(init=False, repr=False)
    _decoding: ThreadLimit = field(init=False, repr=False)

    def __post_init__(self) -> None:
        name, configuration = self.configuration.name, self.configuration
        self.store = Store(name, stale_after=configuration.stale_after, max_series=configuration.max_series)
        self.targets = Targets(configuration)
        self.inventory = Inventory(name, self.timeline or Timeline(Clock()))
        self.log = structlog.get_logger("exporter.poll").bind(switch=name)
        self._decoding = ThreadLimit("decode", 1)

    async def decode_in_thread(self, work: Callable[[], _Result]) -> _Result:
        """Return the result of ``work`` on a large body. Over all switches, one body is decoded at a time."""
        return await self._decoding.run(partial(self.client.budget.decode, work))
