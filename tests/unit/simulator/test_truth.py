import pytest

from exporter.simulator.truth import truth
from exporter.simulator.world import World


def test_the_truth_adds_up(world: World) -> None:
    """Totals are the sums of nodes and of tenants, and peers are the registered extensions."""
    told = truth(world)
    switch, tenants = told["switch"], told["tenants"]
    assert isinstance(switch, dict)
    assert isinstance(tenants, dict)
    for figure in ("peers", "channels"):
        assert switch[figure] == sum(node[figure] for node in switch["nodes"].values())
        assert switch[figure] == sum(tenant[figure] for tenant in tenants.values())
    assert switch["peers"] == sum(sum(tenant["extensions"].values()) for tenant in tenants.values())
    assert switch["calls"] == sum(tenant["calls"] for tenant in tenants.values())
    assert switch["tenants"] == len(tenants) - 2 == 7


def test_the_truth_can_be_narrowed(world: World) -> None:
    """One tenant can be asked for, with or without its extensions, and an unknown one is an error."""
    told = truth(world, code="ACME", extensions=False)
    assert list(told["tenants"]) == ["ACME"]  # type: ignore[call-overload]  # it is an object
    assert "extensions" not in told["tenants"]["ACME"]  # type: ignore[index]  # likewise
    with pytest.raises(KeyError):
        truth(world, code="NOBODY")
