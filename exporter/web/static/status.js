// Refreshes the status page from /api/v1/status, and sorts and filters the tenants.
// Texts of a switch are only ever written to `textContent`.

import { ALERTS, FACTS, SORTED_BY, TABLES, count, failing } from "./words.js";

const INTERVAL = 5000; // milliseconds between two refreshes, more if they are slow
const TIMEOUT = 15000; // milliseconds
const ROWS = 100; // tenants shown at first, and added each time the end comes into view

const collator = new Intl.Collator("en", { numeric: true });

// Tenants: each section of the page has its own view.

const views = new Map(); // section -> {sort, direction, limit, filter}

function tenantsShown(it, section) {
  const view = views.get(section);
  const input = section.querySelector("input");
  if (view.filter !== input.value) [view.filter, view.limit] = [input.value, ROWS];
  const words = view.filter.toLowerCase().split(/\s+/).filter(Boolean);
  const found = it.tenant_list.filter((tenant) => {
    tenant.text ??= `${tenant.tenant} ${tenant.name} ${failing(tenant)}`.toLowerCase();
    return words.every((word) => tenant.text.includes(word));
  });
  if (view.sort !== null) sortBy(found, ...SORTED_BY[view.sort], view.direction);
  write(section.querySelector("output"), `${count(found.length)} of ${count(it.tenants)} tenants`);
  section.querySelector("button.more").hidden = found.length <= view.limit;
  return found.slice(0, view.limit);
}

function sortBy(tenants, value, first, direction) {
  const values = new Map(tenants.map((tenant) => [tenant, value(tenant)]));
  tenants.sort((one, other) => {
    const [a, b] = [values.get(one), values.get(other)];
    if (a === null || b === null) return (a === null) - (b === null); // unknown values are always last
    return first * direction * (typeof a === "string" ? collator.compare(a, b) : a - b);
  });
}

function prepare(section) {
  views.set(section, { sort: null, direction: 1, limit: ROWS, filter: "" });
  const more = section.querySelector("button.more");
  const view = views.get(section);
  const showMore = () => { view.limit += ROWS; render(section); };
  section.querySelectorAll(".tools, .plain").forEach((it) => { it.hidden = !it.hidden; });
  section.querySelector("input").addEventListener("input", () => render(section));
  more.addEventListener("click", showMore);
  new IntersectionObserver(([entry]) => entry.isIntersecting && showMore(), { rootMargin: "300px" }).observe(more);
  section.querySelectorAll('[data-table="tenants"] th[scope="col"]').forEach((heading, column, headings) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent.trim();
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      view.direction = view.sort === column ? -view.direction : 1;
      [view.sort, view.limit] = [column, ROWS];
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      const ascending = SORTED_BY[column][1] * view.direction > 0;
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      render(section);
    });
  });
}

// Rendering

const alerts = document.getElementById("alerts"); // null if alerting is off

function renderAlerts(status) {
  writeFacts(alerts, ALERTS.facts, status);
  fill(alerts.querySelector("tbody"), ALERTS.rows(status), ALERTS);
}

function writeFacts(section, facts, it) {
  for (const [name, text] of Object.entries(facts)) write(section.querySelector(`[data-fact="${name}"]`), ...text(it));
}

function render(section) {
  const it = state.get(section.dataset.switch);
  if (!it) return;
  writeFacts(section, FACTS, it);
  const summary = document.querySelector(`nav a[href="#${section.id}"] + span`);
  if (summary) write(summary, ...FACTS.up(it));
  for (const [name, table] of Object.entries(TABLES)) {
    const rows = name === "tenants" ? tenantsShown(it, section) : table.rows(it);
    fill(section.querySelector(`[data-table="${name}"] tbody`), rows, table);
  }
}

// A row stays the same element while its key is the same, so that focus, open details and the scroll position stay.
function fill(body, items, { key, cells }) {
  const rows = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const keys = new Set(items.map(key));
  rows.forEach((row, name) => keys.has(name) || row.remove());
  let next = body.firstElementChild;
  for (const item of items) {
    const row = rows.get(key(item)) ?? newRow(key(item), body);
    if (row === next) next = next.nextElementSibling;
    else body.insertBefore(row, next);
    cells.forEach((cell, column) => write(row.cells[column], ...cell(item)));
  }
}

function newRow(key, body) {
  const row = document.createElement("tr");
  row.dataset.key = key;
  for (const { cellIndex: column } of body.parentElement.tHead.rows[0].cells) {
    const cell = row.appendChild(document.createElement(column ? "td" : "th"));
    if (!column) cell.scope = "row";
  }
  return label(row, body.parentElement);
}

// On a phone each row is laid out as a paragraph with a label per cell. The roles keep it a table for screen readers.
function labelTable(table) {
  [table.role, table.tHead.role, table.tBodies[0].role, table.tHead.rows[0].role] = ["table", "rowgroup", "rowgroup", "row"];
  table.querySelectorAll("thead th").forEach((heading) => { heading.role = "columnheader"; });
  table.querySelectorAll("tbody tr").forEach((row) => label(row, table));
}

function label(row, table) {
  row.role = "row";
  [...row.cells].forEach((cell, column) => {
    cell.role = column ? "cell" : "rowheader";
    cell.dataset.label = table.tHead.rows[0].cells[column].textContent.trim();
  });
  return row;
}

function write(cell, text, mark = "", answer = undefined) {
  if (cell.className !== (mark ?? "")) cell.className = mark ?? "";
  if (answer !== undefined) {
    writeAnswer(cell, text, answer);
  } else if (cell.textContent !== text) {
    cell.textContent = text;
  }
}

function writeAnswer(cell, text, answer) {
  if (!cell.querySelector("span")) cell.replaceChildren(document.createElement("span"));
  write(cell.querySelector("span"), text);
  let details = cell.querySelector("details");
  if (answer === null) {
    details?.remove();
    return;
  }
  if (!details) {
    details = cell.appendChild(document.createElement("details"));
    details.append(document.createElement("summary"), document.createElement("pre"));
    details.firstChild.textContent = "Response";
  }
  write(details.querySelector("pre"), answer);
}

// Refreshing

let state = new Map(); // name of the switch -> its status
let answered = new Date();
let timer = 0;
let isRefreshing = false;

async function refresh() {
  if (isRefreshing) return;
  isRefreshing = true;
  clearTimeout(timer);
  const started = performance.now();
  try {
    const [status, trouble] = await fetchStatus();
    showTrouble(trouble);
    if (status) show(status);
  } finally {
    isRefreshing = false;
    if (!document.hidden) timer = setTimeout(refresh, Math.max(INTERVAL, 10 * (performance.now() - started)));
  }
}

async function fetchStatus() {
  try {
    const response = await fetch("./api/v1/status", { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) });
    return response.ok ? [await response.json(), ""] : [null, ` (HTTP ${response.status}).`];
  } catch {
    return [null, "."];
  }
}

function show(status) {
  state = new Map(status.switches.map((it) => [it.name, it]));
  const isAlerting = status.alerting !== null;
  if (!isTheSame([...state.keys()]) || isAlerting !== Boolean(alerts)) location.reload(); // the configuration has changed
  answered = new Date();
  document.getElementById("time").textContent = `As of ${clockTime(answered)}. Refreshes automatically.`;
  if (alerts && isAlerting) renderAlerts(status);
  [...views.keys()].forEach(render);
}

function showTrouble(trouble) {
  const box = document.getElementById("trouble");
  const text = `No response from the exporter since ${clockTime(answered)}${trouble} The values below are from that time.`;
  if (trouble && (box.hidden || box.textContent !== text)) box.textContent = text; // announced once, not at every refresh
  box.hidden = !trouble;
  document.body.classList.toggle("old", Boolean(trouble));
}

const clockTime = (date) => date.toLocaleTimeString("en-GB");

function isTheSame(names) {
  const shown = [...views.keys()].map((section) => section.dataset.switch);
  return names.length === shown.length && names.every((name, position) => name === shown[position]);
}

document.querySelectorAll("table").forEach(labelTable);
document.querySelectorAll("[data-switch]").forEach(prepare);
document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
refresh();
