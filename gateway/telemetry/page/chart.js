// A chart of spans a second over the last minutes, as SVG.

import { el, number, svg } from "./dom.js";

const SERIES = [["accepted", "accepted"], ["sent", "sent"], ["refused", "refused"]];
const HEIGHT = 190, LEFT = 44, BOTTOM = 20, TOP = 8, SPAN_S = 300;

// Rates between neighbouring moments; a restart counts from zero.
export function rates(moments) {
  const found = [];
  for (let at = 1; at < moments.length; at++) {
    const seconds = moments[at].unix_s - moments[at - 1].unix_s;
    if (seconds <= 0) continue;
    const rate = { unix_s: moments[at].unix_s };
    for (const [key] of SERIES) rate[key] = Math.max(0, moments[at][key] - moments[at - 1][key]) / seconds;
    found.push(rate);
  }
  return found;
}

function niceTop(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)));
  return [1, 2, 5, 10].map((step) => step * power).find((top) => top >= value) ?? 10 * power;
}

export class Chart {
  constructor(box, legend) {
    this.box = box;
    this.points = [];
    this.tip = el("div", { class: "tip", hidden: true });
    this.drawing = svg("svg", { role: "img", "aria-label": "Spans a second over the last five minutes" });
    box.append(this.drawing, this.tip);
    for (const [key, label] of SERIES) legend.append(el("span", { class: key }, label));
    box.addEventListener("pointermove", (event) => this.point(event));
    box.addEventListener("pointerleave", () => this.leave());
    new ResizeObserver(() => this.draw()).observe(box);
  }

  show(moments) {
    this.points = rates(moments);
    this.draw();
  }

  draw() {
    const width = this.box.clientWidth;
    if (!width) return;
    const now = this.points.at(-1)?.unix_s ?? Date.now() / 1000;
    const top = niceTop(Math.max(...this.points.flatMap((p) => SERIES.map(([key]) => p[key])), 0));
    this.x = (unix_s) => LEFT + (width - LEFT) * (1 - (now - unix_s) / SPAN_S);
    this.y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
    const shown = this.points.filter((p) => this.x(p.unix_s) >= LEFT);
    this.drawing.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    this.drawing.replaceChildren(...this.axes(width, top), ...this.lines(shown));
    this.shown = shown;
  }

  axes(width, top) {
    const parts = [];
    for (const share of [0, 0.5, 1]) {
      const y = this.y(top * share);
      parts.push(svg("line", { class: share ? "rule" : "base", x1: LEFT, x2: width, y1: y, y2: y }));
      parts.push(svg("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, number(top * share)));
    }
    for (const [minutes, anchor] of [[5, "start"], [4, "middle"], [3, "middle"], [2, "middle"], [1, "middle"], [0, "end"]]) {
      const x = LEFT + (width - LEFT) * (1 - (minutes * 60) / SPAN_S);
      parts.push(svg("text", { x, y: HEIGHT - 3, "text-anchor": anchor }, minutes ? `${minutes} min` : "now"));
    }
    return parts;
  }

  lines(shown) {
    if (shown.length < 2) return [];
    const path = (key) => shown.map((p, at) => `${at ? "L" : "M"}${this.x(p.unix_s).toFixed(1)} ${this.y(p[key]).toFixed(1)}`).join("");
    const first = this.x(shown[0].unix_s).toFixed(1), last = this.x(shown.at(-1).unix_s).toFixed(1), base = this.y(0);
    const used = SERIES.filter(([key]) => key !== "refused" || shown.some((p) => p.refused > 0));
    return [
      svg("path", { class: "area", d: `${path("accepted")}L${last} ${base}L${first} ${base}Z` }),
      ...used.map(([key]) => svg("path", { class: `line ${key}`, d: path(key) })),
    ];
  }

  point(event) {
    if (!this.shown?.length) return;
    const at = event.clientX - this.box.getBoundingClientRect().left;
    const near = this.shown.reduce((a, b) => (Math.abs(this.x(b.unix_s) - at) < Math.abs(this.x(a.unix_s) - at) ? b : a));
    const x = this.x(near.unix_s);
    this.cross?.remove();
    this.cross = svg("line", { class: "cross", x1: x, x2: x, y1: TOP, y2: this.y(0) });
    this.drawing.append(this.cross);
    this.tip.replaceChildren(
      el("div", {}, new Date(near.unix_s * 1000).toLocaleTimeString()),
      ...SERIES.map(([key, label]) => el("div", { class: `key ${key}` }, `${label} `, el("b", {}, number(near[key])), " /s")),
    );
    this.tip.hidden = false;
    this.tip.style.left = `${x > this.box.clientWidth / 2 ? x - this.tip.offsetWidth - 12 : x + 12}px`;
  }

  leave() {
    this.tip.hidden = true;
    this.cross?.remove();
  }
}
