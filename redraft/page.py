"""The page: a trace as one HTML file that asks nothing of any network. Knows a trace, and how it looks."""

import json
from html import escape

from redraft.core.canvas import Status
from redraft.results import Piece
from redraft.trace import Trace, to_json

KINDS = {Status.NOISY: "n", Status.ACCEPTED: "a", Status.FIXED: "a"}  # what the style sheet calls them


def page(trace: Trace, speed: float = 1.0) -> str:
    """HTML with the trace inside; light and dark as the reader's system is."""
    views = [
        {
            "c": view.committed,
            "p": [[piece.text, _kind(piece)] for piece in view.draft],
            "f": view.nfe,
            "s": view.seconds,
            "t": len(view.tokens) + sum(piece.status == Status.ACCEPTED for piece in view.draft),
        }
        for view in trace.views
    ]
    data = {"header": to_json(trace.header), "views": views, "speed": speed}
    # "<" could end the script element; JavaScript reads its escape as the same character.
    script = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
    title = escape(f"{trace.header.model}, seed {trace.header.seed}")
    return PAGE.replace("%TITLE%", title).replace("%DATA%", script.replace("\u2029", "\\u2029"))


def _kind(piece: Piece) -> str:
    return "r" if piece.revised and piece.status == Status.ACCEPTED else KINDS[piece.status]


PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>%TITLE%</title>
<style>
:root { --ground: #fbfaf8; --ink: #1d1d1f; --soft: #6d6d72; --line: #dcdad5; --noise: #b9b6af; --new: #0b57d0;
  --revised: #9a5b00; --revised-ground: #ffe9bf; }
@media (prefers-color-scheme: dark) { :root { --ground: #17181b; --ink: #e8e6e3; --soft: #9b9ba1; --line: #34363b;
  --noise: #55575d; --new: #8ab4f8; --revised: #ffd37a; --revised-ground: #4a3812; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem; max-width: 46rem; background: var(--ground); color: var(--ink);
  font: 1.125rem/1.65 Georgia, "Times New Roman", serif; }
#text { min-height: 14rem; white-space: pre-wrap; overflow-wrap: anywhere; }
.prompt { color: var(--soft); } .n { color: var(--noise); } .a { color: var(--new); }
.r { color: var(--revised); background: var(--revised-ground); text-decoration: underline; border-radius: .2em; }
.bar, .facts { font: .875rem/1.5 system-ui, sans-serif; color: var(--soft); font-variant-numeric: tabular-nums; }
.bar { display: flex; gap: .75rem; align-items: center; flex-wrap: wrap; margin: 1.5rem 0 .75rem; padding-top: 1rem;
  border-top: 1px solid var(--line); }
.bar input { flex: 1 1 10rem; accent-color: var(--new); }
button, select { font: inherit; color: var(--ink); background: transparent; border: 1px solid var(--line);
  border-radius: .4rem; padding: .25rem .75rem; cursor: pointer; }
select option { color: #1d1d1f; background: #fff; }
button:focus-visible, select:focus-visible, input:focus-visible { outline: 2px solid var(--new); outline-offset: 2px; }
</style>
</head>
<body>
<div id="text"></div>
<div class="bar">
<button id="play">Pause</button>
<input id="place" type="range" min="0" step="1" aria-label="step">
<select id="speed" aria-label="speed"><option value="0.1">0.1x</option><option value="0.25">0.25x</option>
<option value="0.5">0.5x</option><option value="1">1x</option><option value="2">2x</option></select>
</div>
<div class="facts"><div id="now"></div>
<div><span class="n">noise</span> &middot; <span class="a">accepted</span> &middot; <span class="r">revised</span>
&middot; <span>committed</span></div><div id="about"></div></div>
<script>
"use strict";
const trace = %DATA%;
const element = (id) => document.getElementById(id), views = trace.views, last = Math.max(views.length - 1, 0);
let place = 0, timer = null;
function span(text, kind) {
  const made = document.createElement("span");
  made.className = kind;
  made.textContent = text;
  return made;
}
function show(number) {
  place = number;
  const view = views[number] || { c: "", p: [], f: 0, s: 0, t: 0 };
  const pieces = view.p.map((piece) => span(...piece));
  element("text").replaceChildren(span(trace.header.prompt, "prompt"), span(view.c, "c"), ...pieces);
  element("place").value = number;
  const rate = (view.t / Math.max(view.f, 1)).toFixed(2);
  element("now").textContent =
    `forward ${view.f} · ${view.t} tokens · ${rate} tokens per forward · ${view.s.toFixed(2)} s`;
}
function pause() { clearTimeout(timer); timer = null; element("play").textContent = "Play"; }
function next() {
  if (place >= last) return pause();
  const gap = (views[place + 1].s - views[place].s) / Number(element("speed").value);
  timer = setTimeout(() => { show(place + 1); next(); }, gap * 1000);
}
function play() { element("play").textContent = "Pause"; if (place >= last) show(0); next(); }
element("play").onclick = () => (timer === null ? play() : pause());
element("place").max = last;
element("place").oninput = (event) => { pause(); show(Number(event.target.value)); };
const speeds = element("speed");
if (![...speeds.options].some((option) => Number(option.value) === trace.speed))
  speeds.add(new Option(trace.speed + "x", trace.speed));
speeds.value = String(trace.speed);
const header = trace.header;
element("about").textContent = `${header.model} · ${header.mode} · seed ${header.seed} · redraft ${header.version}`;
show(0);
play();
</script>
</body>
</html>
"""
