"""The simulated switch on its own."""

import argparse
import asyncio

from exporter.output import never_block
from exporter.simulator import cli


def run(arguments: argparse.Namespace) -> int:
    """Run the simulated switch until told to stop."""
    never_block()
    return asyncio.run(cli.run(arguments))
