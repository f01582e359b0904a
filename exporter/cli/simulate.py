"""The simulated switch on its own."""

import argparse
import asyncio

from exporter.simulator import commandline


def run(arguments: argparse.Namespace) -> int:
    """Run the simulated switch until told to stop."""
    return asyncio.run(commandline.run(arguments))
