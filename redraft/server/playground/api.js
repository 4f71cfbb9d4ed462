// API: requests to the server the page came from, and nothing else. Knows event streams and error bodies, no view.

const KEY = "redraft-key";

export class Refused extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

export function useKey(key) {
  sessionStorage.setItem(KEY, key);
}

export function key() {
  return sessionStorage.getItem(KEY);
}

export async function ask(path, body, signal) {
  const headers = {};
  if (key()) headers.authorization = `Bearer ${key()}`;
  const options = { headers, signal };
  if (body !== undefined) {
    headers["content-type"] = typeof body === "string" ? "text/plain" : "application/json";
    Object.assign(options, { method: "POST", body: typeof body === "string" ? body : JSON.stringify(body) });
  }
  const response = await fetch(path, options);
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  throw new Refused(told?.error?.message ?? `the server answered ${response.status}`, response.status);
}

// The events of an answer as they come. Aborting the signal closes the connection, which cancels the request.
export async function* events(path, body, signal) {
  const response = await ask(path, { ...body, stream: true }, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (held + value).split("\n\n");
    held = parts.pop();
    for (const part of parts) {
      const data = part.replace(/^data: /, "");
      if (data === "[DONE]") return;
      const event = JSON.parse(data);
      if (event.error) throw new Refused(event.error.message, 500);
      yield event;
    }
  }
}
