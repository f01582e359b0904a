"""The daemon: poll and serve until a signal stops it."""

import argparse
import asyncio
import os

from exporter import app, logs
from exporter.config import load
from exporter.config_file import CHECK_EVERY, RELOAD_EVERY
from exporter.masking import Mask
from exporter.output import never_block
from exporter.watchdog import end_out_of_memory, is_out_of_memory
from exporter.web import raise_descriptor_limit


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon. Return 0 after SIGTERM or SIGINT."""
    mask = Mask()
    output = never_block()
    if output:
        output.on_resumed = logs.log_dropped
    logs.configure(arguments.log_level, arguments.log_format, mask)
    logs.log_uncaught()
    raise_descriptor_limit()
    settings = app.Settings(
        load=lambda: load(arguments.config_file, os.environ),
        listen_addresses=arguments.web_listen_address,
        telemetry_path=arguments.web_telemetry_path,
        enable_lifecycle=arguments.web_enable_lifecycle,
        web_config_file=arguments.web_config_file,
        external_url=arguments.web_external_url,
        storage_path=arguments.storage_path,
        config_file=arguments.config_file,
        config_check_period=RELOAD_EVERY if arguments.config_auto_reload else CHECK_EVERY,
        auto_reload=arguments.config_auto_reload,
        log_lines_dropped=lambda: output.dropped if output else 0,
    )
    try:
        asyncio.run(app.run(settings, mask))
    except (MemoryError, RuntimeError) as error:
        if is_out_of_memory(error):
            end_out_of_memory()
        raise
    return 0
