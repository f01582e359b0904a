"""``--config.schema``: print the JSON Schema of the configuration."""

import argparse

from exporter.config.json_schema import schema_text


def run(_: argparse.Namespace) -> int:
    """Print the schema."""
    print(schema_text(), end="")
    return 0
