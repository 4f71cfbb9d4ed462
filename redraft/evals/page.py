"""The page: runs as one HTML file that asks nothing of any network. Knows summaries, samples and how they look.

What models wrote is shown as text, never as markup. Of tasks whose questions are withheld no sample is shown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from statistics import median
from typing import Any

from redraft.evals.metrics import Estimate
from redraft.evals.published import BENCHMARKS, MODEL, OVERHEAD, SOURCE, SPEED, Published
from redraft.evals.records import Record, Run
from redraft.evals.sheet import PAGE
from redraft.evals.summary import Summary, summarise
from redraft.evals.sweep import Sweep, curve_of, sweep_of

SAMPLES = 3  # questions of a task that are shown
BESIDE = 4  # answers of different runs beside each other
LONGEST = 900  # characters of a text that are shown
NOT_A_RUN = "\N{EN DASH}"


@dataclass(frozen=True)
class Entry:
    """A run with its numbers."""

    run: Run
    summary: Summary

    @cached_property
    def name(self) -> str:
        """The model without its folder, and the run's label."""
        return Path(self.summary.header.model).name

    @property
    def swept(self) -> bool:
        """Whether the run is a point of a curve."""
        return curve_of(self.summary.header) is not None


def page(runs: Sequence[Run], *, samples: bool = True) -> str:
    """Runs as a page: the ten benchmarks beside published numbers, every score with its speed, curves, samples.

    Samples show questions of the set: a page that others read may have to do without.
    """
    entries = sorted((Entry(run, summarise(run)) for run in runs), key=_order)
    plain = [entry for entry in entries if not entry.swept]
    sections = [
        ("ten", "The article's ten benchmarks", _article(plain)),
        ("scores", "Scores and speed", _scores(plain)),
        ("curves", "Quality against speed", _curves(runs)),
        ("samples", "Samples", _samples(plain) if samples else ""),
        ("settings", "Settings", "".join(map(_settings, entries))),
    ]
    kept = [(name, title, body) for name, title, body in sections if body]
    links = "".join(f'<a href="#{name}">{title}</a>' for name, title, _ in kept)
    bodies = "\n".join(f'<section id="{name}"><h2>{title}</h2>\n{body}</section>' for name, title, body in kept)
    filled = {"%LEAD%": _lead(entries), "%TILES%": _tiles(plain), "%LINKS%": links, "%SECTIONS%": bodies}
    found = PAGE
    for name, value in filled.items():
        found = found.replace(name, value)
    return found


def _order(entry: Entry) -> tuple[Any, ...]:
    """By task and model; diffusion before the autoregressive mode, and baselines behind both."""
    header = entry.summary.header
    return header.task, header.model, header.setting, header.mode != "diffusion", header.mode


# ------------------------------------------------------------------ the top


def _lead(entries: Sequence[Entry]) -> str:
    names = ", ".join(sorted({entry.name for entry in entries}))
    dates = sorted(entry.summary.header.date[:10] for entry in entries)
    days = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return f"{escape(names)} &middot; {escape(days)} &middot; redraft {escape(entries[0].summary.header.redraft)}"


def _tiles(entries: Sequence[Entry]) -> str:
    """What a reader wants to know first."""
    tasks = {entry.summary.header.task for entry in entries}
    answers = sum(entry.summary.answers for entry in entries)
    diffusion = [e.summary for e in entries if e.summary.header.mode == "diffusion" and not e.summary.header.setting]
    rates = [s.tokens_per_forward.value for s in diffusion if known(s.tokens_per_forward)]
    ratios = [ratio for e in entries if not e.summary.header.setting and (ratio := _speedup(e, entries)) is not None]
    found = [(str(len(tasks)), "tasks"), (f"{answers:,}", "answers")]
    if rates:
        found.append((f"{median(rates):.2f}", "tokens per forward by diffusion, median over tasks"))
    if ratios:
        found.append((f"{median(ratios):.2f}x", "speed of diffusion over the autoregressive mode, median over tasks"))
    return "".join(f"<div><b>{value}</b><span>{name}</span></div>" for value, name in found)


# ------------------------------------------------------------------ the article's table


def _article(entries: Sequence[Entry]) -> str:
    """The ten benchmarks: what was published of Gemini Diffusion, and what our runs scored."""
    ours = {name for benchmark in BENCHMARKS for name in benchmark.tasks}
    asked = [entry for entry in entries if entry.summary.header.task in ours]
    if not asked:
        return ""
    columns = list(dict.fromkeys((entry.name, entry.summary.header.label) for entry in asked))[:BESIDE]
    several = len({name for name, _ in columns}) > 1
    heads = "".join(f"<th>{escape(f'{name}, {label}' if several else label)}</th>" for name, label in columns)
    rows = "".join(_article_row(benchmark, asked, columns) for benchmark in BENCHMARKS)
    speeds = "".join(f"<td>{_together(asked, column)}</td>" for column in columns)
    return (
        f"<p>{MODEL}'s numbers were <em>published</em> by {SOURCE}: other prompts, another harness, one try; nothing "
        "of that column was measured here. Ours are of the runs below, with 95 % intervals. A dash was not run.</p>"
        f'<div class="wide"><table class="article"><thead><tr><th>benchmark</th><th class="theirs">{MODEL}<br>'
        f"<small>published</small></th>{heads}</tr></thead><tbody>{rows}"
        f'<tr class="speed"><td>tokens per second</td><td class="theirs">{SPEED:,}<br><small>without {OVERHEAD} s '
        f"overhead</small></td>{speeds}</tr></tbody></table></div>"
    )


def _article_row(benchmark: Published, entries: Sequence[Entry], columns: Sequence[tuple[str, str]]) -> str:
    cells, notes = [], []
    for name, label in columns:
        mine = [e for e in entries if (e.name, e.summary.header.label) == (name, label)]
        by_task = {e.summary.header.task: e.summary for e in mine}
        task = next((task for task in benchmark.tasks if task in by_task), None)
        cells.append(f"<td>{NOT_A_RUN}</td>" if task is None else _article_cell(by_task[task].score))
        notes += [] if task is None else [benchmark.tasks[task]]
    theirs = f'<td class="theirs">{benchmark.score:.1f}</td>'
    note = "".join(f"<br><small>ours: {escape(words)}</small>" for words in dict.fromkeys(notes) if words)
    return f"<tr><td>{escape(benchmark.title)}{note}</td>{theirs}{''.join(cells)}</tr>"


def _article_cell(score: Estimate) -> str:
    return f"<td><b>{100 * score.value:.1f}</b><br><small>{100 * score.low:.0f} to {100 * score.high:.0f}</small></td>"


def _together(entries: Sequence[Entry], column: tuple[str, str]) -> str:
    """Tokens per second over all of a column's tasks."""
    mine = [e for e in entries if (e.name, e.summary.header.label) == column]
    counted = [record for e in mine for record in e.run.records if record.tokens is not None and record.error is None]
    seconds = sum(record.seconds for record in counted)
    return f"{sum(record.tokens or 0 for record in counted) / seconds:.0f}" if seconds else NOT_A_RUN


# ------------------------------------------------------------------ scores

HEADS = ("run", "", "score", "95 %", "tokens/forward", "tokens/s", "speed over ar", "no answer")


def _scores(entries: Sequence[Entry]) -> str:
    """Task by task, runs below each other on one scale."""
    return "".join(_task(members, entries) for members in _by_task(entries))


def _by_task(entries: Sequence[Entry]) -> list[list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        found.setdefault(entry.summary.header.task, []).append(entry)
    return list(found.values())


def _task(members: Sequence[Entry], entries: Sequence[Entry]) -> str:
    header = members[0].summary.header
    names = len({entry.name for entry in members}) > 1
    examples = sorted({entry.summary.score.examples for entry in members})
    count = f"{examples[0]} examples" if len(examples) == 1 else f"{examples[0]} to {examples[-1]} examples"
    heads = "".join(f"<th>{name}</th>" for name in HEADS)
    rows = "".join(_row(entry, entries, names) for entry in members)
    metric = "" if header.metric == "mean" else f", {escape(header.metric)}"
    return (
        f"<h3>{escape(header.title)} <small>{count}{metric}</small></h3>"
        f'<table class="runs"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _row(entry: Entry, entries: Sequence[Entry], named: bool) -> str:
    summary = entry.summary
    score, ratio = summary.score, _speedup(entry, entries)
    name = f"{entry.name}, {summary.header.label}" if named else summary.header.label
    span = f"{100 * score.low:.1f} to {100 * score.high:.1f}"
    cells = [
        escape(name), _bar(score), f"<b>{100 * score.value:.1f}</b>", span,
        rate(summary.tokens_per_forward), rate(summary.tokens_per_second, 1), "" if ratio is None else f"{ratio:.2f}x",
        f"{summary.unanswered} of {summary.answers}",
    ]  # fmt: skip
    labelled = zip(HEADS, cells, strict=True)
    return "<tr>" + "".join(f'<td data-name="{head}">{cell}</td>' for head, cell in labelled) + "</tr>"


def _speedup(entry: Entry, entries: Sequence[Entry]) -> float | None:
    """Tokens per second over those of the autoregressive mode of the same model on the same task."""
    header, own = entry.summary.header, entry.summary.tokens_per_second
    for other in entries:
        there = other.summary.header
        if (there.task, there.model, there.mode) == (header.task, header.model, "ar") and header.mode != "ar":
            base = other.summary.tokens_per_second
            return own.value / base.value if known(own) and known(base) and base.value else None
    return None


def _bar(score: Estimate) -> str:
    """The interval from 0 to 100 as a line with a dot."""
    low, high, value = (100 * x for x in (score.low, score.high, score.value))
    return (
        '<svg viewBox="-3 0 106 10" preserveAspectRatio="none" role="img" aria-label="interval">'
        '<line class="axis" x1="0" y1="5" x2="100" y2="5"/>'
        f'<line class="span" x1="{low:.1f}" y1="5" x2="{high:.1f}" y2="5"/>'
        f'<line class="dot" x1="{value:.1f}" y1="5" x2="{value:.1f}" y2="5"/></svg>'
    )


def known(found: Estimate) -> bool:
    return found.value == found.value


def rate(found: Estimate, decimals: int = 2) -> str:
    """A rate with its interval; empty where nobody counted."""
    if not known(found):
        return ""
    return f"{found.value:.{decimals}f} ({found.low:.{decimals}f} to {found.high:.{decimals}f})"


# ------------------------------------------------------------------ curves


def _curves(runs: Sequence[Run]) -> str:
    grouped: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        grouped.setdefault((run.header.task, run.header.model), []).append(run)
    swept = [found for found in grouped.values() if any(curve_of(run.header) is not None for run in found)]
    return "".join(_curve(sweep_of(found)) for found in swept)


def _curve(sweep: Sweep) -> str:
    from redraft.evals.plots import data_url, draw

    header = sweep.header
    title = escape(f"{header.title}, {Path(header.model).name}")
    rows = "".join(
        f"<tr><td>{escape(curve.name)}</td><td><b>{curve.aup.value:.1f}</b></td>"
        f"<td>{curve.aup.low:.1f} to {curve.aup.high:.1f}</td><td>{len(curve.points)}</td></tr>"
        for curve in sweep.curves
    )
    return (
        f'<h3>{title}</h3><figure><img alt="Score against speed: {title}" src="{data_url(draw(sweep))}"></figure>'
        '<div class="wide"><table><thead><tr><th>curve</th><th>AUP</th><th>95 %</th><th>settings</th></tr></thead>'
        f"<tbody>{rows}</tbody></table></div><p><small>AUP: area under score and tokens per forward, as d3LLM defines "
        "it (arXiv:2601.07568); settings more than five points below the slowest do not count.</small></p>"
    )


# ------------------------------------------------------------------ samples and settings


def _samples(entries: Sequence[Entry]) -> str:
    return "".join(_task_samples(members[:BESIDE]) for members in _by_task(entries))


def _task_samples(members: Sequence[Entry]) -> str:
    """A few questions, each with the answers of the runs beside each other; of right answers first."""
    header = members[0].summary.header
    title = f"<summary>{escape(header.title)}</summary>"
    if header.withheld:
        return f"<details>{title}<p>The authors of this set ask that its questions are not shown.</p></details>"
    answers = [entry.run.by_example() for entry in members]
    best = {name: max(of[name][0].score for of in answers if name in of) for name in _names(answers)}
    chosen = sorted(best, key=lambda name: (-best[name], name))
    shown = chosen[: SAMPLES - 1] + chosen[SAMPLES - 1 :][-1:]  # the last: one that nobody solved, if there is one
    return f"<details>{title}" + "".join(_question(name, members, answers) for name in shown) + "</details>"


def _names(answers: Iterable[dict[str, list[Record]]]) -> list[str]:
    return list(dict.fromkeys(name for of in answers for name in of))


def _question(name: str, members: Sequence[Entry], answers: Sequence[dict[str, list[Record]]]) -> str:
    pairs = [(entry, of[name][0]) for entry, of in zip(members, answers, strict=True) if name in of]
    prompts = dict.fromkeys(record.prompt for _, record in pairs)
    asked = "".join(f'<pre class="asked">{escape(clipped(prompt))}</pre>' for prompt in prompts)
    written = "".join(_answer(entry, record) for entry, record in pairs)
    return f'<h3>{escape(name)}</h3>{asked}<div class="beside">{written}</div>'


def _answer(entry: Entry, record: Record) -> str:
    why = record.error or record.why
    speed = "" if record.tokens_per_forward is None else f", {record.tokens_per_forward:.1f} tokens per forward"
    told = f"{entry.summary.header.label}: {100 * record.score:.0f}{speed}" + (f" ({clipped(why)})" if why else "")
    kind = "right" if record.score >= 0.5 else "wrong"
    return f'<div class="{kind}"><p>{escape(told)}</p><pre>{escape(clipped(record.output))}</pre></div>'


def _settings(entry: Entry) -> str:
    summary, header = entry.summary, entry.summary.header
    settings = {
        "version": header.version, "asked by": header.ask, "metric": header.metric, "decoding": header.decoding,
        "tokens at most": header.max_tokens, "samples per example": header.samples, "seed": header.seed,
        "data": f"sha256 {header.data}", "date": header.date, "redraft": header.redraft, "machine": header.machine,
        "left out for missing modules": header.left_out, "seconds": round(summary.seconds, 1),
    }  # fmt: skip
    listed = "".join(f"<dt>{name}</dt><dd>{escape(str(value))}</dd>" for name, value in settings.items())
    title = escape(f"{header.title}, {entry.name}, {header.label}")
    return f"<details><summary>{title}</summary><dl>{listed}</dl>{_estimates(summary)}</details>"


def _estimates(summary: Summary) -> str:
    named = {f"pass@{k}": found for k, found in summary.pass_at.items()} | summary.also | summary.groups
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{100 * e.value:.1f}</td><td>{100 * e.low:.1f} to {100 * e.high:.1f}</td>"
        f"<td>{e.examples}</td></tr>"
        for name, e in named.items()
    )
    if not named:
        return ""
    return (
        f'<div class="wide"><table><tr><th></th><th>score</th><th>95 %</th><th>examples</th></tr>{rows}</table></div>'
    )


def clipped(text: str) -> str:
    """The beginning and the end of a long text."""
    if len(text) <= LONGEST:
        return text
    return f"{text[: LONGEST // 2]}\n[{len(text) - LONGEST} characters]\n{text[-LONGEST // 2 :]}"
