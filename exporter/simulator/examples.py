"""Commands that show what the simulator does, made for its address and keys: they work as they are."""

import json
from dataclasses import dataclass

from exporter.simulator.keys import Keys
from exporter.simulator.parts import API_PATH
from exporter.simulator.world import World


@dataclass(frozen=True, slots=True)
class Example:
    """One request, and what it is good for. ``body`` is the JSON it sends, or None."""

    meaning: str
    url: str
    method: str = "GET"
    body: object = None

    def curl(self) -> str:
        """Return it as a command line."""
        method = "" if self.method == "GET" or self.body is not None else f"-X {self.method} "
        data = "" if self.body is None else f" -d '{json.dumps(self.body)}'"
        return f"curl -s {method}'{self.url}'{data}"


def api_examples(base_url: str, keys: Keys, world: World) -> list[Example]:
    """Return requests that an exporter would send."""
    url, code = f"{base_url}{API_PATH}", world.all_tenants[0].code
    admin, tenant = f"key={keys.admin}", f"key={keys.of_tenant(code)}&tenant={code}"
    return [
        Example("peers of each node, and the total", f"{url}?reqtype=COUNTPEERS&format=json&{admin}"),
        Example("channels", f"{url}?reqtype=COUNTCHANNELS&{admin}"),
        Example("days of license left", f"{url}?reqtype=LICENSEDAYS&{admin}"),
        Example("the tenants", f"{url}?reqtype=MANAGEDB&object=tenant&action=list&{admin}"),
        Example("credit of a tenant, with its own key", f"{url}?reqtype=INFO&info=balance&{tenant}"),
        Example("one phone", f"{url}?reqtype=INFO&info=regstate&ext=100&{tenant}"),
    ]


def control_examples(base_url: str, world: World) -> list[Example]:
    """Return requests to the control interface; the last two undo what the others did."""
    control, code, node = f"{base_url}/simulator", world.all_tenants[0].code, world.all_nodes[-1]
    return [
        Example("everything that is true now", f"{control}/truth"),
        Example("the truth about one tenant", f"{control}/truth?tenant={code}"),
        Example("the newest requests, and counts", f"{control}/requests?since=0"),
        Example("stop time", f"{control}/world", "POST", {"freeze": True}),
        Example("let time go on", f"{control}/world", "POST", {"freeze": False}),
        Example("a node vanishes", f"{control}/world", "POST", {"nodes": {node: False}}),
        Example(
            "a tenant runs out of credit",
            f"{control}/world",
            "POST",
            {"tenants": {code: {"balance": -5}}},
        ),
        Example("half of all phones go", f"{control}/world", "POST", {"dropped": 0.5}),
        Example("the license ends in 3 days", f"{control}/world", "POST", {"license_days": 3}),
        Example(
            "a tenant is refused",
            f"{control}/faults",
            "POST",
            {"kind": "refuse_key", "tenant": code},
        ),
        Example(
            "COUNTPEERS hangs, 3 times",
            f"{control}/faults",
            "POST",
            {"kind": "hang", "reqtype": "COUNTPEERS", "limit": 3},
        ),
        Example("the faults in force", f"{control}/faults"),
        Example("no more faults", f"{control}/faults", "DELETE"),
        Example("the world as it was", f"{control}/world", "DELETE"),
    ]
