"""The three lists: extensions, tenants and peers. A few columns are kept, and the rest is dropped at once."""

from collections.abc import Callable

from exporter.decode.labels import label
from exporter.decode.options import Options
from exporter.decode.records import Column, Layout, broken_row, read_rows
from exporter.decode.words import lookup
from exporter.model import Extension, Extensions, Failure, Peer, Peers, Registration, Tenant, Tenants

_EXTENSIONS = Layout("the list of extensions", (Column("ex_number", "Number"), Column("st_state", "State")))
_PEERS = Layout(
    "the list of peers", (Column("node", "node"), Column("Name", "Name"), Column("Status", "Status"))
)
# The names of the fields are documented, the shape is not; a table is presumed to have the same names.
_TENANTS = Layout(
    "the list of tenants",
    (
        Column("te_code", "te_code"),
        Column("te_name", "te_name", required=False),
        Column("te_disabled", "te_disabled", required=False),
    ),
)

_YES = frozenset({"1", "on", "yes", "true"})
_NO = frozenset({"", "0", "off", "no", "false"})


def decode_extensions(text: str, options: Options) -> Extensions | Failure:
    """INFO extensions: number and state (seen in JSON and as a table, wire notes 2026-10)."""
    rows = read_rows(text, _EXTENSIONS)
    if isinstance(rows, Failure):
        return rows
    known = lookup(options)
    extensions: dict[str, Extension] = {}
    for position, (number_cell, state_cell) in enumerate(rows):
        number, word = label(number_cell), _text(state_cell)
        if number is None or word is None:
            return broken_row(
                _EXTENSIONS, position, "no number" if number is None else "no state in its state column"
            )
        if number in extensions:
            return broken_row(_EXTENSIONS, position, "the number of an earlier row")
        extensions[number] = Extension(number, _state(word, known), word)
    return Extensions(tuple(extensions.values()))


def decode_peers(text: str, options: Options) -> Peers | Failure:
    """CHANSIPPEERS: node, user and state of every peer (seen, wire notes 2026-10).

    A user may be there more than once: phones move from node to node.
    """
    rows = read_rows(text, _PEERS)
    if isinstance(rows, Failure):
        return rows
    known = lookup(options)
    peers: list[Peer] = []
    for position, (node_cell, name_cell, status_cell) in enumerate(rows):
        node, word = label(node_cell), _text(status_cell)
        user = (label(name_cell) or "").partition("/")[0].strip()  # "100-ACME/100-ACME" (seen)
        if node is None or word is None or not user:
            return broken_row(_PEERS, position, "no node, no name or no status")
        peers.append(Peer(user, node, _state(word, known), word))
    return Peers(tuple(peers))


def decode_tenants(text: str, _options: Options) -> Tenants | Failure:
    """MANAGEDB tenant list: code, name and whether it is disabled (documented; never seen)."""
    rows = read_rows(text, _TENANTS)
    if isinstance(rows, Failure):
        return rows
    tenants: dict[str, Tenant] = {}
    for position, (code_cell, name_cell, disabled_cell) in enumerate(rows):
        code, name, disabled = label(code_cell), _text(name_cell), _disabled(disabled_cell)
        if code is None or name is None or disabled is None:
            return broken_row(_TENANTS, position, "no code, or a name or te_disabled that makes no sense")
        if code in tenants:
            return broken_row(_TENANTS, position, "the code of an earlier row")
        tenants[code] = Tenant(code, name, disabled)
    return Tenants(tuple(tenants.values()))


def _state(word: str, known: Callable[[str], Registration | None]) -> Registration:
    """Return the state of a row; a word that nobody named is counted as unknown and fails nothing else."""
    return known(word) or Registration.UNKNOWN


def _text(cell: object) -> str | None:
    """Return what a cell says, "" where it is blank or null, and None where it cannot be a label."""
    return "" if cell is None or (isinstance(cell, str) and not cell.strip()) else label(cell)


def _disabled(cell: object) -> bool | None:
    if cell is None:
        return False
    word = str(cell).strip().casefold() if isinstance(cell, str | int) else "?"
    return word in _YES if word in _YES | _NO else None
