"""The recorder of observable behavior: comparisons find differences, and recordings are reproducible."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.e2e.outside.comparison import Comparison, compare
from tests.e2e.outside.recording import read_recording

_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: {}\r\nDate: today\r\n\r\n"
_METRICS = """\
# HELP softswitch_calls Calls running. Unit: calls.
# TYPE softswitch_calls gauge
softswitch_calls{switch="pbx"} 3
process_cpu_seconds_total 1.5
"""
_STATUS = {
    "version": "1",
    "switches": [{"up": True, "failures": [{"reason": "auth", "detail": "it refused"}]}],
}
_REQUEST = "GET /pbx/proxyapi.php?reqtype=COUNTCALLS&key=k HTTP/1.1\r\nHost: 127.0.0.1:4567\r\n\r\n"
_LOG = {
    "level": "info",
    "logger": "a",
    "ts": "2023-11-14T22:13:21Z",
    "msg": "query recovered",
    "tenant": "ACME",
}


def _record(directory: Path, changes: Mapping[str, str]) -> Path:
    """Record a made-up scenario in which each old text of the changes is replaced by the new one."""
    texts = {
        "addresses.json": json.dumps({"127.0.0.1:4567": "SWITCH0"}),
        "001.metrics": _HEAD.format("text/plain") + _METRICS,
        "001.status": _HEAD.format("application/json") + json.dumps(_STATUS),
        "switch0.requests": json.dumps([(0.5, _REQUEST)]),
        "output": "",
        "errors": json.dumps(_LOG),
        "status": "0",
    }
    directory.mkdir()
    for name, text in texts.items():
        changed = text
        for old, new in changes.items():
            changed = changed.replace(old, new)
        (directory / name).write_text(changed, newline="")
    read_recording(directory).write(directory / "recorded", "made-up")
    return directory / "recorded"


def _compared(directory: Path, changes: Mapping[str, str]) -> Comparison:
    return compare(_record(directory / "before", {}), _record(directory / "after", changes))


@pytest.mark.parametrize(
    ("old", "new", "file"),
    [
        ('softswitch_calls{switch="pbx"} 3', 'softswitch_calls{switch="pbx"} 4', "001.metrics"),
        ("# TYPE softswitch_calls gauge", "# TYPE softswitch_calls counter", "001.metrics"),
        ("process_cpu_seconds_total", "process_cpu_minutes_total", "001.metrics"),
        ('"up"', '"is_up"', "001.status"),
        ('"up": true', '"up": false', "001.status"),
        ("reqtype=COUNTCALLS", "reqtype=COUNTCALLS&cache=no", "switch0.requests"),
        ("ACME", "BOREAL", "errors"),
        ("22:13:21", "22:13:22", "errors"),
        ('"level": "info"', '"level": "error"', "errors"),
    ],
)
def test_changed_values_differ(old: str, new: str, file: str, tmp_path: Path) -> None:
    """Also keys of the status, parameters of requests and fields of log lines."""
    found = _compared(tmp_path, {old: new})
    assert not found.is_identical
    assert [*found.values] == [f"made-up/{file}"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Calls running.", "Calls at the moment."),
        ("it refused", "it refused the key"),
        ("query recovered", "query works again"),
    ],
)
def test_changed_wordings_are_listed(old: str, new: str, tmp_path: Path) -> None:
    """Help texts, details and messages may change without a failure."""
    found = _compared(tmp_path, {old: new})
    assert found.is_identical
    [(before, after)] = found.wordings
    assert old in before
    assert new in after
    assert "values identical, 1 wordings differ" in found.report()


@pytest.mark.parametrize(
    ("old", "new"), [("4567", "7654"), ("today", "tomorrow"), ("total 1.5", "total 1.6")]
)
def test_differences_between_runs_are_normalized(old: str, new: str, tmp_path: Path) -> None:
    """Ports, dates and metrics of the process."""
    found = _compared(tmp_path, {old: new})
    assert (found.values, found.wordings) == ({}, {})


def test_incomplete_recordings_differ(tmp_path: Path) -> None:
    """A missing file is a difference, an empty directory an error."""
    before, after = _record(tmp_path / "before", {}), _record(tmp_path / "after", {})
    (after / "values" / "made-up" / "001.metrics").unlink()
    assert compare(before, after).values == {"made-up/001.metrics": ["only in the first recording"]}
    with pytest.raises(ValueError, match="has no recording"):
        compare(before, tmp_path)


@pytest.mark.timeout(400)
def test_recordings_are_reproducible(tmp_path: Path) -> None:
    """Two recordings of the running program, made at the same time, are equal byte for byte."""
    recorder = (sys.executable, "-m", "tests.e2e.outside")
    recordings = [
        subprocess.Popen([*recorder, "record", str(tmp_path / name), "--only", "day-debug-json"])
        for name in ("first", "second")
    ]
    assert [recording.wait() for recording in recordings] == [0, 0]
    compared = subprocess.run(
        [*recorder, "compare", str(tmp_path / "first"), str(tmp_path / "second")],
        check=True,
        capture_output=True,
        text=True,
    )
    assert compared.stdout == "values identical, 0 wordings differ\n"
    page = (tmp_path / "first" / "values" / "day-debug-json" / "003-well-600s.metrics").read_text()
    assert 'softswitch_calls{switch="pbx"} 3050' in page
