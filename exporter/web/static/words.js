// The contents and words of the page. templates/status.html has the same: change both.

const UNITS = [[86400, 172800, "d"], [3600, 7200, "h"], [60, 120, "min"], [1, 0, "s"]];
const UP = new Map([[true, ["up", "good"]], [false, ["down", "bad"]], [null, ["not tried yet", "unknown"]]]);
const MARKS = { late: "warning", stale: "bad" };

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const hundredths = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

export const count = (value) => (value === null ? "–" : whole.format(value));
const money = (value) => (value === null ? "–" : hundredths.format(value));
const of = (part, all) => (all === null ? count(part) : `${count(part)} / ${count(all)}`);
const pairs = (mapping, text) => Object.entries(mapping).map(([name, value]) => `${name} ${text(value)}`).join(", ");
const withVerdict = (text, verdict) => (verdict ? `${verdict} ${text}` : text);

export const failing = (tenant) => pairs(tenant.failing, String);

function duration(seconds) {
  if (seconds === null) return "–";
  const [size, , sign] = UNITS.find(([, least]) => Math.abs(seconds) >= least);
  return `${Math.floor(Math.abs(seconds) / size + 0.5) * (seconds < 0 ? -1 : 1)} ${sign}`;
}

function newestFailures(query) {
  const newest = query.failures.slice(0, 10).map((failure) => ({ ...failure, query: query.query, scope: query.scope }));
  return newest.sort((one, other) => (one.tenant < other.tenant ? -1 : one.tenant > other.tenant ? 1 : 0));
}

const ABOUT = ["switch", "node", "tenant", "extension", "query"];

const about = ({ labels }) => ABOUT.filter((name) => name in labels).map((name) => `${name} ${labels[name]}`).join(", ");

function alertCounts({ firing, pending, delivery }) {
  const counts = firing === null ? "Alerts have not been evaluated yet." : `${count(firing)} firing, ${count(pending)} pending.`;
  const reason = { off: "No alerting configured", dry_run: "Dry run" }[delivery];
  return counts + (reason ? ` ${reason}: alerts are not sent.` : "");
}

// Each entry returns [text, CSS class, response of the switch]; only the text is required.
export const FACTS = {
  up: (it) => UP.get(it.up),
  valid: (it) => [duration(it.valid_answer_age_seconds) + (it.valid_answer_age_seconds === null ? "" : " ago")],
  breaker: (it) => (it.breaker_open ? ["open: sending only probes", "bad"] : ["closed"]),
  calls: (it) => [count(it.calls)],
  channels: (it) => [count(it.channels)],
  peers: (it) => [count(it.peers)],
  license: (it) => [withVerdict(duration(it.license_remaining_seconds), it.license_verdict), it.license_verdict],
  keys: ({ refused_keys: keys }) =>
    keys.length ? [keys.slice(0, 5).join(", ") + (keys.length > 5 ? ", …" : ""), "bad"] : ["none"],
  held: (it) => [count(it.targets_held_back), it.targets_held_back ? "warning" : ""],
  flight: (it) => [count(it.requests_in_flight)],
  series: (it) =>
    it.series_limited ? [`${count(it.series)}: limited, some detail is dropped`, "warning"] : [count(it.series)],
};

export const ALERTS = {
  facts: {
    counts: ({ alerting: it }) => [alertCounts(it), it.firing ? "bad" : ""],
    more: ({ alerting: { firing, pending } }) =>
      firing + pending > 50 ? [`and ${count(firing + pending - 50)} more`] : [""],
  },
  rows: (it) => it.alerts.filter(({ labels }) => labels.alertname !== "SoftswitchWatchdog").slice(0, 50),
  key: (alert) => `${alert.labels.alertname} ${alert.labels.severity} ${about(alert)}`,
  cells: [
    (alert) => [alert.state],
    (alert) => [alert.labels.severity, alert.state === "firing" ? alert.labels.severity : ""],
    (alert) => [alert.labels.alertname],
    (alert) => [about(alert), "name"],
    (alert) => [duration(alert.age_seconds), "number"],
    (alert) => [alert.annotations.description, "prose"],
  ],
};

export const TABLES = {
  queries: {
    rows: (it) => it.queries,
    key: (query) => `${query.query} ${query.scope}`,
    cells: [
      (query) => [query.query],
      (query) => [query.scope === "tenant" ? "each tenant" : "switch"],
      (query) => [query.freshness, MARKS[query.freshness]],
      (query) => [duration(query.newest_success_age_seconds), "number"],
      (query) => [duration(query.oldest_success_age_seconds), "number"],
      (query) => [duration(query.interval_seconds), "number"],
      (query) => [duration(query.cycle_seconds), "number"],
      (query) => [of(query.targets_failing, query.targets_tried), query.targets_failing ? "number bad" : "number"],
      (query) => [pairs(query.failures_by_reason, count)],
    ],
  },
  failures: {
    rows: (it) => it.queries.flatMap(newestFailures),
    key: (failure) => `${failure.query} ${failure.scope} ${failure.tenant}`,
    cells: [
      (failure) => [failure.query],
      (failure) => [failure.tenant, "name"],
      (failure) => [failure.reason, "bad"],
      (failure) => [duration(failure.age_seconds), "number"],
      (failure) => [duration(failure.success_age_seconds), "number"],
      (failure) => [failure.detail, "prose", failure.answer],
    ],
  },
  nodes: {
    rows: (it) => it.nodes,
    key: (node) => node.node,
    cells: [
      (node) => [node.node],
      (node) => (node.present === null ? ["–"] : node.present ? ["yes"] : ["missing", "bad"]),
      (node) => [count(node.peers), "number"],
      (node) => [of(node.channels, node.channels_limit), "number"],
    ],
  },
  tenants: {
    rows: (it) => it.tenant_list,
    key: (tenant) => tenant.tenant,
    cells: [
      (tenant) => [tenant.tenant],
      (tenant) => [tenant.name, "name"],
      (tenant) => [withVerdict(money(tenant.balance), tenant.balance_verdict), `number ${tenant.balance_verdict ?? ""}`],
      (tenant) => [pairs(tenant.balance_thresholds, money)],
      (tenant) => [count(tenant.calls), "number"],
      (tenant) => [of(tenant.channels, tenant.channels_limit), "number"],
      (tenant) => [
        withVerdict(of(tenant.registered, tenant.extensions), tenant.registered_verdict),
        `number ${tenant.registered_verdict ?? ""}`,
      ],
      (tenant) => [failing(tenant), failing(tenant) && "bad"],
    ],
  },
};

// The sort key of each column of the tenants, and its first order: ascending (1) or descending (-1).
export const SORTED_BY = [
  [(tenant) => tenant.tenant, 1],
  [(tenant) => tenant.name || null, 1],
  [(tenant) => tenant.balance, 1],
  [(tenant) => tenant.balance_thresholds.warning ?? tenant.balance_thresholds.critical ?? null, -1],
  [(tenant) => tenant.calls, -1],
  [(tenant) => tenant.channels, -1],
  [(tenant) => (tenant.extensions ? tenant.registered / tenant.extensions : null), 1],
  [(tenant) => failing(tenant) || null, 1],
];
