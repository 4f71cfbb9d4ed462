// Chat: a conversation, every answer resolving in its place.

import { asked, controls, maxTokens } from "./controls.js";
import { chips, field, grows, h, put, quiet, say } from "./dom.js";
import { Facts } from "./facts.js";
import { follow, Run } from "./run.js";
import { keep } from "./saving.js";
import { get, set } from "./settings.js";
import { Stage } from "./stage.js";
import { Work } from "./work.js";

export function chat({ model, config }) {
  if (!model.chat)
    return { element: h("p", { class: "note warn view" }, model.cannot.chat ?? "This model has no way to talk.") };
  let messages = JSON.parse(get("chat.log", "[]"));
  const said = grows(
    h("textarea", {
      class: "prose",
      rows: "1",
      placeholder: "Say something\u2026",
      onkeydown: (event) => {
        if (event.key !== "Enter" || event.shiftKey || event.ctrlKey || event.metaKey || event.isComposing) return;
        event.preventDefault();
        work.run();
      },
    }),
  );
  const log = h("ol", { class: "talk", "aria-label": "Conversation" });
  const facts = new Facts();

  const work = new Work("Send", async (signal) => {
    const content = said.value.trim();
    if (!content) return;
    put(said, "");
    const asking = [...messages, { role: "user", content }];
    const stage = new Stage();
    const bubble = turn("assistant", stage.element);
    log.append(turn("user", content), bubble);
    bubble.scrollIntoView({ block: "nearest" });
    const body = { ...asked(model, "generate"), messages: asking, max_tokens: maxTokens(), logprobs: true };
    const run = new Run({
      model: model.id,
      prompt: content,
      seed: body.seed,
      mode: "chat",
      decoding: model.decodings.generate.json,
    });
    try {
      await follow("/v1/chat/completions", body, run, signal, () => {
        stage.show(run);
        facts.show(run.facts);
      });
      keep(run);
      say(run.text);
    } finally {
      remember([...asking, { role: "assistant", content: run.text }]);
    }
  });

  function remember(now) {
    messages = now;
    set("chat.log", messages.length ? JSON.stringify(messages) : "");
  }

  function clear() {
    work.cancel();
    remember([]);
    log.replaceChildren();
    facts.clear();
    said.focus();
  }

  log.append(
    ...messages.map(({ role, content }) =>
      turn(role, role === "user" ? content : h("div", { class: "stage" }, content)),
    ),
  );
  const examples = chips(
    "Examples",
    config.examples.chat.map((text) => [
      text,
      () => {
        put(said, text);
        work.run();
      },
    ]),
  );
  const element = h(
    "div",
    { class: "view with-panel" },
    h(
      "section",
      { class: "column", "aria-label": "Chat" },
      h("h1", {}, "Chat"),
      h(
        "p",
        { class: "lead" },
        model.trained_here
          ? "Small talk with a small model: it books tables better than it knows facts."
          : "Turn by turn.",
      ),
      log,
      field("Message", said),
      examples,
      h("div", { class: "actions" }, work.start, work.stop, quiet("New conversation", clear)),
      work.trouble,
      facts.element,
    ),
    controls(model, "generate"),
  );
  return { element, work };
}

function turn(role, content) {
  return h(
    "li",
    { class: `turn ${role}` },
    h("span", { class: "unseen" }, role === "user" ? "You: " : "Model: "),
    content,
  );
}
