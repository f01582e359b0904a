"""The formats of responses: plain tables and JSON, as PHP writes them. Source: wire notes 2026-10."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from exporter.simulator.options import Options
from exporter.simulator.request import ApiRequest
from exporter.simulator.tenants import Tenant
from exporter.simulator.world import Figures, World

Row = tuple[str, ...]
NOT_FOUND = "\r\n"  # seen, wire notes 2026-10; other errors have an empty body

SECRET = "PASSWORD-MUST-NOT-SHOW"  # noqa: S105 - a mark to look for, not a password
"""Prefix of every credential in a list, so that a test can search logs, pages and metrics for leaks."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a response is made from. ``tenant`` is None for an installation-wide request."""

    world: World
    options: Options
    request: ApiRequest
    tenant: Tenant | None
    moment: float

    @property
    def the_tenant(self) -> Tenant:
        """The tenant of a request that needs one. Raises ValueError without one."""
        if self.tenant is None:
            raise ValueError(f"{self.request.operation} needs a tenant")
        return self.tenant

    def figures(self) -> Figures:
        """Return the counts of the tenant, or of the installation."""
        if self.tenant is None:
            return self.world.whole(self.moment)
        return self.world.figures(self.tenant, self.moment)


def listing(
    context: Context,
    columns: Sequence[str],
    rows: Iterable[Row],
    to_json: Callable[[Row], str],
    *,
    keyed_by_id: bool = False,
) -> str:
    """Return a list: a table with a header, a JSON array, or a JSON object keyed by the first column."""
    if not context.request.json:
        return "".join("|".join(line) + "\n" for line in (columns, *rows))
    if keyed_by_id:
        members = ",".join(f"{as_json(row[0])}:{to_json(row)}" for row in rows)
        return f"{{{members}}}" if members else "null"  # seen for a missing object (wire notes 2026-10)
    body = ",".join(map(to_json, rows))
    return f"[{body}]" if body else "]"  # an empty list lacks its first bracket (seen, wire notes 2026-10)


def as_json(value: object) -> str:
    """Return compact JSON with non-ASCII characters escaped, as PHP writes it."""
    return json.dumps(value, separators=(",", ":"))


def with_positions(record: Mapping[str, object]) -> dict[str, object]:
    """Return a record with every value twice, by position and by name (seen, wire notes 2026-10)."""
    items = enumerate(record.items())
    return {key: value for position, (name, value) in items for key in (str(position), name)}
