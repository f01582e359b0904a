from hypothesis import given
from hypothesis import strategies as st

from exporter.model import Extension, Registration, Technology
from exporter.poll.technologies import KnownTechnologies

_lists = st.dictionaries(st.sampled_from("12345"), st.none() | st.sampled_from(Technology))


def _rows(listed: dict[str, Technology | None]) -> list[Extension]:
    return [Extension(number, Registration.UNKNOWN, "", technology) for number, technology in listed.items()]


@given(_lists, _lists, st.sets(st.sampled_from("12345")))
def test_technologies_follow_the_lists(
    first: dict[str, Technology | None], second: dict[str, Technology | None], kept: set[str]
) -> None:
    """The newest list counts; a kept extension that it lacks keeps its technology."""
    known = KnownTechnologies()
    known.update("A", _rows(first))
    assert known.of("A") == {number: each for number, each in first.items() if each}

    known.update("A", _rows(second), kept)

    merged = {number: each for number, each in first.items() if number in kept} | second
    assert known.of("A") == {number: each for number, each in merged.items() if each}
    unable = {Technology.CUSTOM, Technology.VIRTUAL}
    assert known.unable("A") == {number for number, each in merged.items() if each in unable}
    assert known.count_unable("A") == (len(known.unable("A")) if any(merged.values()) else None)


def test_tenants_are_dropped() -> None:
    """Nothing is known about a tenant that is not kept, or that no list came for."""
    known = KnownTechnologies()
    for code in "AB":
        known.update(code, _rows({"1": Technology.VIRTUAL}))
    known.keep_tenants(["B", "C"])
    assert [known.count_unable(code) for code in "ABC"] == [None, 1, None]
    assert (known.of("A"), known.unable("A")) == ({}, frozenset())
