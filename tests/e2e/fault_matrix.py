"""The configuration and the rounds of the fault matrix. After all rounds every query has met every fault."""

import json

from tests.e2e.response_faults import BY_LISTS, BY_PEERS, COLUMNS, FAULTS, MAIN, QUERIES

INTERVAL = 60.0
TIMEOUT = 10.0
CODES = tuple(f"T{number}" for number in range(7))
LISTED = ("L0", "L1")
_TENANT_QUERIES = ("peers", "channels", "calls", "balance", "limits", "registrations", "extensions")

_STRIDE = len(FAULTS) // len(COLUMNS)
"""Neighbors in the table are similar: with this distance, the faults of one round differ."""


def _switch(name: str, url: str, key: str) -> dict[str, object]:
    return {
        "name": name,
        "url": url,
        "key": key,
        "timeout": f"{TIMEOUT:.0f}s",
        "max_concurrency": 30,
        # Serialize requests: late data on a connection would be read as the next response.
        "max_requests_per_second": 20,
        "stale_after": 20,
    }


def configuration(url: str, key: str, **sections: object) -> str:
    """Return the configuration text with additional sections."""
    every = f"{INTERVAL:.0f}s"
    everything = {query: dict.fromkeys(intervals, every) for query, intervals in QUERIES.items()}
    nothing = {query: dict.fromkeys(intervals, "off") for query, intervals in QUERIES.items()}
    everything["calls"]["empty"] = "error"
    kinds = {"T5": ["100"], "T6": "all"}
    main = _switch(MAIN, url, key) | {
        "queries": everything,
        "discover_tenants": {"enabled": True, "exclude": ["L."]},
        "tenant_defaults": {"extensions": "none"},
        "tenants": [
            {
                "code": code,
                "extensions": kinds.get(code, "none"),
                # Each tenant has its own query and that of the previous tenant.
                "queries": {
                    query: {"tenant_interval": "off"}
                    for position, query in enumerate(_TENANT_QUERIES)
                    if position not in {number, (number - 1) % len(CODES)}
                },
            }
            for number, code in enumerate(CODES)
        ],
    }
    lists = [
        _switch(name, url, key)
        | {
            "queries": {**nothing, "registrations": {"tenant_interval": every, "source": source}},
            "tenants": [{"code": code, "extensions": ["100"]} for code in LISTED],
        }
        for name, source in ((BY_LISTS, "extensions"), (BY_PEERS, "peers"))
    ]
    return json.dumps({"switches": [main, *lists], **sections})


def faults_of_round(number: int) -> dict[str, str]:
    """Return the fault of each column in a round."""
    faults = list(FAULTS)
    chosen = {
        column: faults[(number + position * _STRIDE) % len(faults)] for position, column in enumerate(COLUMNS)
    }
    return {column: fault for column, fault in chosen.items() if column in FAULTS[fault][1]}
