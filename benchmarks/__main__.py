"""Measure the exporter against its peers and print a table of ratios: ``make bench``.

    python -m benchmarks [--only scrape apply poll start live] [--series=1000,100000] [--rounds=15]
        [--minutes=4]

Each ratio is of two things measured alternately, so it also holds on a busy machine. See docs/performance.md.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks import apply, live, poll, scrape, start
from benchmarks.table import Row, text
from tests.e2e.programs import running_programs

_ALL = ("scrape", "apply", "poll", "start", "live")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--only", nargs="+", choices=_ALL, default=_ALL, metavar="KIND", help=f"any of {', '.join(_ALL)}"
    )
    parser.add_argument(
        "--series", default=",".join(map(str, scrape.SIZES)), help="sizes of scrapes, comma-separated"
    )
    parser.add_argument("--rounds", type=int, default=15, help="number of measurements")
    parser.add_argument("--minutes", type=float, default=4, help="duration of `live`")
    arguments = parser.parse_args()
    sizes = tuple(int(size) for size in arguments.series.split(","))
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, running_programs(Path(name)) as run:
        directory = Path(name)
        measurements: dict[str, Callable[[], Iterable[Row]]] = {
            "scrape": lambda: scrape.rows(run, directory, sizes, arguments.rounds),
            "apply": lambda: apply.rows(arguments.rounds),
            "poll": lambda: poll.rows(run, directory, arguments.rounds),
            "start": lambda: start.rows(run, directory, arguments.rounds),
            "live": lambda: live.rows(run, directory, arguments.minutes),
        }
        for kind in arguments.only:
            for row in measurements[kind]():
                print(f"{row.what}: {row.ratio:.3g}", file=sys.stderr)  # progress: all takes minutes
                rows.append(row)
    print(text(rows))


if __name__ == "__main__":
    main()
