"""The page at ``/``, and the text that the simulator prints at the start.

Both contain commands with its address and keys, ready to paste.
"""

import json
from dataclasses import dataclass
from html import escape

from exporter.simulator.api import API_PATH, Parts
from exporter.simulator.queues import names
from exporter.simulator.request import Keys
from exporter.simulator.trunks import trunks
from exporter.simulator.world import World


@dataclass(frozen=True, slots=True)
class Example:
    """One request and what it shows or does. ``body`` is its JSON, or None."""

    meaning: str
    url: str
    method: str = "GET"
    body: object = None

    def curl(self) -> str:
        """Return it as a shell command."""
        method = "" if self.method == "GET" or self.body is not None else f"-X {self.method} "
        data = "" if self.body is None else f" -d '{json.dumps(self.body)}'"
        return f"curl -s {method}'{self.url}'{data}"


def api_examples(base_url: str, keys: Keys, world: World) -> list[Example]:
    """Return requests that an exporter would send."""
    url, code = f"{base_url}{API_PATH}", world.all_tenants[0].code
    admin, tenant = f"key={keys.admin}", f"key={keys.of_tenant(code)}&tenant={code}"
    return [
        Example("peers per node, and the total", f"{url}?reqtype=COUNTPEERS&format=json&{admin}"),
        Example("channels", f"{url}?reqtype=COUNTCHANNELS&{admin}"),
        Example("remaining days of the license", f"{url}?reqtype=LICENSEDAYS&{admin}"),
        Example("the tenants", f"{url}?reqtype=MANAGEDB&object=tenant&action=list&{admin}"),
        Example("the trunks", f"{url}?reqtype=MANAGEDB&object=sipregs&action=list&format=json&{admin}"),
        Example("balance of a tenant, with its own key", f"{url}?reqtype=INFO&info=balance&{tenant}"),
        Example("the queues of a tenant", f"{url}?reqtype=INFO&info=queues&{tenant}"),
        Example("calls of the last hour", f"{url}?reqtype=INFO&info=simplecdrs&format=json&{tenant}"),
        Example("registration of one phone", f"{url}?reqtype=INFO&info=regstate&ext=100&{tenant}"),
    ]


def control_examples(base_url: str, world: World) -> list[Example]:
    """Return requests to the control interface; the last two undo the others."""
    control, code, node = f"{base_url}/simulator", world.all_tenants[0].code, world.all_nodes[-1]

    crowded = {"waiting": 7, "longest_wait": 300, "online": 0}

    def change(meaning: str, **changes: object) -> Example:
        return Example(meaning, f"{control}/world", "POST", changes)

    def fault(meaning: str, **rule: object) -> Example:
        return Example(meaning, f"{control}/faults", "POST", rule)

    return [
        Example("the true state of everything", f"{control}/truth"),
        Example("the true state of one tenant", f"{control}/truth?tenant={code}"),
        Example("the newest requests, and counts", f"{control}/requests?since=0"),
        change("stop time", freeze=True),
        change("resume time", freeze=False),
        change("remove a node", nodes={node: False}),
        change("a trunk fails", trunks={next(trunks(world)).name: False}),
        *(
            change("7 calls wait in a queue without agents", tenants={code: {"queues": {queue: crowded}}})
            for queue in list(names(world, world.all_tenants[0]))[:1]
        ),
        change("300 outbound calls in the call history", tenants={code: {"add_calls": {"number": 300}}}),
        change("a tenant runs out of credit", tenants={code: {"balance": -5}}),
        change("half of all phones lose their registration", dropped=0.5),
        change("the license expires in 3 days", license_days=3),
        fault("refuse the key for a tenant", kind="refuse_key", tenant=code),
        fault("COUNTPEERS hangs, 3 times", kind="hang", reqtype="COUNTPEERS", limit=3),
        Example("the active faults", f"{control}/faults"),
        Example("remove all faults", f"{control}/faults", "DELETE"),
        Example("undo all changes of the world", f"{control}/world", "DELETE"),
    ]


def introduction(base_url: str, parts: Parts) -> str:
    """Return the address, the keys, a configuration for the exporter, and commands to try."""
    keys, world = parts.keys, parts.world
    code = world.all_tenants[0].code
    examples = [*api_examples(base_url, keys, world), *control_examples(base_url, world)]
    parameter = parts.options.regstate_parameter
    queries = "" if parameter == "ext" else f"    queries: {{registrations: {{parameter: {parameter}}}}}\n"
    return f"""\
A simulated switch with {len(world.all_nodes)} nodes and {len(world.all_tenants)} tenants is listening.
  API:  {base_url}{API_PATH}
  Help: {base_url}/

Made-up keys: {keys.admin} for everything, {keys.of_tenant(code)} for tenant {code}, and so on.

To monitor it with the exporter, save this as config.yaml:

switches:
  - name: simulated
    url: {base_url}{API_PATH}
    key: {keys.admin}
{queries}    discover_tenants: {{enabled: true}}

To try it with curl:

{"".join(f"# {example.meaning}{chr(10)}{example.curl()}{chr(10)}" for example in examples)}"""


def page(base_url: str, parts: Parts) -> str:
    """Return the introduction as HTML, with the address that the reader used."""
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Simulated switch</title></head><body>
<h1>Simulated switch</h1>
<p>A stand-in for a soft-switch. All companies, phones, balances and keys are made up.</p>
<pre>{escape(introduction(base_url, parts))}</pre></body></html>
"""
