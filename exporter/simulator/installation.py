"""What does not change in the simulated installation: its nodes, its tenants and the habits of each."""

from dataclasses import dataclass

from exporter.simulator.chance import CHARACTER, fraction

FIRST_EXTENSION = 100

# Made-up companies. Commas, quotes, a backslash and letters beyond ASCII are there on purpose:
# names on a real switch hold them (seen, wire notes 2026-10).
_COMPANIES = (
    ("ACME", "Acme Tools, Ltd."),
    ("BOREAL", "Boréal Énergie"),
    ("CINDER", "Cinder & Ash"),
    ("DELTA9", 'Delta "Nine" Couriers'),
    ("EIDER", "Eider Reisen, München"),
    ("FJORD", "Fjord Sjømat"),
    ("GLADE", "Glade Gardens"),
    ("HAVEN", "Haven Hôtels, Lyon"),
    ("INDIGO", "Indigo Print"),
    ("JUNIPER9", "Juniper's Bakery"),
    ("KOBALT", "Kobalt Łódź"),
    ("LARCH", "Larch\\Pine Timber"),
    ("MERIDIAN", "Meridian Travel"),
    ("NIMBUS", "Nimbus <Weather>"),
    ("OPAL", "Opal Ópticas"),
    ("PRAIRIE", "Prairie Feed, Seed"),
)
_DISABLED_PER_TENANT = 50
_DISABLED_AT_LEAST = 2
_UNLIMITED = -1
_UNLIMITED_EVERY = 4
_POSTPAID_EVERY = 5


@dataclass(frozen=True, slots=True)
class Tenant:
    """One tenant as it was set up.

    Its extensions are ``FIRST_EXTENSION`` and on. The phone of extension *i* is at home on node
    ``first_node + i % spread`` (modulo the number of nodes). ``peak_calls`` is what runs at the busiest
    hour, ``shift_hours`` how far its day is ahead, ``price`` the cost of a call's minute. A prepaid tenant
    pays in ``top_up`` whenever its credit has fallen to ``reserve``; a post-paid one settles a debt of
    ``top_up``. ``paid_ahead`` is how much of that was used when the world began.
    """

    index: int
    code: str
    name: str
    disabled: bool
    extensions: int
    first_node: int
    spread: int
    max_channels: int
    peak_calls: float
    shift_hours: float
    price: float
    postpaid: bool
    top_up: float
    reserve: float
    paid_ahead: float

    def position(self, number: str) -> int | None:
        """Return which of its extensions has this number, or None."""
        if not (number.isascii() and number.isdigit()) or len(number) > len(str(self.extensions)) + 3:
            return None
        position = int(number) - FIRST_EXTENSION
        return position if 0 <= position < self.extensions and str(int(number)) == number else None

    def numbers(self) -> list[str]:
        """Return the numbers of its extensions, in order."""
        return [str(FIRST_EXTENSION + position) for position in range(self.extensions)]


def node_names(count: int) -> tuple[str, ...]:
    """Return the names of the nodes. Raises ValueError where there would be none."""
    if count < 1:
        raise ValueError("an installation has at least 1 node")
    return tuple(f"pbx{number}" for number in range(1, count + 1))


def tenants(count: int, extensions: int, nodes: int, seed: int) -> tuple[Tenant, ...]:
    """Return ``count`` tenants and, after them, a few disabled ones. Raises ValueError for negative sizes."""
    if count < 0 or extensions < 0:
        raise ValueError("the numbers of tenants and of extensions cannot be negative")
    disabled = max(_DISABLED_AT_LEAST, count // _DISABLED_PER_TENANT)
    return tuple(_tenant(index, count, extensions, nodes, seed) for index in range(count + disabled))


def _code_and_name(index: int, count: int) -> tuple[str, str]:
    if index >= count:
        return f"CLOSED{index - count + 1}", f"Closed customer {index - count + 1}"
    if index < len(_COMPANIES):
        return _COMPANIES[index]
    number = index - len(_COMPANIES) + 1
    return f"T{number:04d}", f"Customer {number}"


def _tenant(index: int, count: int, extensions: int, nodes: int, seed: int) -> Tenant:
    def habit(which: int) -> float:
        return fraction(seed, CHARACTER, index, which)

    code, name = _code_and_name(index, count)
    top_up = float(50 * (1 + int(habit(4) * 10)))
    return Tenant(
        index=index,
        code=code,
        name=name,
        disabled=index >= count,
        extensions=extensions,
        first_node=index % nodes,
        spread=min(nodes, 1 + int(habit(0) * 3)),
        max_channels=max(4, extensions) if (index + 1) % _UNLIMITED_EVERY else _UNLIMITED,
        peak_calls=extensions * (0.05 + 0.25 * habit(1)),
        shift_hours=habit(2) * 4 - 2,
        price=0.01 + 0.04 * habit(3),
        postpaid=(index + 1) % _POSTPAID_EVERY == 0,
        top_up=top_up,
        reserve=float(int(habit(5) * 30)),
        paid_ahead=top_up * habit(6),
    )
