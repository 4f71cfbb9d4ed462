// Player: back and forth through the views of a run, at the speed it had or slower. Knows times, and calls `show`.

import { field, h, quiet } from "./dom.js";

const SPEEDS = [0.05, 0.1, 0.25, 0.5, 1];

export class Player {
  constructor(show) {
    this.show = show;
    this.views = [];
    this.place = 0;
    this.timer = null;
    this.range = h("input", {
      type: "range",
      min: "0",
      max: "0",
      step: "1",
      value: "0",
      "aria-label": "step",
      oninput: () => {
        this.pause();
        this.go(Number(this.range.value));
      },
    });
    this.button = quiet("Replay", () => this.toggle(), { class: "quiet play" });
    this.back = quiet("\u2039", () => this.step(-1), { "aria-label": "one step back" });
    this.forth = quiet("\u203a", () => this.step(1), { "aria-label": "one step forward" });
    this.speed = h(
      "select",
      {},
      SPEEDS.map((speed) => h("option", { value: String(speed) }, `${speed}\u00d7`)),
    );
    this.speed.value = "0.25";
    this.where = h("span", { class: "where" });
    this.element = h(
      "div",
      { class: "player", role: "group", "aria-label": "Replay" },
      this.button,
      this.back,
      this.range,
      this.forth,
      field("Speed", this.speed),
      this.where,
    );
    this.load([]);
  }

  // Views to go through, shown at the last one.
  load(views) {
    this.pause();
    this.views = views;
    this.place = Math.max(views.length - 1, 0);
    this.range.max = String(this.place);
    this.range.value = String(this.place);
    this.range.disabled = views.length < 2;
    for (const control of [this.button, this.back, this.forth]) control.disabled = views.length < 2;
    this.tell();
  }

  go(place) {
    this.place = Math.min(Math.max(place, 0), this.views.length - 1);
    this.range.value = String(this.place);
    this.tell();
    this.show(this.views[this.place], this.place);
  }

  step(by) {
    this.pause();
    this.go(this.place + by);
  }

  toggle() {
    if (this.timer !== null) return this.pause();
    if (this.place >= this.views.length - 1) this.go(0);
    this.button.textContent = "Pause";
    this.next();
  }

  next() {
    if (this.place >= this.views.length - 1) return this.pause();
    const gap = (this.views[this.place + 1].seconds - this.views[this.place].seconds) / Number(this.speed.value);
    this.timer = setTimeout(
      () => {
        this.go(this.place + 1);
        this.next();
      },
      Math.min(gap * 1000, 2000),
    );
  }

  pause() {
    clearTimeout(this.timer);
    this.timer = null;
    this.button.textContent = "Replay";
  }

  tell() {
    const view = this.views[this.place];
    const last = Math.max(this.views.length - 1, 0);
    this.where.textContent = view ? `step ${this.place} of ${last} \u00b7 ${view.seconds.toFixed(2)} s` : "";
    this.range.setAttribute("aria-valuetext", this.where.textContent);
  }
}
