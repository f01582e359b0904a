// The contents and words of the page. templates/status.html has the same: change both.

const UNITS = [[86400, 172800, "d"], [3600, 7200, "h"], [60, 120, "min"], [1, 0, "s"]];
const UP = new Map([[true, ["up"]], [false, ["down", "critical"]], [null, ["not tried yet", "unknown"]]]);
const MARKS = { late: "warning", stale: "critical" };
const HOUR = 3600;
const MOST_RECENT = 15;
const MOST_EARLIER = 200;
const MOST_PROBLEMS = 200;
const MOST_SILENT = 5;
const QUERIES = { nodes: ["peers", "channels"], trunks: ["trunks", "watched_peers"] };

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const hundredths = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });

const signed = (text) => text.replaceAll("-", "−");
export const count = (value) => (value === null ? "–" : signed(whole.format(value)));
const money = (value) => (value === null ? "–" : signed(hundredths.format(value)));
const of = (part, all) => (all === null ? count(part) : `${count(part)} / ${count(all)}`);
const pairs = (mapping, text) => Object.entries(mapping).map(([name, value]) => `${name} ${text(value)}`).join(", ");
const withVerdict = (text, verdict) => (verdict ? `${verdict} ${text}` : text);
const ago = (seconds) => duration(seconds) + (seconds === null ? "" : " ago");

function duration(seconds) {
  if (seconds === null) return "–";
  const [size, , sign] = UNITS.find(([, least]) => Math.abs(seconds) >= least);
  return `${seconds <= -size / 2 ? "−" : ""}${Math.floor(Math.abs(seconds) / size + 0.5)} ${sign}`;
}

function licenseLeft(seconds) {
  if (seconds === null) return "–";
  const days = Math.floor(Math.abs(seconds) / 86400 + 0.5);
  if (seconds < 0) return `expired ${days} d ago`;
  return seconds >= 86400 ? `${days} d` : "expires today";
}

const licenseOf = (it) => withVerdict(licenseLeft(it.license_remaining_seconds), it.license_verdict && `${it.license_verdict}:`);

function newestFailures(query) {
  const newest = query.failures.slice(0, 10).map((failure) => ({ ...failure, query: query.query, scope: query.scope }));
  return newest.sort((one, other) => (one.tenant < other.tenant ? -1 : one.tenant > other.tenant ? 1 : 0));
}

// The nodes or trunks of all switches. Missing or down ones come first.
const everyOf = (list) => (status) => status.switches
  .flatMap((it) => it[list].map((each) => ({ ...each, switch: it.name })))
  .sort((one, other) => Object.values(other).includes(false) - Object.values(one).includes(false));

const CHANGE = {
  key: (change) => `${change.time_seconds} ${change.text}`,
  cells: [
    (change) => [ago(change.age), "number"],
    (change) => [change.text, "prose"],
    (change) => [change.switch ?? "", "name of-switch"],
  ],
};

// The changes of the last hour, and the other changes. If there are too many in the last hour, changes of alerts are left out first.
function changes(status) {
  const all = (status.timeline ?? []).map((change) => ({ ...change, age: status.time_seconds - change.time_seconds }));
  const isAlert = (change) => change.kind.startsWith("alert_");
  const latest = all.filter((change) => change.age <= HOUR).sort((one, other) => isAlert(one) - isAlert(other));
  const chosen = new Set(latest.slice(0, MOST_RECENT));
  return [all.filter((change) => chosen.has(change)), all.filter((change) => !chosen.has(change)).slice(0, MOST_EARLIER)];
}

export function earlier(status) {
  const others = changes(status)[1];
  const late = others.filter((change) => change.age <= HOUR).length;
  return `${late ? `Others in the last hour: ${late}. ` : ""}Earlier, in the last 24 hours: ${others.length - late}`;
}

// Which switches do not respond, so that their nodes or trunks are not known.
export function gaps(status, kind) {
  const isPolled = (it) => it.queries.some((query) => query.scope === "switch" && QUERIES[kind].includes(query.query));
  const silent = status.switches.filter((it) => it.up !== true && isPolled(it));
  return silent.slice(0, MOST_SILENT).map((it) => `Unknown: ${silence(it)}.`).join(" ");
}

function silence({ name, up, valid_answer_age_seconds: age }) {
  if (up === null) return `${name} has not been polled yet`;
  return `${name} has not responded ${age === null ? "since the start" : `for ${duration(age)}`}`;
}

// Each problem with the id of its row: "" unless it is the first of its alert and switch.
function anchored(problems) {
  const seen = new Set();
  return problems.map((problem) => {
    const anchor = `${problem.alertname}:${encodeURIComponent(problem.switch ?? "")}`;
    const isFirst = !seen.has(anchor);
    seen.add(anchor);
    return { ...problem, anchor: isFirst ? anchor : "" };
  });
}

// Facts and tables about one switch. Each entry returns [text, CSS class, {answer, links}]; only the text is required.
export const FACTS = {
  polling: (it) => [it.polling.text, it.polling.healthy ? "quiet" : "warning"],
  valid: (it) => [ago(it.valid_answer_age_seconds)],
  breaker: (it) => (it.breaker_open ? ["open: sending only probes", "critical"] : ["closed"]),
  keys: ({ refused_keys: keys }) =>
    keys.length ? [keys.slice(0, 5).join(", ") + (keys.length > 5 ? ", …" : ""), "critical"] : ["none"],
  held: (it) => [count(it.targets_held_back), it.targets_held_back ? "warning" : ""],
  flight: (it) => [count(it.requests_in_flight)],
  series: (it) =>
    it.series_limited ? [`${count(it.series)}: limited, some detail is dropped`, "warning"] : [count(it.series)],
};

export const POLLING = {
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
      (query) => [of(query.targets_failing, query.targets_tried), query.targets_failing ? "number failing" : "number"],
      (query) => [pairs(query.failures_by_reason, count)],
    ],
  },
  failures: {
    rows: (it) => it.queries.flatMap(newestFailures),
    key: (failure) => `${failure.query} ${failure.scope} ${failure.tenant}`,
    cells: [
      (failure) => [failure.query],
      (failure) => [failure.tenant, "name"],
      (failure) => [failure.reason, "failing"],
      (failure) => [duration(failure.age_seconds), "number"],
      (failure) => [duration(failure.success_age_seconds), "number"],
      (failure) => [failure.detail, "prose", { answer: failure.answer }],
    ],
  },
};

const markOf = (problem) => (problem.state === "recovered" ? "recovered" : problem.severity);

function notesOf(problem) {
  const isLastKnown = problem.last_known || problem.state === "unknown";
  const notes = [...(problem.state === "pending" ? ["pending"] : []), ...(isLastKnown ? ["last known"] : [])];
  return notes.length ? ` (${notes.join(", ")})` : "";
}

// Tables about all switches.
export const TABLES = {
  problems: {
    rows: (status) => anchored(status.problems.slice(0, MOST_PROBLEMS)),
    key: (problem) => problem.id,
    cells: [
      (problem) => [markOf(problem) + notesOf(problem), `severity ${markOf(problem)}`],
      (problem) => [problem.text, "prose what"],
      (problem) => [problem.switch ?? "", "name of-switch"],
      (problem) => [duration(problem.age_seconds), "number"],
      (problem) => [problem.value, "value"],
      (problem) => ["", "links", { links: [
        ["Evidence", problem.evidence, `Evidence: ${problem.text}`],
        ["Runbook", problem.runbook, `Runbook: ${problem.alertname}`],
      ] }],
    ],
  },
  switches: {
    rows: (status) => status.switches,
    key: (it) => it.name,
    cells: [
      (it) => [it.name, "name"],
      (it) => UP.get(it.up),
      (it) => [count(it.calls), "number"],
      (it) => [count(it.channels), "number"],
      (it) => [count(it.peers), "number"],
      (it) => [count(it.tenants), "number"],
      (it) => [licenseOf(it), `number ${it.license_verdict ?? ""}`],
      (it) => [ago(it.valid_answer_age_seconds), "number"],
    ],
  },
  nodes: {
    rows: everyOf("nodes"),
    key: (node) => `${node.switch} ${node.node}`,
    cells: [
      (node) => [node.node, "name"],
      (node) => [node.switch, "name of-switch"],
      (node) => (node.present === null ? ["–"] : node.present ? ["yes"] : ["missing", "critical"]),
      (node) => [count(node.peers), "number"],
      (node) => [of(node.channels, node.channels_limit), "number"],
    ],
  },
  trunks: {
    rows: everyOf("trunks"),
    key: (trunk) => `${trunk.switch} ${trunk.trunk}`,
    cells: [
      (trunk) => [trunk.trunk, "name"],
      (trunk) => [trunk.switch, "name of-switch"],
      (trunk) => [trunk.state, trunk.registered === false || trunk.reachable === false ? "critical" : ""],
    ],
  },
  recent: { ...CHANGE, rows: (status) => changes(status)[0] },
  earlier: { ...CHANGE, rows: (status) => changes(status)[1] },
};

export const TENANTS = {
  key: (tenant) => `${tenant.switch} ${tenant.tenant}`,
  cells: [
    (tenant) => ["", "name", { links: [
      [tenant.tenant, `./tenant?${new URLSearchParams({ switch: tenant.switch, tenant: tenant.tenant })}`],
    ] }],
    (tenant) => [tenant.switch, "name of-switch"],
    (tenant) => [tenant.verdict, `severity ${tenant.verdict}`],
    (tenant) => [tenant.why, "why"],
    (tenant) => [tenant.name, "name"],
    (tenant) => [money(tenant.balance), `number ${tenant.balance_verdict ?? ""}`],
    (tenant) => [count(tenant.calls), "number"],
    (tenant) => [of(tenant.channels, tenant.channels_limit), "number"],
    (tenant) => [of(tenant.registered, tenant.extensions), `number ${tenant.registered_verdict ?? ""}`],
  ],
};

const VERDICTS = ["critical", "warning", "failing", "unknown", "ok"];

// The sort key of each column of the tenants, and its first order: ascending (1) or descending (-1).
export const SORTED_BY = {
  tenant: [(tenant) => tenant.tenant, 1],
  switch: [(tenant) => tenant.switch, 1],
  state: [(tenant) => VERDICTS.indexOf(tenant.verdict), 1],
  why: [(tenant) => tenant.why || null, 1],
  name: [(tenant) => tenant.name || null, 1],
  credit: [(tenant) => tenant.balance, 1],
  calls: [(tenant) => tenant.calls, -1],
  channels: [(tenant) => tenant.channels, -1],
  phones: [(tenant) => (tenant.extensions ? tenant.registered / tenant.extensions : null), 1],
};
