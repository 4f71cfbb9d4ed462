import { h } from "./dom.js";
export function infill() { return { element: h("p", {}, "…") }; }
