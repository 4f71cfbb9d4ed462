// Main: the page's frame: which view, which model, which theme, and the keys that work everywhere.

import { app } from "./app.js";
import { ask, Refused, useKey } from "./api.js";
import { chat } from "./chat.js";
import { field, h } from "./dom.js";
import { edit } from "./edit.js";
import { infill } from "./infill.js";
import { live } from "./live.js";
import { get, read, set, view, VIEWS } from "./settings.js";
import { traces } from "./traces.js";
import { write } from "./write.js";

const TITLES = {
  write: "Write",
  app: "App",
  edit: "Edit",
  live: "Live",
  infill: "Infill",
  chat: "Chat",
  traces: "Traces",
};
const MAKERS = { write, app, edit, live, infill, chat, traces };
const THEMES = ["system", "light", "dark"];
const main = document.getElementById("main");
const made = new Map(); // what was made of a view stays as it is while another is looked at
let config;

async function start() {
  read();
  theme();
  try {
    config = await (await ask("/playground/config")).json();
  } catch (error) {
    return main.replaceChildren(error instanceof Refused && error.status === 401 ? door() : trouble(error));
  }
  document
    .getElementById("nav")
    .replaceChildren(
      ...VIEWS.map((name, n) =>
        h("a", { href: `#${name}`, "data-view": name, "aria-keyshortcuts": `Alt+${n + 1}` }, TITLES[name]),
      ),
    );
  turn();
}

function model() {
  return config.models.find((each) => each.id === get("model")) ?? config.models[0];
}

// Shows the view that the address names.
function turn() {
  const name = view();
  if (!made.has(name)) made.set(name, MAKERS[name]({ model: model(), config }));
  for (const link of document.querySelectorAll("#nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${TITLES[name]} \u00b7 Redraft`;
  main.dataset.view = name;
  main.replaceChildren(label(), made.get(name).element);
  // Views share the settings of decoding, and another one may have changed them.
  for (const control of main.querySelectorAll("[data-setting]")) control.value = get(control.dataset.setting);
}

function fresh() {
  for (const each of made.values()) {
    each.work?.cancel();
    each.close?.();
  }
  made.clear();
  theme();
  turn();
}

// What is loaded, and what may be expected of it.
function label() {
  const now = model();
  const size =
    now.parameters >= 1e9 ? `${(now.parameters / 1e9).toFixed(1)} B` : `${(now.parameters / 1e6).toFixed(1)} M`;
  const pick = h(
    "select",
    {
      onchange: () => {
        set("model", pick.value);
        fresh();
      },
    },
    config.models.map((each) => h("option", { value: each.id }, each.id)),
  );
  pick.value = now.id;
  const name = config.models.length > 1 ? field("Model", pick) : h("strong", {}, now.id);
  return h(
    "div",
    { class: "model", role: "note" },
    name,
    h("span", { class: "size" }, `${size} parameters`),
    h("span", { class: "can" }, now.about),
  );
}

function theme(next) {
  const button = document.getElementById("theme");
  if (next !== undefined) set("theme", next === "system" ? "" : next);
  const now = get("theme", "system");
  document.documentElement.dataset.theme = now;
  button.textContent = { system: "Auto", light: "Light", dark: "Dark" }[now];
  button.setAttribute("aria-label", `Colours: ${now}. Change`);
  button.onclick = () => theme(THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
}

// Where the server wants a key. It is kept in this tab alone, and never in the address.
function door() {
  const key = h("input", { type: "password", autocomplete: "off" });
  return h(
    "form",
    {
      class: "door",
      onsubmit: (event) => {
        event.preventDefault();
        useKey(key.value);
        start();
      },
    },
    h("h1", {}, "This server asks for a key"),
    field("API key", key),
    h("button", { class: "primary" }, "Enter"),
  );
}

function trouble(error) {
  return h("p", { class: "trouble", role: "alert" }, `The server does not answer: ${error.message}`);
}

addEventListener("hashchange", () => {
  const changed = read();
  if (!config) return;
  if (changed) fresh();
  else turn();
});

addEventListener("keydown", (event) => {
  const work = made.get(view())?.work;
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) work?.run();
  else if (event.key === "Escape" && work?.working) work.cancel();
  else if (event.altKey && VIEWS[Number(event.key) - 1]) location.hash = VIEWS[Number(event.key) - 1];
  else return;
  event.preventDefault();
});

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});

start();
