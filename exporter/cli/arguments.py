"""Every flag and command, named as in the programs of the Prometheus project."""

import argparse
import importlib
import platform
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from exporter import __version__
from exporter.cli import process
from exporter.model import Query
from exporter.simulator import options as simulator

DEFAULT_LISTEN_ADDRESS = ":10390"
LEVELS = ("debug", "info", "warning", "error")
_HIGHEST_PORT = 65_535
_AN_HOUR = 3600.0
_HELD = 10.0

_Command = Callable[[argparse.Namespace], int]
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 -- it has no public name


_CONFIG_FILE: Mapping[str, Any] = {"dest": "config_file", "type": Path, "metavar": "FILE"}
_WEB_CONFIG_FILE: Mapping[str, Any] = {"dest": "web_config_file", "type": Path, "metavar": "FILE"}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line. Its namespace has the command to call as ``run``."""
    main = argparse.ArgumentParser(
        prog="softswitch-exporter",
        description="Prometheus exporter for hosted-telephony soft-switches. "
        "Without a command: poll the switches of the configuration and serve /metrics.",
        allow_abbrev=False,
    )
    main.add_argument(
        "--version",
        action="version",
        version=f"softswitch-exporter {__version__} (Python {platform.python_version()})",
    )
    _add_daemon_flags(main)
    commands = main.add_subparsers(title="commands", metavar="COMMAND")
    _add_probe(commands)
    _add_healthcheck(commands)
    simulate = "run a simulated switch, to try things out"
    simulator.add_arguments(_add_command(commands, "simulate", simulate, _load("simulate")))
    _add_demo(commands)
    _add_test_alert(commands)
    return main


def _add_command(commands: _Commands, name: str, summary: str, run: _Command) -> argparse.ArgumentParser:
    description = f"{summary[0].upper()}{summary[1:]}."
    command = commands.add_parser(name, help=summary, description=description, allow_abbrev=False)
    command.set_defaults(run=run)
    return command


def _load(module: str) -> _Command:
    """Return the function that runs a command. It imports its module only then: `--help` needs none."""

    def run(arguments: argparse.Namespace) -> int:
        status: int = importlib.import_module(f"exporter.cli.{module}").run(arguments)
        return status

    return run


def _daemon_or_check(main: argparse.ArgumentParser) -> _Command:
    def run(arguments: argparse.Namespace) -> int:
        if arguments.config_file is None:
            main.error("--config.file is needed; `softswitch-exporter demo` works without one")
        _set_default_address(arguments)
        if arguments.config_check:
            return _load("check")(arguments)
        process.ignore_reload()
        return _load("daemon")(arguments)

    return run


def _healthcheck(arguments: argparse.Namespace) -> int:
    _set_default_address(arguments)
    return _load("healthcheck")(arguments)


def _set_default_address(arguments: argparse.Namespace) -> None:
    if arguments.listen_addresses is None:
        arguments.listen_addresses = [listen_address(DEFAULT_LISTEN_ADDRESS)]


def _add_daemon_flags(main: argparse.ArgumentParser) -> None:
    main.set_defaults(run=_daemon_or_check(main))
    main.add_argument("--config.file", **_CONFIG_FILE, help="configuration file")
    main.add_argument(
        "--config.check",
        dest="config_check",
        action="store_true",
        help="validate the configuration, print what would be polled, and exit",
    )
    _add_web_flags(main)
    main.add_argument("--log.level", dest="log_level", choices=LEVELS, default="info", help="default info")
    main.add_argument(
        "--log.format", dest="log_format", choices=("logfmt", "json"), default="logfmt", help="default logfmt"
    )


def _add_web_flags(main: argparse.ArgumentParser) -> None:
    main.add_argument(
        "--web.listen-address",
        **_LISTEN_ADDRESS,
        help=f"address to serve on; may be repeated (default {DEFAULT_LISTEN_ADDRESS})",
    )
    main.add_argument(
        "--web.config.file",
        **_WEB_CONFIG_FILE,
        help="TLS and passwords, in the format of Prometheus's exporter-toolkit",
    )
    main.add_argument(
        "--web.telemetry-path",
        dest="telemetry_path",
        type=_path,
        default="/metrics",
        metavar="PATH",
        help="path of the metrics (default /metrics)",
    )
    main.add_argument(
        "--web.external-url",
        dest="external_url",
        type=_external_url,
        metavar="URL",
        help="URL of the exporter for browsers, for example behind a proxy: the status page and "
        "/-/reload also answer to requests for its host",
    )
    main.add_argument(
        "--web.enable-lifecycle",
        dest="enable_lifecycle",
        action="store_true",
        help="let POST /-/reload load the configuration anew, as SIGHUP does",
    )


# Flags of a command may also stand before it: with SUPPRESS an absent flag keeps what was given there.
def _add_healthcheck(commands: _Commands) -> None:
    summary = "ask the exporter of this machine whether it is healthy"
    command = _add_command(commands, "healthcheck", summary, _healthcheck)
    command.add_argument(
        "--web.listen-address",
        **_LISTEN_ADDRESS,
        default=argparse.SUPPRESS,
        help=f"the exporter's own flag (default {DEFAULT_LISTEN_ADDRESS})",
    )
    command.add_argument(
        "--web.config.file",
        **_WEB_CONFIG_FILE,
        default=argparse.SUPPRESS,
        help="likewise; tells whether it is https",
    )


def _add_probe(commands: _Commands) -> None:
    summary = "ask a switch once, show the answers, and tell what to configure"
    command = _add_command(commands, "probe", summary, _load("probe.command"))
    command.add_argument("--config.file", **_CONFIG_FILE, default=argparse.SUPPRESS)
    command.add_argument(
        "--switch", metavar="NAME", type=_text, help="which switch; needed where there are several"
    )
    command.add_argument(
        "--query",
        choices=[query.value for query in Query],
        help="ask this alone; by default all that the configuration has on, one tenant and one phone "
        "among it, with a summary; registrations tries every source of them",
    )
    command.add_argument(
        "--tenant", metavar="CODE", type=_text, help="ask about this tenant, not the whole installation"
    )
    command.add_argument(
        "--extension", metavar="NUMBER", type=_text, help="ask about this phone of the tenant, as configured"
    )


def _add_demo(commands: _Commands) -> None:
    summary = "run the exporter against a simulated switch"
    command = _add_command(commands, "demo", summary, _load("demo"))
    command.add_argument(
        "--port", type=_port, default=10390, help="of the exporter; 0 is any (default 10390)"
    )
    command.add_argument(
        "--simulator-port",
        type=_port,
        default=10391,
        help="of the simulated switch; 0 is any (default 10391)",
    )
    command.add_argument(
        "--seed", type=int, default=1, help="the same seed makes the same switch (default 1)"
    )


def _add_test_alert(commands: _Commands) -> None:
    summary = "send a test alert and its end to every Alertmanager of the configuration"
    command = _add_command(commands, "test-alert", summary, _load("testalert"))
    command.add_argument("--config.file", **_CONFIG_FILE, default=argparse.SUPPRESS)
    command.add_argument(
        "--severity",
        choices=("critical", "warning", "info"),
        default="warning",
        help="label of the alert, which decides who is told (default warning)",
    )
    command.add_argument(
        "--hold",
        type=_up_to_an_hour,
        default=_HELD,
        metavar="SECONDS",
        help=f"how long it fires before its end is sent (default {_HELD:g})",
    )


def listen_address(text: str) -> tuple[str | None, int]:
    """Read ``host:port``, ``[ipv6]:port`` or ``:port`` (every interface)."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an address; write it like :10390 or 127.0.0.1:10390"
        )
    return host.removeprefix("[").removesuffix("]") or None, int(port)


_LISTEN_ADDRESS: Mapping[str, Any] = {
    "dest": "listen_addresses",
    "type": listen_address,
    "action": "append",
    "metavar": "[HOST]:PORT",
}


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port; write a number from 0 to {_HIGHEST_PORT}")
    return int(text)


def _path(text: str) -> str:
    if not re.fullmatch(r"(/[\w.~-]+)+", text, re.ASCII) or text.startswith(("/-/", "/api/")):
        raise argparse.ArgumentTypeError(
            f"{text!r} cannot be served on; write a path like /metrics, not below /-/ or /api/"
        )
    return text


def _external_url(text: str) -> str:
    try:
        url = urlsplit(text)
        is_url = url.scheme in {"http", "https"} and url.hostname and (url.port is None or url.port > 0)
    except ValueError:
        is_url = False
    if not is_url:
        raise argparse.ArgumentTypeError(f"{text!r} is not a URL; write it like https://exporter.example.com")
    return text


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # Python keeps bytes that it cannot decode as halves of surrogate pairs
        raise argparse.ArgumentTypeError(
            "is not text in the encoding of this terminal; set LC_ALL=C.UTF-8, or correct it"
        ) from None
    return text


def _up_to_an_hour(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _AN_HOUR:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds; write one from 0 to 3600")
    return seconds
