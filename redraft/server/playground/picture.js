// Picture: a run as an animated PNG, drawn here. Knows a canvas, the chunks of PNG, and how tokens look.
//
// Frames are encoded here too: a browser encodes a canvas when it has nothing else to do, which may take its time.

import { textOf } from "./run.js";

const WIDE = 720,
  EDGE = 32,
  TALL = 34,
  SIZE = 21;
const LONGEST = 200; // frames; of longer runs every second view, or third
const SLOWER = 4;

export async function picture(run) {
  const every = Math.ceil(run.views.length / LONGEST);
  const views = run.views.filter((_, n) => n % every === 0 || n === run.views.length - 1);
  const canvas = new OffscreenCanvas(WIDE, 1);
  const pen = canvas.getContext("2d", { willReadFrequently: true }); // every frame is read back
  const colours = palette();
  canvas.height = Math.max(
    ...[views[views.length - 1], views[Math.max(views.length - 2, 0)]].map((view) =>
      draw(pen, run, view, colours, true),
    ),
  );
  const frames = [];
  for (const [n, view] of views.entries()) {
    draw(pen, run, view, colours, false);
    const gap = n + 1 < views.length ? (views[n + 1].seconds - view.seconds) * SLOWER * 1000 : 3000;
    frames.push({
      data: await packed(pen.getImageData(0, 0, canvas.width, canvas.height)),
      milliseconds: Math.min(Math.max(gap, 20), 3000),
    });
  }
  return new Blob([animated(frames, canvas.width, canvas.height)], { type: "image/png" });
}

function palette() {
  const style = getComputedStyle(document.body);
  const probe = document.createElement("span");
  document.body.append(probe);
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const found = Object.fromEntries(
    ["paper", "ink", "soft", "fog", "accent", "warm"].map((name) => [name, colour(name)]),
  );
  probe.remove();
  return { ...found, font: `${SIZE}px ${style.getPropertyValue("--prose")}` };
}

// Draws a view, or only measures it; the height it takes.
function draw(pen, run, view, colours, measure) {
  pen.font = colours.font;
  pen.textBaseline = "middle";
  pen.fillStyle = colours.paper;
  if (!measure) pen.fillRect(0, 0, pen.canvas.width, pen.canvas.height);
  let x = EDGE,
    y = EDGE + TALL / 2;
  const wrap = (width) => {
    if (x + width > WIDE - EDGE && x > EDGE) {
      x = EDGE;
      y += TALL;
    }
  };
  for (const { text, kind, wide } of pieces(run, view)) {
    if (kind === "noise") {
      wrap(wide);
      pen.fillStyle = colours.fog;
      if (!measure) (pen.beginPath(), pen.roundRect(x + 3, y - 6, wide - 6, 12, 6), pen.fill());
      x += wide;
      continue;
    }
    for (const word of text.match(/\n|\s?\S+|\s+/g) ?? []) {
      if (word === "\n") {
        x = EDGE;
        y += TALL;
        continue;
      }
      const width = pen.measureText(word).width;
      wrap(width);
      pen.fillStyle = colours[kind];
      if (!measure) pen.fillText(x === EDGE ? word.trimStart() : word, x, y);
      x += x === EDGE ? pen.measureText(word.trimStart()).width : width;
    }
  }
  return y + TALL / 2 + EDGE;
}

function pieces(run, view) {
  const draft = view.draft.map((token, n) =>
    token.status === "noisy"
      ? { kind: "noise", wide: 26 + ((n * 7919) % 11) * 3 }
      : { kind: token.revised ? "warm" : "accent", text: token.text },
  );
  return [{ kind: "soft", text: run.about.prompt ?? "" }, { kind: "ink", text: textOf(run, view) }, ...draft];
}

// ---------------------------------------------------------------- PNG

// Rows of red, green and blue, each behind the name of its filter (none), as zlib packs them.
async function packed({ data, width, height }) {
  const rows = new Uint8Array(height * (1 + width * 3));
  for (let y = 0, to = 0, from = 0; y < height; y++) {
    rows[to++] = 0;
    for (let x = 0; x < width; x++, from += 4) for (let n = 0; n < 3; n++) rows[to++] = data[from + n];
  }
  const stream = new Blob([rows]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function animated(frames, width, height) {
  let count = 0;
  const colours = new Uint8Array([8, 2, 0, 0, 0]); // eight bits each of red, green and blue
  const parts = [
    new Uint8Array([137, 80, 78, 71, 13, 10, 26, 10]),
    chunk("IHDR", join([words(width, height), colours])),
    chunk("acTL", words(frames.length, 0)),
  ];
  frames.forEach(({ data, milliseconds }, n) => {
    const delay = new Uint8Array([0, 0, 0, 0, 0, 0]);
    new DataView(delay.buffer).setUint16(0, Math.round(milliseconds));
    new DataView(delay.buffer).setUint16(2, 1000);
    parts.push(chunk("fcTL", join([words(count++, width, height, 0, 0), delay])));
    parts.push(n === 0 ? chunk("IDAT", data) : chunk("fdAT", join([words(count++), data])));
  });
  return join([...parts, chunk("IEND", new Uint8Array())]);
}

function chunk(name, data) {
  const body = join([new TextEncoder().encode(name), data]);
  return join([words(data.length), body, words(crc(body))]);
}

function words(...values) {
  const bytes = new Uint8Array(values.length * 4);
  values.forEach((value, n) => new DataView(bytes.buffer).setUint32(n * 4, value));
  return bytes;
}

function join(parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  parts.reduce((at, part) => (whole.set(part, at), at + part.length), 0);
  return whole;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = TABLE[(value ^ byte) & 255] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}
