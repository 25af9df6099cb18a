/* Words, elements and times that both parts of the screen use. */
export const words = JSON.parse(document.getElementById("er-words").textContent);
export const lang = document.body.dataset.lang;

export function t(key, values = {}) {
  const text = words[key];
  if (text === undefined) return key;
  return text.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}
export const has = (key) => words[key] !== undefined;
export const term = (prefix, value) => (has(`term.${prefix}.${value}`) ? t(`term.${prefix}.${value}`) : value);
export const two = (n) => String(n).padStart(2, "0");
export const join = (parts) => parts.join(lang === "zh" ? "、" : ", ");

const SVG = "http://www.w3.org/2000/svg";
export function icon(name, label = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "i");
  if (label) { svg.setAttribute("role", "img"); svg.setAttribute("aria-label", label); }
  else svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#i-${name}`);
  svg.append(use);
  return svg;
}
/* a QR code from its rows of 0 and 1, dark on light in every theme, with the margin readers need */
const QR_MARGIN = 4;
export function squares(rows) {
  const svg = document.createElementNS(SVG, "svg");
  const side = rows.length + 2 * QR_MARGIN;
  svg.setAttribute("class", "qr");
  svg.setAttribute("viewBox", `0 0 ${side} ${side}`);
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "QR");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", rows.map((row, y) => [...row].map((dark, x) =>
    (dark === "1" ? `M${x + QR_MARGIN} ${y + QR_MARGIN}h1v1h-1z` : "")).join("")).join(""));
  svg.append(path);
  return svg;
}
export function h(tag, attrs = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") made.className = value;
    else if (name === "on") made.addEventListener("click", value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
  return made;
}
export function swap(id, ...children) {
  const box = document.getElementById(id);
  const next = h("div", {}, ...children);
  if (box.innerHTML !== next.innerHTML) box.replaceChildren(...next.childNodes);
}
export function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  return `${two(Math.floor(s / 3600))}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}
const venueTime = (ms) => new Date(ms + 8 * 3600000).toISOString(); // venues: UTC+08:00
export const hm = (at) => venueTime(new Date(at).getTime()).slice(11, 16);
export const hms = (ms) => venueTime(ms).slice(11, 19);
export const short = (number) => number.split("-").slice(1).join("-") || number;

/* a role in words; the manager's is the same word at home and guest venues */
export const role = (name) => (name === "home_manager" ? t("term.manager_on_duty") : term("role", name));
/* one condition of a gate, order or start, in words */
export function condition(key) {
  if (key.startsWith("document_")) return t("cond.document", { document: term("document", key.slice(9)) });
  if (key.startsWith("phase_")) return t("cond.phase_of", { phase: term("phase", key.slice(6)) });
  if (key.startsWith("order_")) return t("cond.order_of", { order: term("order", key.slice(6)) });
  if (key.startsWith("sealing_")) return t("cond.sealing_of", { step: t(`todo.${key.slice(8)}`) });
  return has(`cond.${key}`) ? t(`cond.${key}`) : key;
}
/* whom a condition waits for: x3 a member, locker:4, station:2, a role */
export function waiting(text) {
  return join(text.split(",").filter(Boolean).map((one) => {
    if (/^x\d+$/.test(one)) return t("member", { no: one.slice(1) });
    if (one.startsWith("locker:")) return `${t("lockers")} ${two(one.slice(7))}`;
    if (one.startsWith("station:")) return t("seat.name", { n: one.slice(8) });
    return has(`term.role.${one}`) ? role(one) : has(`todo.${one}`) ? t(`todo.${one}`) : condition(one);
  }));
}
