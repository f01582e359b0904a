"""``assets``: write the shipped files for other programs to a directory, or list them."""

import argparse
from pathlib import Path

from exporter.errors import StartError
from exporter.files import read_regular_file
from exporter.shipped import REPOSITORY, assets

_NEXT = f"""
Next:
  Prometheus    name {{to}}/alerts/softswitch.rules.yaml and softswitch.alerts.yaml under `rule_files`
  Alertmanager  routes: alerts/alertmanager.example.yaml, messages: alerts/templates
  Grafana       mount grafana/provisioning and grafana/dashboards
  jsonnet       see mixin/README.md
  systemd       set the path of the program in deploy/systemd/softswitch-exporter.service
  keepalived    two exporters of which one polls: deploy/keepalived
More: {REPOSITORY}/docs/installing.md#files-for-other-programs
"""


def run(arguments: argparse.Namespace) -> int:
    """Write or list the files."""
    files = assets()
    if arguments.list:
        print("\n".join(files))
        return 0
    written = write(files, arguments.to, force=arguments.force)
    for name in written:
        print(f"wrote {arguments.to / name}")
    print(f"wrote {len(written)} files; {len(files) - len(written)} were up to date")
    print(_NEXT.format(to=arguments.to), end="")
    return 0


def write(files: dict[str, bytes], to: Path, *, force: bool) -> list[str]:
    """Write the files that are absent or, with ``force``, differ, and return their names.

    Raises StartError if a file cannot be written or, without ``force`` and before anything is written, if a
    file differs.
    """
    try:
        differing = [name for name, content in files.items() if not _is(to / name, content)]
        present = [name for name in differing if (to / name).exists()]
        if present and not force:
            raise StartError(_refusal(present, to))
        for name in differing:
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            (to / name).write_bytes(files[name])
    except OSError as error:
        raise StartError(f'cannot write "{error.filename}": {error.strerror}') from error
    return differing


def _is(path: Path, content: bytes) -> bool:
    """Return whether a file exists and has this content."""
    try:
        return read_regular_file(path, len(content)) == content
    except (FileNotFoundError, ValueError):  # ValueError: larger, or not a regular file
        return False


def _refusal(present: list[str], to: Path) -> str:
    listed = "\n".join(f"  {to / name}" for name in present)
    return (
        "these files exist and differ from this version:\n"
        f"{listed}\n"
        "Nothing was written. Write to another directory and compare, or replace them with --force."
    )
