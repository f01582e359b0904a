import asyncio
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.clock import Clock
from exporter.errors import StartError
from exporter.storage.service import Storage
from exporter.storage.timeline import Kind
from tests.trees import damaged


class _Memory:
    """What is remembered of a switch: the parts that the test sets."""

    def __init__(self, *parts: Mapping[str, Any]) -> None:
        self.version = 1
        self.remembered = [*parts]

    def parts(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.remembered)


async def _started(path: Path | None, **memories: _Memory) -> Storage:
    storage = Storage(path, Clock(), every=0.01)
    await storage.open()
    storage.start("1.0", lambda: memories)
    return storage


def _texts(storage: Storage) -> list[str]:
    return [entry["text"] for entry in storage.status()["timeline"]]


def _names(directory: Path) -> list[str]:
    return sorted(file.name for file in directory.iterdir())


def _modes(directory: Path) -> set[int]:
    return {file.stat().st_mode & 0o777 for file in directory.iterdir()}


async def _until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 -- a file has no event
            await asyncio.sleep(0.01)


async def test_without_a_directory() -> None:
    """The timeline is in memory, no alert state is kept, and the log says so once."""
    with capture_logs() as logs:
        storage = await _started(None)
        await storage.close()

    assert _texts(storage) == ["exporter stopped", "exporter started, version 1.0"]
    assert (storage.alerts_file, storage.take("pbx")[0], storage.status()["storage"]["path"]) == (
        None,
        [],
        None,
    )
    assert [log["event"] for log in logs] == [
        "no --storage.path: a restart forgets known nodes, alerts and the timeline"
    ]


async def test_a_restart(tmp_path: Path) -> None:
    """The timeline continues, and the parts of each switch are returned once."""
    first = await _started(tmp_path, pbx=_Memory({"seen": ["n1"]}), other=_Memory())
    first.timeline.add(Kind.NODE_MISSING, "node missing", switch="pbx", names=["n1"])
    await first.close()
    assert _names(tmp_path) == ["switches.json", "timeline.json"]
    assert _modes(tmp_path) == {0o600}

    second = await _started(tmp_path)
    parts, passed = second.take("pbx")
    assert [*parts] == [{"switch": "pbx", "seen": ["n1"]}]
    assert 0 <= passed < 60
    assert second.take("pbx")[0] == []
    assert _texts(second) == [
        "exporter started, version 1.0",
        "exporter stopped",
        "node missing: n1",
        "exporter started, version 1.0",
    ]
    since = [each.status()["storage"]["timeline_since_seconds"] for each in (first, second)]
    assert since[0] == pytest.approx(since[1], abs=1)
    await second.close()


async def test_a_first_start_that_polls_at_once_follows_no_kill(tmp_path: Path) -> None:
    """The entry that it polls is older than that of the start, but from the same run."""
    storage = Storage(tmp_path, Clock())
    await storage.open()
    storage.timeline.add(Kind.EXPORTER_ACTIVE, "the exporter polls now")
    storage.start("1.0", dict)
    assert "exporter started, version 1.0" in _texts(storage)
    await storage.close()


async def test_a_kill(tmp_path: Path) -> None:
    """What happened before is in the file within seconds, and the next start says that there was no stop."""
    first = await _started(tmp_path)
    first.timeline.add(Kind.RELOAD_FAILED, "reload failed: x")
    file = tmp_path / "timeline.json"
    await _until(lambda: file.exists() and "reload failed: x" in file.read_text())
    kept = {name: (tmp_path / name).read_bytes() for name in _names(tmp_path) if name.endswith(".json")}
    await first.close()
    for name, content in kept.items():
        (tmp_path / name).write_bytes(content)

    second = await _started(tmp_path)
    await second.close()

    assert _texts(second)[1] == (
        "exporter started, version 1.0; the previous run did not stop cleanly; perhaps it was killed"
    )
    assert _texts(second)[2:] == ["reload failed: x", "exporter started, version 1.0"]


async def test_a_change_of_a_switch_is_written(tmp_path: Path) -> None:
    """Without a stop, but not more often than every 5 seconds; without a change after 15 minutes."""
    times, memory = SimpleNamespace(now=1000.0), _Memory()
    storage = Storage(tmp_path, Clock(lambda: times.now), every=0.01)
    await storage.open()
    storage.start("1.0", lambda: {"pbx": memory})
    file = tmp_path / "switches.json"

    async def found_after(seconds: float) -> str:
        """Return the file after some checks for changes."""
        times.now += seconds
        for _ in range(2):  # a timeline is written in each of them
            name = f"{times.now} {storage.timeline.version}"
            storage.timeline.add(Kind.RELOAD_FAILED, name)
            await _until(lambda: name in (tmp_path / "timeline.json").read_text())  # noqa: B023 -- awaited at once
        return file.read_text() if file.exists() else ""

    await _until((tmp_path / "timeline.json").exists)
    assert await found_after(4) == ""
    await found_after(1)
    await _until(file.exists)
    memory.remembered, memory.version = [{"seen": ["n2"]}], 2
    before = await found_after(4)
    assert "n2" not in before
    await found_after(1)
    await _until(lambda: "n2" in file.read_text())
    written = file.read_text()
    assert await found_after(899) == written
    await found_after(1)
    await _until(lambda: file.read_text() != written)
    await storage.close()


@pytest.mark.parametrize(
    ("path", "is_used"),
    [
        ("storage/timeline.json", True),
        ("storage/switches.json", True),
        ("storage/switches.json.lock", True),
        ("link/timeline.json", True),
        ("timeline.json", False),
        ("storage/alerts.json", False),
    ],
)
def test_the_files_that_it_uses(path: str, tmp_path: Path, *, is_used: bool) -> None:
    """No other setting may name them; the one for alerts is written by alerting."""
    (tmp_path / "storage").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "storage")
    storage = Storage(tmp_path / "storage", Clock())
    assert storage.uses(tmp_path / path) is is_used
    assert storage.alerts_file == tmp_path / "storage/alerts.json"
    assert not Storage(None, Clock()).uses(tmp_path / path)


async def test_two_exporters(tmp_path: Path) -> None:
    """The second one does not start, until the first one has stopped."""
    first = await _started(tmp_path)
    second = Storage(tmp_path, Clock())
    with pytest.raises(
        StartError, match=r"in use by another exporter; give each exporter its own --storage.path, unless all"
    ):
        await second.open()
    await second.close()
    await first.close()
    await second.open()
    await second.close()
    assert not [name for name in _names(tmp_path) if "lock" in name]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda path: None, "no such directory; create it for user"),
        (lambda path: path.write_text("x"), "not a directory"),
        (lambda path: path.symlink_to("nowhere"), "no such directory"),
    ],
)
async def test_a_mistyped_directory(make: Callable[[Path], object], problem: str, tmp_path: Path) -> None:
    """The exporter does not start, and says what to do."""
    make(tmp_path / "storage")
    with pytest.raises(StartError, match=problem):
        await Storage(tmp_path / "storage", Clock()).open()


@pytest.mark.parametrize("name", ["timeline.json", "switches.json"])
@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff", b'{"version":9}\n{"parts":0}\n', b'{"version":1}\n{"parts":7}\n', b"[" * 99_999],
)
async def test_a_broken_file(content: bytes, name: str, tmp_path: Path) -> None:
    """It is logged, and replaced; the exporter runs without it."""
    (tmp_path / name).write_bytes(content)
    with capture_logs() as logs:
        storage = await _started(tmp_path, pbx=_Memory())
        await storage.close()

    assert [log["event"] for log in logs] == ["the storage cannot be read: starting without it"]
    assert logs[0]["log_level"] == "error"
    assert (tmp_path / name).read_text().startswith('{"version":1,')


async def test_a_file_of_another_kind(tmp_path: Path) -> None:
    """It may be the operator's, and is left as it is; the log and the status say what to do."""
    (tmp_path / "timeline.json").write_text("my notes")
    with capture_logs() as logs:
        storage = await _started(tmp_path)
        await _until(lambda: storage.status()["storage"]["error"])
        await storage.close()

    problem = "is not a file of the storage, and is left as it is; remove it, or change --storage.path"
    assert storage.status()["storage"]["error"] == problem
    assert [log["reason"] for log in logs if "written" in log["event"]] == [problem]
    assert (tmp_path / "timeline.json").read_text() == "my notes"


async def test_a_directory_that_vanishes(tmp_path: Path) -> None:
    """One error is logged when it begins, and its end; what happened meanwhile is written then."""
    path = tmp_path / "storage"
    path.mkdir()
    with capture_logs() as logs:
        storage = await _started(path)
        await _until((path / "timeline.json").exists)
        away = path.rename(tmp_path / "away")
        storage.timeline.add(Kind.RELOAD_SUCCEEDED, "meanwhile")
        await _until(lambda: storage.status()["storage"]["error"])
        away.rename(path)
        await _until(lambda: storage.status()["storage"]["error"] is None)
        assert "meanwhile" in (path / "timeline.json").read_text()
        await storage.close()

    assert [log["event"] for log in logs] == [
        "the storage cannot be written: a restart would forget changes",
        "the storage can be written again",
    ]


async def test_invalid_parts_are_left_out(tmp_path: Path) -> None:
    """The others are used, and the log has their number."""
    first = await _started(tmp_path, pbx=_Memory({"seen": ["n1"]}))
    await first.close()
    invalid = [{"entries": entries} for entries in ([[], 5], 5, None, "abc", {"a": 1})]
    for name, bad in (("timeline.json", invalid), ("switches.json", [{"switch": 1}])):
        head, *parts, _ = (tmp_path / name).read_text().splitlines()
        lines = [head, *map(json.dumps, bad), *parts, json.dumps({"parts": len(parts) + len(bad)})]
        (tmp_path / name).write_text("\n".join(lines))

    with capture_logs() as logs:
        second = await _started(tmp_path)
        await second.close()

    assert [log["count"] for log in logs] == [6, 1]
    assert len([*second.take("pbx")[0]]) == 1
    assert len(_texts(second)) == 4


_FIRST = {"version": 1, "wall": 1.7e9, "monotonic": 5.0, "boot": "x", "since": 1.6e9}
_KEPT = {
    "timeline.json": [
        {**_FIRST},
        {"entries": [[1.7e9, 5.0, "node_missing", "pbx", "node missing", ["n1"], 1]]},
        {"entries": [[1.7e9, 4.0, "exporter_stopped", "", "exporter stopped", [], 0]]},
        {"parts": 2},
    ],
    "switches.json": [_FIRST, {"switch": "pbx", "seen": [["n1", 1.0, True]]}, {"parts": 1}],
}


async def _open_with(name: str, lines: list[str]) -> None:
    """Start and stop with this file."""
    with TemporaryDirectory() as directory, capture_logs():
        (Path(directory) / name).write_text("\n".join(lines))
        storage = await _started(Path(directory))
        list(storage.take("pbx")[0])
        json.dumps(storage.status(), ensure_ascii=False).encode()
        await storage.close()


@pytest.mark.parametrize("name", list(_KEPT))
@settings(deadline=None)  # the disk
@given(data=st.data())
def test_any_content(name: str, data: st.DataObject) -> None:
    """The exporter starts, and the status can be shown."""
    asyncio.run(_open_with(name, damaged([json.dumps(line) for line in _KEPT[name]], data)))


@pytest.mark.parametrize("wall", [5.0, 1.7e9 + 4 * 86_400, 4e9])
async def test_a_reboot_with_another_clock(wall: float, tmp_path: Path) -> None:
    """A wrong wall clock makes no memory older, and completes no hours of the timeline."""
    lines = [{**_FIRST, "wall": 1.7e9, "since": 1.7e9 - 60}, *_KEPT["switches.json"][1:]]
    for name, parts in (("switches.json", lines), ("timeline.json", [lines[0], {"parts": 0}])):
        (tmp_path / name).write_text("\n".join(map(json.dumps, parts)))
    storage = Storage(tmp_path, Clock(lambda: 30.0, lambda: wall))
    await storage.open()
    assert storage.take("pbx") == ([lines[1]], 0.0)
    assert storage.status()["storage"]["timeline_since_seconds"] == max(0, wall - 60)
    await storage.close()


async def test_a_name_that_is_not_utf8(tmp_path: Path) -> None:
    """The status shows it with a replacement character."""
    path = tmp_path / "a\udcff"
    path.mkdir()
    storage = await _started(path)
    storage.timeline.add(Kind.RELOAD_FAILED, f"reload failed: {path}")
    assert json.dumps(storage.status(), ensure_ascii=False).encode().count("a\ufffd".encode()) == 2
    await storage.close()


async def test_a_handover(tmp_path: Path) -> None:
    """After a release, another exporter reads everything. What it adds is read back, without duplicates."""
    memory = _Memory({"seen": ["n1"]})
    first = await _started(tmp_path, pbx=memory)
    first.timeline.add(Kind.NODE_MISSING, "node missing", switch="pbx", names=["n1"])
    first.timeline.add(Kind.EXPORTER_STANDBY, "this exporter stands by now")
    await first.release({"pbx": memory})
    first.timeline.add(Kind.RELOAD_SUCCEEDED, "configuration reloaded")
    assert not [name for name in _names(tmp_path) if name.endswith(".lock")]

    second = await _started(tmp_path, pbx=memory)
    assert [*second.take("pbx")[0]] == [{"switch": "pbx", "seen": ["n1"]}]
    second.timeline.add(Kind.NODE_BACK, "node back", switch="pbx", names=["n1"])
    with capture_logs() as logs:
        await first.release({"pbx": memory})  # it has nothing more to write
    assert logs == []
    await second.release({"pbx": memory})

    await first.open()
    assert sorted(_texts(first)) == [
        "configuration reloaded",
        "exporter started, version 1.0",
        "exporter started, version 1.0",
        "node back: n1",
        "node missing: n1",
        "this exporter stands by now",
    ]
    assert [*first.take("pbx")[0]] == [{"switch": "pbx", "seen": ["n1"]}]
    await first.close()


async def test_a_takeover_from_a_paused_exporter(tmp_path: Path) -> None:
    """It keeps its lock: its files are read and not replaced. When it is gone, the timeline continues."""
    memory = _Memory({"seen": ["n1"]})
    await (await _started(tmp_path, pbx=memory)).close()
    paused = await _started(tmp_path, pbx=memory)
    paused.timeline.add(Kind.NODE_MISSING, "node missing", switch="pbx", names=["n1"])
    second = Storage(tmp_path, Clock(), every=0.01)
    second.start("1.0", lambda: {"pbx": _Memory({"seen": ["n2"]})})
    with pytest.raises(StartError, match="in use by another exporter"):
        await second.open(handover=0.01)
    assert [*second.take("pbx")[0]] == [{"switch": "pbx", "seen": ["n1"]}]
    await _until(lambda: second.status()["storage"]["error"])
    assert '"n1"' in (tmp_path / "switches.json").read_text()

    await paused.close()
    await _until(lambda: not second.status()["storage"]["error"])
    await second.close()
    assert '"n2"' in (tmp_path / "switches.json").read_text()
    assert "node missing: n1" in _texts(second)


async def test_an_exporter_that_never_read_the_files(tmp_path: Path) -> None:
    """It does not replace them when it stops."""
    memory = _Memory({"seen": ["n1"]})
    await (await _started(tmp_path, pbx=memory)).close()
    paused = await _started(tmp_path, pbx=memory)
    second = Storage(tmp_path, Clock(), every=60)
    second.start("1.0", lambda: {"pbx": _Memory({"seen": ["n2"]})})
    with pytest.raises(StartError, match="in use by another exporter"):
        await second.open()
    assert second.take("pbx")[0] == []
    await _until(lambda: second.status()["storage"]["error"])
    await paused.close()
    await second.close()
    assert '"n1"' in (tmp_path / "switches.json").read_text()
    assert not [name for name in _names(tmp_path) if name.endswith(".lock")]


async def test_a_takeover_waits_for_the_files(tmp_path: Path) -> None:
    """The other exporter may be told at the same time to stand by, and still be writing."""
    memory = _Memory({"seen": ["n1"]})
    first = await _started(tmp_path, pbx=memory)
    second = Storage(tmp_path, Clock(), every=0.01)
    second.start("1.0", dict)
    takeover = asyncio.create_task(second.open(handover=60))
    await asyncio.sleep(0.1)
    assert not takeover.done()

    first.timeline.add(Kind.NODE_MISSING, "node missing", switch="pbx", names=["n1"])
    await first.release({"pbx": memory})
    await takeover
    assert "node missing: n1" in _texts(second)
    assert [*second.take("pbx")[0]] == [{"switch": "pbx", "seen": ["n1"]}]
    await second.close()


async def test_a_takeover_that_fails(tmp_path: Path) -> None:
    """What the other exporter remembers of the switches stays, even if it stood by for long before."""
    first = await _started(tmp_path, pbx=_Memory({"seen": ["n1"]}))
    await first.close()
    now = [time.monotonic()]
    second = Storage(tmp_path, Clock(lambda: now[0]), every=0.01)
    second.start("1.0", dict)
    now[0] += 3600
    await second.open()
    second.timeline.add(Kind.EXPORTER_ACTIVE, "this exporter polls now")
    await _until(lambda: "this exporter polls now" in (tmp_path / "timeline.json").read_text())
    await second.release({})
    assert '"n1"' in (tmp_path / "switches.json").read_text()
    assert not [name for name in _names(tmp_path) if name.endswith(".lock")]


async def test_a_standby_locks_nothing(tmp_path: Path) -> None:
    """It only finds out whether it could use the directory, and has nothing to write when it stops."""
    active = await _started(tmp_path)
    standby = Storage(tmp_path, Clock())
    with capture_logs() as logs:
        await standby.check()
        standby.start("1.0", dict)
        await standby.close()
        await Storage(None, Clock()).check()
    assert logs == []
    await active.close()

    with pytest.raises(StartError, match="no such directory"):
        await Storage(tmp_path / "none", Clock()).check()
