import json
import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exporter.alerting import state
from exporter.alerting.engine import INTERVAL, Engine
from exporter.alerting.state_file import StateFile
from exporter.clock import Clock

_WALL = 1_700_000_000.0
_CLOCK = Clock(lambda: 1000.0, lambda: _WALL)
_BOOT = "a boot"
_TIMES: dict[str, float | str] = {"wall": _WALL - 60, "monotonic": 940.0, "boot": _BOOT}


def _lines(**times: object) -> list[bytes]:
    """Return the lines of an engine that has evaluated twice."""
    engine = Engine()
    for minute in range(2):
        for _ in engine.evaluate({}, minute * INTERVAL):
            pass
    first, *others = state.dump(engine, _TIMES)
    return [line.encode() for line in (json.dumps({**json.loads(first), **times}) + "\n", *others)]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[StateFile]:
    """Return a file that does not exist yet."""
    made = StateFile(tmp_path / "state.json")
    yield made
    made.release()


def _read(file: StateFile) -> tuple[Engine, float] | None:
    return file.read(_CLOCK, _BOOT)


def _names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def _uses(file: StateFile) -> list[Callable[[], object]]:
    """Return both ways to use a file."""
    return [lambda: _read(file), lambda: file.write(_lines())]


def test_what_was_written_is_read(file: StateFile) -> None:
    """No other user can read it, whatever the umask, and no other file is left after the release."""
    assert _read(file) is None
    before = os.umask(0)
    try:
        file.write(_lines())
        file.write(_lines())
    finally:
        os.umask(before)
    kept = _read(file)
    assert kept is not None
    assert (kept[0].evaluated_at, kept[1]) == (INTERVAL, 60)
    assert file.path.stat().st_mode & 0o777 == 0o600
    file.release()
    assert _names(file.path.parent) == {"state.json"}


def test_two_exporters(file: StateFile) -> None:
    """The second one can use the file after the first one has released it."""
    second = StateFile(file.path)
    file.write(_lines())
    for use in _uses(second):
        with pytest.raises(ValueError, match="in use by another exporter"):
            use()
    file.release()
    assert _read(second) is not None
    second.release()


def test_a_link_beside_the_file(file: StateFile, tmp_path: Path) -> None:
    """Temporary names are not predictable; a link as lock file is refused."""
    target = tmp_path / "target"
    target.write_text("precious")
    for name in ("state.json.new", "state.json.tmp"):
        (tmp_path / name).symlink_to(target)
    file.write(_lines())
    assert target.read_text() == "precious"

    file.release()
    (tmp_path / "state.json.lock").symlink_to(tmp_path / "created")
    with pytest.raises(ValueError, match=r"cannot be locked.*remove state.json.lock"):
        file.write(_lines())
    assert not (tmp_path / "created").exists()


@pytest.mark.parametrize("target", ["precious", "missing"])
def test_a_link_instead_of_the_file(target: str, file: StateFile, tmp_path: Path) -> None:
    """It is neither followed nor replaced."""
    (tmp_path / "precious").write_bytes(b"".join(_lines()))
    file.path.symlink_to(tmp_path / target)
    with pytest.raises(ValueError, match="symbolic link"):
        _read(file)
    with pytest.raises(ValueError, match="symbolic link"):
        file.write(_lines())
    assert file.path.is_symlink()
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("content", ["the-key", "switches: []", "\ufeffswitches: []", "-----BEGIN", "# text"])
def test_a_file_of_another_kind(content: str, file: StateFile) -> None:
    """It may be a key or the configuration, and is not replaced."""
    file.path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="is not a state file, and is left as it is"):
        file.write(_lines())
    assert file.path.read_text(encoding="utf-8") == content


@pytest.mark.parametrize("content", [b"", b'{"ver', b"\0" * 4096, b"\xff\xfe"])
def test_a_file_that_a_crash_damaged_is_replaced(content: bytes, file: StateFile) -> None:
    """Reading it is an error, until it is written."""
    file.path.write_bytes(content)
    with pytest.raises(ValueError, match="will be replaced"):
        _read(file)
    file.write(_lines())
    assert _read(file) is not None


def test_temporary_files_are_removed(file: StateFile, tmp_path: Path) -> None:
    """The next start removes half-written files, and no others with similar names."""
    (tmp_path / "state.json.0123456789abcdef.new").write_text("half")
    others = {"state.json.new", "state.json.0123.new", "other.json.0123456789abcdef.new"}
    for name in others:
        (tmp_path / name).write_text("of others")
    _read(file)

    assert _names(tmp_path) == others | {"state.json.lock"}


def test_a_file_that_every_user_can_write(file: StateFile) -> None:
    """It is not used, and is replaced by a private one."""
    file.write(_lines())
    file.path.chmod(0o666)
    with pytest.raises(ValueError, match="can be written by every user"):
        _read(file)
    file.write(_lines())
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert _read(file) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user: run as root")
def test_a_file_of_another_user(file: StateFile) -> None:
    """It is neither used nor replaced."""
    file.write(_lines())
    os.chown(file.path, 12345, 12345)
    for use in _uses(file):
        with pytest.raises(ValueError, match="belongs to user 12345"):
            use()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_not_a_regular_file(make: Any, file: StateFile) -> None:
    """A FIFO blocks nothing."""
    make(file.path)
    for use in _uses(file):
        with pytest.raises(ValueError, match="not a regular file"):
            use()


_HUGE = 10**400


@pytest.mark.parametrize("name", ["moment", "wall", "monotonic"])
@pytest.mark.parametrize(
    "value", [-1e308, 1e308, -math.inf, math.inf, math.nan, _HUGE, -_HUGE, -1e17, 1e17, True, "1", None]
)
def test_invalid_times(name: str, value: object, file: StateFile) -> None:
    """The file is not used: a fresh start is better than a clock that stands still."""
    file.path.write_bytes(b"".join(_lines(**{name: value, "boot": "" if name == "wall" else _BOOT})))
    with pytest.raises(ValueError, match="is damaged"):
        _read(file)


def _read_with(row: object, file: StateFile) -> tuple[Engine, list[str]]:
    """Read a file with this alert and a valid one; return the engine, and why alerts were skipped."""
    first, alerts, _ = (json.loads(line) for line in _lines())
    lines = [first, {"alerts": [row, *alerts["alerts"]]}, {"parts": 1}]
    file.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    left_out: list[str] = []
    kept = file.read(_CLOCK, _BOOT, left_out.append)
    assert kept is not None
    return kept[0], left_out


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("value", [-1e308, 1e300, -math.inf, _HUGE, -1e17, "1", None, []])
def test_an_alert_with_an_invalid_number_is_skipped(number: int, value: object, file: StateFile) -> None:
    """A value, a threshold or an age is invalid; the other alerts are restored."""
    kind, labels = ["SoftswitchNodeMissing", "critical", "node"], [["switch", "pbx"], ["node", "pbx1"]]
    row: list[object] = [kind, labels, "firing", 0.0, 0.0, 60.0, 60.0, 0.0]
    row[3 + number] = value
    engine, left_out = _read_with(row, file)

    is_allowed = (number < 2 and value in (-1e308, 1e300, -1e17)) or (number == 4 and value is None)
    assert len(left_out) == (0 if is_allowed else 1)
    assert len(engine.alerts.by_identity) == (2 if is_allowed else 1)
    for _ in engine.evaluate({}, 3 * INTERVAL):
        pass


@pytest.mark.parametrize(
    "row",
    [
        [["SoftswitchNodeMissing", "critical", "node"], [["switch", "pbx"]], "firing", 0, 0, 9, 9, None],
        [
            ["SoftswitchBalanceLow", "", "tenant"],
            [["switch", "s"], ["tenant", "t"]],
            "firing",
            0,
            0,
            9,
            9,
            None,
        ],
        [["SoftswitchWatchdog", "none", "monitoring"], [["severity", "x"]], "firing", 0, 0, 9, 9, None],
        [["SoftswitchWatchdog", "none", "monitoring"], [], "burning", 0, 0, 9, 9, None],
        [["SoftswitchWatchdog", "none", "monitoring"], [[1, 2]], "firing", 0, 0, 9, 9, None],
        [["SoftswitchWatchdog", [], "monitoring"], [], "firing", 0, 0, 9, 9, None],
        [],
        5,
    ],
)
def test_an_invalid_alert_is_skipped(row: object, file: StateFile) -> None:
    """It lacks labels of its description, or is not an alert at all."""
    engine, left_out = _read_with(row, file)
    assert (len(left_out), len(engine.alerts.by_identity)) == (1, 1)
