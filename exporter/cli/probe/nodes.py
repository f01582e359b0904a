"""Suggests ``nodes`` for the configuration, from the response to COUNTPEERS. Pure."""

from collections.abc import Iterator

from exporter.cli.probe.findings import Advice, Finding
from exporter.config import SwitchConfiguration
from exporter.model import Counts, Query

_NAMED = 5
"""How many configured nodes that are not in the response are named at most."""

_WHY = "so that a missing one is reported from the start, even after a restart"


def node_advice(finding: Finding, switch: SwitchConfiguration) -> Iterator[Advice]:
    """Suggest ``nodes`` if the response has other nodes, and name configured nodes that it does not list."""
    counts = finding.verdict
    if finding.query is not Query.PEERS or finding.request.tenant or not isinstance(counts, Counts):
        return
    if counts.nodes is None:
        return
    configured = {node.name: node.channels_limit for node in switch.nodes}
    listed = sorted({*counts.nodes, *counts.uncounted})
    lacking = [name for name in configured if name not in listed]
    new = [name for name in listed if name not in configured]
    if lacking:
        names = ", ".join(map(repr, lacking[:_NAMED])) + (", …" if len(lacking) > _NAMED else "")
        yield Advice(f"the response does not list {names} from `nodes`: missing now, removed, or misspelled")
    if new:
        entries = [
            name if limit is None else {"name": name, "channels_limit": limit}
            for name, limit in configured.items()
        ]
        what = (
            f"{len(new)} of {len(listed)} nodes are not in `nodes`: add them"
            if configured
            else "list the nodes"
        )
        yield Advice(f"{what}, {_WHY}", {"nodes": (*entries, *new)}, sure=True)
