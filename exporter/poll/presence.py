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
        self._missing: set[str] = set()
        self._nameless = 0

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

    def update(self, nodes: Iterable[str], now: float, *, nameless: int = 0) -> dict[str, float]:
        """Take in the nodes of an answer; return 1 for each known node that is there, 0 if it is missing.

        ``now`` is seconds; ``nameless`` is how many nodes of the answer had a name that could not be read. A
        node that may be one of those is left out, since it is not known to be missing. A node that left for
        good is forgotten a day after it was last seen, and sooner where there were very many others since.
        """
        before = set(self.present)
        present = set(nodes)
        gone = [node for node in self.known if node not in present]
        if nameless:
            # A name that could not be read before either does not hide a node that has vanished since.
            vanished = before if self._present is not None and nameless <= self._nameless else set()
            gone = [node for node in gone if node in self._missing or node in vanished]
        self._missing, self._nameless = set(gone), nameless
        self._present = sorted(present)
        for node in self._present:
            self._seen.pop(node, None)  # what was seen last stands last
            self._seen[node] = now
        recent = [(node, at) for node, at in self._seen.items() if now - at <= _REMEMBERED]
        self._seen = dict(recent[-_MOST:])
        states = dict.fromkeys(gone, 0.0) | dict.fromkeys(present, 1.0)
        return {node: states[node] for node in self.known if node in states}
