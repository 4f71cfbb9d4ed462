// App: a wish becomes an HTML document, shown while it settles in a frame that may run scripts and nothing more.

import { asked, controls } from "./controls.js";
import { calm, chips, field, grows, h, put, quiet, say } from "./dom.js";
import { Facts } from "./facts.js";
import { follow, Run, textOf } from "./run.js";
import { get, set } from "./settings.js";
import { Work } from "./work.js";

const WISH = "Write one complete HTML document with its styles and scripts inside, and nothing else: ";
const HEAD = "<!doctype html>\n<html>\n";
const OFTEN = 400; // milliseconds between two looks at a page in the making
const SAMPLE = `<!doctype html>
<html lang="en">
<title>Xylophone</title>
<style>
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: #20242c; }
  main { display: flex; gap: 10px; align-items: center; }
  button { width: 46px; border: 0; border-radius: 10px; color: #fff; font: 600 16px system-ui; cursor: pointer; }
  button:active { transform: translateY(4px); filter: brightness(1.3); }
</style>
<main></main>
<script>
  const notes = [["C", 262], ["D", 294], ["E", 330], ["F", 349], ["G", 392], ["A", 440], ["B", 494], ["C", 523]];
  let sound;
  notes.forEach(([name, pitch], n) => {
    const bar = document.createElement("button");
    bar.textContent = name;
    bar.style.height = 260 - n * 18 + "px";
    bar.style.background = "hsl(" + n * 42 + " 65% 52%)";
    bar.onclick = () => {
      sound = sound || new AudioContext();
      const tone = sound.createOscillator(), loud = sound.createGain();
      tone.frequency.value = pitch;
      loud.gain.setValueAtTime(0.4, sound.currentTime);
      loud.gain.exponentialRampToValueAtTime(0.001, sound.currentTime + 0.9);
      tone.connect(loud).connect(sound.destination);
      tone.start();
      tone.stop(sound.currentTime + 0.9);
    };
    document.querySelector("main").append(bar);
  });
</script>
</html>
`;

export function app({ model, config }) {
  const wish = grows(
    h("textarea", {
      class: "prose",
      rows: "1",
      placeholder: "What should the page do?",
      oninput: () => set("app.wish", wish.value),
    }),
  );
  wish.value = get("app.wish", config.examples.app[0]);
  const code = h("textarea", {
    class: "code",
    rows: "18",
    spellcheck: "false",
    oninput: () => {
      set("app.code", code.value);
      look();
    },
  });
  code.value = get("app.code");
  const preview = new Preview();
  const facts = new Facts();
  const source = h("small", { class: "hint" });
  const look = calm(OFTEN, () => preview.show(code.value));

  const work = new Work("Make it", async (signal) => {
    const body = {
      ...asked(model, "generate"),
      max_tokens: Number(get("max", model.trained_here ? "200" : "2048")),
      logprobs: 0,
    };
    const talks = model.chat && !model.trained_here;
    const told = talks
      ? { messages: [{ role: "user", content: WISH + wish.value }], logprobs: true }
      : { prompt: `${wish.value}\n${HEAD}` };
    const run = new Run({
      model: model.id,
      prompt: wish.value,
      seed: body.seed,
      mode: "diffusion",
      decoding: model.decodings.generate.json,
    });
    let looked = 0;
    source.textContent = "Written by the model.";
    say("Writing a page");
    await follow(talks ? "/v1/chat/completions" : "/v1/completions", { ...body, ...told }, run, signal, () => {
      code.value = document_(talks ? settled(run) : HEAD + settled(run));
      facts.show(run.facts);
      if (performance.now() - looked > OFTEN) {
        looked = performance.now();
        preview.show(code.value);
      }
    });
    preview.show(code.value);
    set("app.code", code.value);
    say("The page is written.");
  });

  function sample() {
    work.cancel();
    code.value = SAMPLE;
    set("app.code", SAMPLE);
    source.textContent = "Written by hand, to try the preview with; no model made this page.";
    preview.show(SAMPLE);
  }

  const honest = model.trained_here
    ? "The loaded model has never seen a web page: it will write words, not an app. Load a code model for that " +
      "(redraft models lists them); the sample shows what the preview does."
    : "What comes of it is up to the checkpoint: models trained on code can do this, others cannot.";
  const examples = chips(
    "Examples",
    config.examples.app.map((text) => [text, () => put(wish, text)]),
  );
  const element = h(
    "div",
    { class: "view" },
    h(
      "section",
      { "aria-label": "App" },
      h("h1", {}, "App"),
      h("p", { class: "lead" }, "A wish, a document, a page that takes shape while it is written."),
      h("p", { class: "note warn honest" }, honest),
      h("div", { class: "column" }, field("Wish", wish), examples),
      h("div", { class: "actions" }, work.start, work.stop, quiet("Show a sample page", sample)),
      work.trouble,
      h("div", { class: "lanes halves" }, field("Code", code, source), preview.element),
      facts.element,
    ),
    controls(model, "generate"),
  );
  if (code.value) preview.show(code.value);
  return { element, work };
}

// Committed text and what is accepted behind it; noise is left out.
function settled(run) {
  const draft = run.last.draft.filter((token) => token.status === "accepted").map((token) => token.text);
  return textOf(run, run.last) + draft.join("");
}

// The document in an answer that may have a fence or words around it.
function document_(text) {
  const fenced = /```(?:html)?\n([\s\S]*?)(?:```|$)/.exec(text);
  const from = text.search(/<!doctype html|<html/i);
  return fenced ? fenced[1] : from >= 0 ? text.slice(from) : text;
}

// A frame per document: the next one is filled behind the one that is seen, and takes its place when it is there.
class Preview {
  constructor() {
    this.box = h("div", { class: "preview" });
    this.element = h(
      "div",
      { class: "field" },
      h("span", { class: "label", id: "preview-label" }, "Preview"),
      this.box,
    );
    addEventListener("message", (event) => this.ready(event));
  }

  show(html) {
    this.html = html;
    this.next?.remove();
    this.next = h("iframe", {
      sandbox: "allow-scripts",
      src: "playground/frame.html",
      title: "Preview of the page",
      referrerpolicy: "no-referrer",
      class: "coming",
    });
    this.box.append(this.next);
  }

  // A frame says that it is there before it has been handed anything; what it says later is somebody else's.
  ready(event) {
    const frame = this.next;
    if (!frame || event.source !== frame.contentWindow) return;
    this.next = null;
    frame.contentWindow.postMessage({ html: this.html }, "*"); // its origin is opaque and has no name
    this.shown?.remove();
    this.shown = frame;
    frame.className = "";
  }
}
