"""How many calls a tenant makes in the course of a day, and what they cost it."""

from itertools import accumulate, pairwise

from exporter.simulator.chance import RINGING, ROUNDING, WOBBLE, draw, fraction
from exporter.simulator.installation import Tenant

_HOUR = 3600
_HOURS = 24

# Share of the busiest hour's calls at each full hour of the day: quiet nights, a dip at noon.
_DAY = (
    0.02, 0.01, 0.01, 0.01, 0.01, 0.03, 0.08, 0.25, 0.60, 0.90, 1.00, 0.95,
    0.70, 0.65, 0.85, 0.95, 0.90, 0.70, 0.40, 0.25, 0.18, 0.12, 0.07, 0.04,
)  # fmt: skip
_HOURLY_STEPS = tuple(pairwise((*_DAY, _DAY[0])))
_BUSY_HOURS_UNTIL = tuple(accumulate(((start + end) / 2 for start, end in _HOURLY_STEPS), initial=0.0))

_WOBBLE_SECONDS = 120
"""How long the number of calls stays as it is, in seconds of the simulated world."""


def _level(hours: float) -> float:
    """Return the share of the busiest hour's calls at a time of day, 0 to 1."""
    hour, within = divmod(hours % _HOURS, 1)
    start, end = _HOURLY_STEPS[int(hour) % _HOURS]
    return start + (end - start) * within


def _busy_hours(hours: float) -> float:
    """Return the integral of the day's curve from hour 0 on: hours at the busiest level."""
    days, hour_of_day = divmod(hours, _HOURS)
    hour, within = divmod(hour_of_day, 1)
    start, end = _HOURLY_STEPS[int(hour) % _HOURS]
    today = _BUSY_HOURS_UNTIL[int(hour) % _HOURS] + start * within + (end - start) * within * within / 2
    return days * _BUSY_HOURS_UNTIL[_HOURS] + today


def calls_wanted(seed: int, tenant: Tenant, moment: float) -> int:
    """Return how many calls a tenant would run at a moment if phones and limits allow."""
    slot = int(moment // _WOBBLE_SECONDS)
    expected = tenant.peak_calls * _level(moment / _HOUR + tenant.shift_hours)
    wobble = 0.7 + 0.6 * fraction(seed, WOBBLE, tenant.index, slot)
    return int(expected * wobble + fraction(seed, ROUNDING, tenant.index, slot))


def channels_of(seed: int, tenant: Tenant, calls: int, moment: float) -> int:
    """Return the channels of so many calls: two each, and one for those that still ring (up to a quarter)."""
    slot = int(moment // _WOBBLE_SECONDS)
    return 2 * calls - draw(seed, RINGING, tenant.index, slot) % (calls // 4 + 1)


def spent(tenant: Tenant, moment: float) -> float:
    """Return what a tenant's calls cost since the world's first midnight, in currency."""
    busy = _busy_hours(moment / _HOUR + tenant.shift_hours)
    return tenant.price * 60 * tenant.peak_calls * busy


def natural_balance(tenant: Tenant, moment: float) -> float:
    """Return the credit of a tenant that nobody has set: spent by calls, and paid in now and then."""
    used = (tenant.paid_ahead + spent(tenant, moment)) % tenant.top_up
    return -used if tenant.postpaid else tenant.reserve + tenant.top_up - used
