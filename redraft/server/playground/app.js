import { h } from "./dom.js";
export function app() { return { element: h("p", {}, "…") }; }
