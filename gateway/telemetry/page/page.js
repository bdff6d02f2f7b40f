// Poll the gateway and show what it says.

import { Chart } from "./chart.js";
import { ago, bytes, duration, el, link, meter, number, table, total, usd } from "./dom.js";

const POLL_MS = 2000, SLOW_MS = 10000, KEPT = 150, WINDOW_S = 10, ROWS = 50;
const byId = (id) => document.getElementById(id);
const chart = new Chart(byId("chart"), byId("legend"));
let moments = [];
let earlier = []; // [unix_s, figures] of the last polls, for rates
let letters = null;

async function fetchAs(kind, path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(10000) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer[kind]();
}

// Replace a section's content where it differs, so that what is selected or scrolled stays.
const drawn = new Map();
function show(id, facts, build) {
  const seen = JSON.stringify(facts);
  if (drawn.get(id) === seen) return;
  drawn.set(id, seen);
  byId(id).replaceChildren(...[build()].flat());
}

const empty = (text) => el("p", { class: "empty" }, text);
const sorted = (counts) => Object.entries(counts).filter(([, count]) => count > 0).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).slice(0, ROWS);

// ---- rates -------------------------------------------------------------------------------------

function momentOf(status) {
  const { receivers, exporters } = status.figures;
  const sum = (list, value) => list.reduce((all, one) => all + value(one), 0);
  return {
    unix_s: Date.now() / 1000,
    accepted: sum(receivers, (r) => r.accepted_spans),
    refused: sum(receivers, (r) => total(r.refused_spans)),
    sent: sum(exporters, (e) => e.sent_spans),
    failed: sum(exporters, (e) => total(e.failed_spans)),
    waiting: sum(status.exporters, (e) => e.waiting_spans),
  };
}

// How much a count grew a second lately; null until there is something to compare with.
function rate(figures, pick) {
  const now = Date.now() / 1000;
  const past = earlier.find(([at]) => now - at <= WINDOW_S + POLL_MS / 1000 && now - at > 0.5);
  if (!past) return null;
  return Math.max(0, pick(figures) - pick(past[1])) / (now - past[0]);
}

const perSecond = (value, unit = " /s") => [value === null ? "–" : number(value), el("small", {}, unit)];
const sumOf = (list, test, value) => list.filter(test).reduce((sum, one) => sum + value(one), 0);

// ---- sections ----------------------------------------------------------------------------------

function showState(status) {
  const bad = status.degraded.length > 0;
  const level = status.state !== "running" ? "warn" : bad ? "warn" : "good";
  const pill = byId("state");
  pill.className = `pill ${level}`;
  pill.textContent = status.state === "running" && bad ? "degraded" : status.state;
  byId("about").textContent = `${status.version} · up ${duration(Date.now() / 1000 - status.started_unix_ns / 1e9)}`;
  document.title = bad ? "Spangate · degraded" : "Spangate";
  show("alerts", status.degraded, () => status.degraded.slice(0, 5).map((reason) => el("p", { class: "notice warn" }, reason))
    .concat(status.degraded.length > 5 ? [el("p", { class: "notice warn" }, `and ${status.degraded.length - 5} more, see Destinations`)] : []));
}

function tile(label, value, sub, level = "", extra = null) {
  return el("div", { class: `tile ${level}` }, el("span", { class: "label" }, label), el("span", { class: "value" }, value), extra, el("span", { class: "sub" }, sub));
}

function showTiles(status, now) {
  const { figures } = status;
  const size = status.exporters.reduce((sum, one) => sum + one.waiting_bytes, 0);
  const room = status.exporters.reduce((sum, one) => sum + one.max_bytes, 0);
  const age = Math.max(0, ...status.exporters.map((one) => one.oldest_age_seconds));
  const fill = room ? Math.max(0, ...status.exporters.map((one) => one.waiting_bytes / (one.max_bytes || 1))) : 0;
  const level = fill > 0.9 ? "bad" : fill > 0.5 ? "warn" : "";
  const cost = Object.values(figures.models).reduce((sum, one) => sum + (one.cost_usd ?? 0), 0);
  const tokens = Object.values(figures.models).reduce((sum, one) => sum + (one.tokens_input ?? 0) + (one.tokens_output ?? 0), 0);
  const picks = { accepted: (f) => sumOf(f.receivers, () => true, (r) => r.accepted_spans), sent: (f) => sumOf(f.exporters, () => true, (e) => e.sent_spans) };
  const tiles = [
    tile("Accepted", perSecond(rate(figures, picks.accepted)), `${number(now.accepted)} spans since the start`),
    tile("Delivered", perSecond(rate(figures, picks.sent)), `${number(now.sent)} spans since the start`),
    tile("Waiting", number(now.waiting), now.waiting ? `${bytes(size)}, oldest ${duration(age)}` : "nothing waits", level, meter(fill, level)),
    tile("Refused", number(now.refused), now.refused ? "spans; their senders were told" : "no span", now.refused ? "warn" : ""),
    tile("Dead letters", number(status.dead_letters), status.dead_letters ? "spans since the start" : "none since the start", status.dead_letters ? "bad" : ""),
  ];
  if (tokens || cost) tiles.push(tile("Cost of models", usd(cost), `${number(tokens)} tokens`));
  byId("tiles").replaceChildren(...tiles);
}

function receiverNode(id, figures) {
  const mine = (r) => r.receiver === id;
  const refused = sumOf(figures.receivers, mine, (r) => total(r.refused_spans));
  const ways = figures.receivers.filter((r) => mine(r) && r.accepted_spans).map((r) => r.transport).join(", ");
  return node("receiver", id, rate(figures, (f) => sumOf(f.receivers, mine, (r) => r.accepted_spans)),
    [ways && sub(`over ${ways}`), refused ? sub(`${number(refused)} refused`, "warn") : null]);
}

function processorNode(pipeline, id, figures) {
  const mine = (p) => p.pipeline === pipeline && p.processor === id;
  const one = figures.processors.find(mine);
  const took = one?.batches ? `${((one.seconds / one.batches) * 1000).toPrecision(2)} ms a batch` : "";
  return node("processor", id, rate(figures, (f) => sumOf(f.processors, mine, (p) => p.outgoing_spans)),
    [took && sub(took), one?.dropped_spans ? sub(`${number(one.dropped_spans)} dropped`) : null,
      one?.refused_spans ? sub(`${number(one.refused_spans)} refused`, "warn") : null, one?.failures ? sub(`${number(one.failures)} batches failed`, "bad") : null]);
}

// Stage 2: the last processor of its pipeline, which decides on whole traces.
function samplerNode(id, one, figures) {
  const decided = (s) => s.kept_traces + s.dropped_traces, all = decided(one);
  const perS = rate(figures, (f) => sumOf(f.sampling, (s) => s.pipeline === one.pipeline, decided));
  return node("processor", id, perS, [
    sub(`${number(one.undecided_traces)} traces undecided`),
    all ? sub(`${Math.round((one.kept_traces / all) * 100)} % of ${number(all)} kept`) : null,
  ], "", " traces/s");
}

function exporterNode(id, status) {
  const state = status.exporters.find((e) => e.exporter === id);
  const failed = sumOf(status.figures.exporters, (e) => e.exporter === id, (e) => total(e.failed_spans));
  const parked = state?.troubles.filter((t) => t.advice).length ?? 0, away = (state?.troubles.length ?? 0) - parked;
  const fill = state?.max_bytes ? state.waiting_bytes / state.max_bytes : 0;
  const level = fill > 0.9 ? "bad" : fill > 0.5 ? "warn" : "";
  return node("exporter", id, rate(status.figures, (f) => sumOf(f.exporters, (e) => e.exporter === id, (e) => e.sent_spans)), [
    state?.waiting_spans ? meter(fill, level) : null,
    state?.waiting_spans ? sub(`${number(state.waiting_spans)} wait, oldest ${duration(state.oldest_age_seconds)}`, level) : sub("nothing waits"),
    parked ? sub(`${parked} parked`, "bad") : null, away ? sub(`${away} trying again`, "warn") : null,
    failed ? sub(`${number(failed)} given up`, "bad") : null,
  ], parked ? "bad" : away ? "warn" : "");
}

// Long ids break where a person would break them.
const breakable = (id) => id.split(/(?<=[_/])/).flatMap((part, at) => (at ? [el("wbr"), part] : [part]));
const sub = (text, level = "") => el("div", { class: `sub ${level}` }, text);

function node(kind, id, perS, lines, level = "", unit = " /s") {
  return el("div", { class: `node ${kind} ${level}` }, el("div", { class: "id" }, breakable(id)), el("div", { class: "rate" }, perSecond(perS, unit)), lines);
}

function showPipelines(status) {
  const { figures } = status;
  byId("pipelines").replaceChildren(...Object.entries(status.stages).map(([name, stages]) => {
    const busy = rate(figures, (f) => sumOf(f.receivers, (r) => stages.receivers.includes(r.receiver), (r) => r.accepted_spans)) > 0;
    const columns = [
      stages.receivers.map((id) => receiverNode(id, figures)),
      ...stages.processors.map((id, at) => {
        const sampling = at === stages.processors.length - 1 && figures.sampling.find((s) => s.pipeline === name);
        return [sampling ? samplerNode(id, sampling, figures) : processorNode(name, id, figures)];
      }),
      stages.exporters.map((id) => exporterNode(id, status)),
    ];
    const flow = columns.flatMap((nodes, at) => [at ? el("div", { class: `wire ${busy ? "busy" : ""}`, "aria-hidden": "true" }) : null, el("div", { class: `stage ${nodes.length > 1 ? "many" : ""}` }, nodes)]);
    return el("div", { class: "pipeline" }, el("h3", {}, name), el("div", { class: "flow" }, flow));
  }));
}

function destinationState(trouble) {
  if (!trouble) return el("span", { class: "pill good" }, "takes spans");
  const pill = el("span", { class: `pill ${trouble.advice ? "bad" : "warn"}` }, trouble.advice ? "parked" : "trying again");
  return [pill, el("div", { class: "advice" }, trouble.reason), trouble.advice && el("div", { class: "advice" }, el("b", {}, "What to do: "), trouble.advice),
    el("div", { class: "sub" }, `since ${ago(trouble.since_unix_ns)}, failed ${number(trouble.failures)} times`)];
}

function showDestinations(status) {
  const rows = [];
  for (const { exporter, destinations, troubles } of status.exporters) {
    const known = new Map(destinations.map((d) => [d.destination, d]));
    for (const trouble of troubles) {
      const facts = known.get(trouble.destination);
      rows.push({ exporter, name: trouble.destination || "all of them", trouble, ...facts });
      known.delete(trouble.destination);
    }
    rows.push(...[...known.values()].map((d) => ({ exporter, name: d.destination || "–", ...d })));
  }
  rows.sort((a, b) => Boolean(b.trouble?.advice) - Boolean(a.trouble?.advice) || Boolean(b.trouble) - Boolean(a.trouble));
  show("destinations", [rows, rows.some((r) => r.trouble) && Math.floor(Date.now() / SLOW_MS)], () => rows.length ? table([
    { label: "Destination", cell: (r) => [link(r.name, r.page), el("div", { class: "sub" }, r.exporter)] },
    { label: "State", cell: (r) => destinationState(r.trouble) },
    { label: "Waiting", num: true, cell: (r) => number(r.waiting_spans) },
    { label: "Delivered", num: true, cell: (r) => number(r.sent_spans) },
  ], rows) : empty("No span has been sent anywhere yet."));
}

function showLetters() {
  if (letters === null) return;
  byId("letters-hint").textContent = letters.length ? "newest first; spangate dead-letters show, export or replay ID" : "";
  show("letters", [letters, Math.floor(Date.now() / SLOW_MS)], () => letters.length ? table([
    { label: "When", cell: (l) => el("span", { class: "nowrap", title: new Date(l.time_unix_ns / 1e6).toISOString() }, ago(l.time_unix_ns)) },
    { label: "Span", cell: (l) => [el("div", {}, l.name || "(no name)"), el("div", { class: "sub mono id" }, l.id)] },
    { label: "Trace", cell: (l) => el("span", { class: "mono trace" }, l.trace_id) },
    { label: "Destination", cell: (l) => [el("div", {}, l.destination || "–"), el("div", { class: "sub" }, l.exporter)] },
    { label: "Tries", num: true, cell: (l) => number(l.attempts) },
    { label: "Reason", cell: (l) => l.reason },
  ], letters) : empty("None. What a destination refuses for good is kept here, with the reason."));
}

function showModels({ models, unknown_models: unknown }) {
  const rows = Object.entries(models).slice(0, ROWS);
  show("models", [rows, unknown], () => rows.length ? table([
    { label: "Model", cell: ([name]) => name },
    { label: "Cost", num: true, cell: ([name, m]) => (m.cost_usd || !(name in unknown) ? usd(m.cost_usd) : "–") },
    { label: "Tokens in", num: true, cell: ([, m]) => number(m.tokens_input ?? 0) },
    { label: "out", num: true, cell: ([, m]) => number(m.tokens_output ?? 0) },
    { label: "Calls", num: true, cell: ([, m]) => number(m.duration_seconds_count ?? m.calls ?? 0) },
    { label: "Errors", num: true, cell: ([, m]) => number(m.errors ?? 0) },
  ], rows) : empty("No call of a model yet."));
  show("unknown", unknown, () => counted("Model", "Calls", unknown, "Every model so far has a price.",
    "Give them one in the prices_file of the cost processor; spangate prices MODEL explains."));
}

function counted(label, countLabel, counts, none, hint = "") {
  const rows = sorted(counts), most = rows[0]?.[1] || 1;
  if (!rows.length) return empty(none);
  return [hint && el("p", { class: "hint" }, hint), table([
    { label, cell: ([name]) => name },
    { label: countLabel, num: true, cell: ([, count]) => number(count) },
    { label: "", bar: true, cell: ([, count]) => meter(count / most) },
  ], rows)].filter(Boolean);
}

function showRefusals({ receivers, exporters }) {
  const counts = {};
  for (const one of receivers) for (const [reason, count] of Object.entries(one.refused_spans)) {
    const key = `refused to senders of ${one.receiver}: ${reason}`;
    counts[key] = (counts[key] ?? 0) + count;
  }
  for (const one of exporters) for (const [reason, count] of Object.entries(one.failed_spans)) counts[`given up by ${one.exporter}: ${reason}`] = count;
  show("refusals", counts, () => counted("Reason", "Spans", counts, "None."));
}

function showNotices({ notices }) {
  const rows = notices.toReversed();
  show("notices", [rows, Math.floor(Date.now() / SLOW_MS)], () => rows.length ? table([
    { label: "When", cell: (n) => el("span", { class: "nowrap", title: new Date(n.time_unix_ns / 1e6).toISOString() }, ago(n.time_unix_ns)) },
    { label: "Level", cell: (n) => el("span", { class: `pill ${n.level === "warning" ? "warn" : "bad"}` }, n.level) },
    { label: "From", cell: (n) => el("span", { class: "nowrap" }, n.component) },
    { label: "What", cell: (n) => [el("div", {}, n.event, n.count > 1 ? el("small", { class: "hint" }, ` × ${number(n.count)}`) : ""),
      el("div", { class: "sub" }, Object.entries(n.fields).map(([key, value]) => `${key}: ${value}`).join(" · "))] },
  ], rows) : empty("None."));
}

function showAll(status) {
  const now = momentOf(status);
  moments = [...moments, now].slice(-KEPT);
  showState(status);
  showTiles(status, now);
  chart.show(moments);
  showPipelines(status);
  showDestinations(status);
  showLetters();
  showModels(status.figures);
  show("redactions", status.figures.redactions, () => counted("Type", "Values", status.figures.redactions, "Nothing had to be redacted yet."));
  showRefusals(status.figures);
  showNotices(status);
  show("footer", status.endpoints, () => Object.entries(status.endpoints).map(([name, address]) => el("span", {}, `${name} `, el("code", {}, address))));
  earlier = [...earlier, [now.unix_s, status.figures]].slice(-10);
}

// ---- a trace -----------------------------------------------------------------------------------

const WORDS = { receiver: "by", transport: "over", peer: "from", tenant: "tenant", by: "by", rule: "rule", pipeline: "in pipeline", exporter: "by", destination: "to", reason: "because" };
const LABELS = { received: "received", refused: "refused to the sender", dropped: "dropped", trimmed: "spans dropped", kept: "kept", sampled_out: "sampled out", sent: "delivered", dead_letter: "dead letter" };
const LEVELS = { delivered: "good", waiting: "warn", received: "warn", unknown: "", dead_letter: "bad", refused: "bad" };

function factRow({ time_unix_ns: at, detail }) {
  const told = Object.entries(WORDS).filter(([key]) => detail[key]).map(([key, word]) => `${word} ${detail[key]}`).join(", ");
  return { at, what: LABELS[detail.kind] ?? detail.kind, told, page: detail.page };
}

function storyRows(story) {
  const waiting = story.waiting.map((w) => ({ at: w.since_unix_ns, what: "waiting", page: w.page,
    told: [w.exporter ? `by ${w.exporter}` : `in pipeline ${w.pipeline}`, w.destination, `lane ${w.lane}`, w.trouble].filter(Boolean).join(", ") }));
  const dead = story.dead_letters.map((l) => ({ at: l.time_unix_ns, what: "dead letter", told: `${l.id}, span ${l.span_id} ${l.name}: ${l.exporter} ${l.destination}, ${number(l.attempts)} tries: ${l.reason}` }));
  const facts = story.facts.filter((f) => f.detail.kind !== "dead_letter" || !dead.length); // the letters tell more
  return [...facts.map(factRow), ...waiting, ...dead].sort((a, b) => a.at - b.at);
}

function showStory(story) {
  const rows = storyRows(story);
  const time = (at) => new Date(at / 1e6).toLocaleString();
  byId("story").replaceChildren(
    el("p", { class: "verdict" }, el("span", { class: `pill ${LEVELS[story.state] ?? ""}` }, story.state.replace("_", " ")), " ", story.summary, " ", el("span", { class: "hint mono" }, story.trace_id)),
    rows.length ? table([
      { label: "When", cell: (r) => el("span", { class: "nowrap" }, time(r.at)) },
      { label: "What", cell: (r) => el("span", { class: "nowrap" }, r.what) },
      { label: "How", cell: (r) => [r.told, " ", r.page ? link("open", r.page) : ""] },
    ], rows) : el("p", { class: "hint" }, "Is the id right? Only the latest traces since the start are remembered; look for older ones in MLflow."));
}

byId("ask").addEventListener("submit", async (event) => {
  event.preventDefault();
  try {
    const answer = await fetch(`why.json?trace=${encodeURIComponent(byId("trace").value)}`, { cache: "no-store" });
    const story = await answer.json();
    if (answer.ok) showStory(story);
    else byId("story").replaceChildren(el("p", { class: "notice bad" }, story.error));
  } catch (error) {
    byId("story").replaceChildren(el("p", { class: "notice bad" }, String(error)));
  }
});

// ---- polling -----------------------------------------------------------------------------------

async function poll() {
  try {
    showAll(await fetchAs("json", "status.json"));
  } catch (error) {
    byId("state").className = "pill bad";
    byId("state").textContent = "not reached";
    console.warn(error);
  }
  setTimeout(poll, POLL_MS);
}

async function pollLetters() {
  try {
    letters = await fetchAs("json", "dead-letters.json");
    showLetters();
  } catch (error) {
    console.warn(error);
  }
  setTimeout(pollLetters, SLOW_MS);
}

// ---- theme, configuration ----------------------------------------------------------------------

const THEMES = { "": ["◐", "as the system"], light: ["☀", "light"], dark: ["☾", "dark"] };

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  const [sign, name] = THEMES[theme];
  byId("theme").textContent = sign;
  byId("theme").title = `Theme: ${name}`;
}

function rememberedTheme() {
  try { return localStorage.getItem("spangate-theme") ?? ""; } catch { return ""; }
}

byId("theme").addEventListener("click", () => {
  const names = Object.keys(THEMES);
  const next = names[(names.indexOf(document.documentElement.dataset.theme ?? "") + 1) % names.length];
  setTheme(next);
  try { localStorage.setItem("spangate-theme", next); } catch { /* a private window forgets it */ }
});

byId("config").addEventListener("toggle", async () => {
  if (!byId("config").open) return;
  byId("yaml").textContent = await fetchAs("text", "config.yaml").catch((error) => String(error));
});

const remembered = rememberedTheme();
setTheme(remembered in THEMES ? remembered : "");
moments = await fetchAs("json", "history.json").catch(() => []);
poll();
pollLetters();
