// DOM: elements made in one expression. Knows no view.

// h("button", { class: "primary", onclick: run }, "Write"): properties where the element has them, else attributes.
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child || child === 0));
  return element;
}

let names = 0;

// A label and its control, tied together; a hint below, words or an element, is read with it.
export function field(label, control, hint) {
  control.id ||= `field-${++names}`;
  const told = typeof hint === "string" ? h("small", { class: "hint" }, hint) : hint;
  if (told) {
    told.id = `${control.id}-hint`;
    control.setAttribute("aria-describedby", told.id);
  }
  const before = control.type !== "checkbox";
  const name = h("label", { for: control.id }, label);
  return h("div", { class: before ? "field" : "field check" }, before ? [name, control] : [control, name], told);
}

export function quiet(title, onclick, more = {}) {
  return h("button", { type: "button", class: "quiet", onclick, ...more }, title);
}

// What can be tried at a click: [[words, what a click does], ...].
export function chips(label, offers) {
  const made = offers.map(([words, onclick]) => h("button", { type: "button", class: "chip", onclick }, words));
  return h("div", { class: "examples", role: "group", "aria-label": label }, made);
}

// Puts a text into a field as if it had been typed.
export function put(control, text) {
  control.value = text;
  control.dispatchEvent(new Event("input"));
}

// What a screen reader says of something that is seen to happen.
export function say(text) {
  document.getElementById("said").textContent = text;
}

export function download(name, blob) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

// A function that runs once things have been quiet for a while.
export function calm(milliseconds, action) {
  let timer = 0;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...values), milliseconds);
  };
}

// A text area that is as tall as its text.
export function grows(area) {
  const fit = () => {
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight + 2}px`;
  };
  area.addEventListener("input", fit);
  requestAnimationFrame(fit);
  return area;
}
