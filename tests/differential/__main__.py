"""Compares the daemon with Prometheus on as many random scenarios as wanted, and prints what was compared.

python -m tests.differential [--scenarios=1000] [--seed=0]
"""

import argparse
import shutil
import sys
from collections import Counter

from tests.differential.play import MINUTES, play
from tests.differential.promtool import compare


def main() -> int:
    """Return 1 where the two disagree."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--scenarios", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    promtool = shutil.which("promtool")
    if promtool is None:
        sys.exit("promtool is not installed: apt-get install prometheus")
    scenarios = play(arguments.seed, range(arguments.scenarios))
    counted = Counter(
        f"{alert.labels['alertname']} {alert.state}"
        for scenario in scenarios
        for alerts in scenario.alerts
        for alert in alerts or []
    )
    for what, minutes in sorted(counted.items()):
        sys.stdout.write(f"{minutes:8} minutes  {what}\n")
    told = compare(promtool, scenarios)
    sys.stdout.write(f"{told or f'{len(scenarios)} scenarios of {MINUTES} minutes: no disagreement'}\n")
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
