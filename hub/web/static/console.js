/* The console's few moving parts: <er-form>, <er-live>, <er-clock>, <er-asof>, dialogs.
   No request leaves the hub, nothing is written into the page that is not in it or answered by it. */
"use strict";

const OLD_AFTER_MS = 30000; // without data for this long the picture is drawn as old
const REFETCH_MS = 1000; // at most one page refresh per second, however many events arrive
const POLL_MS = 15000; // refresh when the stream is down
const words = JSON.parse(document.getElementById("er-words").textContent);
const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
let skew = Number(document.body.dataset.now || Date.now()) - Date.now();
let freshAt = Date.now();
const serverNow = () => Date.now() + skew;
const two = (n) => String(n).padStart(2, "0");
const span = (ms) => {
  const s = Math.max(0, Math.floor(ms / 1000));
  return `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
};
const clockTime = (ms) => new Date(ms + 8 * 3600000).toISOString().slice(11, 19); // venues: UTC+08:00
const setText = (node, text) => { if (node && node.textContent !== text) node.textContent = text; };

/* ---- clocks and the freshness stamp ---- */
class ErClock extends HTMLElement {
  tick() {
    const { since, until, stop } = this.dataset;
    if (since) setText(this, span((stop ? Number(stop) : serverNow()) - Number(since)));
    else if (until) setText(this, span(Number(until) - serverNow()));
  }
}
class ErAsof extends HTMLElement {
  tick() {
    const quiet = Date.now() - freshAt;
    const old = quiet > OLD_AFTER_MS;
    this.classList.toggle("old", old);
    document.body.classList.toggle("is-old", old);
    setText(this.querySelector("b"), clockTime(freshAt + skew));
    const age = this.querySelector(".er-age");
    setText(age, old ? fill(words.old, { n: Math.floor(quiet / 1000) }) : words.live);
  }
}
customElements.define("er-clock", ErClock);
customElements.define("er-asof", ErAsof);
const tickAll = () => document.querySelectorAll("er-clock, er-asof").forEach((n) => n.tick());
setInterval(tickAll, 500);

/* ---- keeping the page live without losing scroll, focus or typed text ---- */
const busy = (node) => node.matches?.("er-form") &&
  (node.dataset.dirty === "1" || node.contains(document.activeElement));
const keepOpen = (node) => node.tagName === "DIALOG" && node.open;
const keepAttr = (node, name) => name === "open" && /^(DIALOG|DETAILS)$/.test(node.tagName);

function morphAttributes(node, next) {
  for (const { name } of [...node.attributes])
    if (!next.hasAttribute(name) && !keepAttr(node, name)) node.removeAttribute(name);
  for (const { name, value } of [...next.attributes])
    if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}
function morph(node, next) {
  if (node.nodeType !== Node.ELEMENT_NODE) {
    if (node.nodeValue !== next.nodeValue) node.nodeValue = next.nodeValue;
    return;
  }
  if (node.isEqualNode(next) || busy(node) || keepOpen(node)) return;
  if (/^(INPUT|SELECT|TEXTAREA|ER-CLOCK)$/.test(node.tagName)) {
    morphAttributes(node, next);
    return;
  }
  morphAttributes(node, next);
  morphChildren(node, next);
}
/* what somebody is filling in: neither replaced nor removed, whatever else changes around it */
const guarded = (node) => node.nodeType === Node.ELEMENT_NODE && (busy(node) || keepOpen(node) ||
  [...node.querySelectorAll("er-form, dialog")].some((one) => busy(one) || keepOpen(one)));
const same = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName &&
  (a.id || "") === (b.id || "");
function morphChildren(node, next) {
  let at = node.firstChild;
  for (const want of [...next.childNodes]) {
    let found = at;
    while (found && !same(found, want)) found = guarded(found) ? null : found.nextSibling;
    if (!found) {
      node.insertBefore(document.importNode(want, true), at);
      continue;
    }
    while (at !== found) {
      const gone = at;
      at = at.nextSibling;
      gone.remove();
    }
    morph(found, want);
    at = found.nextSibling;
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    if (!guarded(gone)) gone.remove();
  }
}

let refetchTimer = 0;
let lastFetch = 0;
async function refetch() {
  refetchTimer = 0;
  lastFetch = Date.now();
  const slow = setTimeout(() => document.body.classList.add("is-loading"), 400);
  try {
    const answer = await fetch(location.href, { headers: { "X-Live": "1" } });
    if (answer.redirected && new URL(answer.url).pathname === "/sign-in") location.reload();
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.querySelectorAll("er-live").forEach((live) => {
      const next = page.getElementById(live.id);
      if (next) morphChildren(live, next);
    });
    skew = Number(page.body.dataset.now) - Date.now();
    freshAt = Date.now();
    tickAll();
  } catch {
    /* the stamp grows old by itself and says so */
  } finally {
    clearTimeout(slow);
    document.body.classList.remove("is-loading");
  }
}
function wantRefetch() {
  if (refetchTimer) return;
  refetchTimer = setTimeout(refetch, Math.max(50, lastFetch + REFETCH_MS - Date.now()));
}
document.addEventListener("er-refresh", wantRefetch);
class ErLive extends HTMLElement {}
customElements.define("er-live", ErLive);

function openStream() {
  if (!document.querySelector("er-live")) return;
  const source = new EventSource("/api/v1/stream");
  const beat = (event) => {
    freshAt = Date.now();
    try { skew = JSON.parse(event.data).now - Date.now(); } catch { /* a beat without a time */ }
    tickAll();
  };
  source.addEventListener("beat", beat);
  source.addEventListener("signed_out", () => { source.close(); location.reload(); });
  (document.body.dataset.topic || "").split(" ").filter(Boolean)
    .forEach((topic) => source.addEventListener(topic, wantRefetch));
  let lost = false;
  source.onerror = () => { lost = true; };
  source.onopen = () => { if (lost) wantRefetch(); lost = false; };
  setInterval(() => { if (lost) wantRefetch(); }, POLL_MS);
}

/* ---- forms as JSON, answers in words ---- */
const NOW_TEXT = () => clockTime(serverNow());
const cast = {
  int: (v) => (v === "" ? null : Number.parseInt(v, 10)),
  fen: (v) => (v === "" ? null : Math.round(Number(v) * 100)), // yuan as typed
  list: (v) => v.split(/[\s,，、;；]+/).filter(Boolean),
  ints: (v) => v.split(/[\s,，、;；]+/).filter(Boolean).map(Number),
  bool: (v) => v === "true",
  venue_time: (v) => (v ? `${v.trim().replace(" ", "T")}:00.000+08:00` : null),
  json: (v) => JSON.parse(v),
};
function put(body, path, value) {
  const names = path.split(".");
  const last = names.pop();
  let at = body;
  for (const name of names) at = at[name] ??= {};
  at[last] = value;
}
function get(body, path) {
  return path.split(".").reduce((at, name) => at?.[name], body);
}
/* {"0": …, "2": …} becomes a list; an entry whose key field was left empty is not in it */
function lists(value) {
  if (Array.isArray(value) || value === null || typeof value !== "object") return value;
  const names = Object.keys(value);
  const made = Object.fromEntries(names.map((name) => [name, lists(value[name])]));
  const numbered = names.length > 0 && names.every((name) => /^\d+$/.test(name));
  return numbered ? names.map((name) => made[name]).filter((one) => !one.left_out) : made;
}
function bodyOf(form) {
  const body = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled || field.type === "submit") continue;
    const as = field.dataset.as;
    const value = as ? () => cast[as](field.value) : () => field.value;
    if (field.type === "checkbox" && field.hasAttribute("value")) {
      if (!get(body, field.name)) put(body, field.name, []);
      if (field.checked) get(body, field.name).push(value());
    } else if (field.type === "checkbox") put(body, field.name, field.checked);
    else if (field.type === "radio") { if (field.checked) put(body, field.name, value()); }
    else if (field.value !== "" || as === "list" || as === "ints") put(body, field.name, value());
    else if (field.dataset.key) put(body, `${field.dataset.key}.left_out`, true);
  }
  const made = lists(body);
  // A room's id begins with its organisation: one choice answers both.
  for (const venue of made.venues || []) venue.org ??= venue.place.split("-")[0];
  return made;
}
function node(tag, text, cls) {
  const made = document.createElement(tag);
  if (text !== undefined) made.textContent = text;
  if (cls) made.className = cls;
  return made;
}
function problemNode(problem) {
  const box = node("div", undefined, "problem");
  box.setAttribute("role", "alert");
  const zh = document.documentElement.lang.startsWith("zh");
  const told = problem[zh ? "zh" : "en"] || problem; // the details in the reader's language
  box.append(node("b", (zh ? problem.title : problem.title_en || problem.title) || problem.code));
  for (const one of (problem.findings || []).slice(1)) if (one.zh) box.append(node("p", zh ? one.zh : one.en));
  if (!problem.code && told.what) box.append(node("p", told.what));
  if (told.do) box.append(node("p", told.do));
  const list = node("dl");
  for (const key of [problem.code ? "what" : "", "where", "expected", "got", "code"]) {
    const value = key === "code" ? problem.code : told[key];
    if (value === undefined || value === null || value === "") continue;
    const text = Array.isArray(value) ? value.map(itemText).join("；") : itemText(value);
    list.append(node("dt", words[key]), node("dd", text));
  }
  box.append(list);
  for (const other of problem.alternatives || []) box.append(node("li", itemText(other)));
  return box;
}
const itemText = (value) => (typeof value === "object" && value !== null
  ? Object.values(value).filter((v) => typeof v !== "object").join(" ") : String(value));

const SECRET_REFUSED = new Set([401, 403, 429]);
/* a refused PIN or password is typed anew, not corrected under dots */
function askSecretAgain(form) {
  const secrets = [...form.querySelectorAll('input[type="password"]')];
  secrets.forEach((one) => { one.value = ""; });
  secrets[0]?.focus();
}

class ErForm extends HTMLElement {
  connectedCallback() {
    this.addEventListener("submit", (event) => { event.preventDefault(); this.send(event.target); });
    this.addEventListener("input", () => { this.dataset.dirty = "1"; });
  }
  show(box) {
    this.querySelector(":scope .problem, :scope .done")?.remove();
    if (!box) return;
    (this.querySelector("form") || this).append(box);
    box.scrollIntoView({ block: "nearest" });
  }
  async send(form) {
    if (this.dataset.busy === "1") return;
    this.dataset.busy = "1";
    this.show(node("p", words.sending, "done"));
    try {
      const answer = await fetch(form.getAttribute("action"), {
        method: (form.dataset.method || form.method || "post").toUpperCase(),
        headers: {
          "Content-Type": "application/json",
          "X-CSRF": document.querySelector('meta[name="er-csrf"]')?.content || "",
        },
        body: JSON.stringify(bodyOf(form)),
      });
      await this.answered(answer, form);
    } catch {
      this.show(problemNode({
        title: words["offline.title"], title_en: words["offline.title"],
        what: words["offline.what"], do: words["offline.do"],
      }));
    } finally {
      this.dataset.busy = "";
    }
  }
  async answered(answer, form) {
    let body = null;
    try { body = await answer.json(); } catch { body = null; }
    if (answer.ok) { this.succeeded(body || {}, form); return; }
    // What is asked for only now: the field appears, and what was typed stays.
    const asked = body?.code && form.querySelector(`[data-asked="${CSS.escape(body.code)}"]`);
    if (asked?.hidden) {
      asked.hidden = false;
      this.show(null);
      asked.querySelector("input").focus();
      return;
    }
    if (SECRET_REFUSED.has(answer.status)) askSecretAgain(form);
    const title = fill(words["broken.title"], { status: answer.status });
    this.show(problemNode(body && (body.title || body.what) ? body : {
      title, title_en: title, what: words["broken.what"], do: words["broken.do"],
    }));
  }
  succeeded(body, form) {
    this.dataset.dirty = "";
    const part = document.getElementById(this.dataset.answers || "");
    if (part) { // shown once, in the page's own places
      part.querySelectorAll("[data-answer]").forEach((one) =>
        setText(one, [body[one.dataset.answer] ?? ""].flat().join("\n")));
      part.hidden = false;
      this.hidden = true; // done: the next step has the page's one primary button
      form.reset();
      this.show(null);
      part.scrollIntoView({ block: "nearest" });
      return;
    }
    const then = this.dataset.then;
    if (then && then.startsWith("/")) { location.assign(fill(then, body)); return; }
    const text = fill(then === "sent" ? words.sent : words.done, { time: NOW_TEXT() });
    form.reset();
    this.closest("dialog")?.close();
    this.show(null);
    said(text);
    if (document.querySelector("er-live")) wantRefetch(); else location.reload();
  }
}
customElements.define("er-form", ErForm);

function said(text) {
  let strip = document.getElementById("er-said");
  if (!strip) {
    strip = node("p", "", "said");
    strip.id = "er-said";
    strip.setAttribute("role", "status");
    document.querySelector("header.top").after(strip);
  }
  strip.textContent = text;
}

/* ---- a choice that shows the fields belonging to it, and leaves the others out ---- */
function showChosen(select) {
  document.querySelectorAll(`[data-of="${select.id}"]`).forEach((part) => {
    const on = part.dataset.when === select.value;
    part.hidden = !on;
    part.querySelectorAll("input, select, textarea").forEach((f) => { f.disabled = !on; });
  });
}
document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-shows]")) showChosen(event.target);
  if (event.target.matches("[data-go]") && event.target.reportValidity()) location.assign(fill(event.target.dataset.go, { value: event.target.value }));
});
document.querySelectorAll("select[data-shows]").forEach(showChosen);

/* ---- what a field still lacks, in the page's language and not the browser's ---- */
function lacks(field) {
  const of = field.validity;
  if (of.valueMissing) return words[field.type === "radio" || field.tagName === "SELECT" ? "lacks.choice" : "lacks.value"];
  if (of.rangeUnderflow) return fill(words["lacks.min"], { min: field.min.replace("T", " ") });
  if (of.rangeOverflow) return fill(words["lacks.max"], { max: field.max.replace("T", " ") });
  if (of.patternMismatch) return field.title || words["lacks.pattern"];
  if (of.badInput || of.typeMismatch || of.stepMismatch) return words["lacks.pattern"];
  return "";
}
document.addEventListener("invalid", (event) => {
  event.target.setCustomValidity("");
  event.target.setCustomValidity(lacks(event.target));
}, true);
for (const kind of ["input", "change"])
  document.addEventListener(kind, (event) => {
    if (event.target.type !== "radio") event.target.setCustomValidity?.("");
    else document.getElementsByName(event.target.name).forEach((one) => one.setCustomValidity(""));
  }, true);

/* ---- dialogs ---- */
document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-open]");
  if (opener) {
    const box = document.getElementById(opener.dataset.open);
    for (const [name, value] of Object.entries(opener.dataset)) {
      const field = name.startsWith("set") && box.querySelector(`[name="${name.slice(3).toLowerCase()}"]`);
      if (field) field.value = value;
    }
    box.showModal();
  }
  const closer = event.target.closest("[data-close]");
  if (closer) closer.closest("dialog").close();
  const printer = event.target.closest("[data-print]");
  if (printer) window.print();
});
document.addEventListener("keydown", (event) => {
  if (!["ArrowRight", "ArrowLeft"].includes(event.key) || !event.target.closest(".tiles")) return;
  const tiles = [...document.querySelectorAll(".tiles a")];
  const next = tiles[tiles.indexOf(event.target.closest("a")) + (event.key === "ArrowRight" ? 1 : -1)];
  if (next) { next.focus(); event.preventDefault(); }
});
openStream();
