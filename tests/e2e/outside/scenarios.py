"""Every scenario by its name."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.e2e.outside.commands import commands
from tests.e2e.outside.daemon import daemons
from tests.e2e.outside.stage import Stage


@dataclass(frozen=True)
class Scenario:
    """What the program is started with, what stands around it, and what happens to it.

    ``{port}`` in an argument is the port on which the scenario expects it. Without a story it ends by itself.
    """

    arguments: tuple[str, ...]
    prepare: Callable[[Stage], None]
    story: Callable[[Stage], Awaitable[None]] | None


_DAEMON = ("--config.file=config.yaml", "--web.listen-address=127.0.0.1:{port}", "--log.format=json")


def scenarios() -> dict[str, Scenario]:
    """Return every scenario; those that take longest come first."""
    return {
        **{
            name: Scenario((*_DAEMON, *daemon.flags), daemon.prepare, daemon.story)
            for name, daemon in daemons().items()
        },
        **{
            name: Scenario(command.arguments, command.prepare, command.story)
            for name, command in commands().items()
        },
    }
