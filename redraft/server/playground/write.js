// Write: a prompt, and the canvas that resolves behind it; beside it, on demand, the same weights from left to right.

import { asked, controls, maxTokens } from "./controls.js";
import { chips, field, grows, h, put, say } from "./dom.js";
import { Facts } from "./facts.js";
import { Player } from "./player.js";
import { follow, Run } from "./run.js";
import { get, set } from "./settings.js";
import { Stage } from "./stage.js";
import { keep, saving } from "./saving.js";
import { Work } from "./work.js";

export function write({ model, config }) {
  const prompt = grows(
    h("textarea", {
      class: "prose",
      rows: "1",
      spellcheck: "false",
      placeholder: "Begin a text\u2026",
      oninput: () => set("write.prompt", prompt.value),
    }),
  );
  prompt.value = get("write.prompt", config.examples.write[0]);
  const lanes = { diffusion: new Lane("Diffusion"), ar: new Lane("Autoregressive") };
  const canRace = model.modes.includes("ar") && model.modes.includes("diffusion");
  const race = h("input", {
    type: "checkbox",
    checked: canRace && get("write.race") === "1",
    disabled: !canRace,
    onchange: () => {
      set("write.race", race.checked && "1");
      arrange();
    },
  });

  const work = new Work("Write", async (signal) => {
    const body = { ...asked(model, "generate"), prompt: prompt.value, max_tokens: maxTokens(), logprobs: 0 };
    const modes = race.checked ? ["diffusion", "ar"] : [model.modes[0]];
    say("Writing");
    await Promise.all(modes.map((mode) => lanes[mode].write(body, mode, signal, model)));
    if (!signal.aborted) say(lanes[modes[0]].summary());
  });

  const examples = chips(
    "Examples",
    config.examples.write.map((text) => [`${text}\u2026`, () => take(text)]),
  );
  const sheets = h("div", { class: "lanes" }, lanes.diffusion.element, lanes.ar.element);
  const element = h(
    "div",
    { class: "view with-panel" },
    h(
      "section",
      { class: "column", "aria-label": "Write" },
      h("h1", {}, "Write"),
      h("p", { class: "lead" }, "Noise condenses into text, the surest words first."),
      field("Prompt", prompt),
      examples,
      h(
        "div",
        { class: "actions" },
        work.start,
        work.stop,
        field(canRace ? "Race against autoregressive" : "Race: this model has one mode alone", race),
      ),
      work.trouble,
      sheets,
      legend(sheets),
    ),
    controls(model, "generate"),
  );

  function take(text) {
    put(prompt, text);
    work.run();
  }

  function arrange() {
    sheets.classList.toggle("race", race.checked);
    lanes.ar.element.hidden = !race.checked;
    lanes.diffusion.title.hidden = !race.checked;
  }

  arrange();
  return { element, work };
}

// One answer: its stage, its numbers and its replay.
class Lane {
  constructor(title) {
    this.title = h("h2", {}, title);
    this.stage = new Stage();
    this.facts = new Facts();
    this.player = new Player((view) => this.stage.show(this.run, view));
    this.saving = saving(() => this.run);
    this.below = h("div", { class: "below", hidden: true }, this.player.element, this.saving);
    this.element = h(
      "section",
      { class: "sheet", "aria-label": title, "data-lane": title.toLowerCase() },
      this.title,
      this.stage.element,
      this.facts.element,
      this.below,
    );
  }

  async write(body, mode, signal, model) {
    const about = {
      model: model.id,
      prompt: body.prompt,
      seed: body.seed,
      mode,
      decoding: body.decoding ?? model.decodings.generate.json,
    };
    this.run = new Run(about);
    this.below.hidden = true;
    this.stage.clear(body.prompt);
    this.facts.clear();
    this.element.dataset.state = "working";
    const diffusing = mode !== "ar";
    try {
      const asking = diffusing ? { ...body, mode } : { ...body, mode, decoding: undefined, canvas: undefined };
      await follow("/v1/completions", asking, this.run, signal, (run) => {
        this.stage.show(run);
        this.facts.show(run.facts);
      });
      keep(this.run);
    } finally {
      this.element.dataset.state = signal.aborted ? "stopped" : "finished";
      this.player.load(this.run.views);
      this.below.hidden = this.run.views.length < 2;
    }
  }

  summary() {
    const { tokens, seconds, forwards } = this.run.facts;
    return `Done: ${tokens} tokens in ${seconds.toFixed(2)} seconds and ${forwards} forwards.`;
  }
}

// What the colours say; on demand, how sure the model was stays to be seen in committed text.
export function legend(sheets) {
  const sure = h("input", {
    type: "checkbox",
    checked: get("sure") === "1",
    onchange: () => {
      set("sure", sure.checked && "1");
      paint();
    },
  });
  const paint = () => sheets.classList.toggle("show-sure", sure.checked);
  paint();
  return h(
    "div",
    { class: "legend" },
    h("span", {}, h("i", { class: "noise still" }), "noise"),
    h("span", {}, h("b", { class: "accepted sure1" }, "unsure")),
    h("span", {}, h("b", { class: "accepted sure4" }, "draft")),
    h("span", {}, h("b", { class: "accepted revised" }, "revised")),
    h("span", {}, "committed"),
    field("Keep showing how sure", sure),
  );
}
