from types import SimpleNamespace

import pytest

from exporter.clock import Clock
from exporter.storage.timeline import LISTED, MOST, Kind, Timeline

_WALL = 1_700_000_000.0
_DAY = 86_400.0


class _Times(SimpleNamespace):
    def passes(self, seconds: float, *, step: float = 0.0) -> None:
        """Let time pass, and step the wall clock."""
        self.boot += seconds
        self.wall += seconds + step


@pytest.fixture
def times() -> _Times:
    """Return both clocks, which the test sets."""
    return _Times(boot=1000.0, wall=_WALL)


@pytest.fixture
def timeline(times: _Times) -> Timeline:
    """Return an empty timeline that masks the word `secret`."""
    return Timeline(_clock(times), lambda text: text.replace("secret", "***"))


def _clock(times: _Times) -> Clock:
    return Clock(lambda: times.boot, lambda: times.wall)


def _texts(timeline: Timeline) -> list[str]:
    return [entry["text"] for entry in timeline.newest()]


def test_the_newest_entry_is_first(times: _Times, timeline: Timeline) -> None:
    """An entry has its time, its kind and its switch."""
    timeline.add(Kind.EXPORTER_STARTED, "exporter started")
    times.passes(5)
    timeline.add(Kind.NODE_MISSING, "node missing", switch="pbx", names=["n1", "n2"])

    assert timeline.newest() == [
        {"time_seconds": _WALL + 5, "kind": "node_missing", "switch": "pbx", "text": "node missing: n1; n2"},
        {"time_seconds": _WALL, "kind": "exporter_started", "switch": None, "text": "exporter started"},
    ]
    assert len(timeline.newest(1)) == 1


def test_five_thousand_names_are_one_entry(timeline: Timeline) -> None:
    """Whether they come at once or one after the other."""
    codes = [f"T{number:04}" for number in range(5000)]
    timeline.add(Kind.TENANT_GONE, "tenant gone", switch="pbx", names=codes)
    for code in codes:
        timeline.add(Kind.TRUNK_DOWN, "trunk not registered", switch="pbx", names=[f"sip of {code}"])

    down, gone = _texts(timeline)
    assert gone == "tenant gone: T0000; T0001; T0002; T0003; T0004 and 4,995 more"
    assert down.startswith("trunk not registered: sip of T0000; ")
    assert down.endswith(" and 4,995 more")


@pytest.mark.parametrize(
    ("more", "entries"),
    [
        ({"names": ["n2"]}, 1),
        ({"names": ["n2"], "switch": "other"}, 2),
        ({"names": ["n2"], "kind": Kind.NODE_BACK}, 2),
    ],
)
def test_what_is_grouped(more: dict[str, object], entries: int, timeline: Timeline) -> None:
    """Only the same change of the same switch."""
    for each in ({"names": ["n1"]}, more):
        settings = {"kind": Kind.NODE_MISSING, "what": "node", "switch": "pbx", **each}
        timeline.add(**settings)  # type: ignore[arg-type]  # a table
    assert len(_texts(timeline)) == entries


def test_the_same_again(timeline: Timeline) -> None:
    """It is counted once."""
    for names in (["n1", "n2"], ["n2"], ["n2", "n3"]):
        timeline.add(Kind.NODE_MISSING, "node missing", switch="pbx", names=names)
    assert _texts(timeline) == ["node missing: n1; n2; n3"]


def test_a_node_that_flaps(times: _Times, timeline: Timeline) -> None:
    """Each of its changes is an entry, and so is the same change after a minute."""
    timeline.add(Kind.NODE_MISSING, "node missing", switch="pbx", names=["n1"])
    timeline.add(Kind.NODE_BACK, "node back", switch="pbx", names=["n1"])
    timeline.add(Kind.NODE_MISSING, "node missing", switch="pbx", names=["n1"])
    times.passes(61)
    timeline.add(Kind.NODE_MISSING, "node missing", switch="pbx", names=["n2"])
    assert [text.partition(":")[0] for text in _texts(timeline)] == [
        "node missing",
        "node missing",
        "node back",
        "node missing",
    ]


@pytest.mark.parametrize(
    ("between", "entries"),
    [
        ({"kind": Kind.NODE_BACK, "names": ["n2"]}, 3),
        ({"kind": Kind.NODE_BACK, "names": ["n3"]}, 2),
        ({"kind": Kind.NODE_BACK, "names": ["n2"], "switch": "other"}, 2),
        ({"kind": Kind.TRUNK_DOWN, "names": ["n2"]}, 2),
    ],
)
def test_what_happens_in_between(
    between: dict[str, object], entries: int, times: _Times, timeline: Timeline
) -> None:
    """Another change of the same thing ends a group; changes of others do not."""
    missing = {"kind": Kind.NODE_MISSING, "what": "node missing", "switch": "pbx"}
    for each in ({**missing, "names": ["n1"]}, {"what": "x", "switch": "pbx", **between}):
        timeline.add(**each)
    times.passes(59.5)
    timeline.add(**missing, names=["n2"])  # type: ignore[arg-type]  # a table
    assert len(_texts(timeline)) == entries


def test_a_day_is_kept(times: _Times, timeline: Timeline) -> None:
    """Steps of the wall clock change no age, and no entry is in the future."""
    timeline.add(Kind.RELOAD_SUCCEEDED, "first")
    times.passes(_DAY - 10, step=-7 * _DAY)
    timeline.add(Kind.RELOAD_SUCCEEDED, "second")
    assert _texts(timeline) == ["second", "first"]
    assert [entry["time_seconds"] for entry in timeline.newest()] == [times.wall, times.wall]
    times.passes(20, step=365 * _DAY)
    assert _texts(timeline) == ["second"]


def test_it_is_bounded(times: _Times, timeline: Timeline) -> None:
    """Old entries make room, and `since` moves with them; texts are cut and masked."""
    assert timeline.since == _WALL
    for number in range(MOST + 5):
        times.passes(1)
        timeline.add(Kind.RELOAD_FAILED, f"{number} secret {'x' * 1000}")

    assert len(list(timeline.rows())) == MOST
    assert timeline.since == _WALL + 6
    texts = _texts(timeline)
    assert len(texts) == LISTED
    assert "secret" not in texts[0]
    assert len(texts[0]) < 600


def test_it_continues_after_a_restart(times: _Times, timeline: Timeline) -> None:
    """Kept entries come before those that were added since the start, and keep their age."""
    timeline.add(Kind.EXPORTER_STARTED, "exporter started")
    timeline.add(Kind.TENANT_NEW, "new tenant", switch="pbx", names=[f"T{number}" for number in range(9)])
    times.passes(50)
    rows = list(timeline.rows())
    times.passes(_DAY - 150)
    second = Timeline(_clock(times))
    second.add(Kind.EXPORTER_STARTED, "second start")

    before = second.version
    assert second.restore(rows, _DAY - 150, complete_for=_DAY - 100) == 0
    assert second.version > before
    assert _texts(second) == [
        "second start",
        "new tenant: T0; T1; T2; T3; T4 and 4 more",
        "exporter started",
    ]
    assert second.since == _WALL
    times.passes(101)
    assert _texts(second) == ["second start"]


@pytest.mark.parametrize("position", range(7))
@pytest.mark.parametrize("value", [None, -1, 1e300, "x" * 3, [1], {}])
def test_an_invalid_entry_is_left_out(position: int, value: object, timeline: Timeline) -> None:
    """The others are used, and everything can be shown and written again."""
    good = [_WALL, 5.0, "node_missing", "pbx", "node missing", ["n1"], 1]
    bad = [*good]
    bad[position] = value
    is_text = position in (3, 4) and value == "xxx"
    is_names = position == 5 and value in ("xxx", {})

    invalid = timeline.restore([good, bad], 1.0, complete_for=5.0)

    assert invalid == (0 if is_text or is_names else 1)
    assert len(timeline.newest()) == 2 - invalid
    list(timeline.rows())


@pytest.mark.parametrize("step", [56 * 365 * _DAY, -25 * 3600.0])
def test_a_step_of_the_clock_completes_nothing(step: float, times: _Times, timeline: Timeline) -> None:
    """A machine that boots in 1970 gets the time later: the hours before the start are still unknown."""
    times.passes(600, step=step)
    assert timeline.since == times.wall - 600


def test_more_rows_than_are_kept(timeline: Timeline) -> None:
    """The newest are used, and the others are counted."""
    rows = [[_WALL, 5.0, "reload_failed", "", f"{number}", [], 0] for number in range(MOST + 3)]
    assert timeline.restore(rows, 0.0, complete_for=5.0) == 3
    assert _texts(timeline)[0] == f"{MOST + 2}"


def test_the_newest_of_some_kinds(timeline: Timeline) -> None:
    """None if there is none."""
    assert timeline.last(Kind.EXPORTER_STOPPED) is None
    timeline.add(Kind.EXPORTER_STARTED, "a")
    timeline.add(Kind.RELOAD_FAILED, "b")
    last = timeline.last(Kind.EXPORTER_STARTED, Kind.EXPORTER_STOPPED)
    assert last is not None
    assert last.what == "a"
