import json

import pytest

from exporter.cli import main


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a configuration file, and as valid JSON."""
    assert main(["--config.schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert {"switches", "alerting"} <= schema["properties"].keys()
