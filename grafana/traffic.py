"""The calls and channels of one tenant: a row of its dashboard."""

from exporter.metrics import catalogue
from grafana.panels import HALF, Built, Query, over_time
from grafana.promql import TENANT, newest, rate, recorded
from grafana.words import CRITICAL, GOOD, WARNING

_IS_ANSWERED = 'disposition="answered"'
_ENDED = "switch_tenant_direction_disposition:softswitch_tenant_call_records:increase1h"


def traffic() -> list[Built]:
    """Return the panels of the row."""
    return [
        over_time(
            "Calls, compared with last week",
            "Calls in progress. Dashed: a week earlier.",
            Query(newest(catalogue.TENANT_CALLS, TENANT), "calls"),
            Query(newest(catalogue.TENANT_CALLS, TENANT, offset="1w"), "a week ago"),
            size=HALF,
            dashed="B",
        ),
        over_time(
            "Channels and limit",
            "Channels in use. Dashed: the limit.",
            Query(newest(catalogue.TENANT_CHANNELS, TENANT), "channels"),
            Query(newest(catalogue.TENANT_CHANNELS_LIMIT, TENANT), "limit"),
            size=HALF,
            missing="channels per tenant are not polled",
            dashed="B",
        ),
        over_time(
            "Calls that ended, by outcome",
            "In the hour before: inbound, outbound and internal. Counted 10 to 15 minutes later.",
            Query(
                f"sum by (disposition) (last_over_time({recorded(_ENDED, TENANT, over='10m1s')}))",
                "{{disposition}}",
            ),
            size=HALF,
            missing="call records are not polled (call_records)",
            colours={"answered": GOOD, "failed": CRITICAL, "congestion": WARNING},
        ),
        over_time(
            "Average duration of answered calls",
            "By direction. For a long time range; calls longer than the delay of the query are not included.",
            Query(
                f"max by (direction) ({rate(catalogue.TENANT_CALL_RECORDS_SECONDS, '', TENANT)}) / "
                f"max by (direction) ({rate(catalogue.TENANT_CALL_RECORDS, '', TENANT, _IS_ANSWERED)})",
                "{{direction}}",
            ),
            size=HALF,
            missing="call records are not polled (call_records)",
            unit="s",
        ),
        over_time(
            "Peers by node",
            "A drop on one node and a rise on another is a failover. Dashed: all nodes.",
            Query(newest(catalogue.TENANT_NODE_PEERS, TENANT), "{{node}}"),
            Query(newest(catalogue.TENANT_PEERS, TENANT), "all nodes"),
            size=HALF,
            missing="peers per tenant are not polled",
            dashed="B",
        ),
        over_time(
            "Channels by node",
            "Only on switches that report channels per node.",
            Query(newest(catalogue.TENANT_NODE_CHANNELS, TENANT), "{{node}}"),
            size=HALF,
            missing="the switch reports no channels per node",
        ),
    ]
