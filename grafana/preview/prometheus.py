"""Runs the queries of a dashboard with Grafana's variables filled in."""

import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
_LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)")
_POINTS = 240
EVERYTHING = ".+"
"""``allValue`` of most of our variables: all values are selected."""


def everything(dashboard: dict[str, Any]) -> dict[str, str]:
    """Return the variables of a dashboard, with all values selected."""
    return {one["name"]: one.get("allValue") or EVERYTHING for one in dashboard["templating"]["list"]}


class QueryError(Exception):
    """Prometheus rejected a query, with its error message."""


class Series(NamedTuple):
    """The labels of a series, and its points: Unix time and value."""

    labels: dict[str, str]
    points: list[tuple[float, float]]

    @property
    def newest(self) -> float:
        """The last value."""
        return self.points[-1][1]


@dataclass(frozen=True)
class Source:
    """A Prometheus, the selected variables, and the time range.

    ``prepared`` rewrites each query, such as its durations for a simulation that runs faster.
    """

    base_url: str
    chosen: Mapping[str, str] = field(default_factory=dict)
    end: float = 0
    seconds: float = 3600
    rate_interval: str = "2m"
    prepared: Callable[[str], str] = str

    @property
    def begin(self) -> float:
        """The start of the time range."""
        return self.end - self.seconds

    @property
    def step(self) -> float:
        """Seconds between the points of a series."""
        return max(1, self.seconds / _POINTS)

    def filled_in(self, text: str) -> str:
        """Return a query with its variables filled in. Raises KeyError for an unknown variable."""
        values = {
            "__rate_interval": self.rate_interval,
            "__interval": "15s",
            "__range": f"{self.seconds:.0f}s",
            **self.chosen,
        }
        return _VARIABLE.sub(lambda found: values[found[1] or found[2]], self.prepared(text))

    def now(self, expression: str) -> list[Series]:
        """Return the result of a query at the end of the time range."""
        found = self._get("query", query=self.filled_in(expression), time=f"{self.end:.3f}")
        return [Series(one["metric"], [(one["value"][0], float(one["value"][1]))]) for one in found["result"]]

    def over_time(self, expression: str) -> list[Series]:
        """Return the result of a query over the time range."""
        found = self._get(
            "query_range",
            query=self.filled_in(expression),
            start=f"{self.begin:.3f}",
            end=f"{self.end:.3f}",
            step=f"{self.step:.3f}",
        )
        return [
            Series(one["metric"], [(at, float(value)) for at, value in one["values"]])
            for one in found["result"]
        ]

    def values(self, query: str) -> list[str]:
        """Return the values of a variable. Raises QueryError if the query is not ``label_values``."""
        read = _LABEL_VALUES.fullmatch(query)
        if read is None:
            raise QueryError(f"expected a query such as label_values(up, job), got {query!r}")
        matching = {"match[]": self.filled_in(read[1])}
        span = {"start": f"{self.begin:.3f}", "end": f"{self.end:.3f}"}
        found: list[str] = self._get(f"label/{read[2]}/values", **matching, **span)
        return found

    def _get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 (JSON)
        url = f"{self.base_url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 (the address that was given)
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            raise QueryError(error.read().decode(errors="replace")) from error
