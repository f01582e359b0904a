from collections.abc import Callable

from exporter.simulator.overrides import AddedCalls, Overrides, QueueSetting, Setting


def test_every_change_starts_a_generation() -> None:
    """Cached sums are computed again after each kind of change."""
    overrides = Overrides()
    generations = [overrides.generation]
    changes: list[Callable[[], None]] = [
        lambda: overrides.set_node_present("pbx1", present=False),
        lambda: overrides.set_tenant_present("ACME", present=False),
        lambda: overrides.set_disabled("ACME", disabled=True),
        lambda: overrides.drop_registrations(0.5),
        lambda: overrides.drop_registrations(0.5, "ACME"),
        lambda: overrides.set_calls("ACME", 3),
        lambda: overrides.set_balance("ACME", 3, 0),
        lambda: overrides.set_max_channels("ACME", 3),
        lambda: overrides.set_license_days(3, 0),
        lambda: overrides.set_queue("1000", QueueSetting(0, waiting=3)),
        lambda: overrides.add_calls(AddedCalls("ACME", 0, 3)),
        lambda: overrides.set_trunk_registered("northwind", registered=False),
        overrides.restore,
    ]
    for change in changes:
        change()
        generations.append(overrides.generation)
    assert len(set(generations)) == len(generations)


def test_none_removes_an_override() -> None:
    """A value set to None is as if it had never been set."""
    overrides = Overrides()
    overrides.set_calls("ACME", 3)
    overrides.set_calls("ACME", None)
    overrides.set_balance("ACME", 1.5, 10)
    assert overrides.balances == {"ACME": Setting(1.5, 10)}
    overrides.set_balance("ACME", None, 10)
    overrides.set_license_days(1, 10)
    overrides.set_license_days(None, 10)
    assert (overrides.calls, overrides.balances, overrides.license_days) == ({}, {}, None)
