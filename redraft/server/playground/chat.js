import { h } from "./dom.js";
export function chat() { return { element: h("p", {}, "…") }; }
