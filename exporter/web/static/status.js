// Refreshes the status page from /api/v1/status.
// Text from a switch is written only to `textContent`, so it cannot become HTML.

import * as filter from "./filter.js";
import { label, labelTable } from "./tables.js";
import { visible } from "./visible.js";
import { FACTS, POLLING, TABLES, TENANTS, count, earlier, gaps } from "./words.js";

const INTERVAL = 5000; // milliseconds between two refreshes; longer if they are slow
const TIMEOUT = 15000; // milliseconds
const ROWS = 100; // tenants shown at first, and added each time the end comes into view

const byId = (id) => document.getElementById(id);
const sections = document.querySelectorAll("[data-switch]");

// Rendering

let limit = ROWS;

function render(status) {
  renderTop(status);
  for (const [name, table] of Object.entries(TABLES)) {
    fill(document.querySelector(`[data-table="${name}"] tbody`), table.rows(status), table);
  }
  write(byId("earlier"), earlier(status));
  for (const kind of ["nodes", "trunks"]) write(byId(`${kind}-gap`), gaps(status, kind), "unknown");
  renderTenants();
  sections.forEach((section) => renderPolling(section, status.switches.find((it) => it.name === section.dataset.switch)));
}

function renderTop(status) {
  const title = status.headline.charAt(0).toUpperCase() + status.headline.slice(1);
  document.title = `${title} · softswitch-exporter`;
  document.querySelector("link[rel=icon]").setAttribute("href", `./-/static/icon-${status.state}.svg`);
  write(byId("headline"), status.headline, status.state);
  write(byId("announcement"), title); // a screen reader reads it when it changes
  for (const line of byId("sentences").children) {
    const it = status.switches.find(({ name }) => name === line.dataset.sentence);
    write(line.lastElementChild, it.sentence);
    write(line, null, it.severity ?? it.state);
  }
  const isLoud = (notice) => notice.severity;
  byId("notices").replaceChildren(...status.notices.filter(isLoud).map(noticeBox));
  write(byId("delivery"), status.notices.filter((it) => !isLoud(it)).map((it) => it.text).join(" "));
}

function noticeBox({ severity, text, errors }) {
  const box = document.createElement("div");
  box.className = `notice ${severity}`;
  box.dataset.notice = "";
  box.append(element("p", text));
  if (errors.length) {
    const list = box.appendChild(document.createElement("ul"));
    list.append(...errors.map((error) => element("li", error)));
  }
  return box;
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = visible(text);
  return made;
}

function renderTenants() {
  const all = state.switches.flatMap((it) => it.tenant_list);
  const found = filter.apply(all);
  const total = state.switches.reduce((sum, it) => sum + it.tenants, 0);
  write(document.querySelector("#tenants output"), `${count(found.length)} of ${count(total)} tenants`);
  document.querySelector("#tenants .more").hidden = found.length <= limit;
  fill(document.querySelector('[data-table="tenants"] tbody'), found.slice(0, limit), TENANTS);
}

// The section opens when polling stops working. After that, it stays as the reader leaves it.
function renderPolling(section, it) {
  const isHealthy = String(it.polling.healthy);
  if (section.dataset.healthy !== isHealthy) section.open = !it.polling.healthy || isHash(section);
  section.dataset.healthy = isHealthy;
  for (const [name, text] of Object.entries(FACTS)) write(section.querySelector(`[data-fact="${name}"]`), ...text(it));
  for (const [name, table] of Object.entries(POLLING)) {
    fill(section.querySelector(`[data-table="${name}"] tbody`), table.rows(it), table);
  }
}

const isHash = (section) => location.hash === `#${section.id}`;

// While its key is the same, a row stays the same element. This keeps the focus, open details and the scroll position.
function fill(body, items, { key, cells }) {
  const rows = new Map([...body.rows].map((row) => [row.dataset.key, row]));
  const keys = new Set(items.map(key));
  rows.forEach((row, name) => keys.has(name) || row.remove());
  let next = body.firstElementChild;
  for (const item of items) {
    const row = rows.get(key(item)) ?? newRow(key(item), body);
    if (row === next) next = next.nextElementSibling;
    else body.insertBefore(row, next);
    if (item.anchor !== undefined && row.id !== item.anchor) row.id = item.anchor;
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

function write(cell, text, mark = "", { answer, links } = {}) {
  if (cell.className !== (mark ?? "")) cell.className = mark ?? "";
  if (links) {
    writeLinks(cell, links);
  } else if (answer !== undefined) {
    writeAnswer(cell, text, answer);
  } else if (text !== null && cell.textContent !== visible(text)) {
    cell.textContent = visible(text);
  }
}

function writeLinks(cell, links) {
  while (cell.children.length < links.length) cell.append(" ", document.createElement("a"));
  links.forEach(([text, href, name], position) => {
    const link = cell.children[position];
    write(link, text);
    if (link.getAttribute("href") !== href) link.setAttribute("href", href);
    if (name && link.ariaLabel !== visible(name)) link.ariaLabel = visible(name);
  });
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

let state = null;
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
  if (!isTheSame(status.switches.map((it) => it.name))) {
    location.reload(); // the configuration has changed
    return;
  }
  for (const it of status.switches) for (const tenant of it.tenant_list) tenant.switch = it.name;
  state = status;
  answered = new Date();
  byId("time").textContent = `As of ${clockTime(answered)}. Refreshes automatically.`;
  render(status);
}

function showTrouble(trouble) {
  const box = byId("trouble");
  const text = `No response from the exporter since ${clockTime(answered)}${trouble} The values below are from that time.`;
  if (trouble && (box.hidden || box.textContent !== text)) box.textContent = text; // announced once, not at every refresh
  box.hidden = !trouble;
  document.body.classList.toggle("old", Boolean(trouble));
}

const clockTime = (date) => date.toLocaleTimeString("en-GB", { timeZoneName: "short" });

function isTheSame(names) {
  const shown = [...byId("sentences").children].map((line) => line.dataset.sentence);
  return names.length === shown.length && names.every((name, position) => name === shown[position]);
}

function prepare() {
  const more = document.querySelector("#tenants .more");
  const showMore = () => { limit += ROWS; if (state) renderTenants(); };
  filter.prepare(byId("tenants"), () => { limit = ROWS; if (state) renderTenants(); });
  more.addEventListener("click", showMore);
  new IntersectionObserver(([entry]) => entry.isIntersecting && showMore(), { rootMargin: "300px" }).observe(more);
  document.querySelectorAll("table").forEach(labelTable);
  const unfold = () => sections.forEach((section) => { if (isHash(section)) section.open = true; });
  window.addEventListener("hashchange", unfold);
  unfold();
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : refresh()));
}

prepare();
refresh();
