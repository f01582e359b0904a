"""The alerts of the daemon, equal to those that ``alerts/softswitch.alerts.yaml`` declares for Prometheus.

To add one:

1. Here, or in a module beside it: a function that yields the due alerts, and a ``Rule`` with this condition
   and its inputs. A new ``Input`` names the metric and, as the range in the YAML does, for how long a value
   counts. Its name is the key under which the state file keeps the values: unique, and never changed.
2. The same alert in ``alerts/softswitch.alerts.yaml``, its recording rule, if it needs one, in
   ``alerts/softswitch.rules.yaml``, and a file of cases in ``alerts/tests/``; then ``make rules``. List a
   recording rule of a value per tenant in ``switch_tenant:softswitch_tenant_team:info`` as well, or the alert
   is lost for tenants without a team. The alerts that inhibit it are in ``alerts/alertmanager.example.yaml``,
   its first step is in ``alerts/templates/softswitch.tmpl``.
3. ``docs/runbooks/NAME.md``, a line in the index beside it, and in ``docs/alerting.md`` the table of
   thresholds and the list of alerts that the exporter evaluates. Its words on the status page in
   ``exporter/web/problem_words.py``; with ``keep_firing_for``, its queries in ``_QUERIES`` of
   ``exporter/web/unknown_values.py``; its condition, if it reads only current values, in
   ``exporter/web/conditions.py``; the alerts that inhibit it in ``COVERED_BY`` there and in ``groups``.
4. ``tests/differential/site.py`` or ``play.py``, unless their scenarios cause it already:
   ``tests/unit/alerting/test_differential.py`` reports which alerts never fired, and compares both sides.
5. A line in ``EXPECTED`` of ``tests/e2e/test_alert_parity.py``, and what causes the alert in its
   configuration.

Alerts that need a long history, or data that only Prometheus has, exist only as rules for Prometheus.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from exporter.alerting import monitoring_rules, queue_rules
from exporter.alerting.inputs import (
    Input,
    RangeInput,
    Reader,
    SwitchInputs,
    by_label,
    by_node,
    by_tenant,
    pair,
    states,
)
from exporter.alerting.rule import Due, Rule, of_switch, of_tenant
from exporter.metrics import catalogue
from exporter.metrics.metric import Metric
from exporter.model import Registration
from exporter.store import Store

_MINUTE = 60.0
_HOUR = 3600.0
_A_DAY = 86_400.0
_FEW_PHONES = 3
_TENANT_SHARE = 0.9
_Values = Callable[[SwitchInputs], Mapping[str, float]]


def _threshold(name: str, metric: Metric, window: float) -> Input[tuple[str, str], float]:
    """Declare values of the configuration by tenant and last label; the switch is tenant ""."""
    return Input(name, window, by_label(metric), key=pair)


def _share(used: Input[str, float], limits: _Values) -> Reader[str, float]:
    """Return a reader of the share of the limit that each node or tenant uses, if both are known."""

    def read(inputs: SwitchInputs, _: Store | None) -> dict[str, float]:
        values = inputs[used]
        return {
            key: values[key] / limit for key, limit in limits(inputs).items() if limit > 0 and key in values
        }

    return read


def _registered_ratios(inputs: SwitchInputs) -> dict[str, float]:
    """Return each tenant's share of registered extensions, if more than half have a known state."""
    is_on, is_off, is_unknown = Registration.REGISTERED, Registration.UNREGISTERED, Registration.UNKNOWN
    return {
        tenant: states[is_on] / known
        for tenant, states in inputs[EXTENSIONS].items()
        if (known := states[is_on] + states[is_off]) > states[is_unknown]
    }


def _watched_states(inputs: SwitchInputs, store: Store | None) -> dict[tuple[str, str], float]:
    """Return the states of the watched extensions only: there may be 250,000 others."""
    phones = store.snapshot(catalogue.EXTENSION_REGISTERED).get("", {}) if store else {}
    found = {}
    for tenant, extension in inputs[WATCHED]:
        states = phones.get(tenant)
        if isinstance(states, Mapping) and extension in states:
            found[tenant, extension] = states[extension]
    return found


LICENSE = Input("license", 6 * _HOUR, by_tenant(catalogue.LICENSE_REMAINING))
LICENSE_THRESHOLDS = _threshold("license_thresholds", catalogue.LICENSE_REMAINING_THRESHOLD, 6 * _HOUR)
NODE_PRESENT = Input("node_present", 5 * _MINUTE, by_node(catalogue.NODE_PRESENT))
NODE_CHANNELS = Input("node_channels", 5 * _MINUTE, by_node(catalogue.NODE_CHANNELS))
NODE_LIMITS = _threshold("node_limits", catalogue.NODE_CHANNELS_LIMIT, 5 * _MINUTE)
NODE_USED = RangeInput(
    "node_used",
    5 * _MINUTE,
    _share(NODE_CHANNELS, lambda inputs: {node: limit for (_, node), limit in inputs[NODE_LIMITS].items()}),
)
BALANCES = Input("balances", 15 * _MINUTE, by_tenant(catalogue.TENANT_BALANCE))
BALANCE_THRESHOLDS = _threshold("balance_thresholds", catalogue.TENANT_BALANCE_THRESHOLD, 15 * _MINUTE)
TENANT_CHANNELS = Input("tenant_channels", 5 * _MINUTE, by_tenant(catalogue.TENANT_CHANNELS))
TENANT_LIMITS = Input("tenant_limits", 5 * _MINUTE, by_tenant(catalogue.TENANT_CHANNELS_LIMIT))
TENANT_USED = RangeInput(
    "tenant_used", 5 * _MINUTE, _share(TENANT_CHANNELS, lambda inputs: inputs[TENANT_LIMITS])
)
TRUNKS = Input("trunks", 5 * _MINUTE, by_label(catalogue.TRUNK_REGISTERED), key=pair)
WATCHED_PEERS = Input("watched_peers", 5 * _MINUTE, by_label(catalogue.PEER_REACHABLE), key=pair)
EXTENSIONS = Input("extensions", 15 * _MINUTE, by_tenant(catalogue.TENANT_EXTENSIONS), value=states)
HAD_PHONES = Input(
    "had_phones",
    _HOUR,
    lambda inputs, _: {tenant: 1.0 for tenant, ratio in _registered_ratios(inputs).items() if ratio > 0},
)
RATIO_THRESHOLDS = _threshold("ratio_thresholds", catalogue.TENANT_REGISTERED_RATIO_THRESHOLD, 15 * _MINUTE)
WATCHED = _threshold("watched", catalogue.EXTENSION_WATCHED, 15 * _MINUTE)
REGISTERED = Input("registered", 15 * _MINUTE, _watched_states, key=pair)


def _license_expiring(inputs: SwitchInputs) -> Iterator[Due]:
    left = inputs[LICENSE].get("")
    for (_, severity), threshold in inputs[LICENSE_THRESHOLDS].items():
        if left is not None and left <= threshold:
            yield Due(of_switch(inputs, ("severity", severity)), left, threshold)


def _license_imminent(inputs: SwitchInputs) -> Iterator[Due]:
    """Find a license in its last day: a switch counts whole days. Without a threshold, it never fires."""
    left = inputs[LICENSE].get("")
    if left is not None and left <= _A_DAY and inputs[LICENSE_THRESHOLDS]:
        yield Due(of_switch(inputs), left, _A_DAY)


def _trunk_down(inputs: SwitchInputs, *, of_tenants: bool) -> Iterator[Due]:
    """Find trunks that are not registered, or not reachable as watched peers, of the switch or of tenants."""
    trunks, peers = inputs[TRUNKS], inputs[WATCHED_PEERS]
    for tenant, trunk in {**trunks, **peers}:
        is_down = 0 in {trunks.get((tenant, trunk)), peers.get((tenant, trunk))}
        if is_down and tenant and of_tenants:
            yield of_tenant(inputs, tenant, ("trunk", trunk))
        elif is_down and not tenant and not of_tenants:
            yield Due(of_switch(inputs, ("trunk", trunk)))


def _node_missing(inputs: SwitchInputs) -> Iterator[Due]:
    for node, present in inputs[NODE_PRESENT].items():
        if present == 0:
            yield Due(of_switch(inputs, ("node", node)), present)


def _node_channels_above(share: float, inputs: SwitchInputs) -> Iterator[Due]:
    for node, used in inputs.range(NODE_USED).averages_above(share):
        yield Due(of_switch(inputs, ("node", node)), used, share)


def _tenant_channels_near_limit(inputs: SwitchInputs) -> Iterator[Due]:
    for tenant, used in inputs.range(TENANT_USED).averages_above(_TENANT_SHARE):
        yield of_tenant(inputs, tenant, value=used, threshold=_TENANT_SHARE)


def _below(values: _Values, thresholds: Input[tuple[str, str], float], inputs: SwitchInputs) -> Iterator[Due]:
    """Find tenants whose value is below the threshold of a severity."""
    found = values(inputs)
    for (tenant, severity), threshold in inputs[thresholds].items():
        value = found.get(tenant, threshold)
        if value < threshold:
            yield of_tenant(inputs, tenant, ("severity", severity), value=value, threshold=threshold)


def _registrations_lost(inputs: SwitchInputs) -> Iterator[Due]:
    """Find tenants without a registered extension that had one within the hour, or whose alert fires."""
    silent = [tenant for tenant, ratio in _registered_ratios(inputs).items() if ratio == 0]
    recent = inputs[HAD_PHONES]
    is_long_ago = any(tenant not in recent for tenant in silent)
    lost = {dict(labels)["tenant"] for labels in inputs.firing(_LOST)} if is_long_ago else ()
    for tenant in silent:
        phones = inputs[EXTENSIONS][tenant][Registration.UNREGISTERED]
        if phones >= _FEW_PHONES and (tenant in recent or tenant in lost):
            yield of_tenant(inputs, tenant, threshold=phones)


def _watched_extension_down(inputs: SwitchInputs) -> Iterator[Due]:
    registered = inputs[REGISTERED]
    for tenant, extension in inputs[WATCHED]:
        if registered.get((tenant, extension)) == 0:
            yield of_tenant(inputs, tenant, ("extension", extension))


_LOST = "SoftswitchTenantRegistrationsLost"
_NODE_TEXTS = (
    "A node is close to its channel limit.",
    "{node} of {switch} uses {value:percentage} of its channels.",
)

# Unformatted: six lines an alert instead of twelve.
# fmt: off
LICENSE_EXPIRING = Rule("SoftswitchLicenseExpiring", "", "license",
    "The license of a soft-switch is about to expire.",
    "The license of {switch} expires in {value:duration}.",
    condition=_license_expiring, inputs=(LICENSE, LICENSE_THRESHOLDS),
    pending_for=15 * _MINUTE, compares=True)
LICENSE_IMMINENT = Rule("SoftswitchLicenseImminent", "critical", "license",
    "The license of a soft-switch expires within a day.",
    "The license of {switch} expires in {value:duration}. Calls may stop when it does.",
    condition=_license_imminent, inputs=(LICENSE, LICENSE_THRESHOLDS),
    pending_for=15 * _MINUTE, compares=True)
TRUNK_DOWN = Rule("SoftswitchTrunkDown", "critical", "trunk",
    "A trunk is down.",
    "The trunk {trunk} of {switch} has been unregistered or unreachable for 3 minutes.",
    condition=partial(_trunk_down, of_tenants=False), inputs=(TRUNKS, WATCHED_PEERS),
    pending_for=3 * _MINUTE)
NODE_MISSING = Rule("SoftswitchNodeMissing", "critical", "node",
    "A node of a soft-switch is missing.",
    "{switch} has not listed the node {node} for 3 minutes.",
    condition=_node_missing, inputs=(NODE_PRESENT,), pending_for=3 * _MINUTE)
NODE_CHANNELS_NEAR_LIMIT = Rule("SoftswitchNodeChannelsNearLimit", "warning", "node", *_NODE_TEXTS,
    condition=partial(_node_channels_above, 0.8), inputs=(NODE_CHANNELS, NODE_LIMITS, NODE_USED),
    pending_for=5 * _MINUTE, keep_firing_for=10 * _MINUTE, compares=True)
NODE_CHANNELS_AT_LIMIT = Rule("SoftswitchNodeChannelsNearLimit", "critical", "node", *_NODE_TEXTS,
    condition=partial(_node_channels_above, 0.95), inputs=(NODE_CHANNELS, NODE_LIMITS, NODE_USED),
    pending_for=2 * _MINUTE, keep_firing_for=10 * _MINUTE, compares=True)
BALANCE_LOW = Rule("SoftswitchBalanceLow", "", "tenant",
    "A tenant's balance is low.",
    "{tenant} on {switch} has a balance of {value:.2f}, below the threshold of {threshold:.2f}.",
    condition=partial(_below, lambda inputs: inputs[BALANCES], BALANCE_THRESHOLDS),
    inputs=(BALANCES, BALANCE_THRESHOLDS), pending_for=10 * _MINUTE, compares=True)
TENANT_REGISTRATIONS_LOST = Rule(_LOST, "critical", "tenant",
    "A tenant lost all its registrations.",
    "None of the {threshold} extensions of {tenant} on {switch} is registered.",
    condition=_registrations_lost, inputs=(EXTENSIONS, HAD_PHONES),
    pending_for=5 * _MINUTE, keep_firing_for=15 * _MINUTE)
TENANT_REGISTRATIONS_LOW = Rule("SoftswitchTenantRegistrationsLow", "", "tenant",
    "Too few phones of a tenant are registered.",
    "{value:percentage} of the extensions of {tenant} on {switch} are registered.",
    condition=partial(_below, _registered_ratios, RATIO_THRESHOLDS),
    inputs=(EXTENSIONS, RATIO_THRESHOLDS), pending_for=10 * _MINUTE, keep_firing_for=10 * _MINUTE,
    compares=True)
TENANT_TRUNK_DOWN = Rule("SoftswitchTrunkDown", "critical", "tenant",
    "A trunk of a tenant is down.",
    "The trunk {trunk} of {tenant} on {switch} has been unregistered or unreachable for 3 minutes.",
    condition=partial(_trunk_down, of_tenants=True), inputs=(TRUNKS, WATCHED_PEERS),
    pending_for=3 * _MINUTE)
TENANT_CHANNELS_NEAR_LIMIT = Rule("SoftswitchTenantChannelsNearLimit", "warning", "tenant",
    "A tenant is close to its channel limit.",
    "{tenant} on {switch} uses {value:percentage} of its channels. Calls above the limit are refused.",
    condition=_tenant_channels_near_limit, inputs=(TENANT_CHANNELS, TENANT_LIMITS, TENANT_USED),
    pending_for=10 * _MINUTE, keep_firing_for=10 * _MINUTE, compares=True)
WATCHED_EXTENSION_DOWN = Rule("SoftswitchWatchedExtensionDown", "warning", "extension",
    "A watched extension is not registered.",
    "Extension {extension} of {tenant} on {switch} has not been registered for 10 minutes.",
    condition=_watched_extension_down, inputs=(WATCHED, REGISTERED), pending_for=10 * _MINUTE)
# fmt: on

RULES = tuple(
    rule
    for module in (vars(monitoring_rules), globals(), vars(queue_rules))
    for rule in module.values()
    if isinstance(rule, Rule)
)
"""Every rule that is declared above, in ``monitoring_rules`` or in ``queue_rules``."""
