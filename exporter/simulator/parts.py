"""What one running simulator consists of."""

from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from exporter.simulator.faults import Faults
from exporter.simulator.journal import Journal
from exporter.simulator.keys import Keys
from exporter.simulator.options import Options
from exporter.simulator.world import World

API_PATH = "/pbx/proxyapi.php"


@dataclass(frozen=True, slots=True)
class Parts:
    """The world and what stands around it. ``announce`` is told what somebody must see, line by line."""

    world: World
    options: Options
    keys: Keys
    faults: Faults
    journal: Journal
    announce: Callable[[str], object]
    allow_remote_control: bool


PARTS = web.AppKey("PARTS", Parts)
