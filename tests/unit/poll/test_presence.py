from exporter.poll.presence import NodePresence

_DAY = 24 * 3600.0


def _expecting(nodes: list[str]) -> NodePresence:
    presence = NodePresence()
    presence.configure(nodes)
    return presence


def test_a_configured_node_that_was_never_seen_is_missing() -> None:
    """What must be there and is not is a 0 from the first answer on."""
    presence = _expecting(["n1", "n2"])

    assert presence.known == ["n1", "n2"]
    assert presence.update(["n2", "n3"], 0) == {"n1": 0, "n2": 1, "n3": 1}


def test_a_node_that_was_seen_is_missing_for_a_day() -> None:
    """A node that nobody configured is 0 for 24 hours after it was last seen, and then forgotten."""
    presence = _expecting([])
    presence.update(["n1", "n2"], 0)
    presence.update(["n1", "n2"], 60)

    assert presence.update(["n1"], 120) == {"n1": 1, "n2": 0}
    assert presence.update(["n1"], 60 + _DAY) == {"n1": 1, "n2": 0}
    assert presence.update(["n1"], 60 + _DAY + 1) == {"n1": 1}
    assert presence.known == ["n1"]


def test_a_configured_node_is_never_forgotten() -> None:
    """It stays a 0 for as long as it is missing."""
    presence = _expecting(["n1"])
    presence.update(["n1"], 0)

    assert presence.update([], 10 * _DAY) == {"n1": 0}


def test_the_nodes_that_are_present() -> None:
    """Those of the newest answer, sorted; before the first one, those that are expected."""
    presence = _expecting(["n2", "n1"])
    assert presence.present == ["n2", "n1"]

    presence.update(["n3", "n1"], 0)
    assert presence.present == ["n1", "n3"]

    presence.update([], 60)
    assert presence.present == []


def test_a_node_that_comes_back_is_there() -> None:
    """Missing is not for ever."""
    presence = _expecting([])
    presence.update(["n1"], 0)
    presence.update([], 60)

    assert presence.update(["n1"], 120) == {"n1": 1}


def test_nothing_known() -> None:
    """An answer without nodes says nothing about nodes nobody named."""
    assert _expecting([]).update([], 0) == {}


def test_another_configuration() -> None:
    """What was seen stays known; what is not configured any more is remembered for a day, if it was seen."""
    presence = _expecting(["n1", "n2"])
    presence.update(["n2", "n3"], 0)

    presence.configure(["n4"])

    assert presence.known == ["n4", "n2", "n3"]
    assert presence.update(["n3"], 60) == {"n4": 0, "n2": 0, "n3": 1}


def test_nodes_that_change_their_names_are_forgotten() -> None:
    """A switch whose nodes have other names in each answer does not let the exporter grow."""
    presence = _expecting(["n1"])
    present: dict[str, float] = {}
    for round_ in range(20):
        present = presence.update([f"n-{round_}-{number}" for number in range(1000)], round_)

    assert len(present) == 2001
    assert sum(present.values()) == 1000
    assert present["n1"] == 0


def test_a_name_that_cannot_be_read_hides_no_node_that_was_missing() -> None:
    """A node that is known to be missing stays so, and one that vanishes later is missing."""
    presence = _expecting(["n1", "n2"])
    assert presence.update(["n1", "n3"], 0) == {"n1": 1, "n2": 0, "n3": 1}
    assert presence.update(["n1", "n3"], 60, nameless=1) == {"n1": 1, "n2": 0, "n3": 1}

    assert presence.update(["n1"], 120, nameless=1) == {"n1": 1, "n2": 0, "n3": 0}


def test_a_node_that_may_be_one_without_a_name_is_unknown() -> None:
    """It is neither there nor missing, until its name is read or no name is unreadable."""
    presence = _expecting(["n1", "n2"])
    assert presence.update(["n1"], 0, nameless=1) == {"n1": 1}
    assert presence.update(["n1"], 60, nameless=1) == {"n1": 1}
    assert presence.update(["n1", "n2"], 120) == {"n1": 1, "n2": 1}
    assert presence.update(["n1"], 180, nameless=1) == {"n1": 1}

    assert presence.update(["n1"], 240) == {"n1": 1, "n2": 0}
