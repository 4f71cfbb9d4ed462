// Infill: a text with gaps, each filled with what fits on both sides.

import { asked, controls } from "./controls.js";
import { field, grows, h, quiet, say } from "./dom.js";
import { Facts } from "./facts.js";
import { follow, Run } from "./run.js";
import { get, set } from "./settings.js";
import { Stage } from "./stage.js";
import { Work } from "./work.js";
import { legend } from "./write.js";

const GAP = /_{3,}/;
const SIGN = "____";

export function infill({ model, config }) {
  if (model.cannot.infill) return { element: h("p", { class: "note warn view" }, model.cannot.infill) };
  const text = grows(
    h("textarea", { class: "prose", rows: "1", spellcheck: "false", oninput: () => set("infill.text", text.value) }),
  );
  text.value = get("infill.text", config.examples.infill[0]);
  const sheet = h("div", { class: "filled stage" });
  const facts = new Facts();
  const result = h(
    "section",
    { class: "sheet", "aria-label": "Filled text", "data-state": "empty" },
    sheet,
    facts.element,
  );

  const work = new Work("Fill", async (signal) => {
    const parts = text.value.split(GAP);
    if (parts.length < 2) throw new Error(`there is no gap: three or more underscores, such as ${SIGN}, are one`);
    const stages = parts.slice(1).map(() => new Stage());
    sheet.replaceChildren(...parts.flatMap((part, n) => [part, ...(stages[n] ? [stages[n].element] : [])]));
    result.dataset.state = "working";
    say("Filling");
    const runs = [];
    for (const [n, stage] of stages.entries()) runs.push(await fill(parts, n, runs, stage, signal));
    result.dataset.state = "finished";
    sheet.dataset.text = parts.map((part, n) => part + (runs[n]?.text ?? "")).join("");
    say(`Filled ${runs.length} gaps.`);
  });

  // One gap after the other: what was filled before is part of what stands in front of the next.
  async function fill(parts, n, runs, stage, signal) {
    const before = parts
      .slice(0, n + 1)
      .map((part, m) => part + (runs[m]?.text ?? ""))
      .join("");
    const body = { ...asked(model, "infill"), prompt: before, suffix: parts[n + 1], logprobs: 0 };
    const run = new Run({
      model: model.id,
      prompt: before,
      seed: body.seed,
      mode: "infill",
      decoding: model.decodings.infill.json,
    });
    await follow("/v1/fim/completions", body, run, signal, () => {
      stage.show(run);
      facts.show(total([...runs, run]));
    });
    return run;
  }

  function total(runs) {
    const told = runs.map((run) => run.facts);
    const sum = (name) => told.reduce((all, each) => all + (each[name] ?? 0), 0);
    return { tokens: sum("tokens"), seconds: sum("seconds"), forwards: sum("forwards"), first: told[0].first };
  }

  function insert() {
    text.setRangeText(SIGN, text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input"));
    text.focus();
  }

  const element = h(
    "div",
    { class: "view with-panel" },
    h(
      "section",
      { class: "column", "aria-label": "Infill" },
      h("h1", {}, "Infill"),
      h("p", { class: "lead" }, "Leave gaps; what stands behind them counts as much as what stands before."),
      field("Text with gaps", text, "Three or more underscores are a gap."),
      h("div", { class: "actions" }, work.start, work.stop, quiet("Insert a gap", insert)),
      work.trouble,
      result,
      legend(result),
    ),
    controls(model, "infill", { length: false }),
  );
  return { element, work };
}
