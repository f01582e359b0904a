from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator.chance import draw, fraction

_whole = st.integers(-(2**63), 2**63)


def test_draws_are_the_same_on_every_machine() -> None:
    """Two draws are pinned, so that a seed means the same world in every release and on every Python."""
    assert [draw(1, 2, 3), draw(0)] == [12609890810788547416, 5227554356578644984]


@given(st.lists(_whole, max_size=6))
def test_fractions_stay_below_one(numbers: list[int]) -> None:
    """Whatever it is drawn from, a fraction can be multiplied by a size to give a position."""
    assert 0 <= fraction(*numbers) < 1


def test_fractions_are_spread_evenly() -> None:
    """Of 10,000 neighbouring draws every tenth of the range gets about a tenth."""
    counts = [0] * 10
    for number in range(10_000):
        counts[int(fraction(1, 2, number) * 10)] += 1
    assert all(850 < count < 1150 for count in counts)
