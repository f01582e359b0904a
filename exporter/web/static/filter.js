// Filters and sorts the tenants. The URL contains the filter and the order, so they can be shared and survive a reload.

import { visible } from "./visible.js";
import { SORTED_BY } from "./words.js";

const collator = new Intl.Collator("en", { numeric: true });
const PAUSE = 600; // milliseconds without typing after which the next letter is a new step in the browser's history

const text = document.getElementById("text");
const severity = document.getElementById("severity");
const site = document.getElementById("switch");
const onlyProblems = document.getElementById("only-problems");

let sort = "state";
let isReversed = false;
let typedAt = -PAUSE;

// Read filter and order from the URL. What is not in the URL gets its default.
export function read() {
  const chosen = new URLSearchParams(location.search);
  text.value = chosen.get("text") ?? "";
  choose(severity, chosen.get("severity"));
  choose(site, chosen.get("switch"));
  onlyProblems.checked = chosen.get("problems") === "1";
  const order = chosen.get("sort") ?? "state";
  const column = order.replace(/^-/, "");
  [sort, isReversed] = column in SORTED_BY ? [column, order.startsWith("-")] : ["state", false];
}

function choose(select, value) {
  select.value = value ?? "";
  if (select.selectedIndex < 0) select.value = "";
}

// Write filter and order to the URL. Each change is a step in the history; letters typed in a row are one step.
function save(isTyped) {
  const chosen = new URLSearchParams(location.search);
  const order = (isReversed ? "-" : "") + sort;
  const values = {
    text: text.value.trim(), severity: severity.value, switch: site.value,
    problems: onlyProblems.checked ? "1" : "", sort: order === "state" ? "" : order,
  };
  for (const [name, value] of Object.entries(values)) {
    if (value) chosen.set(name, value);
    else chosen.delete(name);
  }
  const query = chosen.toString();
  const url = `${location.pathname}${query ? `?${query}` : ""}${location.hash}`;
  if (url === location.pathname + location.search + location.hash) return;
  const now = performance.now();
  if (isTyped && now - typedAt < PAUSE) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  typedAt = isTyped ? now : -PAUSE;
}

// Return the tenants to show, sorted.
export function apply(tenants) {
  const words = visible(text.value).toLowerCase().split(/\s+/).filter(Boolean);
  const found = tenants.filter((tenant) => {
    if (site.value && tenant.switch !== site.value) return false;
    if (severity.value && tenant.verdict !== severity.value) return false;
    if (onlyProblems.checked && tenant.verdict === "ok") return false;
    tenant.words ??= visible([tenant.tenant, tenant.name, tenant.why, ...tenant.alerts].join(" ")).toLowerCase();
    return words.every((word) => tenant.words.includes(word));
  });
  const [value, first] = SORTED_BY[sort];
  return sorted(found, value, isReversed ? -first : first);
}

function sorted(tenants, value, direction) {
  const values = new Map(tenants.map((tenant) => [tenant, value(tenant)]));
  return tenants.sort((one, other) => {
    const [a, b] = [values.get(one), values.get(other)];
    if (a === null || b === null) return (a === null) - (b === null); // unknown values are always last
    return direction * (typeof a === "string" ? collator.compare(a, b) : a - b);
  });
}

// Turn the headings into sort buttons, and call `changed` after each change of filter or order.
export function prepare(section, changed) {
  const update = (isTyped) => { save(isTyped); mark(section); changed(); };
  section.querySelectorAll(".tools, .plain").forEach((it) => { it.hidden = !it.hidden; });
  text.addEventListener("input", () => update(true));
  for (const control of [severity, site, onlyProblems]) control.addEventListener("change", () => update(false));
  section.querySelectorAll("[data-column]").forEach((heading) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent.trim();
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const { column } = heading.dataset;
      [sort, isReversed] = [column, column === sort && !isReversed];
      update(false);
    });
  });
  window.addEventListener("popstate", () => { read(); mark(section); changed(); });
  read();
  mark(section);
}

function mark(section) {
  section.querySelectorAll("[data-column]").forEach((heading) => {
    const { column } = heading.dataset;
    if (column === sort) {
      const isAscending = SORTED_BY[column][1] > 0 !== isReversed;
      heading.setAttribute("aria-sort", isAscending ? "ascending" : "descending");
    } else heading.removeAttribute("aria-sort");
  });
}
