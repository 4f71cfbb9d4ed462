// Saving: runs that are kept while the page is open, and the ways to take one away as a file.

import { ask } from "./api.js";
import { download, h, quiet } from "./dom.js";
import { picture } from "./picture.js";
import { lines } from "./trace.js";

const MOST = 20;
export const kept = [];

export function keep(run) {
  kept.unshift(run);
  kept.length = Math.min(kept.length, MOST);
}

// Buttons that save what `current` gives: the trace itself, a page of its own, an animated picture.
export function saving(current) {
  const trouble = h("span", { class: "trouble", role: "alert", hidden: true });
  const button = (title, name, make) =>
    quiet(title, async (event) => {
      event.target.disabled = true;
      try {
        download(`redraft-${current().about.seed}.${name}`, await make(current()));
        trouble.hidden = true;
      } catch (error) {
        trouble.textContent = error.message;
        trouble.hidden = false;
      }
      event.target.disabled = false;
    });
  return h(
    "div",
    { class: "saving", role: "group", "aria-label": "Save" },
    button("Save trace", "jsonl", async (run) => new Blob([lines(run)], { type: "application/jsonl" })),
    button("Save page", "html", async (run) => (await ask("/playground/page", lines(run))).blob()),
    button("Save picture", "png", picture),
    trouble,
  );
}
