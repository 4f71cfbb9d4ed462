// Trace: a run as JSON lines, as `redraft generate --trace` writes them and `redraft replay` reads them.

import { Run, textOf } from "./run.js";

const FORMAT = 1;
const STATUSES = ["fixed", "noisy", "accepted"];
const NOISE = "\u2591";

export function lines(run) {
  const { model, prompt, seed, mode, decoding } = run.about;
  const header = {
    redraft_trace: FORMAT,
    version: run.about.version ?? "playground",
    model,
    prompt,
    decoding,
    seed,
    mode,
  };
  return [header, ...run.views.map((view) => line(run, view))].map((values) => `${JSON.stringify(values)}\n`).join("");
}

function line(run, view) {
  const pieces = view.draft.map(({ text, status, revised }) => [
    status === "noisy" ? text || NOISE : text,
    STATUSES.indexOf(status),
    Boolean(revised),
  ]);
  return {
    committed: textOf(run, view),
    pieces,
    nfe: view.forwards,
    seconds: view.seconds,
    tokens: run.ids.slice(0, view.tokens),
  };
}

// Throws an Error that says which line is wrong.
export function parse(text) {
  const [header, ...views] = text
    .split("\n")
    .filter((each) => each)
    .map((each, n) => {
      try {
        return JSON.parse(each);
      } catch {
        throw new Error(`line ${n + 1} is torn or not JSON`);
      }
    });
  if (header?.redraft_trace !== FORMAT) throw new Error("line 1 is not the header of a trace that this page reads");
  const run = new Run(header);
  run.views = views.map((view, n) => viewOf(run, view, n + 2));
  if (!run.views.length) throw new Error("the trace holds no views");
  return run;
}

function viewOf(run, values, number) {
  const said = run.pieces.map((piece) => piece.text).join("");
  if (typeof values.committed !== "string" || !Array.isArray(values.pieces))
    throw new Error(`line ${number} is not a view`);
  if (!values.committed.startsWith(said)) throw new Error(`line ${number} takes committed text back`);
  if (values.committed.length > said.length)
    run.pieces.push({ text: values.committed.slice(said.length), confidence: 1 });
  run.ids.push(...(values.tokens ?? []).slice(run.ids.length));
  const draft = values.pieces.map(([text, status, revised]) => ({
    text: STATUSES[status] === "noisy" && text === NOISE ? "" : text,
    status: STATUSES[status],
    revised,
    confidence: 1,
  }));
  return { committed: run.pieces.length, tokens: run.ids.length, draft, forwards: values.nfe, seconds: values.seconds };
}
