"""The nodes and tenants of the simulated installation: their setup, traffic and credit.

Everything is a function of the seed and the moment, so nothing is stored per phone (there may be 250,000),
and skipping a year costs as much as skipping a second.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from itertools import accumulate, pairwise

FIRST_EXTENSION = 100

# Made-up companies. Names on a real switch contain commas, quotes, backslashes and non-ASCII letters, too
# (seen, wire notes 2026-10).
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

_HOUR = 3600
_HOURS = 24

# Calls at each full hour of the day, relative to the busiest hour.
_DAY = (
    0.02, 0.01, 0.01, 0.01, 0.01, 0.03, 0.08, 0.25, 0.60, 0.90, 1.00, 0.95,
    0.70, 0.65, 0.85, 0.95, 0.90, 0.70, 0.40, 0.25, 0.18, 0.12, 0.07, 0.04,
)  # fmt: skip
_HOURLY_STEPS = tuple(pairwise((*_DAY, _DAY[0])))
_BUSY_HOURS_UNTIL = tuple(accumulate(((start + end) / 2 for start, end in _HOURLY_STEPS), initial=0.0))

_WOBBLE_SECONDS = 120
"""Simulated seconds for which the number of calls stays the same."""

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_MULTIPLIER = 0x9E37_79B9_7F4A_7C15
_INCREMENT = 0xD1B5_4A32_D192_ED03

# The first number after the seed of a draw, so that draws for different purposes are independent.
CHARACTER = 1
OUTAGES = 2
SPARES = 3
WOBBLE = 4
ROUNDING = 5
RINGING = 6
DROPPED = 7
ROUND_TRIP = 8
TECHNOLOGY = 9
BUSY = 10
QUEUES = 11
HISTORY = 12


def draw(*numbers: int) -> int:
    """Return a 64-bit hash of ``numbers``."""
    state = 0
    for number in numbers:
        state = ((state ^ number) * _MULTIPLIER + _INCREMENT) & _MASK
        state ^= state >> 32
    state = (state * _MULTIPLIER) & _MASK
    return state ^ (state >> 32)


def fraction(*numbers: int) -> float:
    """Return a hash of ``numbers`` as a fraction: at least 0 and below 1."""
    return (draw(*numbers) >> 11) / 2.0**53


_GOLDEN_RATIO = 0.6180339887498949
"""Its multiples, modulo 1, are spread evenly: even ten phones have about the configured shares."""


class Technology(StrEnum):
    """``ex_tech`` in INFO extensions. Names are documented (wire notes 2026-10), upper case is a guess."""

    SIP = "SIP"  # chan_sip
    PJSIP = "PJSIP"
    CUSTOM = "CUSTOM"
    VIRTUAL = "VIRTUAL"


UNREGISTRABLE = frozenset({Technology.CUSTOM, Technology.VIRTUAL})
"""Technologies of extensions that never register (documented, wire notes 2026-10)."""


@dataclass(frozen=True, slots=True)
class Technologies:
    """The shares (0 to 1) of phones that are not SIP. Raises ValueError if they exceed 1 in total."""

    pjsip: float = 0.0
    custom: float = 0.0
    virtual: float = 0.0

    def __post_init__(self) -> None:
        shares = (self.pjsip, self.custom, self.virtual)
        if not (all(share >= 0 for share in shares) and sum(shares) <= 1):
            raise ValueError("technologies: expected shares of at least 0 that are at most 1 in total")

    def of_phones(self, count: int, first: float) -> tuple[Technology, ...]:
        """Return the technology of each phone of a tenant. ``first`` (0 to 1) makes tenants differ."""
        return _of_phones(self, count, first if self != ONLY_SIP else 0.0)


ONLY_SIP = Technologies()


@lru_cache(maxsize=64)
def _of_phones(shares: Technologies, count: int, first: float) -> tuple[Technology, ...]:
    return tuple(_at(shares, (first + position * _GOLDEN_RATIO) % 1) for position in range(count))


def _at(shares: Technologies, place: float) -> Technology:
    for technology, share in (
        (Technology.PJSIP, shares.pjsip),
        (Technology.CUSTOM, shares.custom),
        (Technology.VIRTUAL, shares.virtual),
    ):
        if place < share:
            return technology
        place -= share
    return Technology.SIP


@dataclass(frozen=True, slots=True)
class Tenant:
    """The setup of one tenant.

    Its extensions are numbered from ``FIRST_EXTENSION``. The phone of extension *i* registers with node
    ``first_node + i % spread`` (modulo the number of nodes). ``peak_calls`` is the number of calls in the
    busiest hour, ``shift_hours`` the offset of its day, ``price`` the cost of a minute. A prepaid tenant pays
    ``top_up`` when its credit reaches ``reserve``; a postpaid one settles a debt of ``top_up``.
    ``paid_ahead`` is the part of that already used at the start. ``technologies`` has one entry per phone,
    ``never_register`` the positions of those that cannot register.
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
    technologies: tuple[Technology, ...] = field(compare=False, repr=False)
    never_register: frozenset[int] = field(compare=False, repr=False)

    @property
    def max_extensions(self) -> int:
        """Its limit of extensions; -1 is unlimited."""
        return self.max_channels if self.max_channels == _UNLIMITED else max(10, self.extensions * 5 // 4)

    @property
    def max_dids(self) -> int:
        """Its limit of DIDs; -1 is unlimited."""
        return _UNLIMITED if self.postpaid else 10

    def position(self, number: str) -> int | None:
        """Return the position of the extension with this exact number, or None."""
        if not (number.isascii() and number.isdigit()) or len(number) > len(str(self.extensions)) + 3:
            return None
        position = int(number) - FIRST_EXTENSION
        return position if 0 <= position < self.extensions and str(int(number)) == number else None

    def numbers(self) -> list[str]:
        """Return the numbers of its extensions, in order."""
        return [str(FIRST_EXTENSION + position) for position in range(self.extensions)]


def node_names(count: int) -> tuple[str, ...]:
    """Return the names of the nodes. Raises ValueError if ``count`` is below 1."""
    if count < 1:
        raise ValueError("nodes: expected at least 1")
    return tuple(f"pbx{number}" for number in range(1, count + 1))


def make_tenants(
    count: int, extensions: int, nodes: int, seed: int, technologies: Technologies = ONLY_SIP
) -> tuple[Tenant, ...]:
    """Return ``count`` tenants, then a few disabled ones. Raises ValueError for negative sizes."""
    if count < 0 or extensions < 0:
        raise ValueError("tenants and extensions: expected at least 0")
    disabled = max(_DISABLED_AT_LEAST, count // _DISABLED_PER_TENANT)
    return tuple(
        _tenant(index, count, extensions, nodes, seed, technologies) for index in range(count + disabled)
    )


def _code_and_name(index: int, count: int) -> tuple[str, str]:
    if index >= count:
        return f"CLOSED{index - count + 1}", f"Closed customer {index - count + 1}"
    if index < len(_COMPANIES):
        return _COMPANIES[index]
    number = index - len(_COMPANIES) + 1
    return f"T{number:04d}", f"Customer {number}"


def _tenant(
    index: int, count: int, extensions: int, nodes: int, seed: int, technologies: Technologies
) -> Tenant:
    def habit(which: int) -> float:
        return fraction(seed, CHARACTER, index, which)

    code, name = _code_and_name(index, count)
    top_up = float(50 * (1 + int(habit(4) * 10)))
    phones = technologies.of_phones(extensions, fraction(seed, TECHNOLOGY, index))
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
        technologies=phones,
        never_register=frozenset(where for where, one in enumerate(phones) if one in UNREGISTRABLE),
    )


def _level(hours: float) -> float:
    """Return the calls at a time of day relative to the busiest hour, 0 to 1."""
    hour, within = divmod(hours % _HOURS, 1)
    start, end = _HOURLY_STEPS[int(hour) % _HOURS]
    return start + (end - start) * within


def _busy_hours(hours: float) -> float:
    """Return the integral of ``_level`` from hour 0."""
    days, hour_of_day = divmod(hours, _HOURS)
    hour, within = divmod(hour_of_day, 1)
    start, end = _HOURLY_STEPS[int(hour) % _HOURS]
    today = _BUSY_HOURS_UNTIL[int(hour) % _HOURS] + start * within + (end - start) * within * within / 2
    return days * _BUSY_HOURS_UNTIL[_HOURS] + today


def calls_wanted(seed: int, tenant: Tenant, moment: float) -> int:
    """Return a tenant's calls at a moment if phones and limits allow them."""
    slot = int(moment // _WOBBLE_SECONDS)
    expected = tenant.peak_calls * _level(moment / _HOUR + tenant.shift_hours)
    wobble = 0.7 + 0.6 * fraction(seed, WOBBLE, tenant.index, slot)
    return int(expected * wobble + fraction(seed, ROUNDING, tenant.index, slot))


def channels_of(seed: int, tenant: Tenant, calls: int, moment: float) -> int:
    """Return the channels of a number of calls: two each, one for those that ring (up to a quarter)."""
    slot = int(moment // _WOBBLE_SECONDS)
    return 2 * calls - draw(seed, RINGING, tenant.index, slot) % (calls // 4 + 1)


def spent(tenant: Tenant, moment: float) -> float:
    """Return the cost of a tenant's calls since the first simulated midnight, in currency."""
    busy = _busy_hours(moment / _HOUR + tenant.shift_hours)
    return tenant.price * 60 * tenant.peak_calls * busy


def natural_balance(tenant: Tenant, moment: float) -> float:
    """Return a tenant's credit without overrides: spent by calls and topped up."""
    used = (tenant.paid_ahead + spent(tenant, moment)) % tenant.top_up
    return -used if tenant.postpaid else tenant.reserve + tenant.top_up - used
