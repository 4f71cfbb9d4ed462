// Session: a text that is edited while it is written, over a WebSocket. Knows its messages; refuses to know views.

import { key } from "./api.js";

const PATH = "/v1/edits/session";

export class Session {
  // start() gives the message that says how to edit; hear(event) gets what the server says of the latest state;
  // lost() is called where there is no WebSocket to be had.
  constructor(start, hear, lost) {
    Object.assign(this, { start, hear, lost });
    this.socket = null;
    this.told = ""; // the start message that holds
    this.states = 0;
    this.broken = false;
  }

  // The text as it is now. What is at work on an earlier state is given up by the server.
  send(text) {
    this.say({ type: "text", text, id: ++this.states });
  }

  finish() {
    this.say({ type: "finish", id: ++this.states });
  }

  // Forget everything: the next state begins afresh.
  restart() {
    this.told = "";
  }

  close() {
    const socket = this.socket;
    this.socket = null;
    this.told = "";
    socket?.close();
  }

  say(message) {
    if (this.broken) return this.lost();
    if (!this.socket) this.open();
    if (this.socket.readyState === WebSocket.CONNECTING) this.waiting = message;
    else this.deliver(message);
  }

  deliver(message) {
    const start = JSON.stringify({ type: "start", ...this.start() });
    if (start !== this.told) this.socket.send(start);
    this.told = start;
    this.socket.send(JSON.stringify(message));
  }

  open() {
    const protocols = key() ? ["redraft", `redraft.key.${spelt(key())}`] : ["redraft"];
    const socket = new WebSocket(new URL(PATH, location.href.replace(/^http/, "ws")), protocols);
    this.socket = socket;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      if (this.waiting) this.deliver(this.waiting);
      this.waiting = null;
    };
    socket.onmessage = ({ data }) => {
      const event = JSON.parse(data);
      if (event.type === "cancelled" || (event.id && event.id !== this.states)) return;
      this.hear(event);
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
