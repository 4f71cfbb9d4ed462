// Live: a text that grows at its end, such as a transcript, and its corrected version that follows. What is committed
// never changes; the tail may.

import { asked, controls } from "./controls.js";
import { chips, field, grows, h, put, quiet, say } from "./dom.js";
import { plural } from "./edit.js";
import { milliseconds } from "./facts.js";
import { Session } from "./session.js";
import { get, set } from "./settings.js";

const PACE = 230; // milliseconds from word to word of a sample, as somebody speaks

export function live({ model, config }) {
  if (model.cannot.edit) return { element: h("p", { class: "note warn view" }, model.cannot.edit) };
  const text = grows(
    h("textarea", {
      class: "prose",
      rows: "4",
      spellcheck: "false",
      placeholder: "Type, paste or dictate\u2026",
      oninput: () => {
        set("live.text", text.value);
        follow();
      },
    }),
  );
  text.value = get("live.text");
  const instruction = h("input", {
    type: "text",
    maxlength: "1000",
    autocomplete: "off",
    onchange: () => {
      set("live.instruction", instruction.value);
      session.restart();
      follow();
    },
  });
  instruction.value = get("live.instruction", "fix");
  const committed = h("span", { class: "committed" });
  const tail = h("span", { class: "accepted" });
  const stage = h("div", { class: "stage followed" }, committed, tail);
  const numbers = Object.fromEntries(
    ["words heard", "committed", "behind the last word", "forwards"].map((name) => [name, h("dd", {}, "\u2013")]),
  );
  const facts = h(
    "dl",
    { class: "facts" },
    Object.entries(numbers).map(([name, number]) => h("div", {}, h("dt", {}, name), number)),
  );
  const trouble = h("p", { class: "trouble", role: "alert", hidden: true });
  const notes = h("p", { class: "note warn", hidden: true });
  const sheet = h(
    "section",
    { class: "sheet", "aria-label": "What follows", "data-state": "empty" },
    h("h2", {}, "What the model makes of it"),
    stage,
    h(
      "div",
      { class: "legend" },
      h("span", {}, "committed, for good"),
      h("span", {}, h("b", { class: "accepted" }, "may still change")),
    ),
    facts,
  );
  const seed = asked(model, "edit").seed;
  const session = new Session(
    () => ({ ...asked(model, "edit", seed), instruction: instruction.value || "fix", live: true }),
    heard,
    () => complain("There is no WebSocket to the server: live text needs one."),
    { patient: true },
  );
  let forwards = 0;
  let playing = 0;

  function follow() {
    if (text.value) session.send(text.value);
    else clear();
  }

  function heard(event) {
    if (event.type === "started") {
      forwards = 0;
      return remark(event.notes);
    }
    if (event.type === "error") {
      // What was committed has been changed at its source: that is another text, which begins afresh.
      if (event.error.param !== "text") return complain(event.error.message);
      session.restart();
      return follow();
    }
    complain(null);
    const letters = Array.from(event.text);
    committed.textContent = letters.slice(0, event.committed).join("");
    tail.textContent = letters.slice(event.committed).join("");
    stage.dataset.text = event.text;
    stage.dataset.committed = committed.textContent;
    forwards += event.forwards;
    numbers["words heard"].textContent = String(words(text.value));
    numbers.committed.textContent = plural(words(committed.textContent), "word");
    numbers["behind the last word"].textContent = milliseconds((performance.now() - session.since) / 1000);
    numbers.forwards.textContent = String(forwards);
    sheet.dataset.state = letters.length === event.committed ? "finished" : "following";
    if (sheet.dataset.state === "finished") say("All of it is committed.");
  }

  // A sample, word by word, as a recogniser of speech would give it.
  function play(sample) {
    halt();
    session.restart();
    put(text, "");
    const spoken = sample.match(/\s*\S+/g);
    stop.hidden = false;
    const next = () => {
      if (!spoken.length) {
        halt();
        return session.finish();
      }
      put(text, text.value + spoken.shift());
      playing = setTimeout(next, PACE);
    };
    next();
  }

  function halt() {
    clearTimeout(playing);
    stop.hidden = true;
  }

  function clear() {
    committed.textContent = tail.textContent = "";
    sheet.dataset.state = "empty";
    session.restart();
  }

  function remark(said) {
    notes.hidden = said.length === 0;
    notes.textContent = said.join(" ");
  }

  function complain(message) {
    trouble.hidden = message === null;
    trouble.textContent = message ?? "";
  }

  const stop = h("button", { type: "button", class: "stop", hidden: true, onclick: halt }, "Stop");
  const samples = chips(
    "Samples",
    config.examples.live.map((sample, n) => [`Play sample ${n + 1}`, () => play(sample)]),
  );
  const element = h(
    "div",
    { class: "view with-panel" },
    h(
      "section",
      { class: "column", "aria-label": "Live" },
      h("h1", {}, "Live"),
      h("p", { class: "lead" }, "A text grows, another follows it: what is committed never changes, only the tail may."),
      field("What is heard", text),
      samples,
      h(
        "div",
        { class: "actions" },
        stop,
        quiet("That is all", () => session.finish()),
        quiet("Clear", () => {
          halt();
          put(text, "");
        }),
      ),
      field("What to do with it", instruction),
      h("p", { class: "hint" }, honest(model)),
      trouble,
      notes,
      sheet,
    ),
    controls(model, "edit", { length: false }),
  );
  if (text.value) requestAnimationFrame(follow);
  return {
    element,
    close: () => {
      halt();
      session.close();
    },
  };
}

// What may be expected of the model that is loaded.
function honest(model) {
  const standing = (name) => model.presets.find((preset) => preset.name === name)?.standing;
  if (standing("Punctuate") === "trained") return "This model was trained to punctuate transcripts.";
  if (model.corrects)
    return "This model was trained to correct mistakes. It was not trained on transcripts: it mends words and capital letters, full stops only now and then, and it translates nothing.";
  return "This model takes no instructions: it rewrites what it doubts.";
}

function words(text) {
  return text.trim() ? text.trim().split(/\s+/).length : 0;
}
