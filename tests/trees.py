"""JSON of any shape, for tests that damage a file which the exporter has written."""

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

_TEXTS = st.text(st.characters(codec=None), max_size=3) | st.sampled_from(["\ud800", "\0", "a\nb", "x" * 600])

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.integers() | st.floats() | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=6,
)


def damaged(lines: Sequence[str], data: st.DataObject) -> list[str]:
    """Return the lines of a file with one value replaced by any JSON."""
    number = data.draw(st.integers(0, len(lines) - 1))
    tree = place = json.loads(lines[number])
    while isinstance(place, dict | list) and place and data.draw(st.integers(0, 5)):
        key = data.draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
        if isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
            place = place[key]
        else:
            place[key] = data.draw(JSON)
            break
    else:
        tree = tree if data.draw(st.booleans()) else data.draw(JSON)
    return [*lines[:number], json.dumps(tree), *lines[number + 1 :]]
