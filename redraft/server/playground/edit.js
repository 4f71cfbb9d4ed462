// Edit: a text that settles into another in place, change by change; what is locked stays.

import { events } from "./api.js";
import { asked, controls } from "./controls.js";
import { changes } from "./diff.js";
import { calm, chips, field, grows, h, put, quiet, say } from "./dom.js";
import { Facts, milliseconds } from "./facts.js";
import { Review } from "./review.js";
import { Session } from "./session.js";
import { get, set } from "./settings.js";
import { Work } from "./work.js";

const NOISE = /(\u2591+)/;
const STANDINGS = {
  trained: "trained for this",
  instructed: "follows instructions; not measured",
  unknown: "not trained for this",
};
const OPEN = /\{\w+\}/; // what a preset leaves to be filled in
const TYPING = 25; // milliseconds of quiet after which a text is edited as it is typed
const WAITING = 150; // the same where every state is a request of its own

export function edit({ model, config }) {
  if (model.cannot.edit) return { element: h("p", { class: "note warn view" }, model.cannot.edit) };
  const text = grows(
    h("textarea", {
      class: "prose",
      rows: "2",
      spellcheck: "false",
      oninput: () => {
        set("edit.text", text.value);
        typed();
      },
    }),
  );
  text.value = get("edit.text", config.examples.edit[0]);
  const instruction = h("input", {
    type: "text",
    maxlength: "1000",
    autocomplete: "off",
    oninput: () => {
      set("edit.instruction", instruction.value);
      presets.paint();
    },
  });
  instruction.value = get("edit.instruction", "fix");
  const strength = h("input", {
    type: "range",
    min: "0",
    max: "1",
    step: "0.05",
    value: get("edit.strength", model.corrects ? "0" : "0.4"),
    oninput: () => {
      set("edit.strength", strength.value);
      share();
    },
  });
  const doubted = h("input", {
    type: "checkbox",
    checked: get("edit.auto", model.corrects ? "0" : "1") === "1",
    onchange: () => {
      set("edit.auto", doubted.checked ? "1" : "0");
      share();
    },
  });
  const shareSaid = h("small", { class: "hint" });
  const typing = h("input", {
    type: "checkbox",
    checked: get("edit.typing") === "1",
    onchange: () => {
      set("edit.typing", typing.checked && "1");
      if (typing.checked) typed();
      else session.close();
    },
  });
  const locks = new Locks(text);
  const presets = new Presets(model, instruction);
  const facts = new Facts();
  const notes = h("p", { class: "note warn", hidden: true });
  const told = h("p", { class: "hint told", hidden: true });
  const count = h("span", { class: "count" });
  const review = new Review(() => {
    count.textContent = counted(review.edits);
  });
  const sheet = h(
    "section",
    { class: "sheet", "aria-label": "Edited text", "data-state": "empty" },
    h("h2", {}, "As the model would have it"),
    review.sheet,
    h("p", { class: "note untouched", hidden: true }, "Nothing to change."),
    told,
    facts.element,
  );
  const buttons = h(
    "div",
    { class: "actions" },
    quiet("Accept all", () => review.all("accepted")),
    quiet("Reject all", () => review.all("rejected")),
    quiet("Use this text", take),
    // Browsers have a clipboard for pages of this machine and for encrypted ones alone.
    navigator.clipboard && quiet("Copy", () => navigator.clipboard.writeText(review.text)),
  );
  const choices = h(
    "section",
    { class: "choices", "aria-label": "Review", hidden: true },
    h("h2", {}, "Changes ", count),
    review.list,
    buttons,
    h("p", { class: "hint" }, h("kbd", {}, "A"), " accepts, ", h("kbd", {}, "R"), " rejects, arrows move."),
  );

  const work = new Work("Edit", async (signal) => {
    const original = text.value;
    const began = performance.now();
    const open = OPEN.exec(instruction.value);
    if (open) throw new Error(`fill in ${open[0]} first`);
    const body = {
      ...asked(model, "edit"),
      input: original,
      instruction: instruction.value || "fix",
      locks: locks.held(original),
      strength: howMuch(),
      drafts: true,
    };
    if (!typing.checked) say("Editing");
    sheet.dataset.state = "working";
    for await (const event of events("/v1/edits", body, signal)) {
      if (event.object === "edit.draft") settling(review.sheet, original, event.text);
      else done(original, event, (performance.now() - began) / 1000);
    }
  });
  // While typing every state goes through one session, which remembers what it has edited and gives up what is old.
  const seed = asked(model, "edit").seed;
  const session = new Session(
    () => ({
      ...asked(model, "edit", seed),
      instruction: instruction.value || "fix",
      locks: locks.list,
      strength: howMuch(),
    }),
    heard,
    () => again(),
  );
  const typed = calm(TYPING, () => {
    if (!typing.checked || !text.value) return;
    work.cancel();
    sent = text.value;
    session.send(text.value);
  });
  const again = calm(WAITING, () => work.run());
  let sent;

  function heard(event) {
    if (event.type === "started") return remark(event.notes);
    if (event.type === "error") return work.told(event.error.message);
    work.told(null);
    review.load(sent, event.edits);
    settled(event.edits);
    const took = milliseconds((performance.now() - session.since) / 1000);
    told.hidden = false;
    told.textContent = `${plural(event.edits.length, "change")} \u00b7 ${took} after the last key \u00b7 ${plural(event.windows, "window")} edited again, ${plural(event.forwards, "forward")}`;
    facts.element.hidden = true;
  }

  function settled(edits) {
    sheet.dataset.state = "finished";
    sheet.querySelector(".untouched").hidden = edits.length > 0;
    choices.hidden = edits.length === 0;
  }

  function remark(said) {
    notes.hidden = said.length === 0;
    notes.textContent = said.join(" ");
  }

  function done(original, reply, seconds) {
    review.load(original, reply.edits);
    settled(reply.edits);
    remark(reply.notes);
    told.hidden = true;
    facts.element.hidden = false;
    const { completion_tokens: tokens, total_s, forwards, first_text_s: first } = reply.usage;
    facts.show({ tokens, seconds: total_s, forwards, first });
    say(`${reply.edits.length} changes in ${milliseconds(seconds)}`);
  }

  function take() {
    put(text, review.text);
    review.load(text.value, []);
    choices.hidden = true;
    text.focus();
  }

  function howMuch() {
    return doubted.checked ? "auto" : Number(strength.value);
  }

  function share() {
    strength.disabled = doubted.checked;
    const percent = Math.round(Number(strength.value) * 100);
    shareSaid.textContent = doubted.checked
      ? "what surprises the model is written afresh"
      : percent === 0
        ? "correct what is wrong"
        : `write ${percent} % of it afresh`;
  }

  share();
  const examples = chips(
    "Examples",
    config.examples.edit.map((sample, n) => [`Example ${n + 1}`, () => put(text, sample)]),
  );
  const element = h(
    "div",
    { class: "view with-panel" },
    h(
      "section",
      { class: "column", "aria-label": "Edit" },
      h("h1", {}, "Edit"),
      h("p", { class: "lead" }, "Only what has to change does; every change is yours to take or leave."),
      field("Text", text),
      examples,
      locks.element,
      h("div", { class: "instruct" }, field("What to change", instruction), h("div", {}, field("How much", strength, shareSaid), field("Only what it doubts", doubted))),
      presets.element,
      h("div", { class: "actions" }, work.start, work.stop, field("Edit as I type", typing)),
      work.trouble,
      notes,
      sheet,
      choices,
    ),
    controls(model, "edit", { length: false }),
  );
  return { element, work, close: () => session.close() };
}

// A draft: what is new stands out, noise is fog.
function settling(stage, original, draft) {
  const runs = changes(original, draft).flatMap(({ text, changed }) =>
    text
      .split(NOISE)
      .filter((part) => part)
      .map((part) => ({ text: part, changed, noise: NOISE.test(part) })),
  );
  stage.replaceChildren(
    ...runs.map(({ text, changed, noise }) =>
      noise
        ? h(
            "span",
            {},
            Array.from(text, () => h("span", { class: "noise" })),
          )
        : h("span", { class: changed ? "accepted" : "" }, text),
    ),
  );
}

export function plural(number, name) {
  return `${number} ${name}${number === 1 ? "" : "s"}`;
}

function counted(edits) {
  const rejected = edits.filter((edit) => edit.choice === "rejected").length;
  return rejected ? `${edits.length}, ${rejected} rejected` : String(edits.length);
}

// Strings of the text that must stay as they are: selected there, and kept as long as the text holds them.
class Locks {
  constructor(text) {
    this.list = JSON.parse(get("edit.locks", "[]"));
    this.chips = h("span", { class: "chips" });
    const add = quiet("Lock selection", () => this.add(text));
    this.element = h("div", { class: "locks", role: "group", "aria-label": "Locks" }, add, this.chips);
    text.addEventListener("input", () => this.paint(text.value));
    this.text = text;
    this.paint();
  }

  add(text) {
    const chosen = text.value.slice(text.selectionStart, text.selectionEnd);
    if (!chosen) return say("Select a part of the text first.");
    if (!this.list.includes(chosen)) this.change([...this.list, chosen]);
    say(`Locked: ${chosen}`);
  }

  change(list) {
    this.list = list;
    set("edit.locks", list.length ? JSON.stringify(list) : "");
    this.paint();
  }

  held(text) {
    return this.list.filter((lock) => text.includes(lock));
  }

  paint() {
    const held = this.held(this.text?.value ?? "");
    this.chips.replaceChildren(
      ...this.list.map((lock) =>
        h(
          "button",
          {
            type: "button",
            class: "chip lock",
            "aria-label": `Unlock: ${lock}`,
            title: held.includes(lock) ? "unlock" : "not in the text now",
            onclick: () => this.change(this.list.filter((each) => each !== lock)),
          },
          lock,
          h("span", { "aria-hidden": "true" }, " \u00d7"),
        ),
      ),
    );
  }
}

// Instructions by name; those that the model was trained for are drawn whole, the others dashed.
class Presets {
  constructor(model, instruction) {
    this.instruction = instruction;
    this.buttons = model.presets.map((preset) =>
      h(
        "button",
        {
          type: "button",
          class: `chip${preset.standing === "trained" ? "" : " untrained"}`,
          "data-instruction": preset.instruction,
          title: STANDINGS[preset.standing],
          onclick: () => this.take(preset.instruction),
        },
        preset.name,
      ),
    );
    const trained = model.presets
      .filter((preset) => preset.standing === "trained")
      .map((preset) => preset.name.toLowerCase());
    const honest = trained.length
      ? `This model was trained for: ${trained.join(", ")}. The dashed ones may do nothing useful.`
      : model.corrects
        ? ""
        : "This model takes no instructions: it rewrites the share of the text that you choose.";
    this.element = h(
      "div",
      {},
      h("div", { class: "examples", role: "group", "aria-label": "Presets" }, this.buttons),
      honest && h("p", { class: "hint" }, honest),
    );
    this.paint();
  }

  take(instruction) {
    put(this.instruction, instruction);
    const open = OPEN.exec(instruction);
    if (!open) return;
    this.instruction.focus();
    this.instruction.setSelectionRange(open.index, open.index + open[0].length);
  }

  paint() {
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.instruction === this.instruction.value));
    }
  }
}
