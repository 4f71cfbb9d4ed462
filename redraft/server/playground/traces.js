import { h } from "./dom.js";
export function traces() { return { element: h("p", {}, "…") }; }
