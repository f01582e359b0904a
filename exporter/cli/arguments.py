"""Flags and commands, named as in the programs of the Prometheus project."""

import argparse
import importlib
import platform
import re
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from exporter import __version__
from exporter.model import Query
from exporter.simulator import options as simulator

DEFAULT_LISTEN_ADDRESS = ":10390"
LEVELS = ("debug", "info", "warning", "error")
_HIGHEST_PORT = 65_535

_Command = Callable[[argparse.Namespace], int]
_Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 -- it has no public name
_Flag = Mapping[str, Any]


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line. Its namespace holds the command as ``run``."""
    main = argparse.ArgumentParser(
        prog="softswitch-exporter",
        description="Prometheus exporter for hosted-telephony soft-switches. "
        "Without a command, it polls the configured switches and serves /metrics.",
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
    simulate = _add_command(commands, "simulate", "run a simulated switch", _module("exporter.cli.simulate"))
    simulator.add_arguments(simulate)
    _add_demo(commands)
    _add_test_alert(commands)
    return main


def _add_command(commands: _Commands, name: str, summary: str, run: _Command) -> argparse.ArgumentParser:
    description = f"{summary[0].upper()}{summary[1:]}."
    command = commands.add_parser(name, help=summary, description=description, allow_abbrev=False)
    command.set_defaults(run=run)
    return command


def _module(name: str) -> _Command:
    """Return a command that imports its module when it runs: ``--help`` needs no library."""

    def run(arguments: argparse.Namespace) -> int:
        status: int = importlib.import_module(name).run(arguments)
        return status

    return run


def _add_daemon_flags(main: argparse.ArgumentParser) -> None:
    def run(arguments: argparse.Namespace) -> int:
        if arguments.config_file is None:
            main.error("--config.file is required; `softswitch-exporter demo` needs no configuration")
        _set_default_address(arguments)
        if arguments.config_check:
            return _module("exporter.cli.check")(arguments)
        # It would end the process until the daemon installs its handler.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        return _module("exporter.cli.daemon")(arguments)

    main.set_defaults(run=run)
    main.add_argument("--config.file", **_CONFIG_FILE, help="configuration file")
    main.add_argument(
        "--config.check",
        dest="config_check",
        action="store_true",
        help="validate the configuration, print the polling plan, and exit",
    )
    _add_web_flags(main)
    main.add_argument(
        "--log.level",
        dest="log_level",
        choices=LEVELS,
        default="info",
        help="lowest level to log (default info)",
    )
    main.add_argument(
        "--log.format",
        dest="log_format",
        choices=("logfmt", "json"),
        default="logfmt",
        help="log format (default logfmt)",
    )


def _add_web_flags(main: argparse.ArgumentParser) -> None:
    main.add_argument(
        "--web.listen-address",
        **_LISTEN_ADDRESS,
        help=f"address to listen on; may be repeated (default {DEFAULT_LISTEN_ADDRESS})",
    )
    main.add_argument(
        "--web.config.file",
        **_WEB_CONFIG_FILE,
        help="TLS and basic authentication, in the format of Prometheus's exporter-toolkit",
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
        help="URL that browsers use, for example of a reverse proxy: the status page and /-/reload also "
        "accept requests for its host",
    )
    main.add_argument(
        "--web.enable-lifecycle",
        dest="enable_lifecycle",
        action="store_true",
        help="enable POST /-/reload, which reloads the configuration like SIGHUP",
    )


# A flag of a command may also precede it: SUPPRESS keeps the value that was given there.
def _add_healthcheck(commands: _Commands) -> None:
    def run(arguments: argparse.Namespace) -> int:
        _set_default_address(arguments)
        return _module("exporter.cli.healthcheck")(arguments)

    command = _add_command(commands, "healthcheck", "check whether the local exporter is healthy", run)
    command.add_argument(
        "--web.listen-address",
        **_LISTEN_ADDRESS,
        default=argparse.SUPPRESS,
        help=f"same value as the exporter's flag (default {DEFAULT_LISTEN_ADDRESS})",
    )
    command.add_argument(
        "--web.config.file",
        **_WEB_CONFIG_FILE,
        default=argparse.SUPPRESS,
        help="same value as the exporter's flag; decides between HTTP and HTTPS",
    )


def _add_probe(commands: _Commands) -> None:
    summary = "query a switch once, show the responses, and suggest settings"
    command = _add_command(commands, "probe", summary, _module("exporter.cli.probe"))
    command.add_argument("--config.file", **_CONFIG_FILE, default=argparse.SUPPRESS)
    command.add_argument(
        "--switch", metavar="NAME", type=_text, help="switch to query; required if there are several"
    )
    command.add_argument(
        "--query",
        choices=[query.value for query in Query],
        help="run only this query (default: all enabled queries, with one tenant and one extension, and a "
        "summary); registrations tries every source",
    )
    command.add_argument(
        "--tenant", metavar="CODE", type=_text, help="query this tenant instead of the installation"
    )
    command.add_argument(
        "--extension",
        metavar="NUMBER",
        type=_text,
        help="query this extension of the tenant, from the configured source",
    )


def _add_demo(commands: _Commands) -> None:
    summary = "run the exporter against a simulated switch"
    command = _add_command(commands, "demo", summary, _module("exporter.cli.demo"))
    command.add_argument(
        "--port", type=_port, default=10390, help="port of the exporter; 0 picks a free one (default 10390)"
    )
    command.add_argument(
        "--simulator-port",
        type=_port,
        default=10391,
        help="port of the simulated switch; 0 picks a free one (default 10391)",
    )
    command.add_argument("--seed", type=int, default=1, help="seed of the simulated data (default 1)")


def _add_test_alert(commands: _Commands) -> None:
    summary = "send a test alert to every configured Alertmanager, then resolve it"
    command = _add_command(commands, "test-alert", summary, _module("exporter.cli.testalert"))
    command.add_argument("--config.file", **_CONFIG_FILE, default=argparse.SUPPRESS)
    command.add_argument(
        "--severity",
        choices=("critical", "warning", "info"),
        default="warning",
        help="severity label of the alert, which Alertmanager routes by (default warning)",
    )
    command.add_argument(
        "--hold",
        type=_up_to_an_hour,
        default=10.0,
        metavar="SECONDS",
        help="how long the alert fires before it is resolved (default 10)",
    )


def _set_default_address(arguments: argparse.Namespace) -> None:
    if arguments.listen_addresses is None:
        arguments.listen_addresses = [listen_address(DEFAULT_LISTEN_ADDRESS)]


def listen_address(text: str) -> tuple[str | None, int]:
    """Parse ``host:port``, ``[ipv6]:port`` or ``:port``; the host is None for every interface."""
    host, colon, port = text.rpartition(":")
    if not colon or not _is_port(port):
        raise argparse.ArgumentTypeError(
            f"expected an address such as :10390 or 127.0.0.1:10390, got {text!r}"
        )
    return host.removeprefix("[").removesuffix("]") or None, int(port)


_CONFIG_FILE: _Flag = {"dest": "config_file", "type": Path, "metavar": "FILE"}
_WEB_CONFIG_FILE: _Flag = {"dest": "web_config_file", "type": Path, "metavar": "FILE"}
_LISTEN_ADDRESS: _Flag = {
    "dest": "listen_addresses",
    "type": listen_address,
    "action": "append",
    "metavar": "[HOST]:PORT",
}


def _port(text: str) -> int:
    if not _is_port(text):
        raise argparse.ArgumentTypeError(f"expected a port from 0 to {_HIGHEST_PORT}, got {text!r}")
    return int(text)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) <= _HIGHEST_PORT


def _path(text: str) -> str:
    if not re.fullmatch(r"(/[\w.~-]+)+", text, re.ASCII) or text.startswith(("/-/", "/api/")):
        raise argparse.ArgumentTypeError(
            f"expected a path such as /metrics, not below /-/ or /api/, got {text!r}"
        )
    return text


def _external_url(text: str) -> str:
    try:
        url = urlsplit(text)
        is_url = url.scheme in {"http", "https"} and url.hostname and (url.port is None or url.port > 0)
    except ValueError:
        is_url = False
    if not is_url:
        raise argparse.ArgumentTypeError(f"expected a URL such as https://exporter.example.com, got {text!r}")
    return text


def _text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:  # Python keeps bytes that it cannot decode as halves of surrogate pairs
        raise argparse.ArgumentTypeError(
            "expected text in the encoding of this terminal; set LC_ALL=C.UTF-8 or retype it"
        ) from None
    return text


def _up_to_an_hour(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 3600:  # noqa: PLR2004 -- also false for NaN
        raise argparse.ArgumentTypeError(f"expected seconds from 0 to 3600, got {text!r}")
    return seconds
