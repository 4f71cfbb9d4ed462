// Session: a text that is edited while it is written, over a WebSocket. Knows its messages; refuses to know views.

import { key } from "./api.js";

const PATH = "/v1/edits/session";

export class Session {
  // start() gives the message that says how to edit; hear(event) gets what the server says of the latest state;
  // lost() is called where there is no WebSocket to be had. A patient one waits for an answer before it says the next
  // state: a speaker does not pause, and would never be answered else.
  constructor(start, hear, lost, { patient = false } = {}) {
    Object.assign(this, { start, hear, lost, patient });
    this.socket = null;
    this.told = ""; // the start message that holds
    this.states = 0;
    this.since = 0; // when the state that was answered last came into being
    this.waiting = []; // what is to be said once it can be
    this.pending = false;
    this.broken = false;
  }

  // The text as it is now. What is at work on an earlier state is given up by the server.
  send(text) {
    this.waiting = this.waiting.filter(({ message }) => message.type !== "text");
    this.say({ type: "text", text });
  }

  finish() {
    this.say({ type: "finish" });
  }

  // Forget everything: the next state begins afresh.
  restart() {
    this.told = "";
    this.states++; // an answer that is still to come is about nothing any more
  }

  close() {
    const socket = this.socket;
    this.socket = null;
    this.told = "";
    this.waiting = [];
    socket?.close();
  }

  say(message) {
    if (this.broken) return this.lost();
    this.waiting.push({ message, at: performance.now() });
    if (!this.socket) this.open();
    else this.next();
  }

  next() {
    const ready = this.socket?.readyState === WebSocket.OPEN;
    while (ready && this.waiting.length && !(this.patient && this.pending)) this.deliver(this.waiting.shift());
  }

  deliver({ message, at }) {
    const start = JSON.stringify({ type: "start", ...this.start() });
    if (start !== this.told) this.socket.send(start);
    this.told = start;
    this.since = at;
    this.pending = true;
    this.socket.send(JSON.stringify({ ...message, id: ++this.states }));
  }

  open() {
    const protocols = key() ? ["redraft", `redraft.key.${spelt(key())}`] : ["redraft"];
    const socket = new WebSocket(new URL(PATH, location.href.replace(/^http/, "ws")), protocols);
    this.socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      this.pending = false;
      this.next();
    };
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.type !== "started") this.pending = false;
      if (event.type !== "cancelled" && (!event.id || event.id === this.states)) this.hear(event);
      this.next();
    };
    socket.onclose = () => {
      if (this.socket !== socket) return;
      this.socket = null;
      this.told = "";
      if (opened) return;
      this.broken = true;
      this.lost();
    };
  }
}

// A key as a protocol's name may hold it.
function spelt(text) {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}
