// Stage: where a view of a run is seen. Knows tokens and how they look; refuses to know where they come from.
//
// Noise is fog. A word condenses out of it and keeps as much of it as the model was unsure; one that is overwritten
// flashes. Elements are kept from view to view, so that only what changes moves.

import { h } from "./dom.js";
import { textOf } from "./run.js";

export class Stage {
  constructor(prompt = "") {
    this.prompt = h("span", { class: "prompt" }, prompt);
    this.committed = h("span", { class: "committed" });
    this.draft = h("span", { class: "draft" });
    this.element = h("div", { class: "stage" }, this.prompt, this.committed, this.draft);
    this.clear();
  }

  clear(prompt) {
    if (prompt !== undefined) this.prompt.textContent = prompt;
    this.run = null;
    this.shown = 0;
    this.tokens = [];
    this.committed.replaceChildren();
    this.draft.replaceChildren();
    this.element.dataset.text = "";
  }

  // Shows a view of a run, at the next moment that is drawn.
  show(run, view = run.last) {
    this.next = [run, view];
    this.waiting ||= requestAnimationFrame(() => {
      this.waiting = 0;
      this.render(...this.next);
    });
  }

  render(run, view) {
    if (run !== this.run || view.committed < this.shown) this.clear();
    const sameCanvas = run === this.run && view.committed === this.shown;
    this.run = run;
    this.committed.append(...run.pieces.slice(this.shown, view.committed).map(piece));
    this.shown = view.committed;
    this.canvas(view.draft, sameCanvas);
    this.element.dataset.text = textOf(run, view);
    this.element.classList.toggle("working", view.draft.length > 0);
  }

  canvas(draft, sameCanvas) {
    const kept = sameCanvas && draft.length === this.tokens.length;
    if (!kept) this.draft.replaceChildren(...draft.map((token, n) => painted(h("span"), token, n)));
    else draft.forEach((token, n) => change(this.draft.children[n], this.tokens[n], token, n));
    this.tokens = draft;
  }
}

function piece({ text, confidence }) {
  return h("span", { class: `sure${sureness(confidence)}` }, text);
}

function change(element, before, after, place) {
  if (before.text === after.text && before.status === after.status) return;
  painted(element, after, place);
  const event = after.status !== "accepted" ? null : before.status === "accepted" ? "flash" : "condense";
  if (event) element.classList.add(after.revised ? "flash" : event);
}

function painted(element, { text, status, confidence, revised }, place) {
  const noisy = status === "noisy";
  const kind = noisy ? (text ? "noise word" : "noise") : text ? `accepted sure${sureness(confidence)}` : "end";
  element.className = `${kind}${revised && !noisy ? " revised" : ""}`;
  element.textContent = kind === "end" ? "\u00b7" : text;
  // Of uneven width, as words are, and not all breathing at once.
  element.style.setProperty("--wide", 1.6 + ((place * 7919) % 11) / 5);
  element.style.setProperty("--late", (place * 0.618) % 1);
  return element;
}

// 0 (unsure) to 4 (sure).
function sureness(confidence) {
  return [0.3, 0.55, 0.75, 0.92].filter((edge) => confidence >= edge).length;
}
