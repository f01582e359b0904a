"""Every flag and command, named as the programs of the Prometheus project name theirs."""

import argparse
import platform
import re
from collections.abc import Callable
from pathlib import Path

from exporter import __version__
from exporter.cli import check, daemon, demo, healthcheck, probe, simulate, testalert
from exporter.logs import LEVELS
from exporter.model import Query
from exporter.simulator import commandline as simulator

DEFAULT_LISTEN_ADDRESS = ":10390"
_HIGHEST_PORT = 65_535


def parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line. ``run`` of what it returns is the command."""
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
    _add_command(
        commands,
        "simulate",
        "run a simulated switch, to try things out",
        simulate.run,
        simulator.add_arguments,
    )
    _add_command(
        commands, "demo", "run the exporter against a simulated switch", demo.run, demo.add_arguments
    )
    _add_command(
        commands,
        "test-alert",
        "send a test alert and its end to every Alertmanager of the configuration",
        testalert.run,
        testalert.add_arguments,
    )
    return main


def _add_daemon_flags(main: argparse.ArgumentParser) -> None:
    main.set_defaults(run=_daemon_or_check(main))
    main.add_argument(
        "--config.file", dest="config_file", type=Path, metavar="FILE", help="configuration file"
    )
    main.add_argument(
        "--config.check",
        dest="config_check",
        action="store_true",
        help="validate the configuration, print what would be polled, and exit",
    )
    main.add_argument(
        "--web.listen-address",
        dest="listen_addresses",
        type=listen_address,
        action="append",
        metavar="[HOST]:PORT",
        help=f"address to serve on; may be repeated (default {DEFAULT_LISTEN_ADDRESS})",
    )
    main.add_argument(
        "--web.config.file",
        dest="web_config_file",
        type=Path,
        metavar="FILE",
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
        "--web.enable-lifecycle",
        dest="enable_lifecycle",
        action="store_true",
        help="let POST /-/reload load the configuration anew, as SIGHUP does",
    )
    main.add_argument("--log.level", dest="log_level", choices=LEVELS, default="info", help="default info")
    main.add_argument(
        "--log.format", dest="log_format", choices=("logfmt", "json"), default="logfmt", help="default logfmt"
    )


def _daemon_or_check(main: argparse.ArgumentParser) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        if arguments.config_file is None:
            main.error("--config.file is needed; `softswitch-exporter demo` works without one")
        _default_address(arguments)
        return check.run(arguments) if arguments.config_check else daemon.run(arguments)

    return run


def _default_address(arguments: argparse.Namespace) -> None:
    if arguments.listen_addresses is None:
        arguments.listen_addresses = [listen_address(DEFAULT_LISTEN_ADDRESS)]


def _add_healthcheck(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    def add_arguments(command: argparse.ArgumentParser) -> None:
        # SUPPRESS: the flags may stand before the command as well.
        command.add_argument(
            "--web.listen-address",
            dest="listen_addresses",
            type=listen_address,
            action="append",
            metavar="[HOST]:PORT",
            default=argparse.SUPPRESS,
            help=f"the exporter's own flag (default {DEFAULT_LISTEN_ADDRESS})",
        )
        command.add_argument(
            "--web.config.file",
            dest="web_config_file",
            type=Path,
            metavar="FILE",
            default=argparse.SUPPRESS,
            help="likewise; tells whether it is https",
        )

    def run(arguments: argparse.Namespace) -> int:
        _default_address(arguments)
        return healthcheck.run(arguments)

    _add_command(
        commands, "healthcheck", "ask the exporter of this machine whether it is healthy", run, add_arguments
    )


def _add_probe(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    def add_arguments(command: argparse.ArgumentParser) -> None:
        # SUPPRESS: the flag may stand before the command as well.
        command.add_argument(
            "--config.file", dest="config_file", type=Path, metavar="FILE", default=argparse.SUPPRESS
        )
        command.add_argument("--switch", metavar="NAME", help="which switch; needed where there are several")
        command.add_argument(
            "--query",
            choices=[query.value for query in Query],
            help="ask this alone; by default all that the configuration has on, one tenant and one phone "
            "among it, with a summary; registrations tries every source of them",
        )
        command.add_argument(
            "--tenant", metavar="CODE", help="ask about this tenant, not the whole installation"
        )
        command.add_argument(
            "--extension", metavar="NUMBER", help="ask about this phone of the tenant, as configured"
        )

    _add_command(
        commands,
        "probe",
        "ask a switch once, show the answers, and tell what to configure",
        probe.run,
        add_arguments,
    )


def _add_command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    summary: str,
    run: Callable[[argparse.Namespace], int],
    add_arguments: Callable[[argparse.ArgumentParser], None],
) -> None:
    command = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.", allow_abbrev=False
    )
    add_arguments(command)
    command.set_defaults(run=run)


def listen_address(text: str) -> tuple[str | None, int]:
    """Read ``host:port``, ``[ipv6]:port`` or ``:port`` (every interface)."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > _HIGHEST_PORT:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not an address; write it like :10390 or 127.0.0.1:10390"
        )
    return host.removeprefix("[").removesuffix("]") or None, int(port)


def _path(text: str) -> str:
    if not re.fullmatch(r"(/[\w.~-]+)+", text, re.ASCII) or text.startswith(("/-/", "/api/")):
        raise argparse.ArgumentTypeError(
            f"{text!r} cannot be served on; write a path like /metrics, not below /-/ or /api/"
        )
    return text
