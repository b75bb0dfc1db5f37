// The table of a suite: sorting, filters, the details of a row, and the address that keeps what is shown.
"use strict";

const state = {sort: board.values[0], down: board.better[0] === "higher" ? "1" : "0"};
const listeners = [];  // called after each change of what is shown
const form = document.getElementById("filters");
const body = document.getElementById("methods");
const columnOf = name => board.values.indexOf(name);

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const figure = (value, column) => value === null || value === undefined ? "–"
  : column !== undefined ? value.toFixed(board.decimals[column])
  : Math.abs(value) < 1000 ? String(Number(value.toPrecision(3))) : Math.round(value).toLocaleString("en");

function matches(row) {
  return (!state.hardware || row.hardware.includes(state.hardware))
    && (!state.plugin || row.plugins.includes(state.plugin))
    && row.trust >= Number(state.trust || 0);
}

const shownRows = () => board.rows.filter(row => row.kind === "method" && matches(row));

function sortKey(row) {
  if (state.sort === "name") return row.name;
  if (state.sort === "failed") return row.units.filter(unit => unit.state !== "done").length;
  if (state.sort === "below") return Number(rowElement(row).lastElementChild.textContent);
  const column = columnOf(state.sort);
  const value = column < 0 ? row.costs[state.sort] : row.scores[column]?.[0];
  return value ?? null;
}

const elements = new Map([...document.querySelectorAll("#board tr[data-row]")].map(line => [Number(line.dataset.row), line]));
const rowElement = row => elements.get(board.rows.indexOf(row));

function compare(one, other) {
  const [a, b] = [sortKey(one), sortKey(other)];
  if (a === null || b === null) return (a === null) - (b === null);  // what has no value is last, either way
  const order = typeof a === "string" ? a.localeCompare(b) : a - b;
  return state.down === "1" ? -order : order;
}

function showTable() {
  const rows = board.rows.filter(row => row.kind === "method").sort(compare);
  body.append(...rows.map(rowElement));
  for (const row of rows) rowElement(row).hidden = !matches(row);
  for (const head of document.querySelectorAll("#board th[data-sort]")) {
    if (head.dataset.sort === state.sort) head.setAttribute("aria-sort", state.down === "1" ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
  for (const cell of document.querySelectorAll("#board [data-group]")) {
    cell.hidden = Boolean(state.measure) && cell.dataset.group !== state.measure;
  }
  document.getElementById("shown").textContent = `${shownRows().length} of ${rows.length} methods`;
}

// The address keeps the state, so that a link shows the same; what is the default is left out.
function readAddress() {
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) state[name] = value;
  for (const select of document.querySelectorAll("select[name]")) {
    if (state[select.name] && ![...select.options].some(option => option.value === state[select.name])) delete state[select.name];
    if (state[select.name] === undefined) state[select.name] = select.name === "y" || select.name === "figure" ? board.values[0] : select.value;
    select.value = state[select.name];
  }
}

function writeAddress() {
  const words = Object.entries(state).filter(([, value]) => value !== "" && value !== undefined);
  history.replaceState(null, "", `#${new URLSearchParams(words)}`);
}

function update(changes) {
  Object.assign(state, changes);
  for (const select of document.querySelectorAll("select[name]")) if (select.name in changes) select.value = changes[select.name];
  showTable();
  writeAddress();
  for (const listener of listeners) listener(changes);
}

for (const button of document.querySelectorAll("#board thead button")) {
  button.addEventListener("click", () => {
    const sort = button.parentElement.dataset.sort;
    const column = columnOf(sort);
    const first = column >= 0 && board.better[column] === "higher" ? "1" : "0";  // the best first
    const down = state.sort === sort ? (state.down === "1" ? "0" : "1") : first;
    update(column >= 0 ? {sort, down, y: sort, figure: sort} : {sort, down});
  });
}
for (const select of document.querySelectorAll("select[name]")) {
  select.addEventListener("change", () => update({[select.name]: select.value}));
}
for (const one of document.querySelectorAll("form.filters")) one.addEventListener("submit", event => event.preventDefault());

// The details of a row: what it is, and a link to the record of each unit.
const dialog = document.getElementById("details");
const TRUST = ["0: its values are self-reported", "1: all values were measured anew from its predictions",
  "2: a sample was run anew by the keeper"];

function showDetails(row) {
  const facts = [["configuration", row.config], ["trust", TRUST[row.trust]], ["hardware", row.hardware.join(", ")],
    ["plugins", row.plugins.join(", ")]];
  const column = Math.max(0, columnOf(state.sort));
  const lines = row.units.map(unit => element("tr", {},
    element("th", {scope: "row"}, unit.case), element("td", {class: "number"}, String(unit.seed)),
    element("td", {class: unit.state === "done" ? "" : "bad"}, unit.state),
    element("td", {class: "number"}, figure(unit.values[column], column)),
    element("td", {}, unit.place ? element("a", {href: `${unit.place}/${unit.state === "failed" ? "failure" : "result"}.json`}, "record") : "")));
  const titles = ["case", "seed", "state", board.values[column].replaceAll("_", " "), "manifest"];
  document.getElementById("details-body").replaceChildren(
    element("h2", {id: "details-title"}, row.name),
    element("dl", {class: "facts card"}, ...facts.filter(([, value]) => value).map(([name, value]) =>
      element("div", {}, element("dt", {}, name), element("dd", {}, value)))),
    element("div", {class: "scroll-x", tabindex: "0", role: "region", "aria-label": "units"}, element("table", {},
      element("thead", {}, element("tr", {}, ...titles.map((title, i) =>
        element("th", {scope: "col", ...(i === 1 || i === 3 ? {class: "number"} : {})}, title)))),
      element("tbody", {}, ...lines))));
  if (!dialog.open) dialog.showModal();
  state.row = row.name;
  writeAddress();
}

for (const button of document.querySelectorAll("button[data-details]")) {
  button.addEventListener("click", () => showDetails(board.rows[Number(button.dataset.details)]));
}
dialog.addEventListener("close", () => { delete state.row; writeAddress(); });
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });

function start() {
  if (matchMedia("(max-width: 640px)").matches) state.measure = board.values[0].split("/")[0];
  readAddress();
  showTable();
  for (const listener of listeners) listener(state);
  const row = board.rows.find(one => one.kind === "method" && one.name === state.row);
  if (row) showDetails(row);
}
addEventListener("DOMContentLoaded", start);
addEventListener("hashchange", start);
