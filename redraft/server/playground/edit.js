import { h } from "./dom.js";
export function edit() { return { element: h("p", {}, "…") }; }
