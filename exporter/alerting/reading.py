"""Reads what the store of a switch says back from its lines. What has not changed is not read again.

The store keeps a block of lines for each family and tenant, and keeps the very same one while answers say the
same. So one look of identity tells whether there is anything to read, and most minutes there is little.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from itertools import chain
from typing import Generic, TypeVar

from exporter.metrics import catalogue, text_format
from exporter.metrics.catalogue import Metric
from exporter.store import Store, Values

_AT_A_TIME = 300
"""Blocks, or lines of phones, that are read before others have a turn: each takes some µs."""

_PHONES = catalogue.EXTENSION_REGISTERED

Key = TypeVar("Key")
Value = TypeVar("Value")

Parts = Mapping[str, Mapping[str, Values]]
"""What a family says, by part and tenant."""


class Reading(Generic[Key, Value]):
    """One family. ``values`` is what ``arranged`` made of it when it last changed."""

    def __init__(self, metric: Metric, arranged: Callable[[Parts], Mapping[Key, Value]]) -> None:
        self.values: Mapping[Key, Value] = {}
        self._metric = metric
        self._arranged = arranged
        self._blocks: Mapping[str, Mapping[str, bytes]] = {}
        self._said: Parts = {}

    def update(self, store: Store | None) -> Iterator[None]:
        """Read what is new; without a store there is nothing. Yields where others may have their turn."""
        blocks, before = store.blocks(self._metric) if store else {}, self._blocks
        if blocks.keys() == before.keys() and all(blocks[part] is before[part] for part in blocks):
            return
        switch = store.switch if store else ""
        said = {}
        for part, now in blocks.items():
            said[part] = yield from self._read(switch, part, now)
        self._blocks, self._said = blocks, said
        self.values = self._arranged(said)

    def _read(
        self, switch: str, part: str, now: Mapping[str, bytes]
    ) -> Generator[None, None, Mapping[str, Values]]:
        before, known = self._blocks.get(part, {}), self._said.get(part, {})
        said = {tenant: values for tenant, values in known.items() if tenant in now}
        new = [tenant for tenant, block in now.items() if before.get(tenant) is not block]
        for number, tenant in enumerate(new, 1):
            said[tenant] = text_format.said(self._metric, switch, tenant, now[tenant])
            if not number % _AT_A_TIME:
                yield
        return said


def by_tenant(parts: Parts) -> Mapping[str, float]:
    """Return single figures by tenant; that of the switch itself by ""."""
    return {tenant: figure for tenant, figure in _said(parts) if isinstance(figure, float)}


def figures_by_tenant(parts: Parts) -> Mapping[str, Mapping[str, float]]:
    """Return figures by last label, by tenant."""
    return {tenant: figures for tenant, figures in _said(parts) if not isinstance(figures, float)}


def by_label(parts: Parts) -> Mapping[tuple[str, str], float]:
    """Return figures by tenant and last label."""
    return {
        (tenant, label): figure
        for tenant, figures in _said(parts)
        if not isinstance(figures, float)
        for label, figure in figures.items()
    }


def by_node(parts: Parts) -> Mapping[str, float]:
    """Return figures of the switch by node; nodes that are asked one by one have a block each."""
    return {node: figure for (_, node), figure in by_label(parts).items()}


def _said(parts: Parts) -> Iterator[tuple[str, Values]]:
    return chain.from_iterable(said.items() for said in parts.values())


class WatchedPhones:
    """The states of the watched extensions: of all others there may be 250,000, so only these are kept."""

    def __init__(self) -> None:
        self.values: Mapping[tuple[str, str], float] = {}
        self._watched: Collection[tuple[str, str]] = ()
        self._extensions: dict[str, list[str]] = {}
        self._blocks: Mapping[str, bytes] = {}

    def update(self, store: Store | None, watched: Collection[tuple[str, str]]) -> Iterator[None]:
        """Read what is new. Yields where others may have their turn."""
        if watched != self._watched:
            self._watch(watched)
            yield
        blocks = store.blocks(_PHONES).get("", {}) if store else {}
        new = [tenant for tenant in self._extensions if blocks.get(tenant) is not self._blocks.get(tenant)]
        values = dict(self.values)
        phones = ((tenant, extension) for tenant in new for extension in self._extensions[tenant])
        for number, (tenant, extension) in enumerate(phones, 1):
            labels = (store.switch if store else "", tenant, extension)
            state = text_format.figure_among(_PHONES, labels, blocks.get(tenant, b""))
            if state is None:
                values.pop((tenant, extension), None)
            else:
                values[tenant, extension] = state
            if not number % _AT_A_TIME:
                yield
        self.values, self._blocks = values, blocks

    def _watch(self, watched: Collection[tuple[str, str]]) -> None:
        """Watch others from now on: everything is read anew."""
        self.values, self._blocks = {}, {}
        self._watched, self._extensions = watched, defaultdict(list)
        for tenant, extension in watched:
            self._extensions[tenant].append(extension)
