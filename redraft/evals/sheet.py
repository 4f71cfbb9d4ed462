"""The sheet: the HTML and the style that a page of runs stands on. Knows how it looks, at any width, light and dark."""

PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>Redraft: evaluation</title>
<style>
:root { --ground: #fbfaf8; --card: #fff; --ink: #1d1d1f; --soft: #66666c; --line: #dcdad5; --new: #0b57d0;
  --right: #1a7f4b; --wrong: #b9b6af; --theirs: #f1efea; }
@media (prefers-color-scheme: dark) { :root { --ground: #17181b; --card: #1f2125; --ink: #e8e6e3; --soft: #9b9ba1;
  --line: #34363b; --new: #8ab4f8; --right: #63c695; --wrong: #55575d; --theirs: #24262b; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; }
body { margin: 0 auto; padding: 2.5rem 1.25rem 4rem; max-width: 72rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
h1 { font: 600 2rem/1.2 Georgia, "Times New Roman", serif; margin: 0 0 .25rem; }
h2 { font: 600 1.35rem/1.3 Georgia, "Times New Roman", serif; margin: 3rem 0 .5rem; padding-top: 1rem;
  border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.75rem 0 .25rem; overflow-wrap: anywhere; }
small, .lead, h3 small { color: var(--soft); font-weight: 400; font-size: .85rem; }
.lead { font-size: 1rem; margin: 0; } p { max-width: 46rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem; margin: 1.5rem 0; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: .8rem 1rem; }
.tiles b { display: block; font: 600 1.7rem/1.2 Georgia, serif; } .tiles span { color: var(--soft); font-size: .85rem; }
nav { display: flex; flex-wrap: wrap; gap: .35rem 1.25rem; } a { color: var(--new); }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--new); outline-offset: 2px; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .75rem 0; }
th, td { text-align: right; padding: .4rem .7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--soft); font-weight: 500; font-size: .85rem; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
.article td b { font-size: 1.05rem; } .article .theirs { background: var(--theirs); }
.article td + td + td small { white-space: nowrap; }
.article .speed td { border-bottom: 0; color: var(--soft); }
.runs { width: 100%; table-layout: auto; } .runs td { white-space: nowrap; vertical-align: middle; }
.runs td:nth-child(2) { width: 20%; min-width: 7rem; } .runs td:first-child { white-space: normal; min-width: 9rem; }
.runs svg { display: block; width: 100%; height: .8rem; }
svg line { vector-effect: non-scaling-stroke; stroke-linecap: round; }
.axis { stroke: var(--line); stroke-width: 1; } .span { stroke: var(--new); stroke-width: 3; stroke-opacity: .45; }
.dot { stroke: var(--new); stroke-width: 9; }
figure { margin: .5rem 0; overflow-x: auto; } img { width: 100%; min-width: 40rem; height: auto; }
details { border-bottom: 1px solid var(--line); } summary { cursor: pointer; padding: .55rem 0; }
dl { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .15rem 1rem; color: var(--soft);
  font-size: .9rem; }
dd { margin: 0; overflow-wrap: anywhere; }
.beside { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 18rem), 1fr)); gap: .75rem; }
.beside div { background: var(--card); border: 1px solid var(--line); border-left: 3px solid var(--wrong);
  border-radius: .4rem; padding: .5rem .8rem; min-width: 0; }
.beside .right { border-left-color: var(--right); }
.beside p { margin: 0 0 .3rem; color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font-size: .85rem; line-height: 1.45;
  max-height: 22rem; overflow-y: auto; }
pre.asked { color: var(--soft); border-left: 3px solid var(--line); padding-left: .8rem; margin: .4rem 0 .75rem; }
@media (max-width: 46rem) {
  body { padding: 1.5rem 1rem 3rem; } h1 { font-size: 1.6rem; }
  .runs thead { display: none; }
  .runs tr { display: grid; grid-template-columns: 1fr 1fr; gap: .1rem 1rem; padding: .6rem 0;
    border-bottom: 1px solid var(--line); }
  .runs td { border: 0; padding: 0; text-align: left; white-space: normal; font-size: .9rem; }
  .runs td:nth-child(1) { grid-column: 1; font-weight: 600; }
  .runs td:nth-child(3) { grid-column: 2; grid-row: 1; text-align: right; }
  .runs td:nth-child(2) { grid-column: 1 / -1; width: auto; padding: .25rem 0; }
  .runs td:nth-child(n+4):not(:empty)::before { content: attr(data-name) " "; color: var(--soft); font-size: .8rem;
    display: block; }
  .article th, .article td { padding: .35rem .4rem; } .article, .article td b { font-size: .9rem; }
  .article small { font-size: .75rem; } .article { line-height: 1.35; }
}
@media print { details { break-inside: avoid; } nav { display: none; } }
</style>
</head>
<body>
<header>
<h1>Evaluation</h1>
<p class="lead">%LEAD%</p>
<div class="tiles">%TILES%</div>
<nav>%LINKS%</nav>
<p>Scores in percent. Intervals cover 95 %: Wilson's for scores of 0 and 1, otherwise a bootstrap over examples. An
answer that never came counts as wrong. Seconds are those of an answer, one question at a time.</p>
</header>
%SECTIONS%
</body>
</html>
"""
