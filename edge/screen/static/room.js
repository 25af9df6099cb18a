/* Draws the room as the controller tells it, and says so when the controller is silent. */
import { condition, h, has, hm, hms, icon, join, short, span, swap, t, term, two, waiting } from "./lib.js";
import { openAct, openFault, openMenu } from "./desk.js";

const OLD_AFTER_MS = 10000; // without an answer for this long the picture is drawn as old
const HEAD_CHARS = 16; // a longer name takes two smaller lines: the room at its end must be read
const KEPT = t("head.kept"); // the word of an organisation's name that no line break divides
const POLL_MS = 5000; // looks by itself as often, whatever the stream says
let state = null;
let freshAt = 0;
let skew = 0;

const current = () => state.sessions.find((one) => one.id === state.current) || null;
const memberOf = (session, no) => session?.members.find((one) => one.no === no) || null;

/* ---- head and stepper ---- */
function drawHead(session) {
  const here = session?.venues.find((one) => one.org === session.org);
  // Without the second name in brackets, as the console says it; the plate has no room for both.
  const place = document.getElementById("place");
  const plate = (here?.name || place.textContent).replace(/（[^）]*）/g, "").split(KEPT);
  swap("place", ...plate.flatMap((one, i) => (i ? [h("span", { class: "nw" }, KEPT), one] : [one])));
  place.classList.toggle("long", place.textContent.length > HEAD_CHARS);
  document.body.classList.toggle("drill", session?.kind === "drill");
  document.getElementById("drill").hidden = session?.kind !== "drill";
  const about = document.getElementById("about");
  const said = session ? t("head.session", {
    role: t(`role.${session.role}`), number: (session.kind === "drill" ? "D-" : "") + short(session.booking), start: hm(session.start_at),
  }) : t("head.none");
  // A narrow head breaks between its parts, never inside a word or a time.
  const parts = said.split(" · ");
  swap("about", ...parts.flatMap((one, i) => [i ? " " : "", h("span", { class: "nw" }, i < parts.length - 1 ? `${one} ·` : one)]));
}
const STEP_OF = {
  idle: 0, prepared: 0, check_in: 1, evaluating: 2, on_break: 2, suspended: 2, adjourned: 2,
  signing: 3, ended: 4, postponed: 4, terminated: 4, closed: 5,
};
function drawSteps(session) {
  const names = ["selftest", "check_in", "evaluating", "signing", "leaving"];
  const at = session ? STEP_OF[session.phase] : -1;
  const counts = session?.counts || {};
  const done = session ? session.members.filter((m) => !["expected", "late"].includes(m.state)).length : 0;
  const extra = { check_in: `${done}/${counts.here || 0}`, leaving: `${counts.left || 0}/${counts.here || 0}` };
  swap("steps", ...names.map((name, i) => {
    const look = i < at ? "dn" : i === at ? "cur" : "";
    const paused = i === at && session && ["on_break", "suspended", "adjourned"].includes(session.phase);
    const text = paused ? term("phase", session.phase) : t(`step.${name}`);
    return h("li", { class: look, "aria-current": look === "cur" ? "step" : undefined },
      icon(look === "dn" ? "ok" : look === "cur" ? "now" : "todo"), h("span", {}, text),
      i === at && extra[name] ? h("span", {}, extra[name]) : "");
  }));
}

/* ---- faults and the silence of the controller ---- */
function drawBars() {
  const bars = [];
  if (!freshAt || Date.now() - freshAt > OLD_AFTER_MS)
    bars.push(h("p", { class: "fbar old" }, icon("unk"), t("stale", { at: freshAt ? hms(freshAt + skew) : "–" })));
  bars.push(storageBar());
  bars.push(forcedBar());
  const open = (state?.faults || []).filter((one) => one.open && !one.cause)
    .sort((a, b) => a.priority.localeCompare(b.priority));
  const first = open[0];
  if (first) {
    const level = first.priority.toLowerCase();
    const clock = h("span", { "data-since": String(Date.now() - first.elapsed_ms) }, span(first.elapsed_ms));
    bars.push(h("div", { class: `fbar ${level}${first.acked ? " ack" : ""}`, role: "alert" },
      h("b", {}, icon(level), t("fault.bar", { level: first.priority, fault: faultText(first) })), clock,
      h("span", {}, t(`consequence.${first.consequence}`)),
      open.length > 1 ? h("span", {}, t("fault.more", { n: open.length - 1 })) : "",
      h("button", { class: "btn", type: "button", "data-fault": first.fault }, t("btn.steps"))));
  }
  swap("bars", ...bars.filter(Boolean));
  document.body.classList.toggle("is-old", Boolean(bars[0]?.classList.contains("old")));
}
/* a disk that fills: what it means and who helps, before and after it is full */
function storageBar() {
  const storage = state?.storage;
  if (!storage || storage.state === "ok") return null;
  const full = storage.state === "full";
  const shown = { free: gigabytes(storage.free_bytes), n: storage.held };
  return h("div", { class: `fbar ${full ? "p1" : "p3"} disk`, role: "alert" },
    h("b", {}, icon(full ? "p1" : "p3"), t(`storage.${storage.state}`, shown)),
    h("span", {}, t(`storage.${storage.state}.means`, shown)));
}
/* a door opened with the key or by force: said until staff acknowledge, also when it is shut again */
function forcedBar() {
  const found = (state?.lockers || []).filter((one) => one.forced_elapsed_ms !== null);
  if (!found.length) return null;
  const level = found.some((one) => one.no) ? "p1" : "p2";
  const since = Math.max(...found.map((one) => one.forced_elapsed_ms));
  const lockers = join(found.map((one) => two(one.locker)));
  return h("div", { class: `fbar ${level}`, role: "alert" },
    h("b", {}, icon(level), t("locker.forced", { level: level.toUpperCase(), lockers })),
    h("span", { "data-since": String(Date.now() - since) }, span(since)),
    h("span", {}, t("locker.forced.means")),
    h("button", { class: "btn", type: "button", "data-act": "locker.ack",
      "data-locker": found.length === 1 ? found[0].locker : undefined }, t("act.locker.ack")));
}
const gigabytes = (bytes) => ((bytes || 0) / 1e9).toFixed(1);
/* what is the matter, and why: the lowest rung that fails, mains or contact, or that it comes and goes */
export const faultText = (one) => {
  const kind = term("fault", one.kind);
  const fault = one.device && one.device !== "reported" ? `${kind} ${one.device}` : kind;
  const why = [`what.${one.what}`, `what.${one.kind}.${one.what}`].find(has);
  return why ? t("fault.why", { fault, what: t(why) }) : fault;
};

/* ---- the one sentence ---- */
const CALM = ["no_session", "wait_open", "wait_start", "evaluating", "on_break", "wait_resume",
  "adjourned", "wait_end", "wait_close", "closed", "wait_release", "away", "gone"];
const BUTTON_OF = {
  swipe_card: "identify.two_staff", declare_items: "deposit.declare", confirm_deposit: "deposit.confirm",
  sit_down: "seat.confirm", leave: "left.confirm", confirm_saved: "saved.confirm", collect: "identify.two_staff",
};
function picture() {
  const box = document.createElement("div");
  box.innerHTML = '<svg class="pic" viewBox="0 0 300 128" aria-hidden="true"><rect x="182" y="22" width="112" height="94" rx="8" fill="none" stroke="currentColor" stroke-width="3"/><path d="M200 100h76" stroke="currentColor" stroke-width="3"/><rect class="card" x="6" y="30" width="110" height="70" rx="8" stroke="currentColor" stroke-width="3"/><circle cx="34" cy="56" r="10" fill="none" stroke="currentColor" stroke-width="3"/><path d="M18 86c2-16 30-16 32 0M64 52h38M64 68h38M64 84h24" fill="none" stroke="currentColor" stroke-width="3"/><path class="arrow" d="M124 65h46m-14-13 14 13-14 13" fill="none" stroke-width="5" stroke-linecap="round" stroke-linejoin="round"/><path d="M216 54a22 22 0 0 1 0 26M232 46a40 40 0 0 1 0 42M248 38a56 56 0 0 1 0 58" fill="none" stroke="currentColor" stroke-width="3" stroke-linecap="round"/></svg>';
  return box.firstChild;
}
function values(args, session) {
  const member = memberOf(session, args.no);
  const documents = (args.documents || []).map((one) => term("document", one));
  return {
    no: args.no ?? "", locker: two(args.locker ?? member?.locker ?? "–"),
    station: args.station ?? member?.station ?? "–", documents: join(documents),
    step: args.step ? t(`todo.${args.step}`) : "", start: args.start_at ? hm(args.start_at) : "",
  };
}
function drawCard(session) {
  const { key, args } = state.next;
  const calm = CALM.includes(key);
  const shown = values(args, session);
  const line = t(`do.${key}`, shown);
  const card = document.getElementById("card");
  card.className = `act${calm ? " calm" : ""}`;
  const who = args.no && !calm ? h("span", {}, t("member", { no: args.no })) : "";
  const title = h("h2", { id: "do", class: line.length > 12 ? "long" : "" }, who, line);
  const parts = [h("p", { class: "wh" }, t(calm ? "now" : "next")), title];
  if (key === "swipe_card" || key === "collect") parts.push(picture());
  if (has(`note.${key}`)) parts.push(h("p", { class: "say" }, t(`note.${key}`, shown)));
  if (["swipe_card", "declare_items", "deposit", "confirm_deposit", "sit_down"].includes(key))
    parts.push(subSteps(key, shown));
  parts.push(gateList(session));
  if (calm) parts.push(...byTelephone(session));
  const act = BUTTON_OF[key];
  if (act && args.no) {
    const label = act === "identify.two_staff" ? t("btn.no_card") : t(`act.${act}`);
    parts.push(h("div", { class: "btns" }, h("button", {
      class: `btn${act === "identify.two_staff" ? "" : " go"}`, type: "button", "data-act": act, "data-no": args.no,
    }, label)));
  }
  swap("card", ...parts);
}
function subSteps(key, shown) {
  const at = key === "swipe_card" ? 0 : key === "sit_down" ? 2 : 1;
  return h("ol", { class: "sub" }, ...[1, 2, 3].map((n, i) => h("li", {
    class: i < at ? "dn" : i === at ? "cur" : "", "aria-current": i === at ? "step" : undefined,
  }, h("i", {}, String(n)), t(`sub.${n}`, shown))));
}
/* no line left: how an order still comes in, or goes out to the guest venues */
function byTelephone(session) {
  if (!session || session.phase === "closed" || state.strip.network !== "bad") return [];
  const act = session.role === "home" ? "order.passed_on" : "order.typed";
  if (session.role === "home" && !session.orders.length) return [];
  return [h("p", { class: "say" }, t(`lost.${act}`)), h("div", { class: "btns" },
    h("button", { class: "btn go", type: "button", "data-act": act }, t(`act.${act}`)))];
}
/* why the door stays shut: the conditions of the member the sentence is about, or of the start */
function gateList(session) {
  if (!session) return "";
  const member = memberOf(session, state.next.args.no);
  let list = session.phase === "check_in" && state.next.key === "wait_start" ? session.start_conditions : [];
  if (["signing", "ended"].includes(session.phase) && !["collect", "leave"].includes(state.next.key))
    list = (member || session.members.find((one) => !one.may_leave && !one.out))?.conditions || [];
  if (!list.length || !list.some((one) => !one.met)) return "";
  return h("ul", { class: "cond" }, ...list.map((one) => h("li", { class: one.met ? "" : "no" },
    icon(one.met ? "ok" : "todo"), one.met || !one.waiting_for ? condition(one.key)
      : t("cond.waiting", { what: condition(one.key), who: waiting(one.waiting_for) }))));
}

/* ---- lockers, seats, strip ---- */
function drawLockers() {
  const mine = state.next.args.locker ?? memberOf(current(), state.next.args.no)?.locker;
  const calm = CALM.includes(state.next.key);
  const held = state.lockers.filter((one) => one.state === "held").length;
  document.getElementById("lockers-sum").textContent = t("lockers.full", { n: held });
  document.getElementById("lockers").classList.toggle("few", state.lockers.length <= 8);
  // A board without item bits knows no door's inside: what the record does not hold is just unused.
  const blind = state.lockers.every((one) => one.item === "unknown" || one.state === "held");
  swap("lockers", ...state.lockers.map((one) => {
    const no = one.no ? t("member.short", { no: one.no }) : "";
    let look = { held: "full", unknown: "unk", open: "open", opening: "open", out: "open" }[one.state] || "";
    let text = { held: no, free: no || t("locker.free") }[one.state] ?? t(`locker.${one.state}`);
    if (blind && one.state === "unknown" && one.door === "closed") {
      look = "";
      text = no || t("locker.unused");
    }
    if (one.fault) { look = "unk"; text = t("locker.unknown"); }
    if (!calm && one.locker === mine && look !== "unk" && look !== "full") look = "mine";
    const mark = { full: icon("lock", t("locker.closed")), unk: icon("unk", t("locker.unknown")), open: icon("open") }[look];
    return h("li", { class: look }, h("b", {}, two(one.locker)), h("span", {}, mark || "", text));
  }));
}
function drawSeats(session) {
  const away = (no) => memberOf(session, no)?.away;
  const used = state.seats.filter((one) => one.no);
  const on = used.filter((one) => one.state === "occupied").length;
  document.getElementById("seats-sum").textContent = used.length ? t("seats.on", { on, all: used.length }) : "";
  const mine = state.next.key === "sit_down" ? state.next.args.station : memberOf(session, state.next.args.no)?.station;
  const calm = CALM.includes(state.next.key);
  swap("seats", ...state.seats.map((one) => {
    let look = { occupied: "on", unknown: "unk" }[one.state] || "";
    let text = one.no ? t(`seat.${one.state}`, { no: one.no }) : t("seat.spare");
    if (one.no && away(one.no)) { look = "aw"; text = t("seat.away", { no: one.no }); }
    const gone = ["released", "left"].includes(memberOf(session, one.no)?.state);
    if (one.no && gone && one.state === "vacant") text = t("seat.left", { no: one.no });
    if (!one.no) look = one.state === "occupied" ? "unk" : "";
    if (!calm && one.station === mine && look !== "on") look = "mine";
    return h("li", { class: look }, h("b", {}, t("seat.name", { n: one.station })), h("span", {}, text));
  }));
}
function drawStrip() {
  const { strip, power, link } = state;
  const on = state.streams.filter((one) => one.state === "on").length;
  const ups = power.charge_pct === null ? t(`strip.ups.${power.ups}`) : t("strip.ups", { n: power.charge_pct });
  const line = link?.waiting ? t("strip.link.waiting", { n: link.waiting }) : t("strip.link.up");
  const rows = [
    ["cam", `strip.recording.${strip.recording}`, t("strip.streams", { n: on }), strip.recording],
    ["plug", `strip.power.${strip.power}`, ups, strip.power],
    ["net", `strip.network.${strip.network}`, line, strip.network],
  ];
  if (link?.trouble) rows.push(["net", `strip.link.${link.trouble}`, "", "bad"]);
  if (strip.lockers === "bad") rows.push(["lock", `strip.lockers.${strip.lockers}`, "", strip.lockers]);
  const looks = { unknown: "unk", bad: "bad" };
  swap("strip", ...rows.map(([name, key, more, word]) => h("li", { class: looks[word] || "" },
    icon(word === "unknown" ? "unk" : name), h("span", {}, h("b", {}, t(key)), more))));
}

/* ---- data ---- */
function draw() {
  if (state) {
    const session = current();
    drawHead(session);
    drawSteps(session);
    drawCard(session);
    drawLockers();
    drawSeats(session);
    drawStrip();
  }
  tick();
  drawBars();
}
let asking = false;
async function look() {
  if (asking) return;
  asking = true;
  try {
    const answer = await fetch("/api/state");
    if (answer.ok) {
      state = await answer.json();
      freshAt = Date.now();
      skew = new Date(state.at || state.facts.at).getTime() - Date.now();
    }
  } catch {
    /* the bar says how old the picture is */
  } finally {
    asking = false;
  }
  draw();
}
export const shownState = () => state;
export const roomNow = () => Date.now() + skew;
export const refresh = look;

function tick() {
  document.getElementById("clock").textContent = freshAt ? hms(Date.now() + skew).slice(0, 5) : "--:--";
  document.querySelectorAll("[data-since]").forEach((one) => {
    one.textContent = span(Date.now() - Number(one.dataset.since));
  });
  if (freshAt && Date.now() - freshAt > OLD_AFTER_MS) drawBars();
}
document.addEventListener("click", (event) => {
  const act = event.target.closest("[data-act]");
  const fault = event.target.closest("[data-fault]");
  const { no, locker } = act?.dataset || {};
  if (act) openAct(act.dataset.act, { ...(no && { no: Number(no) }), ...(locker && { locker: Number(locker) }) });
  else if (fault) openFault(fault.dataset.fault);
  else if (event.target.closest("[data-menu]")) openMenu();
});
new EventSource("/api/stream").addEventListener("room", look);
setInterval(look, POLL_MS);
setInterval(tick, 500);
look();
