/* The staff panel: choose an act, fill it in by touch, sign it with one PIN or two, see the answer. */
import { condition, h, has, hms, icon, join, role, span, squares, t, term, two, waiting } from "./lib.js";
import { faultText, refresh, roomNow, shownState } from "./room.js";

const ORDERING = ["home_manager", "deputy"]; // who may sign an order
const PIN_MIN = 8;
const PIN_MAX = 16;
const box = document.getElementById("desk");
const body = document.getElementById("desk-body");
const title = document.getElementById("desk-title");
document.getElementById("desk-close").addEventListener("click", () => box.close());

const session = () => shownState().sessions.find((one) => one.id === shownState().current) || null;
const member = (one) => [one.no, t("member", { no: one.no })];
const members = (test) => () => (session()?.members || []).filter(test).map(member);
const terms = (prefix, list) => () => list.map((one) => [one, term(prefix, one)]);
const says = (list) => () => list.map((one) => [one, t(`v.${one}`)]);
const inside = (one) => !["expected", "late", "left", "declined", "absent"].includes(one.state);
const yesNo = () => [[true, t("v.yes")], [false, t("v.no")]];
const openFaults = () => (shownState().faults || []).filter((one) => one.open);

/* field: name, how it is asked, its choices; `free` is a line of text */
const pick = (name, options, more = {}) => ({ name, options, ...more });
const free = (name, more = {}) => ({ name, free: true, ...more });
const NO_IN = pick("no", members(inside));
const NO_ANY = pick("no", members(() => true));
const FAULTS = ["power", "network", "device", "station", "system", "expert", "av"];
const ITEMS = ["phone", "watch", "earphone", "tablet", "other"];
const ACTS = {
  "identify.two_staff": { group: "in", signers: 2, fields: [
    pick("no", members((one) => !one.out && one.state !== "left")),
    pick("document", () => ["passport", "temporary", "permit", "household"].map((one) => [t(`doc.${one}`), t(`doc.${one}`)]))] },
  "steps.record": { group: "in", fields: [NO_IN, pick("health", yesNo), pick("recusal", yesNo), pick("commitment", yesNo)] },
  "deposit.declare": { group: "in", fields: [
    pick("no", members((one) => one.step === "identified")), pick("items", terms("item", ITEMS), { many: true, none: true })] },
  "deposit.confirm": { group: "in", fields: [pick("no", members((one) => one.confirm_due))] },
  "seat.confirm": { group: "in", fields: [pick("no", members((one) => one.step === "deposited"))] },
  decline: { group: "in", fields: [NO_ANY, free("reason")] },
  absent: { group: "in", fields: [pick("no", members((one) => ["expected", "late"].includes(one.state)))] },
  "lead.choose": { group: "in", fields: [pick("no", () => [...(session()?.members || []).map(member),
    ...(session()?.elsewhere || []).map((no) => [no, t("member", { no })])])] },
  "away.start": { group: "out", fields: [NO_IN, pick("reason", terms("away", ["toilet", "meal", "medical", "inquiry"])),
    pick("consent_by", () => [[t("v.lead"), t("v.lead")]], { optional: true }),
    pick("escort", posts, { optional: true }),
    pick("expected_min", () => [5, 10, 15, 30, 60].map((n) => [n, String(n)]))] },
  "away.end": { group: "out", fields: [pick("no", members((one) => one.away))] },
  "left.confirm": { group: "out", fields: [pick("no", members((one) => one.step === "released" || one.out))] },
  "release.confirm": { group: "out", fields: [NO_IN] },
  "locker.escorted": { group: "out", signers: 2, fields: [pick("no", members((one) => one.held)), free("reason")] },
  "locker.confirm_empty": { group: "out", signers: 2, fields: [
    pick("locker", () => shownState().lockers.map((one) => [one.locker, two(one.locker)]))] },
  withdraw: { group: "out", fields: [NO_IN, free("reason")] },
  "saved.confirm": { group: "faults", fields: [pick("no", members((one) => inside(one) && !one.saved))] },
  "fault.report": { group: "faults", fields: [pick("kind", terms("fault", FAULTS)), free("text", { optional: true })] },
  "fault.ack": { group: "faults", fields: [
    pick("fault", () => openFaults().filter((one) => !one.acked).map((one) => [one.fault, faultText(one)]))] },
  "locker.ack": { group: "faults", fields: [
    pick("locker", () => shownState().lockers.filter((one) => one.forced_elapsed_ms !== null)
      .map((one) => [one.locker, two(one.locker)]))] },
  "fault.clear": { group: "faults", fields: [
    pick("fault", () => openFaults().filter((one) => one.device === "reported").map((one) => [one.fault, faultText(one)]))] },
  // Sealing that no open fault asks for, as after an order to terminate on a day without one.
  "case.step": { group: "out", signers: 2, fields: [
    pick("key", () => Object.entries(session()?.sealing || {}).filter(([, state]) => state === "open")
      .map(([key]) => [key, condition(`sealing_${key}`)])),
    pick("state", says(["done", "skipped"])), free("reason", { optional: true })] },
  "selftest.run": { group: "faults", fields: [] },
  "start.exception": { group: "faults", fields: [
    pick("need", () => ["members_seated", "av_recording", "system_reachable", "clock", "sealing"]
      .map((one) => [one, condition(one)])), free("reason")] },
  clarification: { group: "notes", fields: [pick("state", says(["asked", "sent", "answered", "expired"])), free("ref", { optional: true })] },
  visitor: { group: "notes", fields: [pick("state", says(["in", "out"])), free("who_post"), free("purpose", { optional: true }), free("devices", { optional: true })] },
  outside_contact: { group: "notes", fields: [free("purpose")] },
  help: { group: "", signers: 0, fields: [] },
  // Orders where no line is left: read out at home, typed or scanned at a guest's.
  "order.passed_on": { group: "", path: "/api/orders/passed-on", manager: true, fields: [
    pick("n", () => session().orders.map((one) => [one.n, `${one.n} ${term("order", one.order)}`]).reverse())] },
  "order.typed": { group: "", path: "/api/orders/typed", fields: [free("text", { chars: 4096, label: "order_text" })] },
};
const onDuty = () => (shownState().duty || []).filter((one) => one.session === shownState().current);
const nobody = () => h("p", { class: "big" }, t(session() ? "panel.no_duty" : "panel.no_session"));
function posts() {
  return onDuty().map((one) => [one.post, one.post]);
}
function show(text, ...parts) {
  title.textContent = text;
  body.replaceChildren(...parts.filter(Boolean));
  if (!box.open) box.showModal();
  body.parentElement.scrollTop = 0;
}
const button = (text, act, cls = "") => h("button", { class: `btn ${cls}`, type: "button", on: act }, text);

/* ---- menu ---- */
export function openMenu() {
  if (!shownState()) return;
  if (!onDuty().length) { show(t("panel.title"), nobody()); return; }
  const groups = ["in", "out", "faults", "notes"].map((group) => h("section", { class: "group" },
    h("h3", {}, t(`panel.group.${group}`)), h("div", { class: "menu" },
      ...Object.entries(ACTS).filter(([, act]) => act.group === group)
        .map(([name]) => button(t(`act.${name}`), () => openAct(name, {}))))));
  const here = session();
  const orders = here ? orderButtons(here) : [];
  if (orders.length)
    groups.unshift(h("section", { class: "group" }, h("h3", {}, t("panel.group.orders")), lastOrder(here), h("div", { class: "menu" }, ...orders)));
  show(t("panel.title"), h("p", {}, t("panel.pick")), ...groups);
}

/* the newest order and who gave it: a person by post, the hub's key or a code by name */
function lastOrder(here) {
  const last = here.orders[here.orders.length - 1];
  if (!last) return "";
  const by = last.by.map((one) => (has(`by.${one.person}`) ? t(`by.${one.person}`) : one.post || role(one.role)));
  return h("p", {}, t("order.last", { n: last.n, order: term("order", last.order), by: join(by) }));
}
function orderButtons(here) {
  const offline = (name) => button(t(`act.${name}`), () => openAct(name, {}));
  if (here.role !== "home") return [offline("order.typed")];
  return [...here.legal_orders.map((order) => button(term("order", order), () => openOrder(order))),
    ...(here.orders.length ? [offline("order.passed_on")] : [])];
}

/* ---- one act ---- */
export function openAct(name, known) {
  if (!shownState()) return;
  const act = ACTS[name];
  // Said before anything is filled in: who cannot sign would fill it in for nothing.
  if (act.signers !== 0 && !onDuty().length) { show(t(`act.${name}`), nobody()); return; }
  const missing = act.fields.filter((field) => known[field.name] === undefined);
  if (!missing.length) { sign(name, known, act); return; }
  const args = { ...known };
  const ready = () => act.fields.every((field) => field.optional || field.none || args[field.name] !== undefined);
  const go = button(t("btn.next"), () => { if (ready()) sign(name, args, act); }, "go");
  const update = () => go.setAttribute("aria-disabled", String(!ready()));
  // A scanner is a keyboard that ends with Enter.
  body.onkeydown = (event) => { if (event.key === "Enter" && event.target.tagName === "INPUT" && go.isConnected) go.click(); };
  show(t(`act.${name}`), ...missing.map((field) => ask(field, args, update)),
    h("div", { class: "row" }, go, button(t("btn.back"), openMenu)));
  update();
}
function ask(field, args, update) {
  const label = h("span", {}, t(`f.${field.label || (field.free && field.name === "reason" ? "reason_free" : field.name)}`));
  if (field.free) {
    const input = h("input", { type: "text", maxlength: field.chars || 200, autocomplete: "off" });
    input.addEventListener("input", () => {
      args[field.name] = input.value.trim() || undefined;
      update();
    });
    return h("label", { class: "ask" }, label, input);
  }
  if (field.many) args[field.name] = [];
  const options = field.options();
  const buttons = options.map(([value, text]) => {
    const one = button(text, () => {
      if (field.many) {
        const list = args[field.name];
        args[field.name] = list.includes(value) ? list.filter((v) => v !== value) : [...list, value];
        one.setAttribute("aria-pressed", String(args[field.name].includes(value)));
      } else {
        args[field.name] = value;
        buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === one)));
      }
      update();
    });
    one.setAttribute("aria-pressed", "false");
    return one;
  });
  return h("div", { class: "ask" }, label, h("div", { class: "pick" }, ...(buttons.length ? buttons : [h("p", {}, t("none"))])));
}

/* ---- orders of the home venue ---- */
function openOrder(order) {
  const fields = [];
  if (order === "end") fields.push(pick("committee", says(["complete", "incomplete"])));
  if (order === "member_release") {
    fields.push(pick("members", () => [...session().members.map((one) => one.no), ...session().elsewhere]
      .sort((a, b) => a - b).map((no) => [no, t("member", { no })]), { many: true }));
  }
  const args = {};
  const ready = () => fields.every((f) => (f.many ? args[f.name]?.length : args[f.name] !== undefined));
  const go = button(t("btn.next"), () => { if (ready()) sign("order", { order, ...args }, { signers: 1, order: true }); }, "go");
  const update = () => go.setAttribute("aria-disabled", String(!ready()));
  show(term("order", order), h("p", {}, t("order.ask")), h("p", { class: "big" }, term("order", order)),
    h("p", {}, t(`order.mean.${order}`)), h("p", {}, t("order.final")),
    ...fields.map((field) => ask(field, args, update)), h("div", { class: "row" }, go, button(t("btn.back"), openMenu)));
  update();
}

/* ---- the open case ---- */
export function openFault(name) {
  const fault = (shownState()?.faults || []).find((one) => one.fault === name);
  if (!fault) return;
  const first = fault.checklist.find((one) => one.state === "open")?.key;
  const rows = fault.checklist.map((one) => {
    const step = (state) => () => {
      const known = { fault: name, key: one.key, state };
      const act = { signers: one.needs_two ? 2 : 1, fields: state === "skipped" ? [free("reason")] : [] };
      if (act.fields.length) askStep(known, act); else sign("case.step", known, act);
    };
    const mark = { done: "ok", skipped: "none" }[one.state] || (one.key === first ? "now" : "todo");
    const more = one.state === "open" ? role(one.owner_role) : `${one.at ? hms(new Date(one.at).getTime()) : ""} ${one.reason}`;
    return h("div", { class: `check${one.key === first ? " cur" : ""}` }, icon(mark),
      h("div", {}, t(`todo.${one.key}`), h("small", {}, more)),
      one.state === "open" ? h("div", { class: "row" }, button(t("btn.done"), step("done"), one.key === first ? "go" : ""),
        button(t("btn.skip"), step("skipped"))) : "");
  });
  const clock = h("span", { class: "big", "data-since": String(Date.now() - fault.elapsed_ms) }, span(fault.elapsed_ms));
  show(`${fault.priority} ${faultText(fault)}`, clock, fault.acked ? "" : h("div", { class: "row" },
    button(t("act.fault.ack"), () => openAct("fault.ack", { fault: name }), "go")), ...rows);
}
function askStep(known, act) {
  const args = { ...known };
  const go = button(t("btn.next"), () => { if (args.reason) sign("case.step", args, act); }, "go");
  const update = () => go.setAttribute("aria-disabled", String(!args.reason));
  show(t(`todo.${known.key}`), ask(act.fields[0], args, update), h("div", { class: "row" }, go,
    button(t("btn.back"), () => openFault(known.fault))));
  update();
}

/* ---- PINs ---- */
function sign(name, args, act) {
  const need = act.signers ?? 1;
  const what = name === "order" ? term("order", args.order) : t(`act.${name}`);
  if (need === 0) { send(name, args, [], { what, need }); return; }
  const duty = onDuty().filter((one) => !(name === "order" || act.manager) || ORDERING.includes(one.role));
  if (!duty.length) { show(what, nobody()); return; }
  nextSigner(name, args, { what, need, duty, by: [], path: name === "order" ? "/api/orders" : act.path });
}
function nextSigner(name, args, job) {
  if (job.by.length === job.need) { send(name, args, job.by, job); return; }
  const left = job.duty.filter((one) => !job.by.some((by) => by.person === one.person));
  show(job.what, h("p", {}, t(job.need === 2 ? "sign.who2" : "sign.who")), h("div", { class: "menu" },
    ...left.map((one) => button(`${one.post} ${role(one.role)}`, () => pinPad(name, args, job, one)))));
}
function pinPad(name, args, job, person) {
  let pin = "";
  const dots = h("div", { class: "dots", role: "status", tabindex: "0", "aria-label": "PIN" });
  const go = button(t("btn.sign"), () => {
    if (pin.length < PIN_MIN) return;
    nextSigner(name, args, { ...job, by: [...job.by, { person: person.person, pin }] });
  }, "go");
  const update = (next) => {
    pin = next.slice(0, PIN_MAX);
    dots.textContent = "●".repeat(pin.length);
    go.setAttribute("aria-disabled", String(pin.length < PIN_MIN));
  };
  const key = (n) => button(n, () => update(pin + n));
  const pad = h("div", { class: "pad" }, ..."123456789".split("").map(key),
    button(t("btn.clear"), () => update(""), "small"), key("0"), button(t("btn.delete"), () => update(pin.slice(0, -1)), "small"));
  show(job.what, h("div", { class: "signing" }, h("div", {}, h("p", { class: "big" }, t("sign.pin", { post: person.post })),
    h("p", {}, summary(args)), dots, h("p", {}, t("sign.hint")), h("div", { class: "row" }, go, button(t("btn.back"), openMenu))), pad));
  box.onkeydown = (event) => {
    if (!dots.isConnected) { box.onkeydown = null; return; }
    if (/^\d$/.test(event.key)) update(pin + event.key);
    else if (event.key === "Backspace") update(pin.slice(0, -1));
    else if (event.key === "Enter" && document.activeElement.tagName !== "BUTTON") go.click();
  };
  update("");
  dots.focus();
}
function summary(args) {
  const parts = [];
  if (args.no) parts.push(t("member", { no: args.no }));
  if (args.members) parts.push(join(args.members.map((no) => t("member", { no }))));
  if (args.items) parts.push(join(args.items.map((one) => term("item", one))) || t("none"));
  if (args.locker) parts.push(`${t("lockers")} ${two(args.locker)}`);
  if (args.key) parts.push(t(`todo.${args.key}`));
  if (args.committee) parts.push(t(`v.${args.committee}`));
  if (args.document) parts.push(args.document);
  return join(parts);
}

/* ---- sending and the answer ---- */
async function send(name, args, by, job) {
  const { what } = job;
  show(what, h("p", { class: "big" }, t("sign.working")));
  const path = job.path || "/api/acts";
  const message = job.path
    ? { session: shownState().current, ...args, person: by[0].person, pin: by[0].pin }
    : { act: name, session: shownState().current, args, by };
  let answer = null;
  let status = 0;
  try {
    const response = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(message),
    });
    status = response.status;
    answer = await response.json();
  } catch {
    answer = null;
  }
  told(name, args, job, { ok: status === 200, answer });
  refresh();
}
function told(name, args, job, { ok, answer }) {
  const { what } = job;
  const again = button(t("btn.back"), () => (name === "order" ? openOrder(args.order) : openMenu()));
  const refused = !ok && answer?.code === "pin_or_person";
  const close = button(t("btn.close"), () => box.close(), refused ? "" : "go");
  const row = [close, again];
  if (ok && answer.codes) { showCodes(what, answer, [close, again]); return; }
  if (ok) {
    const time = hms(roomNow());
    show(what, h("div", { class: "result", role: "status" }, h("p", { class: "big" }, icon("ok"), " ", t("said.ok")),
      h("p", {}, t("said.ok_line", { what, time }))), h("div", { class: "row" }, close, again));
    return;
  }
  if (refused && job.need)
    row.unshift(button(t("btn.pin_again"), () => nextSigner(name, args, { ...job, by: [] }), "go"));
  const lines = answer ? reasons(answer) : [t("said.offline")];
  show(what, h("div", { class: "result no", role: "alert" }, h("p", { class: "big" }, t("said.no")),
    ...lines.map((line) => (typeof line === "string" ? h("p", {}, line) : line))), h("div", { class: "row" }, ...row));
}
/* codes of an order, one for each guest venue, as they are read out */
function showCodes(what, answer, row) {
  show(what, h("p", { class: "big" }, `${answer.n} ${term("order", answer.order)}`), h("p", {}, t("codes.read")),
    ...answer.codes.map((one) => h("div", {}, h("p", {}, one.name),
      h("p", { class: "big" }, one.code || t("codes.none")))),
    h("p", {}, t("codes.scan")), squares(answer.qr), h("div", { class: "row" }, ...row));
}
function reasons(answer) {
  const code = answer.reason || answer.code;
  const lines = [t("said.reason", { reason: has(`why.${code}`) ? t(`why.${code}`, answer) : answer.what || code })];
  if (Array.isArray(answer.conditions)) {
    lines.push(h("ul", { class: "cond" }, ...answer.conditions.map((one) => h("li", { class: one.met ? "" : "no" },
      icon(one.met ? "ok" : "todo"), one.met || !one.waiting_for ? condition(one.key)
        : t("cond.waiting", { what: condition(one.key), who: waiting(one.waiting_for) })))));
    return lines;
  }
  if (Array.isArray(answer.missing) && answer.missing.length) lines.push(waiting(answer.missing.filter((one) => typeof one === "string").join(",")));
  if (has(`do.again.${code}`)) lines.push(t("said.do", { text: t(`do.again.${code}`) }));
  return lines;
}
