"""Compares the daemon with Prometheus on random scenarios, and prints what was compared.

python -m tests.differential [--scenarios=1000] [--seed=0] [--promtool=PATH]…

Without ``--promtool``: the installed one, and the one in the directory NEWER_PROGRAMS if that is set.
"""

import argparse
import subprocess
import sys
from collections import Counter

from exporter.alerting.rules import RULES
from tests.differential.play import MINUTES, play
from tests.differential.promtool import compare
from tests.rule_files import promtools


def main() -> int:
    """Return 1 if the two disagree, or an alert was never due and so was not compared."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scenarios", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--promtool", action="append", default=[], metavar="PATH", help="may be repeated")
    arguments = parser.parse_args()
    scenarios = play(arguments.seed, range(arguments.scenarios))
    counted = Counter(
        f"{alert.labels['alertname']} {alert.state}"
        for scenario in scenarios
        for alerts in scenario.alerts
        for alert in alerts or []
    )
    for what, minutes in sorted(counted.items()):
        sys.stdout.write(f"{minutes:8} minutes  {what}\n")
    never = {rule.name for rule in RULES if rule.condition} - {what.partition(" ")[0] for what in counted}
    for name in sorted(never):
        sys.stdout.write(f"   never           {name}: cause it in tests/differential/site.py or play.py\n")
    disagree = bool(never)
    for promtool in arguments.promtool or promtools():
        differences = compare(promtool, scenarios)
        disagree |= bool(differences)
        outcome = differences or f"{len(scenarios)} scenarios of {MINUTES} minutes: no disagreement"
        sys.stdout.write(f"{_version(promtool)}: {outcome}\n")
        sys.stdout.flush()
    return int(disagree)


def _version(promtool: str) -> str:
    """Return the name and version of a promtool; exits if it does not run."""
    try:
        done = subprocess.run([promtool, "--version"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"cannot run {promtool}: {error}")
    return (done.stdout + done.stderr).partition(" (")[0]


if __name__ == "__main__":
    sys.exit(main())
