"""Which nodes are there, and which are missing."""

from collections.abc import Iterable

_REMEMBERED = 24 * 3600.0

_MOST = 2_000
"""Nodes: twice as many as an answer may have. A switch that renames its nodes with each answer came to
620,049 series (seen 2026-11)."""


class NodePresence:
    """Remembers the nodes of a switch: those of the configuration, and those seen within 24 hours."""

    def __init__(self) -> None:
        self._configured: tuple[str, ...] = ()
        self._seen: dict[str, float] = {}
        self._present: list[str] | None = None

    def configure(self, nodes: Iterable[str]) -> None:
        """Expect these nodes, whether they were seen or not."""
        self._configured = tuple(nodes)

    @property
    def known(self) -> list[str]:
        """Every node that is configured or was seen, in the order they became known."""
        return list(dict.fromkeys((*self._configured, *self._seen)))

    @property
    def present(self) -> list[str]:
        """The nodes of the last answer; before the first one those of the configuration."""
        return list(self._configured) if self._present is None else self._present

    def update(self, nodes: Iterable[str], now: float) -> dict[str, float]:
        """Take in the nodes of an answer; return for each known node 1 if it was among them, else 0.

        ``now`` is monotonic seconds. A node that left for good is forgotten a day after it was last seen, and
        sooner where there were very many others since.
        """
        present = set(nodes)
        self._present = sorted(present)
        for node in self._present:
            self._seen.pop(node, None)  # what was seen last stands last
            self._seen[node] = now
        recent = [(node, at) for node, at in self._seen.items() if now - at <= _REMEMBERED]
        self._seen = dict(recent[-_MOST:])
        return {node: float(node in present) for node in self.known}
