// Work: one thing at a time that can be started and stopped. Knows buttons and signals; refuses to know requests.

import { h, say } from "./dom.js";

export class Work {
  // act(signal) does it; `name` is what the button says.
  constructor(name, act) {
    this.act = act;
    this.start = h("button", { type: "button", class: "primary", onclick: () => this.run() }, name);
    this.stop = h("button", { type: "button", class: "stop", hidden: true, onclick: () => this.cancel() }, "Stop");
    this.trouble = h("p", { class: "trouble", role: "alert", hidden: true });
    this.aborter = null;
  }

  get working() {
    return this.aborter !== null;
  }

  // Starts afresh: what is at work is cancelled first.
  async run() {
    this.cancel();
    const aborter = (this.aborter = new AbortController());
    this.told(null);
    this.start.hidden = true;
    this.stop.hidden = false;
    try {
      await this.act(aborter.signal);
    } catch (error) {
      if (error.name !== "AbortError") this.told(error.message);
    } finally {
      if (this.aborter === aborter) this.ended();
    }
  }

  cancel() {
    if (!this.working) return;
    this.aborter.abort();
    this.ended();
  }

  ended() {
    const focused = document.activeElement === this.stop;
    this.aborter = null;
    this.start.hidden = false;
    this.stop.hidden = true;
    if (focused) this.start.focus();
  }

  told(message) {
    this.trouble.hidden = message === null;
    this.trouble.textContent = message ?? "";
    if (message) say(message);
  }
}
