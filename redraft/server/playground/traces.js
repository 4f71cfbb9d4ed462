// Traces: recorded runs, one or two side by side, replayed together and taken away as files.

import { field, h, say } from "./dom.js";
import { Player } from "./player.js";
import { kept, saving } from "./saving.js";
import { Stage } from "./stage.js";
import { parse } from "./trace.js";
import { legend } from "./write.js";

export function traces() {
  const slots = [new Slot("First", () => load()), new Slot("Second", () => load())];
  // Two runs on one clock: a moment is a time, and each shows what it had by then.
  const player = new Player((moment) => {
    for (const slot of slots) slot.show(moment.seconds);
  });
  const load = () => {
    const times = new Set(slots.flatMap((slot) => slot.run?.views.map((view) => view.seconds) ?? []));
    player.load([...times].sort((a, b) => a - b).map((seconds) => ({ seconds })));
    player.element.hidden = times.size === 0;
  };
  const recent = h("div", { class: "examples recent", role: "group", "aria-label": "Recent runs" });
  const list = () =>
    recent.replaceChildren(
      ...kept.map((run) =>
        h(
          "button",
          { type: "button", class: "chip", onclick: () => (slots.find((slot) => !slot.run) ?? slots[0]).take(run) },
          `${run.about.mode} \u00b7 ${run.about.prompt.slice(0, 32)}\u2026 \u00b7 seed ${run.about.seed}`,
        ),
      ),
    );
  const sheets = h(
    "div",
    { class: "lanes halves" },
    slots.map((slot) => slot.element),
  );
  const element = h(
    "div",
    { class: "view" },
    h(
      "section",
      { "aria-label": "Traces" },
      h("h1", {}, "Traces"),
      h(
        "p",
        { class: "lead" },
        "What was written, step by step. The files are those of ",
        h("code", {}, "redraft generate --trace"),
        " and ",
        h("code", {}, "redraft replay"),
        ".",
      ),
      recent,
      sheets,
      player.element,
      legend(sheets),
    ),
  );
  player.element.hidden = true;
  new MutationObserver(list).observe(document.getElementById("main"), { childList: true });
  list();
  return { element };
}

class Slot {
  constructor(title, changed) {
    this.changed = changed;
    this.stage = new Stage();
    this.about = h("p", { class: "hint about" }, "Nothing loaded.");
    this.trouble = h("p", { class: "trouble", role: "alert", hidden: true });
    this.file = h("input", {
      type: "file",
      accept: ".jsonl,.json,application/jsonl",
      onchange: () => this.open(this.file.files[0]),
    });
    this.saving = h(
      "div",
      { hidden: true },
      saving(() => this.run),
    );
    this.element = h(
      "section",
      {
        class: "sheet drop",
        "aria-label": `${title} trace`,
        ondragover: (event) => event.preventDefault(),
        ondrop: (event) => {
          event.preventDefault();
          this.open(event.dataTransfer.files[0]);
        },
      },
      field(`${title} trace`, this.file),
      this.about,
      this.trouble,
      this.stage.element,
      this.saving,
    );
  }

  async open(file) {
    if (!file) return;
    try {
      this.take(parse(await file.text()));
      this.trouble.hidden = true;
    } catch (error) {
      this.trouble.textContent = `${file.name}: ${error.message}`;
      this.trouble.hidden = false;
    }
  }

  take(run) {
    this.run = run;
    const { model, mode, seed, prompt } = run.about;
    const { forwards, seconds } = run.last;
    const told = [model, mode, `seed ${seed}`, `${forwards} forwards`, `${seconds.toFixed(2)} s`];
    this.about.textContent = told.join(" \u00b7 ");
    this.stage.clear(prompt);
    this.stage.show(run);
    this.saving.hidden = false;
    this.changed();
    say(`Loaded a run of ${model}.`);
  }

  show(seconds) {
    if (!this.run) return;
    const past = this.run.views.filter((view) => view.seconds <= seconds);
    this.stage.show(this.run, past.at(-1) ?? this.run.views[0]);
  }
}
