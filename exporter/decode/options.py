"""What the configuration may say about how a switch words its answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from exporter.model import Registration
from exporter.patterns import Pattern


@dataclass(frozen=True, slots=True)
class Options:
    """How to read the answers to one query, where a switch departs from what is known.

    ``pattern`` has one group, the number, for a switch that wraps it in words. It is searched in the text
    without the quotes of a JSON string, and only where the whole text is not a number.
    ``total_name`` is the exact name of the total among the nodes; without it, the names in
    ``counts.TOTAL_NAMES`` are the total.
    ``words`` extends and overrides the table of ``words``, whatever the case.
    """

    pattern: Pattern | None = None
    total_name: str | None = None
    words: Mapping[Registration, tuple[str, ...]] = field(default_factory=dict)
