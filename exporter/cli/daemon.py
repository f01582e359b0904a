"""The daemon: poll and serve until told to stop."""

import argparse
import asyncio
import os

from exporter import app, logs
from exporter.config import load
from exporter.masking import Mask


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon; return 0 when it was told to stop."""
    mask = Mask()
    logs.configure(arguments.log_level, arguments.log_format, mask)
    configuration = load(arguments.config_file, os.environ)
    asyncio.run(app.run(configuration, mask, arguments.listen_addresses, arguments.telemetry_path))
    return 0
