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
    """Return what is written of an engine that has evaluated twice."""
    engine = Engine()
    for minute in range(2):
        for _ in engine.evaluate({}, minute * INTERVAL):
            pass
    first, *others = state.dump(engine, _TIMES)
    return [line.encode() for line in (json.dumps({**json.loads(first), **times}) + "\n", *others)]


@pytest.fixture
def file(tmp_path: Path) -> Iterator[StateFile]:
    """Give a file that is not there yet."""
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
    """Nobody else can read it, whatever the umask, and nothing lies beside it after the end."""
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
    """The second one neither reads nor writes the file before the first one has ended."""
    second = StateFile(file.path)
    file.write(_lines())
    for use in _uses(second):
        with pytest.raises(ValueError, match="in use by another exporter"):
            use()
    file.release()
    assert _read(second) is not None
    second.release()


def test_a_planted_link_beside_it(file: StateFile, tmp_path: Path) -> None:
    """No name is written to that somebody could know beforehand; a link as lock is refused."""
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
def test_a_link_in_its_place(target: str, file: StateFile, tmp_path: Path) -> None:
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
def test_a_file_of_others(content: str, file: StateFile) -> None:
    """It may be a key or the configuration: it is left as it is."""
    file.path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="is not a state file, and is left as it is"):
        file.write(_lines())
    assert file.path.read_text(encoding="utf-8") == content


@pytest.mark.parametrize("content", [b"", b'{"ver', b"\0" * 4096, b"\xff\xfe"])
def test_what_a_crash_left_is_replaced(content: bytes, file: StateFile) -> None:
    """It is a broken file first and a good one then."""
    file.path.write_bytes(content)
    with pytest.raises(ValueError, match="will be replaced"):
        _read(file)
    file.write(_lines())
    assert _read(file) is not None


def test_what_a_kill_left_is_removed(file: StateFile, tmp_path: Path) -> None:
    """A half-written file goes with the next start, and nothing that only looks like it."""
    (tmp_path / "state.json.0123456789abcdef.new").write_text("half")
    others = {"state.json.new", "state.json.0123.new", "other.json.0123456789abcdef.new"}
    for name in others:
        (tmp_path / name).write_text("of others")
    _read(file)

    assert _names(tmp_path) == others | {"state.json.lock"}


def test_a_file_that_everybody_can_write(file: StateFile) -> None:
    """It is not believed, and replaced by one that only we can."""
    file.write(_lines())
    file.path.chmod(0o666)
    with pytest.raises(ValueError, match="can be written by every user"):
        _read(file)
    file.write(_lines())
    assert file.path.stat().st_mode & 0o777 == 0o600
    assert _read(file) is not None


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user: run as root")
def test_a_file_of_another_user(file: StateFile) -> None:
    """It is neither believed nor replaced."""
    file.write(_lines())
    os.chown(file.path, 12345, 12345)
    for use in _uses(file):
        with pytest.raises(ValueError, match="belongs to user 12345"):
            use()


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_file(make: Any, file: StateFile) -> None:
    """A FIFO hangs nobody."""
    make(file.path)
    for use in _uses(file):
        with pytest.raises(ValueError, match="not a regular file"):
            use()


_HUGE = 10**400


@pytest.mark.parametrize("name", ["moment", "wall", "monotonic"])
@pytest.mark.parametrize(
    "value", [-1e308, 1e308, -math.inf, math.inf, math.nan, _HUGE, -_HUGE, -1e17, 1e17, True, "1", None]
)
def test_times_that_make_no_sense(name: str, value: object, file: StateFile) -> None:
    """They are not believed: a fresh start is better than a clock that stands still."""
    file.path.write_bytes(b"".join(_lines(**{name: value, "boot": "" if name == "wall" else _BOOT})))
    with pytest.raises(ValueError, match="is broken"):
        _read(file)


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("value", [-1e308, 1e300, -math.inf, _HUGE, -1e17, "1", None, []])
def test_one_bad_alert_costs_itself(number: int, value: object, file: StateFile) -> None:
    """A value, a threshold or an age that makes no sense: the alert is left out, and the others are there."""
    first, alerts, _ = (json.loads(line) for line in _lines())
    good = alerts["alerts"][0]
    kind, labels = ["SoftswitchNodeMissing", "critical", "node"], [["switch", "pbx"], ["node", "pbx1"]]
    bad = [kind, labels, "firing", 0.0, 0.0, 60.0, 60.0, 0.0]
    bad[3 + number] = value
    lines = [first, {"alerts": [bad, good]}, {"parts": 1}]
    file.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    left_out: list[str] = []
    kept = file.read(_CLOCK, _BOOT, left_out.append)

    assert kept is not None
    is_allowed = (number < 2 and value in (-1e308, 1e300, -1e17)) or (number == 4 and value is None)
    assert len(left_out) == (0 if is_allowed else 1)
    assert len(kept[0].alerts.by_identity) == (2 if is_allowed else 1)
    for _ in kept[0].evaluate({}, 3 * INTERVAL):
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
def test_an_alert_that_could_not_be_rendered(row: object, file: StateFile) -> None:
    """Labels that its text names are missing, or what stands there is no alert: it is left out alone."""
    first, alerts, _ = (json.loads(line) for line in _lines())
    lines = [first, {"alerts": [row, *alerts["alerts"]]}, {"parts": 1}]
    file.path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    left_out: list[str] = []
    kept = file.read(_CLOCK, _BOOT, left_out.append)

    assert kept is not None
    assert (len(left_out), len(kept[0].alerts.by_identity)) == (1, 1)
