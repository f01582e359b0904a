from exporter.simulator.keys import Keys
from exporter.simulator.page import page
from exporter.simulator.world import World


def test_foreign_text_is_escaped(world: World) -> None:
    """Neither the address by which somebody came nor a key can bring markup into the page."""
    shown = page("http://<script>", Keys(admin='"><b>'), world)
    assert "<script>" not in shown
    assert '"><b>' not in shown
    assert "&lt;script&gt;" in shown
