"""Rows of the dashboard of one tenant: its phones, its queues, and its calls and channels."""

from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from grafana import words
from grafana.known import all_clear_of_tenant, figure, of_tenant, problems, untried
from grafana.panels import HALF, NOTHING, Built, Query, Size, dial, figures, over_time, states
from grafana.promql import TENANT, newest, rate, recorded, registered_share, verdict
from grafana.promql import phones as phones_of
from grafana.tables import Column, Label, rows
from grafana.words import Numbered, Steps, Word

_REGISTERED: Numbered = {0: Word("OFF", words.CRITICAL), 1: Word("registered", words.GOOD)}
_WATCHED: Numbered = {1: Word("watched", words.WARNING)}
_UNREGISTERED: Numbered = {**_REGISTERED, **words.NONE_FOUND}


REGISTERED_SHARE = registered_share("switch, tenant", TENANT)


def phones() -> list[Built]:
    """Return the panels of the row."""
    registered = newest(catalogue.EXTENSION_REGISTERED, TENANT)
    watched = newest(catalogue.EXTENSION_WATCHED, TENANT)
    unknown = newest(catalogue.TENANT_EXTENSIONS, TENANT, 'state="unknown"')
    return [
        over_time(
            "Phones by state",
            "Custom and virtual extensions (not_applicable) cannot register.",
            Query(newest(catalogue.TENANT_EXTENSIONS, TENANT), "{{state}}"),
            size=Size(6, 8),
            missing="registrations are not polled",
            colours={"registered": words.GOOD, "unregistered": words.CRITICAL, "unknown": words.NEUTRAL},
        ),
        over_time(
            "Phones in use",
            "What phones are doing. A phone in a call or on hold is in use.",
            Query(newest(catalogue.TENANT_DEVICES, TENANT), "{{state}}"),
            size=Size(6, 8),
            missing="only with source: blf",
        ),
        states(
            "Watched phones",
            "When each watched phone was registered. Gaps: state unknown.",
            Query(f"{registered} and on (switch, tenant, extension) {watched}", "{{extension}}"),
            size=Size(7, 8),
            missing="no phone is watched (watch)",
            words=_REGISTERED,
        ),
        rows(
            "Phones not registered",
            "Phones that are not registered now. None: every phone is in a known state.",
            [Label("extension")],
            [
                Column(
                    "state",
                    problems(
                        f"max by (extension) ({registered}) == 0",
                        all_clear_of_tenant(also=f"sum({unknown}) == 0 and count({registered})"),
                    ),
                    words=_UNREGISTERED,
                ),
                Column(
                    "watched",
                    f"max by (extension) ({watched}) and on (extension) {registered} == 0",
                    words=_WATCHED,
                ),
            ],
            size=Size(5, 8),
            order=[("watched", True), ("extension", False)],
        ),
        *_limits(),
    ]


def _limits() -> list[Built]:
    limit = newest(catalogue.TENANT_EXTENSIONS_LIMIT, TENANT)
    success = newest(catalogue.QUERY_SUCCESS, TENANT, 'query="limits"')
    unlimited = (f"count({success} == 1)", words.NO_LIMIT)

    def largest(title: str, description: str, metric: Metric) -> Built:
        found = of_tenant(metric, unlimited, untried("limits"))
        return figures(title, description, Query(found, title.lower()), size=Size(8, 4))

    return [
        dial(
            "Extension usage",
            "Share of the extension limit. Only polled extensions count: all of them with `extensions: all`.",
            Query(
                figure(
                    f"max({phones_of('switch, tenant', TENANT, '')} / ({limit} > 0))",
                    unlimited,
                    untried("limits"),
                ),
                "used",
            ),
            size=Size(8, 4),
            steps=words.TENANT_FULL,
        ),
        largest(
            "Extension limit",
            "The most extensions that the tenant may have on the switch.",
            catalogue.TENANT_EXTENSIONS_LIMIT,
        ),
        largest(
            "Number limit",
            "The most numbers (DIDs) that the tenant may have on the switch.",
            catalogue.TENANT_DIDS_LIMIT,
        ),
    ]


_NOT_POLLED = "no queue is polled (queues)"
_SOME_WAIT: Steps = ((None, words.GOOD), (1, words.WARNING))
_ABOVE: Numbered = {
    0: Word("ok", words.GOOD),
    1: Word("above warning", words.WARNING),
    2: Word("ABOVE CRITICAL", words.CRITICAL),
}
_NOBODY: Steps = ((None, words.CRITICAL), (1, words.GOOD))


def _of_queue(metric: Metric, *matchers: str) -> str:
    return f"max by (queue) ({newest(metric, TENANT, *matchers)})"


def _agents(state: str) -> str:
    return _of_queue(catalogue.QUEUE_AGENTS, f'state="{state}"')


def _reported(outcome: str) -> str:
    return _of_queue(catalogue.QUEUE_CALLS_REPORTED, f'outcome="{outcome}"')


def _wait_verdict() -> str:
    wait = newest(catalogue.QUEUE_LONGEST_WAIT, TENANT)
    compared = "> bool on (switch, tenant) group_left ()"
    return verdict("queue", wait, compared, catalogue.TENANT_QUEUE_WAIT_THRESHOLD, TENANT)


def _graph(title: str, description: str, of_queue: Query, dashed: Query, unit: str = "none") -> Built:
    return over_time(
        title,
        description,
        of_queue,
        dashed,
        size=Size(12, 8),
        missing=_NOT_POLLED,
        unit=unit,
        dashed="B",
        colours=words.OF_SEVERITIES if "severity" in dashed.legend else NOTHING,
    )


def queues() -> list[Built]:
    """Return the panels of the row."""
    return [
        rows(
            "Queues",
            "Calls and agents now. Service level and counts as the switch states them: it is not known when "
            "it resets them. Thresholds: the configured ones of the longest wait.",
            [Label("queue")],
            [
                Column("waiting", _of_queue(catalogue.QUEUE_CALLS_WAITING), steps=_SOME_WAIT),
                Column("longest wait", _of_queue(catalogue.QUEUE_LONGEST_WAIT), "s", 0),
                Column("thresholds", _wait_verdict(), words=_ABOVE),
                Column("agents online", _agents("online"), steps=_NOBODY),
                Column("free", _agents("free")),
                Column("paused", _agents("paused")),
                Column("service level", _of_queue(catalogue.QUEUE_SERVICE_LEVEL), decimals=1),
                Column("received", _reported("received")),
                Column("answered", _reported("answered")),
                Column("abandoned", _reported("abandoned")),
            ],
            size=Size(24, 5),
            missing=_NOT_POLLED,
            order=[("waiting", True), ("queue", False)],
        ),
        _graph(
            "Longest wait and thresholds",
            "How long the first caller in each queue has waited. Dashed: the alert thresholds.",
            Query(newest(catalogue.QUEUE_LONGEST_WAIT, TENANT), "{{queue}}"),
            Query(newest(catalogue.TENANT_QUEUE_WAIT_THRESHOLD, TENANT), "{{severity}}"),
            "s",
        ),
        _graph(
            "Calls waiting",
            "Calls waiting in each queue. Dashed: agents online in the queue.",
            Query(newest(catalogue.QUEUE_CALLS_WAITING, TENANT), "{{queue}}"),
            Query(newest(catalogue.QUEUE_AGENTS, TENANT, 'state="online"'), "{{queue}}, agents"),
        ),
    ]


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
            colours={"answered": words.GOOD, "failed": words.CRITICAL, "congestion": words.WARNING},
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
