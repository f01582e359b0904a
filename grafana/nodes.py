"""The nodes of the switches: missing nodes, channel usage and balance of the load."""

from grafana_foundation_sdk.models import dashboard as models

from exporter.metrics import catalogue
from grafana import words
from grafana.board import Row, board, job, nodes, switches
from grafana.known import all_clear, figure, listed, number, off, silent
from grafana.panels import Built, Query, Size, bars, figures, over_time, states
from grafana.promql import NODES, SWITCHES, newest
from grafana.tables import Column, Label, rows
from grafana.words import Numbered, Word

_NODE = "{{switch}} {{node}}"
_PRESENCE: Numbered = {0: Word("MISSING", words.CRITICAL), 1: Word("present", words.GOOD)}
_USED = f"{newest(catalogue.NODE_CHANNELS, NODES)} / ({newest(catalogue.NODE_CHANNELS_LIMIT, NODES)} > 0)"
_FAIR = f"on (switch) group_left () (avg by (switch) ({newest(catalogue.NODE_PEERS, SWITCHES)}) > 0)"


def _now() -> list[Built]:
    present = newest(catalogue.NODE_PRESENT, SWITCHES)
    return [
        figures(
            "Missing nodes",
            "Nodes that are configured, or were present within a day, and are missing now. None: every "
            "selected switch lists its nodes.",
            Query(number(f"sum(1 - {present})", all_clear(queries="peers")), "missing"),
            Query(figure(f"sum({present})", off("peers")), "present"),
            size=Size(5, 11),
            words={"A": words.NONE_FOUND},
            steps={"A": words.ANY_IS_CRITICAL},
        ),
        rows(
            "Nodes",
            "Relative to the average: 1 is an even share of the switch's peers. "
            "Channels: orange above 80 % of the limit, red above 95 %.",
            [Label("switch"), Label("node")],
            [
                Column(
                    "state", listed(newest(catalogue.NODE_PRESENT, NODES), queries="peers"), words=_PRESENCE
                ),
                Column("peers", newest(catalogue.NODE_PEERS, NODES)),
                Column(
                    "relative to the average", f"{newest(catalogue.NODE_PEERS, NODES)} / {_FAIR}", "none", 2
                ),
                Column("channels", newest(catalogue.NODE_CHANNELS, NODES)),
                Column("limit", newest(catalogue.NODE_CHANNELS_LIMIT, NODES)),
                Column("used", _USED, "percentunit", 0, steps=words.NODE_FULL),
            ],
            size=Size(19, 11),
            order=[("state", False), ("switch", False), ("node", False)],
        ),
    ]


def _load() -> list[Built]:
    return [
        over_time(
            "Peers",
            "A drop on one node and a rise on another is a failover.",
            Query(newest(catalogue.NODE_PEERS, NODES), _NODE),
            size=Size(12, 8),
        ),
        over_time(
            "Channels",
            "Channels in use.",
            Query(newest(catalogue.NODE_CHANNELS, NODES), _NODE),
            size=Size(12, 8),
            missing="the switch reports no channels per node",
        ),
        over_time(
            "Channel usage",
            "Dashed: warning from 80 %, critical from 95 %.",
            Query(_USED, _NODE),
            size=Size(12, 8),
            missing="no node has a limit (channels_limit)",
            unit="percentunit",
            steps=words.NODE_FULL,
        ),
        bars(
            "Busiest nodes",
            "The ten nodes with the highest channel usage, and switches that do not respond.",
            Query(f"topk(10, {_USED}) or {silent()}", _NODE),
            size=Size(12, 8),
            missing="no node has a limit (channels_limit)",
            steps=words.NODE_FULL,
        ),
    ]


def _balance() -> list[Built]:
    return [
        states(
            "Presence",
            "When the switch listed each node.",
            Query(f"{newest(catalogue.NODE_PRESENT, NODES)} or {silent()}", _NODE),
            size=Size(8, 10),
            words=_PRESENCE,
        ),
        over_time(
            "Imbalance",
            "Peers of the busiest node relative to the average of its switch: 1 is an even load.",
            Query(f"max by (switch) ({newest(catalogue.NODE_PEERS, SWITCHES)} / {_FAIR})", "{{switch}}"),
            size=Size(8, 10),
        ),
        rows(
            "Tenants by node",
            "The ten tenants with the most peers on each selected node.",
            [Label("switch"), Label("node"), Label("tenant")],
            [Column("peers", f"topk by (switch, node) (10, {newest(catalogue.TENANT_NODE_PEERS, NODES)})")],
            size=Size(8, 10),
            missing="peers per tenant are not polled",
            order=[("peers", True)],
        ),
    ]


def all_nodes() -> models.Dashboard:
    """Return the dashboard of all nodes."""
    return board(
        "Nodes",
        "The nodes of the switches.",
        [job(), switches(), nodes()],
        [Row("", _now()), Row("Load", _load()), Row("Balance", _balance())],
        alerts=['switch=~"$switch|"', 'node=~"$node|"'],
    )
