// Run: one answer being written, view by view. Knows the frames a stream carries; refuses to know how they look.
//
// A view is { committed: how many of `pieces` stay, tokens: how many of `ids`, draft: [{ text, status, confidence,
// revised }], forwards, seconds }.

import { events } from "./api.js";

export class Run {
  // about: { model, prompt, seed, mode, decoding }
  constructor(about) {
    this.about = about;
    this.pieces = []; // committed: { text, confidence }
    this.ids = []; // the tokens of what is committed
    this.views = [{ committed: 0, tokens: 0, draft: [], forwards: 0, seconds: 0 }];
    this.usage = null;
    this.finish = null;
    this.began = performance.now();
  }

  get text() {
    return textOf(this, this.last);
  }

  get last() {
    return this.views[this.views.length - 1];
  }

  // What an event adds. True when there is something new to see.
  take(event) {
    if (event.usage) this.usage = event.usage;
    const choice = event.choices?.[0];
    if (!choice) return false;
    if (choice.finish_reason) this.finish = choice.finish_reason;
    this.ids.push(...(event.progress?.tokens ?? []));
    this.commit(choice.text ?? choice.delta?.content ?? "", choice.logprobs);
    const draft = (event.frame?.tokens ?? []).map(({ text, status, confidence }) => ({ text, status, confidence }));
    const view = {
      committed: this.pieces.length,
      tokens: this.ids.length,
      draft: marked(this.last, draft, this.pieces.length),
      forwards: event.progress?.forwards ?? this.last.forwards,
      seconds: event.progress?.seconds ?? (performance.now() - this.began) / 1000,
    };
    if (same(this.last, view)) return false;
    this.views.push(view);
    return true;
  }

  commit(text, logprobs) {
    const tokens = tokensOf(logprobs);
    if (!text) return;
    // Tokens that hold parts of characters do not add up to the text: then the text is one piece.
    const whole = tokens.map((token) => token.text).join("") === text;
    const mean = tokens.reduce((sum, token) => sum + token.confidence, 0) / Math.max(tokens.length, 1);
    this.pieces.push(...(whole ? tokens : [{ text, confidence: mean }]));
  }

  get facts() {
    const seconds = this.usage?.total_s ?? this.last.seconds;
    const forwards = this.usage?.forwards ?? this.last.forwards;
    const drafted = this.last.draft.filter((token) => token.status === "accepted" && token.text).length;
    const tokens = this.usage?.completion_tokens ?? this.ids.length + drafted;
    return { tokens, seconds, forwards, first: this.first() };
  }

  // Seconds until the first word was seen, be it a draft.
  first() {
    return this.views.find((view) => view.committed || view.draft.some((token) => token.status === "accepted"))
      ?.seconds;
  }
}

// Follows a request into a run; `seen` is called whenever there is something new.
export async function follow(path, body, run, signal, seen) {
  run.began = performance.now();
  const asked = { ...body, frames: true, stream_options: { include_usage: true } };
  for await (const event of events(path, asked, signal)) if (run.take(event)) seen(run);
  seen(run);
}

export function textOf(run, view) {
  return run.pieces
    .slice(0, view.committed)
    .map((piece) => piece.text)
    .join("");
}

function tokensOf(logprobs) {
  if (!logprobs) return [];
  if (logprobs.content)
    return logprobs.content.map(({ token, logprob }) => ({ text: token, confidence: Math.exp(logprob) }));
  return logprobs.tokens.map((text, n) => ({ text, confidence: Math.exp(logprobs.token_logprobs[n]) }));
}

// A token of the same canvas that was accepted before and is something else now has been revised.
function marked(before, draft, committed) {
  if (before.committed !== committed || before.draft.length !== draft.length) return draft;
  return draft.map((token, n) => {
    const old = before.draft[n];
    const changed = old.status === "accepted" && (old.text !== token.text || token.status === "noisy");
    return { ...token, revised: Boolean(old.revised || changed) };
  });
}

function same(one, other) {
  return (
    one.committed === other.committed &&
    one.forwards === other.forwards &&
    one.draft.length === other.draft.length &&
    one.draft.every((token, n) => token.text === other.draft[n].text && token.status === other.draft[n].status)
  );
}
