from hypothesis import given
from hypothesis import strategies as st

from exporter.poll.scope import ScopeWatch

_CODES = [f"T{number}" for number in range(8)]


def _watch(*wholes: float) -> ScopeWatch:
    watch = ScopeWatch()
    for figure in wholes:
        watch.whole(figure)
    return watch


def test_five_tenants_with_the_figure_of_the_whole() -> None:
    """Four prove nothing; with the fifth `tenant` is seen to be ignored, and that is told once."""
    watch = _watch(40)

    assert [watch.tenant(code, 40) for code in _CODES[:6]] == [False, False, False, False, True, False]
    assert watch.is_ignored


def test_one_that_differs_clears_them_all() -> None:
    """Where any tenant answers something else, the switch heeds the parameter."""
    watch = _watch(40)
    watch.tenant("OTHER", 3)

    assert not any(watch.tenant(code, 40) for code in _CODES)


def test_an_idle_switch_proves_nothing() -> None:
    """Everybody answers 0 at night."""
    watch = _watch(0)

    assert not any(watch.tenant(code, 0) for code in _CODES)


def test_the_whole_moves_while_tenants_are_asked() -> None:
    """Any of its last three figures counts, and no older one."""
    watch = _watch(10, 20, 30, 40)
    for code, figure in zip(_CODES[:5], (20, 30, 40, 20, 30), strict=True):
        watch.tenant(code, figure)
    assert watch.is_ignored

    old = _watch(10, 20, 30, 40)
    assert not any(old.tenant(code, 10) for code in _CODES)


def test_the_same_tenant_is_one_witness() -> None:
    """However often it answers."""
    watch = _watch(40)

    assert not any(watch.tenant("ACME", 40) for _ in range(20))


def test_heeded_again() -> None:
    """After five tenants with figures of their own, and that is told once."""
    watch = _watch(40)
    for code in _CODES[:5]:
        watch.tenant(code, 40)

    assert [watch.tenant(code, 7) for code in _CODES[:6]] == [False, False, False, False, True, False]
    assert not watch.is_ignored


def test_a_tenant_that_left_is_no_witness() -> None:
    """Neither for nor against."""
    watch = _watch(40)
    for code in _CODES[:4]:
        watch.tenant(code, 40)
    watch.forget(_CODES[0])
    assert not watch.tenant(_CODES[4], 40)

    watch.tenant("OTHER", 1)
    watch.forget("OTHER")
    assert watch.tenant(_CODES[0], 40)


@given(st.lists(st.tuples(st.sampled_from(_CODES), st.sampled_from([0.0, 1.0, 2.0])), max_size=60))
def test_any_answers(answers: list[tuple[str, float]]) -> None:
    """It is told exactly when it changes; and it is never ignored where nobody gave the whole's figure."""
    watch = _watch(2)
    for code, figure in answers:
        before = watch.is_ignored
        assert watch.tenant(code, figure) is (watch.is_ignored is not before)
    assert not watch.is_ignored or len({code for code, figure in answers if figure == 2}) >= 5
