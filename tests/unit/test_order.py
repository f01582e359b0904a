"""The order of the test files."""

from pathlib import Path

import pytest

from tests.conftest import LONGEST_FIRST


@pytest.mark.parametrize("name", LONGEST_FIRST)
def test_every_file_of_the_order_exists(name: str) -> None:
    """A file that is renamed keeps its place."""
    assert (Path(__file__).parents[1] / name).is_file()
