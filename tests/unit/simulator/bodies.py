"""Ask a world for responses, without HTTP."""

import json
from typing import Any

from exporter.simulator import responses
from exporter.simulator.options import Options
from exporter.simulator.request import parse
from exporter.simulator.world import World


def body(world: World, query: str, **options: Any) -> str:
    """Return the response to a query string."""
    pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in query.split("&"))]
    return responses.body(world, Options(**options), parse("GET", pairs))


def in_json(world: World, query: str, **options: Any) -> Any:
    """Return the decoded JSON response to a query string."""
    return json.loads(body(world, f"{query}&format=json", **options))
