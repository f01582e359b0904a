"""The page at ``/``, and the text that the simulator prints at the start.

Both contain commands with its address and keys, ready to paste.
"""

import json
from dataclasses import dataclass
from html import escape

from exporter.simulator.api import API_PATH, Parts
from exporter.simulator.queues import names as queue_names
from exporter.simulator.request import Keys
from exporter.simulator.trunks import trunks
from exporter.simulator.world import World

_STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 1rem auto; max-width: 75rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td:first-child { width: 22rem; }
th, td { border-top: 1px solid #8886; padding: .35rem .6rem .35rem 0; text-align: left; vertical-align: top; }
button { font: inherit; padding: .25rem .7rem; text-align: left; }
pre { overflow-x: auto; }
"""

_SCRIPT = """
const output = document.querySelector("output");
async function send(method, path, body) {
  const response = await fetch("/simulator/" + path, { method, body });
  if (!response.ok) throw new Error(await response.text());
}
async function press(button, work, done) {
  button.disabled = true;
  try { await work(); output.textContent = done; }
  catch (error) { output.textContent = "Not done: " + error.message; }
  button.disabled = false;
}
for (const button of document.querySelectorAll("button[data-path]")) {
  const { path, body } = button.dataset;
  button.onclick = () => press(button, () => send("POST", path, body), "Done: " + button.textContent + ".");
}
const repair = document.querySelector("button[data-repair]");
repair.onclick = () => press(repair, async () => {
  await send("DELETE", "faults");
  await send("DELETE", "world");
}, "Everything is repaired.");
"""


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


@dataclass(frozen=True, slots=True)
class Breakage:
    """One button: a request to the control interface, with its path and body.

    ``alert``: the alert that it causes. ``expect``: what else changes, for the reader.
    """

    name: str
    path: str
    body: dict[str, object]
    alert: str
    expect: str


def breakages(world: World) -> list[Breakage]:
    """Return everything that can be broken in this world."""
    tenant, node = world.all_tenants[0], world.all_nodes[-1]
    code, trunk = tenant.code, next(trunks(world)).name
    changes = [
        Breakage(
            f"Remove the node {node}",
            "world",
            {"nodes": {node: False}},
            "SoftswitchNodeMissing",
            f'softswitch_node_present{{node="{node}"}} becomes 0, and there are fewer peers and channels.',
        ),
        Breakage(
            f"Let the trunk {trunk} fail",
            "world",
            {"trunks": {trunk: False}},
            "SoftswitchTrunkDown",
            f'softswitch_trunk_registered{{trunk="{trunk}"}} becomes 0.',
        ),
        Breakage(
            f"Unregister all phones of {code}",
            "world",
            {"tenants": {code: {"dropped": 1}}},
            "SoftswitchTenantRegistrationsLost",
            f'softswitch_tenant_extensions{{tenant="{code}",state="registered"}} becomes 0. In the first two '
            "minutes after the exporter starts, the alert is SoftswitchTenantRegistrationsLow.",
        ),
        Breakage(
            "Let the license expire in 3 days",
            "world",
            {"license_days": 3},
            "SoftswitchLicenseExpiring",
            "softswitch_license_remaining_seconds becomes 259200.",
        ),
        Breakage(
            f"Use up the credit of {code}",
            "world",
            {"tenants": {code: {"balance": -5}}},
            "SoftswitchBalanceLow",
            f'softswitch_tenant_balance{{tenant="{code}"}} becomes -5 or less.',
        ),
    ]
    changes += [
        Breakage(
            f"Let 7 calls wait in the queue {queue} of {code}, without agents",
            "world",
            {"tenants": {code: {"queues": {queue: {"waiting": 7, "longest_wait": 300, "online": 0}}}}},
            "SoftswitchQueueUnattended",
            "No alert while the tenant is closed: in the demo, it is open on weekdays from 9 to 18 in Rome.",
        )
        for queue in list(queue_names(world, tenant))[:1]
    ]
    return [
        *changes,
        Breakage(
            "Refuse every key",
            "faults",
            {"kind": "refuse_key"},
            "SoftswitchKeyRefused",
            'softswitch_query_failure{reason="auth"} appears; values become stale and disappear.',
        ),
        Breakage(
            "Let the API hang",
            "faults",
            {"kind": "hang"},
            "SoftswitchApiDown",
            "softswitch_up becomes 0, and softswitch_breaker_open 1: then the exporter sends only probes.",
        ),
    ]


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
    control, code = f"{base_url}/simulator", world.all_tenants[0].code

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
        *(Example(one.name, f"{control}/{one.path}", "POST", one.body) for one in breakages(world)),
        change("300 outbound calls in the call history", tenants={code: {"add_calls": {"number": 300}}}),
        change("half of all phones lose their registration", dropped=0.5),
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
    """Return buttons that break something, and the introduction, with the address that the reader used."""
    rows = "".join(_row(one, parts.watched_at) for one in breakages(parts.world))
    watch = "the exporter's status page"
    if parts.watched_at:
        watch = f'<a href="{escape(parts.watched_at)}/" target="exporter">{watch}</a>'
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,"><title>Simulated switch</title><style>{_STYLE}</style></head><body>
<h1>Simulated switch</h1>
<p>A stand-in for a soft-switch. All companies, phones, balances and keys are made up.</p>
<h2>Break something</h2>
<p>Press a button, then watch {watch}: within a minute, it names the problem. At first,
the alert is pending; it fires after the time in its rule.</p>
<table><thead><tr><th>break</th><th>alert</th><th>what changes</th></tr></thead><tbody>{rows}</tbody></table>
<p><button data-repair>Repair everything</button> <output>Nothing has been broken here yet.</output></p>
<h2>From a shell</h2>
<pre>{escape(introduction(base_url, parts))}</pre>
<script>{_SCRIPT}</script></body></html>
"""


def _row(one: Breakage, exporter: str | None) -> str:
    body = escape(json.dumps(one.body))
    button = f'<button data-path="{one.path}" data-body="{body}">{escape(one.name)}</button>'
    alert = one.alert
    if exporter:
        alert = f'<a href="{escape(exporter)}/runbooks/{alert}" target="exporter">{alert}</a>'
    return f"<tr><td>{button}</td><td>{alert}</td><td>{escape(one.expect)}</td></tr>"
