"""The page at ``/``: what this is, and commands to copy."""

from html import escape

from exporter.simulator.examples import Example, api_examples, control_examples
from exporter.simulator.keys import Keys
from exporter.simulator.world import World

_HEAD = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Simulated switch</title>
<style>
body { font-family: sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }
code { background: #eee; padding: 0.1em 0.3em; overflow-wrap: anywhere; }
dd { margin: 0.2em 0 0.8em 1em; }
</style></head><body>
<h1>Simulated switch</h1>
<p>A stand-in for a soft-switch. Nothing here is real: companies, phones, money and keys are made up.</p>
"""


def page(base_url: str, keys: Keys, world: World) -> str:
    """Return the page. ``base_url`` is the address by which the reader came."""
    first = world.all_tenants[0].code
    return "".join(
        (
            _HEAD,
            f"<p>Nodes: {len(world.all_nodes)}. Tenants: {len(world.all_tenants)}. ",
            f"Admin key: <code>{escape(keys.admin)}</code>. ",
            f"Key of a tenant: <code>{escape(keys.of_tenant(first))}</code> for {escape(first)}, ",
            "and so on.</p>\n<h2>Ask it</h2>\n",
            _listed(api_examples(base_url, keys, world)),
            "<h2>Look behind it, and break it</h2>\n",
            _listed(control_examples(base_url, world)),
            "</body></html>\n",
        )
    )


def _listed(examples: list[Example]) -> str:
    items = (
        f"<dt>{escape(example.meaning)}</dt><dd><code>{escape(example.curl())}</code></dd>\n"
        for example in examples
    )
    return f"<dl>{''.join(items)}</dl>\n"
