// Settings: what the page was asked, kept in the address (behind #, so that no server ever reads it).
//
//   #write?model=redraft-tiny&seed=7&write.prompt=Once
//
// A name with a dot belongs to a view and stands in the address only there; texts too long for one stay in memory.

import { calm } from "./dom.js";

const LONGEST = 6000;
export const VIEWS = ["write", "app", "edit", "live", "infill", "chat", "traces"];
const values = new Map();
let current = VIEWS[0];

export function view() {
  return current;
}

export function get(name, otherwise = "") {
  return values.get(name) ?? otherwise;
}

export function set(name, value) {
  if (value === "" || value === false || value === null || value === undefined) values.delete(name);
  else values.set(name, String(value));
  written();
}

// Takes the address in; whether it changed a setting.
export function read() {
  const [name, query = ""] = location.hash.slice(1).split("?");
  const before = JSON.stringify([...values]);
  if (VIEWS.includes(name)) current = name;
  const given = new URLSearchParams(query);
  if (given.size) {
    for (const known of [...values.keys()]) if (shown(known)) values.delete(known);
    for (const [key, value] of given) values.set(key, value);
  }
  history.replaceState(null, "", address());
  return JSON.stringify([...values]) !== before;
}

const written = calm(120, () => history.replaceState(null, "", address()));

function shown(name) {
  return !name.includes(".") || name.startsWith(`${current}.`);
}

function address() {
  const told = [...values].filter(([name, value]) => shown(name) && value.length <= LONGEST);
  const query = new URLSearchParams(told).toString();
  return `#${current}${query && "?"}${query}`;
}
