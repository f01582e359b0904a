"""What the simulator prints when it starts: its address, its keys, a configuration, commands to try."""

from exporter.simulator.examples import api_examples, control_examples
from exporter.simulator.server import RunningSimulator


def introduction(simulator: RunningSimulator) -> str:
    """Return the text, with commands and a configuration that work as they are."""
    world, keys, options = simulator.parts.world, simulator.parts.keys, simulator.parts.options
    code = world.all_tenants[0].code
    examples = [
        *api_examples(simulator.base_url, keys, world),
        *control_examples(simulator.base_url, world),
    ]
    parameter = options.regstate_parameter
    registrations = (
        "" if parameter == "ext" else f"    queries: {{registrations: {{parameter: {parameter}}}}}\n"
    )
    return f"""\
A simulated switch with {len(world.all_nodes)} nodes and {len(world.all_tenants)} tenants answers at
  {simulator.url}
and explains itself at
  {simulator.base_url}/

Keys, all made up: {keys.admin} for everything, {keys.of_tenant(code)} for tenant {code}, and so on.

To watch it with the exporter, save this as config.yaml:

switches:
  - name: simulated
    url: {simulator.url}
    key: {keys.admin}
{registrations}    discover_tenants: {{enabled: true}}

To try it by hand:

{"".join(f"# {example.meaning}{chr(10)}{example.curl()}{chr(10)}" for example in examples)}
Stop it with Ctrl-C."""
