// Make elements and texts. Whatever comes from outside becomes text, never markup.

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null && child !== ""));
  return node;
}

export function el(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, children);
}

// A link, if the address is one that may be followed; else the text alone.
export function link(text, address) {
  if (!/^https?:\/\//i.test(address ?? "")) return el("span", {}, text);
  return el("a", { href: address, target: "_blank", rel: "noreferrer noopener" }, text);
}

// A table; columns are {label, num?, bar?, cell(row)}. On a phone each row becomes a card.
export function table(columns, rows) {
  const cell = (column, row) => el("td", { class: column.num ? "num" : column.bar ? "bar" : undefined, "data-label": column.label }, el("div", {}, column.cell(row)));
  return el("table", { class: columns.length > 3 ? "stack" : undefined },
    el("thead", {}, el("tr", {}, columns.map((c) => el("th", { class: c.num ? "num" : undefined, scope: "col" }, c.label)))),
    el("tbody", {}, rows.map((row) => el("tr", {}, columns.map((c) => cell(c, row))))));
}

export function meter(share, level = "") {
  const bar = el("i");
  bar.style.width = `${Math.min(100, Math.max(0, share * 100)).toFixed(1)}%`;
  return el("div", { class: `meter ${level}` }, bar);
}

const COMPACT = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export function number(value) {
  if (!value) return "0";
  if (value < 10 && !Number.isInteger(value)) return value.toFixed(1);
  return value < 10000 ? WHOLE.format(value) : COMPACT.format(value);
}

export function usd(value) {
  if (!value) return "$0";
  return "$" + (value < 0.01 ? value.toPrecision(2) : value < 1000 ? value.toFixed(2) : COMPACT.format(value));
}

export function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) { value /= 1024; at++; }
  return `${value < 10 && at ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}

export function duration(seconds) {
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (seconds >= size) return `${(seconds / size).toFixed(seconds / size < 10 ? 1 : 0)} ${unit}`;
  }
  return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
}

export function ago(unixNs) {
  return `${duration(Math.max(0, Date.now() / 1000 - unixNs / 1e9))} ago`;
}

export function total(counts) {
  return Object.values(counts).reduce((sum, value) => sum + value, 0);
}
