"""The line ``nodes`` of the configuration, from the nodes in the response to COUNTPEERS. Pure."""

from collections.abc import Iterator

from exporter.cli.probe.findings import Advice, Finding
from exporter.config import SwitchConfiguration
from exporter.model import Counts, Query

_NAMED = 5
_WHY = "so that a missing one is reported from the start, also after a restart"


def node_advice(finding: Finding, switch: SwitchConfiguration) -> Iterator[Advice]:
    """Suggest ``nodes`` if the response has a node that is not configured; name those that it lacks."""
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
        yield Advice(
            f"the response lacks {names} of `nodes`: the node is missing now, was removed, or is misspelled"
        )
    if new:
        entries = [
            name if limit is None else {"name": name, "channels_limit": limit}
            for name, limit in configured.items()
        ]
        what = (
            f"{len(new)} of {len(listed)} nodes are not in `nodes`: add them"
            if configured
            else "name the nodes"
        )
        yield Advice(f"{what}, {_WHY}", {"nodes": (*entries, *new)}, sure=True)
