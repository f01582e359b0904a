import aiohttp

from exporter.simulator.api import PARTS
from exporter.simulator.keys import Keys
from exporter.simulator.page import Example, api_examples, control_examples, page
from exporter.simulator.server import RunningSimulator, create_application
from exporter.simulator.world import World


def test_foreign_text_is_escaped(world: World) -> None:
    """Neither the address by which somebody came nor a key can bring markup into the page."""
    parts = create_application(world, keys=Keys(admin='"><b>'))[PARTS]
    shown = page("http://<script>", parts)
    assert "<script>" not in shown
    assert '"><b>' not in shown
    assert "&lt;script&gt;" in shown


async def test_every_example_works(simulator: RunningSimulator, session: aiohttp.ClientSession) -> None:
    """Each command that is shown is answered, none is refused, and the last ones undo the rest."""
    parts = simulator.parts
    examples = [
        *api_examples(simulator.base_url, parts.keys, parts.world),
        *control_examples(simulator.base_url, parts.world),
    ]
    for example in examples:
        async with session.request(example.method, example.url, json=example.body) as response:
            assert response.status == 200, example.meaning
            assert "Too bad" not in await response.text(), example.meaning
    assert parts.world.nodes() == list(parts.world.all_nodes)
    assert not parts.faults.rules()


def test_examples_are_command_lines() -> None:
    """A reading, a change and a deletion each become one line that a shell understands."""
    assert Example("", "http://x/?a&b").curl() == "curl -s 'http://x/?a&b'"
    assert Example("", "http://x", "POST", {"a": True}).curl() == "curl -s 'http://x' -d '{\"a\": true}'"
    assert Example("", "http://x", "DELETE").curl() == "curl -s -X DELETE 'http://x'"
