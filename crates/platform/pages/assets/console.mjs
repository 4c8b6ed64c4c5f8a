// Makes the pages live and quick. Each of them works without this script.
//
// The files of this folder are one module: this one, live.mjs, transcript.mjs and start.mjs.
//
// The pages say by attributes what they want:
//   data-copy=ID         a button that copies the element with this id
//   data-reveal=ID       a button that shows and hides a secret
//   data-rows            a table body whose rows j and k walk, and which the stream keeps up to date
//   data-feed            a table body with new rows on top
//   data-choice=NAME     a button that switches between two values of a setting
//   data-stream=URL      where the changes come from; with data-rows-url, the address that renders rows by id;
//                        a row with data-gone is one that was deleted
//   data-transcript      a list that grows by the items of its stream
//   data-region          an element with an id that is replaced when the page changes; data-every=SECONDS polls it
//   data-key=r           what the key r presses

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
// What the server renders is markup; nothing else becomes markup.
const policy = globalThis.trustedTypes?.createPolicy("rdev", { createHTML: (text) => text });
const markup = (text) => policy?.createHTML(text) ?? text;

const settings = {
  get: (name) => { try { return localStorage.getItem(`rdev-${name}`); } catch { return null; } },
  set: (name, value) => { try { localStorage.setItem(`rdev-${name}`, value); } catch { /* private mode */ } },
};

// One sentence at most in five seconds.
const status = { waiting: "", timer: 0 };
function say(sentence) {
  status.waiting = sentence;
  if (status.timer) return;
  const next = () => {
    status.timer = 0;
    if (!status.waiting) return;
    $("#announcement").textContent = status.waiting;
    status.waiting = "";
    status.timer = setTimeout(next, 5000);
  };
  next();
}

// Times: relative, with the absolute time on hover and focus, or the other way round; in UTC or local time.
const pad = (number) => String(number).padStart(2, "0");
const local = (date) =>
  `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ` +
  `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
function relative(date) {
  const seconds = (Date.now() - date) / 1000;
  const span = Math.abs(seconds);
  if (span < 2) return "just now";
  const [number, unit] = span < 60 ? [span, "s"] : span < 3600 ? [span / 60, "min"]
    : span < 86400 ? [span / 3600, "h"] : [span / 86400, "d"];
  const text = `${Math.floor(number)} ${unit}`;
  return seconds < 0 ? `in ${text}` : `${text} ago`;
}
// The choices of the footer, each with its first value as the default.
const CHOICES = { times: ["relative", "absolute"], zone: ["UTC", "local"] };
const choice = (name) => CHOICES[name].find((value) => value === settings.get(name)) ?? CHOICES[name][0];
function showTimes(root = document) {
  const isRelative = choice("times") === "relative";
  for (const time of $$("time[datetime]", root)) {
    const date = new Date(time.dateTime);
    time.dataset.utc ??= time.dataset.at;
    const absolute = choice("zone") === "UTC" ? time.dataset.utc : local(date);
    const [text, other] = isRelative ? [relative(date), absolute] : [absolute, relative(date)];
    if (time.textContent !== text) time.textContent = text;
    if (time.dataset.at !== other) time.dataset.at = other;
  }
}
for (const button of $$("[data-choice]")) {
  const name = button.dataset.choice;
  const label = () => { button.textContent = `${button.dataset.label}: ${choice(name)}`; };
  button.hidden = false;
  button.addEventListener("click", () => {
    settings.set(name, CHOICES[name].find((value) => value !== choice(name)));
    label();
    showTimes();
  });
  label();
}
setInterval(() => { if (!document.hidden) showTimes(); }, 5000);
// Escape hides what hover and focus show, until either moves.
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.documentElement.dataset.plain = "";
});
for (const moved of ["pointerover", "focusin"]) {
  document.addEventListener(moved, () => { delete document.documentElement.dataset.plain; });
}

// Copying and revealing.
async function copy(element) {
  const text = element.value ?? element.textContent;
  if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
  // Over plain HTTP there is no clipboard: select the text and use the old command.
  const area = document.createElement("textarea");
  area.value = text;
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("not copied");
}
function enableButtons(root = document) {
  for (const button of $$("[data-copy], [data-reveal]", root)) button.hidden = false;
}
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy], [data-reveal]");
  if (!button) return;
  if (button.dataset.reveal) {
    const secret = document.getElementById(button.dataset.reveal);
    const hide = secret.type === "text";
    secret.type = hide ? "password" : "text";
    button.textContent = hide ? "Show" : "Hide";
    return;
  }
  const label = button.dataset.label ??= button.textContent;
  try {
    await copy(document.getElementById(button.dataset.copy));
    button.textContent = "Copied";
    say("Copied.");
  } catch {
    button.textContent = "Select it and copy";
  }
  setTimeout(() => { button.textContent = label; }, 2000);
});

// A form is sent once; a page that comes back from the history can send it again.
document.addEventListener("submit", (event) => {
  if (event.target.method !== "post") return;
  setTimeout(() => [...event.target.elements].forEach((field) => { if (field.matches("button")) field.disabled = true; }));
});
addEventListener("pageshow", (event) => {
  if (!event.persisted) return;
  $$("button:disabled").forEach((button) => { button.disabled = false; });
  // To send it again from here is meant, and makes another thing.
  for (const form of $$("form[action*='?once=']")) {
    form.action = form.action.replace(/once=.*/, `once=${crypto.getRandomValues(new Uint32Array(4)).join("")}`);
  }
});
// An unset filter is no part of the address.
for (const form of $$("form[data-filter]")) {
  form.addEventListener("submit", () => {
    for (const field of form.elements) if (!field.value && field.name) field.disabled = true;
    setTimeout(() => { for (const field of form.elements) field.disabled = false; });
  });
}

// The keyboard.
const dialog = $("#keys");
const keysOn = $("#keys-on");
keysOn.checked = settings.get("keys") !== "off";
keysOn.addEventListener("change", () => settings.set("keys", keysOn.checked ? "on" : "off"));
const keysButton = $("[data-keys]");
keysButton.hidden = false;
keysButton.addEventListener("click", () => dialog.showModal());
function walk(step) {
  const links = $$("[data-rows] tr").map((row) => $("a", row)).filter(Boolean);
  if (!links.length) return;
  const at = links.findIndex((link) => link.closest("tr").contains(document.activeElement));
  const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(Math.max(at + step, 0), links.length - 1);
  links[next].focus();
  links[next].closest("tr").scrollIntoView({ block: "nearest" });
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (!keysOn.checked || dialog.open) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const actions = {
    "/": () => $("[data-search]")?.focus(),
    "?": () => dialog.showModal(),
    j: () => walk(1),
    k: () => walk(-1),
    // The row with the focus, or what the page is about.
    r: () => $("[data-key=r]", document.activeElement?.closest("tr") ?? $("main .head") ?? document.createElement("p"))?.click(),
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

// Fetching parts of pages.
async function part(url) {
  const response = await fetch(url, { headers: { "x-rdev-part": "1" }, cache: "no-store" });
  if (response.status === 401) return location.reload();
  if (!response.ok) throw new Error(String(response.status));
  const template = document.createElement("template");
  template.innerHTML = markup(await response.text());
  return template.content;
}
// Replaces an element, and keeps the focus and what is unfolded in it.
function replace(old, next) {
  if (old.isEqualNode(next)) return;
  const focused = old.contains(document.activeElement) ? document.activeElement : null;
  if (focused?.matches("input, textarea, select")) return;
  const place = focused && $$("a, button, summary", old).indexOf(focused);
  const open = new Set($$("details[open][id]", old).map((details) => details.id));
  for (const details of $$("details[id]", next)) if (open.has(details.id)) details.open = true;
  old.replaceWith(next);
  enableButtons(next);
  showTimes(next);
  if (focused) ($$("a, button, summary", next)[place] ?? $("#main")).focus({ preventScroll: true });
}
async function refreshRegions(selector = "[data-region]") {
  const fresh = await part(location.href);
  for (const old of $$(selector)) {
    const next = fresh?.getElementById(old.id);
    if (next) replace(old, next);
  }
}
