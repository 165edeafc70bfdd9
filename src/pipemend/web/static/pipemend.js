// Keeps a page alive: asks for its moving parts again when something has happened. Without it every page still works.
"use strict";

const PAGE = document.body.dataset.page;
const QUIET = { list: 120, ticket: 120, metrics: 15000, system: 3000 }[PAGE]; // least milliseconds between two looks
const LOOK_AGAIN = 30000; // for what no event tells: a feed, a pause that is over
const parts = new Map(); // what the server said last, by part
const live = document.getElementById("live");
let newest = Number(document.body.dataset.event);

document.documentElement.classList.add("alive");

// ---- Times: short and relative, rewritten every ten seconds, never ticking ----

function rough(seconds) {
  const whole = Math.max(Math.floor(seconds), 0);
  if (whole < 60) return "<1m";
  if (whole < 3600) return `${Math.floor(whole / 60)}m`;
  if (whole < 86400) return `${Math.floor(whole / 3600)}h ${String(Math.floor((whole % 3600) / 60)).padStart(2, "0")}m`;
  return `${Math.floor(whole / 86400)}d`;
}

function say(time) {
  const away = (Date.parse(time.dateTime) - Date.now()) / 1000;
  switch (time.dataset.time) {
    case "ago": return rough(-away);
    case "until": return away > 0 ? rough(away) : "now";
    case "sla": time.classList.toggle("over", away < 0); return away >= 0 ? `${rough(away)} left` : `${rough(-away)} over`;
    default: return null;
  }
}

function tellTimes() {
  for (const time of document.querySelectorAll("time[data-time]:not([data-time=''])")) {
    const said = say(time);
    if (said !== null && time.textContent !== said) time.textContent = said;
  }
}

// ---- Parts: only what differs is replaced, and nothing under a hand ----

// What a part says, apart from times, which this script writes itself.
const meaning = (part) => part.innerHTML.replace(/(<time[^>]*>)[^<]*/g, "$1").replace(/ class="(over)?"/g, "");
const held = (part) => part.querySelector("input:focus, select:focus, details.act[open]") !== null;

function remember(root) {
  for (const part of root.querySelectorAll("[data-part]")) parts.set(part.dataset.part, meaning(part));
}

function apply(text, asked) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const part of fresh.querySelectorAll("[data-part]")) {
    const name = part.dataset.part, said = meaning(part);
    const mine = document.querySelector(`[data-part="${name}"]`);
    if (mine && parts.get(name) === said) continue;
    if (!mine) return askPage(fresh); // a part that was not here before, as the buttons of a ticket reopened
    if (name === "list") { if (!applyList(mine, part, asked)) continue; }
    else if (held(mine)) { later(2000); continue; }
    else replace(mine, part);
    parts.set(name, said);
  }
  for (const mine of document.querySelectorAll("[data-part]"))
    if (!fresh.querySelector(`[data-part="${mine.dataset.part}"]`)) { mine.remove(); parts.delete(mine.dataset.part); }
  tellTimes();
}

function askPage(fresh) {
  document.getElementById("main").replaceChildren(...fresh.getElementById("main").childNodes);
  remember(document);
  tellTimes();
}

function replace(mine, part) {
  const open = [...mine.querySelectorAll("details[open][id]")].map((one) => one.id);
  const focus = mine.contains(document.activeElement) ? placeOf(document.activeElement) : null;
  mine.replaceChildren(...part.childNodes);
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focus) mine.querySelector(focus)?.focus();
}

// How to find the same thing among the new ones.
function placeOf(element) {
  if (element.matches("a[href]")) return `a[href="${CSS.escape(element.getAttribute("href"))}"]`;
  const named = element.closest("[id]");
  return named ? `#${CSS.escape(named.id)} ${element === named ? "" : element.localName}`.trim() : null;
}

// ---- The list: rows by id; nothing is moved or taken away while a hand or the reader is in it ----

const rowsOf = (part) => new Map([...part.querySelectorAll("tr[data-id]")].map((row) => [row.dataset.id, row]));
const busy = (list) => list.matches(":hover") || list.contains(document.activeElement) || window.scrollY > 80;

// `asked`: the reader has asked for another view, so whatever is here gives way.
function applyList(mine, part, asked) {
  if (asked) { mine.replaceChildren(...part.childNodes); return true; }
  const old = rowsOf(mine), fresh = rowsOf(part);
  const same = old.size === fresh.size && [...fresh.keys()].every((id, at) => [...old.keys()][at] === id);
  const changed = [...fresh].filter(([id, row]) => old.has(id) && meaning(old.get(id)) !== meaning(row)).map(([id]) => id);
  if (!same && old.size > 0 && busy(mine)) {
    for (const id of changed) refreshRow(old.get(id), fresh.get(id));
    for (const [id, row] of old) row.classList.toggle("leaving", !fresh.has(id));
    const number = [...fresh.keys()].filter((id) => !old.has(id)).length;
    offer(mine, number);
    return false;
  }
  if (same && old.size > 0) for (const id of changed) refreshRow(old.get(id), fresh.get(id));
  else {
    mine.replaceChildren(...part.childNodes);
    for (const [id, row] of rowsOf(mine)) if (changed.includes(id) || (old.size > 0 && !old.has(id))) mark(row);
  }
  return true;
}

function refreshRow(row, fresh) {
  row.className = fresh.className;
  [...row.cells].forEach((cell, at) => {
    const other = fresh.cells[at];
    if (!cell.contains(document.activeElement) && meaning(cell) !== meaning(other)) cell.replaceChildren(...other.cloneNode(true).childNodes);
  });
  mark(row);
}

function mark(row) {
  row.classList.remove("changed");
  void row.offsetWidth; // lets the animation begin anew
  row.classList.add("changed");
}

function offer(list, number) {
  list.querySelector(".pill-new")?.remove();
  if (!number) return;
  const pill = document.createElement("button");
  pill.type = "button";
  pill.className = "pill-new";
  pill.textContent = number === 1 ? "Show 1 new ticket" : `Show ${number} new tickets`;
  pill.addEventListener("click", () => { window.scrollTo(0, 0); look(location.href, true); });
  list.prepend(pill);
}

// ---- Looking: at once, then at most every so often; one question at a time ----

let asking = null, again = false, last = 0, took = 0, timer = 0;

function later(wait = 1000) {
  clearTimeout(timer);
  timer = setTimeout(() => look(), wait);
}

function soon() {
  if (document.hidden) { again = true; return; }
  const wait = Math.max(QUIET, 2 * took) - (Date.now() - last); // a busy server is asked less often
  if (asking) again = true;
  else if (wait <= 0) look();
  else later(wait);
}

async function look(address = location.href, asked = false) {
  clearTimeout(timer);
  asking?.abort();
  const mine = asking = new AbortController();
  last = Date.now();
  again = false;
  try {
    const answer = await fetch(address, { headers: { "X-Pipemend-Fragment": "1" }, signal: mine.signal, cache: "no-store" });
    if (answer.status === 401) return location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
    if (answer.ok) apply(await answer.text(), asked);
    took = Date.now() - last;
  } catch (error) {
    if (error.name !== "AbortError") again = true; // offline: the socket says so, and asks again when it is back
  } finally {
    if (asking === mine) {
      asking = null;
      if (again && !document.hidden) later(Math.max(QUIET, 2 * took));
    }
  }
}

// ---- News over the socket ----

const TOASTS = {
  remediation_started: (news) => `🤖 Auto-remediation started for ${news.ticket_id}`,
  approval_requested: (news) => `🔔 ${news.reminder ? "Still needs approval" : "Approval needed"} for ${news.ticket_id}`,
  status_update: (news) =>
    news.remediation_success ? `✅ Auto-remediation succeeded for ${news.ticket_id}`
    : news.remediation_failed ? `⚠️ Auto-remediation failed for ${news.ticket_id} - Manual intervention required` : "",
};

function toast(words, ticket) {
  const box = document.getElementById("toasts"), news = document.createElement("a");
  news.className = "toast";
  news.href = `/dashboard?ticket=${encodeURIComponent(ticket)}`;
  news.textContent = words;
  box.append(news);
  while (box.children.length > 3) box.firstChild.remove();
  const leave = () => (news.matches(":hover, :focus") ? setTimeout(leave, 2000) : news.remove());
  setTimeout(leave, 6000);
}

function hear(text) {
  const news = JSON.parse(text);
  if (news.id > newest) {
    newest = news.id;
    const words = TOASTS[news.event]?.(news);
    if (words) toast(words, news.ticket_id);
  }
  if (news.event === "automation_changed") return document.hidden ? soon() : look(); // the banner, on every page, at once
  const story = document.querySelector("[data-ticket]");
  if (!story || story.dataset.ticket === news.ticket_id) soon();
}

function connect(wait = 500) {
  const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws?since=${newest}`);
  let was = false;
  socket.addEventListener("open", () => { was = true; show("Live", true); if (wait > 500) soon(); });
  socket.addEventListener("message", (message) => hear(message.data));
  socket.addEventListener("close", (event) => {
    show("Offline", false);
    if (event.code === 1008) return look(); // the session is over: the answer leads to the sign-in page
    const pause = was ? 500 : Math.min(wait * 2, 10000);
    setTimeout(() => connect(Math.max(pause, 501)), pause * (0.7 + 0.6 * Math.random()));
  });
}

function show(words, on) {
  live.hidden = false;
  if (live.textContent !== words) live.textContent = words;
  live.classList.toggle("off", !on);
}

// ---- The view's form: the address is the view, typing edits it ----

const view = document.getElementById("view");

function addressOf(form) {
  const words = new URLSearchParams([...new FormData(form)].filter(([name, value]) => value !== "" && !(name === "sort" && value === "newest")));
  return words.size ? `${form.getAttribute("action")}?${words}` : form.getAttribute("action");
}

function turn() {
  const address = addressOf(view);
  history.replaceState(null, "", address);
  parts.delete("list"); // also when it says the same as before, which rows are shown may have been held back
  for (const select of view.querySelectorAll("select:not([name=sort])")) select.classList.toggle("chosen", select.value !== "");
  look(address, true);
}

if (view) {
  let typing = 0;
  view.addEventListener("submit", (event) => { event.preventDefault(); turn(); });
  view.addEventListener("change", (event) => { if (event.target.matches("select")) turn(); });
  view.addEventListener("input", (event) => {
    if (!event.target.matches("[type=search]")) return;
    clearTimeout(typing);
    typing = setTimeout(turn, 180);
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea")) return;
    event.preventDefault();
    document.getElementById("q").focus();
  });
}

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const one of document.querySelectorAll("details.act[open]")) one.removeAttribute("open");
});
document.addEventListener("click", (event) => {
  for (const one of document.querySelectorAll("details.act[open]")) if (!one.contains(event.target)) one.removeAttribute("open");
});
document.addEventListener("mouseleave", () => { if (document.querySelector(".leaving, .pill-new")) soon(); });
document.addEventListener("visibilitychange", () => { if (!document.hidden && again) look(); });

remember(document);
tellTimes();
setInterval(tellTimes, 10000);
setInterval(soon, LOOK_AGAIN);
connect();
