"""The fault matrix: what polls in every way, and the fault that each query meets in each round.

After as many rounds as there are faults every query has met every fault.
"""

import json

from tests.e2e.response_faults import BY_LISTS, BY_PEERS, COLUMNS, FAULTS, MAIN, QUERIES

INTERVAL = 60.0
TIMEOUT = 10.0
VICTIMS = tuple(f"T{number}" for number in range(7))
LISTED = ("L0", "L1")
_OF_TENANTS = ("peers", "channels", "calls", "balance", "limits", "registrations", "extensions")

_STRIDE = len(FAULTS) // len(COLUMNS)
"""Faults of one kind stand side by side in the table: those of one round are of different kinds."""


def _switch(name: str, url: str, key: str) -> dict[str, object]:
    return {
        "name": name,
        "url": url,
        "key": key,
        "timeout": f"{TIMEOUT:.0f}s",
        "max_concurrency": 30,
        # So few that no two go out at one moment: what a switch says too late would be the next one's answer.
        "max_requests_per_second": 20,
        "stale_after": 20,
    }


def configuration(url: str, key: str, **sections: object) -> str:
    """Return the text of the configuration, with further sections."""
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
                # Each tenant has its own query and that of the one before it.
                "queries": {
                    query: {"tenant_interval": "off"}
                    for position, query in enumerate(_OF_TENANTS)
                    if position not in {number, (number - 1) % len(VICTIMS)}
                },
            }
            for number, code in enumerate(VICTIMS)
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
