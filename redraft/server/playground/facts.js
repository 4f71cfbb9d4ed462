// Facts: what a run cost, as four numbers. Knows the numbers' names.

import { h } from "./dom.js";

const NAMES = { rate: "tokens per second", forwards: "forwards", each: "tokens per forward", first: "first text" };

export class Facts {
  constructor() {
    this.numbers = Object.fromEntries(
      Object.keys(NAMES).map((name) => [name, h("dd", { "data-fact": name }, "\u2013")]),
    );
    const rows = Object.entries(NAMES).map(([name, title]) => h("div", {}, h("dt", {}, title), this.numbers[name]));
    this.element = h("dl", { class: "facts" }, rows);
  }

  show({ tokens, seconds, forwards, first }) {
    this.numbers.rate.textContent = tokens
      ? Math.round(tokens / Math.max(seconds, 1e-6)).toLocaleString("en")
      : "\u2013";
    this.numbers.forwards.textContent = forwards ? String(forwards) : "\u2013";
    this.numbers.each.textContent = forwards && tokens ? (tokens / forwards).toFixed(2) : "\u2013";
    this.numbers.first.textContent = first === undefined || first === null ? "\u2013" : milliseconds(first);
  }

  clear() {
    for (const number of Object.values(this.numbers)) number.textContent = "\u2013";
  }
}

export function milliseconds(seconds) {
  return seconds < 10 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`;
}
