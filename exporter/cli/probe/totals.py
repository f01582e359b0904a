"""Finds the entry that is the total among the nodes, where the switch calls it something unusual."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from exporter.cli.probe.finding import Advice, Finding, setting
from exporter.decode import Options, decode
from exporter.model import Counts, Failure

_LEAST = 3
"""Entries. Of two, each may be the sum of the other."""


def total_advice(finding: Finding, options: Options) -> Iterator[Advice]:
    """Suggest ``total_name`` where an entry is the sum of the others and is not called like a node."""
    if finding.body is None or (isinstance(finding.verdict, Counts) and finding.verdict.total is not None):
        return
    without = decode(finding.request.operation, finding.body, replace(options, total_name=""))
    if not isinstance(without, Counts) or without.nodes is None:
        return
    for name in _sums(without.nodes):
        read = decode(finding.request.operation, finding.body, replace(options, total_name=name))
        if isinstance(read, Counts) and read.total is not None:
            mends = isinstance(finding.verdict, Failure)
            yield Advice(
                f"the entry {name!r} is {read.total}, the sum of all others: "
                "a guess that rests on the sum alone; it is right if no node is called so",
                setting("queries", finding.query.value, "total_name", value=name),
                sure=mends,
            )


def _sums(entries: Mapping[str, int]) -> list[str]:
    whole = sum(entries.values())
    if len(entries) < _LEAST or not whole:
        return []
    return [
        name
        for name, count in entries.items()
        if 2 * count == whole and not any(_form(name) == _form(other) for other in entries if other != name)
    ]


def _form(name: str) -> str:
    return re.sub(r"\d+", "0", name.casefold())
