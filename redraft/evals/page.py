"""The page: runs as one HTML file that asks nothing of any network. Knows summaries, samples and how they look.

What models wrote is shown as text, never as markup. Of tasks whose questions are withheld no sample is shown.
"""

from collections.abc import Sequence
from html import escape
from itertools import islice

from redraft.evals.metrics import Estimate
from redraft.evals.records import Record, Run
from redraft.evals.summary import Summary, summarise

SAMPLES = 3  # of right and of wrong answers each
LONGEST = 1500  # characters of a text that are shown
HEADS = ("task", "model", "mode", "score", "95 % interval", "", "examples", "tokens per forward", "tokens per second",
         "no answer")  # fmt: skip


def page(runs: Sequence[Run], *, samples: bool = True) -> str:
    """The runs as a table, task by task with modes side by side, then groups, settings and samples.

    Samples show questions of the set: a page that others read may have to do without.
    """
    pairs = sorted(((summarise(run), run) for run in runs), key=lambda pair: _order(pair[0]))
    rows = "\n".join(_row(summary) for summary, _ in pairs)
    head = "".join(f"<th>{name}</th>" for name in HEADS)
    parts = "\n".join(_section(summary, run, samples) for summary, run in pairs)
    return PAGE.replace("%HEAD%", head).replace("%ROWS%", rows).replace("%SECTIONS%", parts)


def _order(summary: Summary) -> tuple[str, str, str]:
    header = summary.header
    return header.task, header.model, header.label


def _row(summary: Summary) -> str:
    header, score = summary.header, summary.score
    cells = [
        escape(header.title), escape(header.model), escape(header.label), f"<b>{100 * score.value:.1f}</b>",
        f"{100 * score.low:.1f} to {100 * score.high:.1f}", _bar(score), str(score.examples),
        rate(summary.tokens_per_forward), rate(summary.tokens_per_second), f"{summary.unanswered} of {summary.answers}",
    ]  # fmt: skip
    return "<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _bar(score: Estimate) -> str:
    """The interval from 0 to 100 as a line with a dot."""
    low, high, value = (100 * x for x in (score.low, score.high, score.value))
    return (
        '<svg viewBox="-3 0 106 10" width="106" height="10" role="img" aria-label="interval">'
        '<line class="axis" x1="0" y1="5" x2="100" y2="5"/>'
        f'<line class="span" x1="{low:.1f}" y1="5" x2="{high:.1f}" y2="5"/>'
        f'<circle cx="{value:.1f}" cy="5" r="2.5"/></svg>'
    )


def rate(found: Estimate, decimals: int = 2) -> str:
    """A rate with its interval; empty where nobody counted."""
    if found.value != found.value:
        return ""
    return f"{found.value:.{decimals}f} ({found.low:.{decimals}f} to {found.high:.{decimals}f})"


def _section(summary: Summary, run: Run, samples: bool) -> str:
    header = summary.header
    settings = {
        "version": header.version, "asked by": header.ask, "metric": header.metric, "decoding": header.decoding,
        "tokens at most": header.max_tokens, "samples per example": header.samples, "seed": header.seed,
        "data": f"sha256 {header.data}", "date": header.date, "redraft": header.redraft, "machine": header.machine,
        "left out for missing modules": header.left_out, "seconds": round(summary.seconds, 1),
    }  # fmt: skip
    listed = "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in settings.items())
    title = escape(f"{header.title}, {header.model}, {header.label}")
    shown = _samples(run) if samples else ""
    return f"<details><summary>{title}</summary><dl>{listed}</dl>{_estimates(summary)}{shown}</details>"


def _estimates(summary: Summary) -> str:
    named = {f"pass@{k}": found for k, found in summary.pass_at.items()} | summary.also | summary.groups
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{100 * e.value:.1f}</td><td>{100 * e.low:.1f} to {100 * e.high:.1f}</td>"
        f"<td>{e.examples}</td></tr>"
        for name, e in named.items()
    )
    return f"<table><tr><th></th><th>score</th><th>95 %</th><th>examples</th></tr>{rows}</table>" if named else ""


def _samples(run: Run) -> str:
    if run.header.withheld:
        return "<p>The authors of this set ask that its questions are not shown.</p>"
    ordered = sorted(run.records, key=lambda record: (record.id, record.sample))
    right = islice((r for r in ordered if r.score >= 0.5), SAMPLES)
    wrong = islice((r for r in ordered if r.score < 0.5), SAMPLES)
    return "".join(map(_sample, [*right, *wrong]))


def _sample(record: Record) -> str:
    why = record.error or record.why
    verdict = f"{record.id}: {100 * record.score:.0f}" + (f" ({why})" if why else "")
    return (
        f'<h3>{escape(verdict)}</h3><pre class="asked">{escape(clipped(record.prompt))}</pre>'
        f"<pre>{escape(clipped(record.output))}</pre>"
    )


def clipped(text: str) -> str:
    """The beginning and the end of a long text."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}\n[{len(text) - LONGEST} characters]\n{text[-LONGEST // 2 :]}"


PAGE = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Redraft: evaluation</title>
<style>
:root { --ground: #fbfaf8; --ink: #1d1d1f; --soft: #6d6d72; --line: #dcdad5; --new: #0b57d0; }
@media (prefers-color-scheme: dark) { :root { --ground: #17181b; --ink: #e8e6e3; --soft: #9b9ba1; --line: #34363b;
  --new: #8ab4f8; } }
body { margin: 2rem auto; padding: 0 1.25rem; max-width: 76rem; background: var(--ground); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; margin: 1rem 0; } .wide { overflow-x: auto; }
th, td { text-align: right; padding: .3rem .7rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 500; }
summary { cursor: pointer; padding: .4rem 0; } h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; color: var(--soft); }
dd { margin: 0; overflow-wrap: anywhere; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid var(--new); padding-left: .8rem; }
pre.asked { color: var(--soft); border-color: var(--line); }
.axis { stroke: var(--line); } .span { stroke: var(--new); stroke-width: 2; } circle { fill: var(--new); }
</style>
</head>
<body>
<h1>Evaluation</h1>
<p>Scores in percent. Intervals cover 95 %: Wilson's for scores of 0 and 1, otherwise a bootstrap over examples. An
answer that never came counts as wrong.</p>
<div class="wide"><table>
<tr>%HEAD%</tr>
%ROWS%
</table></div>
%SECTIONS%
</body>
</html>
"""
