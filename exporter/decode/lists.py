"""The three lists: extensions, tenants and peers. A few columns are kept, and the rest is dropped at once."""

from collections.abc import Callable, Sequence

from exporter.decode.labels import label
from exporter.decode.options import Options
from exporter.decode.records import Column, Layout, read_rows
from exporter.decode.windows import Windows
from exporter.decode.words import lookup
from exporter.model import Extension, Extensions, Failure, Peer, Peers, Registration, Tenant, Tenants

MOST_EXTENSIONS = 25_000
"""Of one tenant. 64 MiB, the most that is read, hold 19,700 records as they were seen (3.4 kB)."""

MOST_TENANTS = 10_000
"""Of one installation: twice as many as the largest that this is built for."""

MOST_PEERS = 300_000
"""Of one installation, of which the largest that this is built for has 250,000 extensions."""

_EXTENSIONS = Layout(
    "the list of extensions",
    (Column("ex_number", "Number"), Column("st_state", "State")),
    MOST_EXTENSIONS,
    nameless="no number",
)
_PEERS = Layout(
    "the list of peers",
    (Column("node", "node"), Column("Name", "Name"), Column("Status", "Status")),
    MOST_PEERS,
    nameless="no name",
)
# The names of the fields are documented, the shape is not; a table is presumed to have the same names.
_TENANTS = Layout(
    "the list of tenants",
    (
        Column("te_code", "te_code"),
        Column("te_name", "te_name", required=False),
        Column("te_disabled", "te_disabled", required=False),
    ),
    MOST_TENANTS,
    nameless="no code",
)

_YES = frozenset({"1", "on", "yes", "true"})
_NO = frozenset({"", "0", "off", "no", "false"})


def decode_extensions(windows: Windows, options: Options) -> Extensions | Failure:
    """INFO extensions: number and state (seen in JSON and as a table, wire notes 2026-10).

    An extension whose state cannot be read, or that is listed twice with different states, is unknown.
    """
    known = lookup(options)
    once = _once()
    extensions: dict[str, Extension] = {}

    def take(cells: Sequence[object]) -> str:
        number, word = _name(cells[0]), _text(cells[1])
        if number is None:
            return "no number"
        row = Extension(number, _state(word, known), once(word))
        before = extensions.setdefault(number, row)
        if before is not row:
            if before.state is not row.state:
                extensions[number] = Extension(number, Registration.UNKNOWN, "")
            return "the number of an earlier row"
        return "" if word is not None else "no state in its state column"

    skipped = read_rows(windows, _EXTENSIONS, take)
    if isinstance(skipped, Failure):
        return skipped
    return Extensions(tuple(extensions.values()), skipped)


def decode_peers(windows: Windows, options: Options) -> Peers | Failure:
    """CHANSIPPEERS: node, user and state of every peer (seen, wire notes 2026-10).

    A user may be there more than once: phones move from node to node.
    """
    known = lookup(options)
    once = _once()
    peers: list[Peer] = []

    def take(cells: Sequence[object]) -> str:
        node, word = _name(cells[0]), _text(cells[2])
        user = (_name(cells[1]) or "").partition("/")[0].strip()  # "100-ACME/100-ACME" (seen)
        if not user:
            return "no name"
        peers.append(Peer(user, once(node), _state(word, known), once(word)))
        if node is None:
            return "no node"
        return "" if word is not None else "no status"

    skipped = read_rows(windows, _PEERS, take)
    return skipped if isinstance(skipped, Failure) else Peers(tuple(peers), skipped)


def decode_tenants(windows: Windows, _options: Options) -> Tenants | Failure:
    """MANAGEDB tenant list: code, name and whether it is disabled (documented; never seen).

    A name that cannot be read is "", and ``disabled`` that makes no sense is None.
    """
    tenants: dict[str, Tenant] = {}

    def take(cells: Sequence[object]) -> str:
        code, name, disabled = _name(cells[0]), _text(cells[1]), _disabled(cells[2])
        if code is None:
            return "no code"
        if code in tenants:
            return "the code of an earlier row"
        tenants[code] = Tenant(code, name or "", disabled)
        return (
            "" if name is not None and disabled is not None else "a name or te_disabled that makes no sense"
        )

    skipped = read_rows(windows, _TENANTS, take)
    return skipped if isinstance(skipped, Failure) else Tenants(tuple(tenants.values()), skipped)


def _state(word: str | None, known: Callable[[str], Registration | None]) -> Registration:
    """Return the state of a row; a word that nobody named is counted as unknown and fails nothing else."""
    return (known(word) if word is not None else None) or Registration.UNKNOWN


def _once() -> Callable[[str | None], str]:
    """Return a function that returns the same object for the same text: of 300,000 words few differ."""
    texts: dict[str, str] = {}
    return lambda text: texts.setdefault(text, text) if text else ""


def _name(cell: object) -> str | None:
    """Return what a row is known by. One with a byte that is no text is none: it cannot be asked for."""
    name = label(cell)
    return None if name is None or "\ufffd" in name else name


def _text(cell: object) -> str | None:
    """Return what a cell says, "" where it is blank or null, and None where it cannot be a label."""
    return "" if cell is None or (isinstance(cell, str) and not cell.strip()) else label(cell)


def _disabled(cell: object) -> bool | None:
    if cell is None:
        return False
    word = str(cell).strip().casefold() if isinstance(cell, str | int) else "?"
    return word in _YES if word in _YES | _NO else None
