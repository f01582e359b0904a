"""The phones of one tenant: a row of its dashboard."""

from exporter.metrics import catalogue
from exporter.metrics.catalogue import Metric
from grafana.known import all_clear_of_tenant, figure, of_tenant, problems, untried
from grafana.panels import Built, Query, Size, dial, figures, over_time, states
from grafana.promql import TENANT, newest
from grafana.tables import Column, Label, rows
from grafana.words import (
    CRITICAL,
    GOOD,
    NEUTRAL,
    NO_LIMIT,
    NONE_FOUND,
    TENANT_FULL,
    WARNING,
    Numbered,
    Word,
)

_IS_REGISTERED = 'state="registered"'
_IS_KNOWN = 'state=~"registered|unregistered"'
_REGISTERED: Numbered = {0: Word("OFF", CRITICAL), 1: Word("registered", GOOD)}
_WATCHED: Numbered = {1: Word("watched", WARNING)}
_UNREGISTERED: Numbered = {**_REGISTERED, **NONE_FOUND}


def extensions(matcher: str) -> str:
    """Return the number of extensions of the tenant."""
    return f"sum by (switch, tenant) ({newest(catalogue.TENANT_EXTENSIONS, TENANT, matcher)})"


REGISTERED_SHARE = f"{extensions(_IS_REGISTERED)} / ({extensions(_IS_KNOWN)} > 0)"


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
            colours={"registered": GOOD, "unregistered": CRITICAL, "unknown": NEUTRAL},
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
    unlimited = (f"count({success} == 1)", NO_LIMIT)

    def largest(title: str, description: str, metric: Metric) -> Built:
        found = of_tenant(metric, unlimited, untried("limits"))
        return figures(title, description, Query(found, title.lower()), size=Size(8, 4))

    return [
        dial(
            "Extension usage",
            "Share of the extension limit. Only polled extensions count: all of them with `extensions: all`.",
            Query(
                figure(f"max({extensions('')} / ({limit} > 0))", unlimited, untried("limits")),
                "used",
            ),
            size=Size(8, 4),
            steps=TENANT_FULL,
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
