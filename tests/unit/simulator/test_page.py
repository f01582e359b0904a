import aiohttp

from exporter.simulator.api import PARTS
from exporter.simulator.page import Example, api_examples, breakages, control_examples, page
from exporter.simulator.request import Keys
from exporter.simulator.server import RunningSimulator, create_application
from exporter.simulator.world import World
from tests.rule_files import ALERT_NAMES


def test_untrusted_text_is_escaped(world: World) -> None:
    """Neither the address of the request nor a key can add markup to the page."""
    parts = create_application(world, keys=Keys(admin='"><b>'))[PARTS]
    html = page("http://<script>", parts)
    assert html.count("<script>") == 1  # the page's own
    assert '"><b>' not in html
    assert "http://&lt;script&gt;" in html


def test_it_links_to_the_exporter_that_watches(world: World) -> None:
    """To its status page, and to the runbook of each alert."""
    parts = create_application(world)[PARTS]
    assert "target=" not in page("http://switch", parts)
    parts.watched_at = "http://127.0.0.1:10390"
    html = page("http://switch", parts)
    assert 'href="http://127.0.0.1:10390/"' in html
    for one in breakages(world):
        assert f'href="http://127.0.0.1:10390/runbooks/{one.alert}"' in html


def test_every_alert_exists(world: World) -> None:
    """Each alert of a button is one of the shipped alerts."""
    assert {one.alert for one in breakages(world)} <= set(ALERT_NAMES)


async def test_the_page_has_the_address_of_the_request(
    simulator: RunningSimulator, session: aiohttp.ClientSession
) -> None:
    """The page is HTML with the key, and commands for the address and port that the reader used."""
    async with session.get(simulator.base_url) as response:
        html = await response.text()
        assert response.content_type == "text/html"
    assert "demo-admin" in html
    assert f"127.0.0.1:{simulator.port}/simulator/faults" in html


async def test_every_example_works(simulator: RunningSimulator, session: aiohttp.ClientSession) -> None:
    """Each command succeeds, none is refused, and the last two undo the rest."""
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
    assert not parts.faults.described()


def test_examples_are_shell_commands() -> None:
    """A read, a change and a deletion each become one line that a shell understands."""
    assert Example("", "http://x/?a&b").curl() == "curl -s 'http://x/?a&b'"
    assert Example("", "http://x", "POST", {"a": True}).curl() == "curl -s 'http://x' -d '{\"a\": true}'"
    assert Example("", "http://x", "DELETE").curl() == "curl -s -X DELETE 'http://x'"
