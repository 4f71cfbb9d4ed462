// Review: the changes of an edit, each to be accepted or rejected. Knows edits as the server tells them, and choices.
//
// Offsets count characters, not UTF-16 units, as the server does.

import { h, say } from "./dom.js";

const WORDS = { pending: "proposed", accepted: "accepted", rejected: "rejected" };

export class Review {
  // changed() is called after every choice
  constructor(changed) {
    this.changed = changed;
    this.sheet = h("div", { class: "stage settled" });
    this.list = h("ol", { class: "changes", "aria-label": "Changes" });
    this.clear();
  }

  clear() {
    this.edits = [];
    this.letters = [];
    this.list.replaceChildren();
  }

  load(original, edits) {
    this.letters = Array.from(original);
    this.edits = edits.map((edit) => ({ ...edit, choice: "pending" }));
    this.marks = this.edits.map((edit, n) => mark(edit, () => this.go(n)));
    this.rows = this.edits.map((edit, n) => this.row(edit, n));
    this.list.replaceChildren(...this.rows);
    this.sheet.replaceChildren(...this.between((n) => this.marks[n]));
    this.edits.forEach((_, n) => this.paint(n));
    this.told();
  }

  // The text with every change that was not rejected.
  get text() {
    return this.between((n) => (this.edits[n].choice === "rejected" ? this.edits[n].before : this.edits[n].after)).join(
      "",
    );
  }

  between(what) {
    const parts = [];
    let at = 0;
    this.edits.forEach((edit, n) => {
      parts.push(this.letters.slice(at, edit.start).join(""), what(n));
      at = edit.end;
    });
    return [...parts, this.letters.slice(at).join("")];
  }

  choose(n, choice) {
    this.edits[n].choice = choice;
    this.paint(n);
    this.told();
  }

  all(choice) {
    this.edits.forEach((edit, n) => {
      edit.choice = choice;
      this.paint(n);
    });
    this.told();
  }

  told() {
    this.sheet.dataset.text = this.text;
    this.changed();
  }

  row(edit, n) {
    const choose = (choice) =>
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          "data-choice": choice,
          "aria-label": `${choice === "accepted" ? "Accept" : "Reject"}: ${spoken(edit)}`,
          onclick: () => this.choose(n, edit.choice === choice ? "pending" : choice),
        },
        choice === "accepted" ? "Accept" : "Reject",
      );
    return h(
      "li",
      {
        onkeydown: (event) => this.key(event, n),
        onfocusin: () => this.marks[n].classList.add("looked"),
        onfocusout: () => this.marks[n].classList.remove("looked"),
      },
      h(
        "span",
        { class: "what" },
        edit.before && h("del", { class: blank(edit.before) }, seen(edit.before)),
        " ",
        edit.after && h("ins", { class: blank(edit.after) }, seen(edit.after)),
      ),
      choose("accepted"),
      choose("rejected"),
    );
  }

  // A and R choose and go on, arrows go.
  key(event, n) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const choice = { a: "accepted", r: "rejected" }[event.key.toLowerCase()];
    const by = choice || event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (!by) return;
    event.preventDefault();
    if (choice) {
      this.choose(n, choice);
      say(`${spoken(this.edits[n])}: ${WORDS[choice]}`);
    }
    this.go(Math.min(Math.max(n + by, 0), this.rows.length - 1));
  }

  go(n) {
    this.rows[n].querySelector("button").focus();
  }

  paint(n) {
    const { choice } = this.edits[n];
    this.marks[n].dataset.choice = this.rows[n].dataset.choice = choice;
    for (const button of this.rows[n].querySelectorAll("button")) {
      button.setAttribute("aria-pressed", String(button.dataset.choice === choice));
    }
  }
}

function mark(edit, click) {
  return h(
    "span",
    { class: "change", onclick: click },
    edit.before && h("del", { class: blank(edit.before) }, edit.before),
    edit.after && h("ins", { class: blank(edit.after) }, edit.after),
  );
}

function blank(text) {
  return text.trim() ? "" : "blank";
}

// White space alone, as it can be seen.
function seen(text) {
  return text.trim() || text.replaceAll("\n", "\u21b5").replaceAll(/\s/g, "\u2423");
}

function spoken(edit) {
  const [before, after] = [edit.before.trim(), edit.after.trim()];
  if (!edit.before) return `insert ${after || "white space"}`;
  if (!edit.after) return `delete ${before || "white space"}`;
  return `${before || "white space"} becomes ${after || "white space"}`;
}
