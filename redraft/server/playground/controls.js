// Controls: how to decode, with what the model recommends where nothing is said. Knows requests' fields and settings.

import { field, h, quiet } from "./dom.js";
import { get, set } from "./settings.js";

const POLICIES = [
  "threshold:0.9",
  "threshold:0.5",
  "factor:1.0",
  "top_k:num_steps=8",
  "entropy_bound:0.1",
  "margin:1",
  "left_to_right:1",
  "ancestral:32",
  "remasking:num_steps=32",
  "revising:(threshold:0.9),tau=0.9",
];

// kind: which of the model's recommended decodings is meant: generate, infill or edit.
export function controls(model, kind, { length = true } = {}) {
  const advice = model.decodings[kind];
  const canvas = model.canvas ?? "all";
  const rows = [
    length && field("Length", number("max", { min: 1, max: model.context_length, step: 1 }, "120"), "tokens at most"),
    field("Temperature", number("temperature", { min: 0, max: 2, step: 0.05 }, plain(advice.json.temperature))),
    field("Policy", policies(advice.policy), "which positions are written in a step"),
    field("Steps", number("steps", { min: 1, max: 4096, step: 1 }, plain(advice.json.max_steps)), "per canvas at most"),
    kind === "generate" &&
      field("Canvas", number("canvas", { min: 1, max: 4096, step: 1 }, String(canvas)), "tokens denoised at once"),
    kind === "generate" && model.labels.length > 0 && field("Label", choice("label", ["", ...model.labels], "none")),
    field("Seed", number("seed", { step: 1 }, "a new one each time")),
  ];
  const reset = quiet("Use what is recommended", () => clear(panel));
  const panel = h(
    "details",
    { class: "controls", open: matchMedia("(min-width: 62rem)").matches },
    h("summary", {}, "Decoding"),
    h("div", { class: "rows" }, rows, reset),
  );
  return panel;
}

// The fields of a request that say how to decode.
export function asked(model, kind, seed = newSeed()) {
  const body = { model: model.id, seed };
  const given = (name) => (get(name) === "" ? undefined : Number(get(name)));
  const { json } = model.decodings[kind];
  const changes = { policy: get("policy") || undefined, max_steps: given("steps") };
  const changed = Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== undefined));
  if (Object.keys(changed).length) body.decoding = { ...json, ...changed };
  if (given("temperature") !== undefined) body.temperature = given("temperature");
  if (kind === "generate") Object.assign(body, { canvas: given("canvas"), label: get("label") || undefined });
  return JSON.parse(JSON.stringify(body)); // without what is undefined
}

export function maxTokens() {
  return Number(get("max", "120"));
}

// The seed that was asked for, or one that fits into a number of JavaScript's.
export function newSeed() {
  return get("seed") === "" ? crypto.getRandomValues(new Uint32Array(1))[0] : Number(get("seed"));
}

function number(name, limits, recommended) {
  const attributes = Object.fromEntries(Object.entries(limits).map(([key, value]) => [key, String(value)]));
  return h("input", {
    ...attributes,
    type: "number",
    "data-setting": name,
    placeholder: recommended,
    value: get(name),
    oninput: (event) => set(name, event.target.value),
  });
}

function policies(recommended) {
  const list = h(
    "datalist",
    { id: "policies" },
    POLICIES.map((spec) => h("option", { value: spec })),
  );
  const input = h("input", {
    type: "text",
    list: "policies",
    "data-setting": "policy",
    placeholder: recommended,
    value: get("policy"),
    spellcheck: "false",
    autocomplete: "off",
    oninput: (event) => set("policy", event.target.value.trim()),
  });
  document.getElementById("policies")?.remove();
  document.body.append(list);
  return input;
}

function choice(name, options, none) {
  const select = h(
    "select",
    { "data-setting": name, onchange: () => set(name, select.value) },
    options.map((option) => h("option", { value: option }, option || none)),
  );
  select.value = get(name);
  return select;
}

function clear(panel) {
  for (const control of panel.querySelectorAll("[data-setting]")) {
    control.value = "";
    set(control.dataset.setting, "");
  }
}

function plain(value) {
  return typeof value === "object" ? "falling" : String(value);
}
