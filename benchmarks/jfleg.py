"""JFLEG: correction of learners' English by the instruction "fix", and how much of clean text is left alone.

Sources are detokenised, edited as plain text and tokenised again; a sentence the model leaves alone counts as its
source, unchanged. Clean sentences are held-out ones, never trained on; faulty ones are the same with generated errors.
--sweep decodes at every threshold and applies every acceptance of a word's change to what came out. --http asks a
server in a process of its own for the same edits, and says how many of them are the library's.
"""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from rich.progress import track

from benchmarks import plots, record, texts, wire
from benchmarks.correction import Corrected, correct, repair
from benchmarks.statistics import mean, ratio, spread, text
from redraft.data.errors import make_errors
from redraft.data.sentences import detokenize, tokenize
from redraft.evals.gleu import corpus_gleu, gleu, mean_gleu, sentence_statistics
from redraft.instant.acceptance import Acceptance
from redraft.library import Model
from redraft.sampling.policies import Correct

CLEAN_SOURCES = (
    "tinystories", "fables", "pratham", "fairytales", "children", "fiction", "roleplay", "textbooks", "wikisplit",
    "dolly_answers", "tatoeba",
)  # fmt: skip
TAUS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
ACCEPTED: dict[str, Acceptance | None] = {
    "every change": None,
    "words": Acceptance(written=0, inserted=0, settled=0, gain=-1e9, mended=-1e9),
    "sure": Acceptance(spelled=False),
    "words and sure, 1.5 nats": Acceptance(gain=1.5),
    "words and sure": Acceptance(),
    "words and sure, 3.5 nats": Acceptance(gain=3.5),
}


class Material(NamedTuple):
    """What is corrected: JFLEG, clean sentences with their sources, and the same sentences with errors."""

    jfleg: list[texts.Corrections]
    clean: list[texts.Pair]
    faulty: list[str]


class Outcome(NamedTuple):
    """The three parts of the material after one decoding."""

    jfleg: list[Corrected]
    clean: list[Corrected]
    faulty: list[Corrected]


def gather(folder: Path, held_out: Path, limit: int | None, seed: int) -> Material:
    clean = texts.sentences(texts.held_out(held_out, CLEAN_SOURCES), limit or 150)
    rng = Random(seed)
    faulty = [_with_errors(pair.text, rng) for pair in clean]
    return Material(texts.read_jfleg(folder)[:limit], clean, faulty)


def _with_errors(sentence: str, rng: Random) -> str:
    """The generator makes no error at all in some short sentences: a few more tries."""
    for _ in range(8):
        faulty = make_errors(sentence, rng)
        if faulty != sentence:
            break
    return faulty


def decode(model: Model, material: Material, tau: float | None) -> Outcome:
    """Correct everything once, with the recommended decoding or with another threshold."""
    decoding = model.defaults.edit
    if tau is not None:
        decoding = replace(decoding, policy=Correct(tau))
    parts = ([detokenize(item.source) for item in material.jfleg], [p.text for p in material.clean], material.faulty)
    names = ("JFLEG", "clean text", "faulty text")
    at = "" if tau is None else f", threshold {tau}"
    return Outcome(
        *(
            correct(model, part, decoding=decoding, description=name + at)
            for name, part in zip(names, parts, strict=True)
        )
    )


def measure(material: Material, outcome: Outcome, accept: Acceptance | None, seed: int) -> dict[str, Any]:
    """GLEU, clean sentences left alone, and errors mended, by one acceptance."""
    answers = [
        tokenize(after) if (after := found.after(accept)) != found.before else item.source
        for item, found in zip(material.jfleg, outcome.jfleg, strict=True)
    ]
    left = [float(found.after(accept) == found.before) for found in outcome.clean]
    by_source = {
        source: mean([kept for kept, pair in zip(left, material.clean, strict=True) if pair.source == source])
        for source in dict.fromkeys(pair.source for pair in material.clean)
    }
    return {
        "gleu": interval(material.jfleg, answers, seed),
        "jfleg_changed": mean([float(a != item.source) for a, item in zip(answers, material.jfleg, strict=True)]),
        "clean_left_alone": mean(left),
        "clean_left_alone_by_source": by_source,
        "synthetic": _synthetic(material, outcome, accept),
    }


def interval(items: Sequence[texts.Corrections], answers: Sequence[str], seed: int, draws: int = 200) -> dict[str, Any]:
    """GLEU in percent (500 draws of references) with a 95 % interval over resampled sentences."""
    statistics = sentence_statistics([i.source for i in items], answers, [i.references for i in items])
    rng = np.random.default_rng(seed)
    resampled = []
    for _ in range(draws):
        chosen = rng.integers(0, len(statistics), len(statistics))
        resampled.append(corpus_gleu([statistics[n][rng.integers(len(statistics[n]))] for n in chosen]))
    low, high = np.percentile(resampled, [2.5, 97.5])
    value = mean_gleu(statistics)
    return {"value": 100 * value, "low": 100 * float(low), "high": 100 * float(high), "examples": len(items)}


def _synthetic(material: Material, outcome: Outcome, accept: Acceptance | None) -> dict[str, Any]:
    triples = zip(material.faulty, outcome.faulty, material.clean, strict=True)
    found = [repair(faulty, c.after(accept), pair.text) for faulty, c, pair in triples if faulty != pair.text]
    needed = [r.needed for r in found]
    return {
        "sentences_wholly_repaired": mean([float(r.whole) for r in found]),
        "errors_mended": ratio([r.mended for r in found], needed),
        "edits_that_mend": ratio([r.mended for r in found], [r.made for r in found]),
        "right_words_broken": ratio([r.broken for r in found], [r.right for r in found]),
    }


def baselines(items: Sequence[texts.Corrections]) -> dict[str, float]:
    """GLEU in percent of doing nothing, of the round trip through plain text, and of each person against the others."""
    sources, references = [i.source for i in items], [i.references for i in items]
    round_trip = [tokenize(detokenize(source)) for source in sources]
    people = [
        gleu(sources, [r[k] for r in references], [r[:k] + r[k + 1 :] for r in references], iterations=50)
        for k in range(min(len(r) for r in references))
    ]
    return {
        "unchanged": 100 * gleu(sources, sources, references),
        "round_trip": 100 * gleu(sources, round_trip, references),
        "round_trip_changes": sum(a != b for a, b in zip(sources, round_trip, strict=True)) / len(sources),
        "people": 100 * sum(people) / len(people),
    }


def effort(outcome: Outcome) -> dict[str, Any]:
    """Forwards until a sentence settles and milliseconds per sentence, of JFLEG and of clean text."""
    return {
        name: {
            "forwards": spread([c.forwards for c in held]),
            "milliseconds": sum(c.milliseconds for c in held) / len(held),
        }
        for name, held in (("jfleg", outcome.jfleg), ("clean", outcome.clean))
    }


def over_http(
    items: Sequence[texts.Corrections], accept: Acceptance | None, outcome: Outcome, port: int, seed: int
) -> dict[str, Any]:
    """GLEU of what a server answers, and how many of its answers are those of the library."""
    sources = [detokenize(item.source) for item in items]
    edited = asyncio.run(_asked(port, sources))
    answers = [tokenize(a) if a != s else i.source for a, s, i in zip(edited, sources, items, strict=True)]
    same = [a == found.after(accept) for a, found in zip(edited, outcome.jfleg, strict=True)]
    return {"gleu": interval(items, answers, seed), "same_text": sum(same), "texts": len(same)}


async def _asked(port: int, sources: Sequence[str]) -> list[str]:
    line, answers = wire.Connection(port), []
    for source in track(sources, "over HTTP"):
        reply = await line.ask("/v1/edits", json.dumps({"model": "redraft-tiny", "input": source}).encode())
        assert reply.status == 200, reply.body
        answers.append(str(reply.json()["text"]))
    return answers


COLUMNS = ("", "GLEU", "95 %", "JFLEG changed", "clean left alone", "wholly repaired", "errors mended",
           "edits that mend", "right words broken")  # fmt: skip


def row(name: str, found: dict[str, Any]) -> list[Any]:
    score, made = found["gleu"], found["synthetic"]
    shares = (found["jfleg_changed"], found["clean_left_alone"], made["sentences_wholly_repaired"],
              made["errors_mended"], made["edits_that_mend"])  # fmt: skip
    span = f"{score['low']:.1f}-{score['high']:.1f}"
    broken = made["right_words_broken"]
    return [name, f"{score['value']:.2f}", span, *(f"{s['value']:.3f}" for s in shares), text(broken, 4)]


def sweep(model: Model, material: Material, seed: int) -> list[dict[str, Any]]:
    """Every threshold with every acceptance: one decoding per threshold."""
    found = []
    for tau in TAUS:
        outcome = decode(model, material, tau)
        for name, accept in ACCEPTED.items():
            found.append({"tau": tau, "accept": name} | measure(material, outcome, accept, seed))
        found[-1]["effort"] = effort(outcome)
    return found


def plot(path: Path, points: Sequence[dict[str, Any]], unchanged: float) -> None:
    with plots.figure(path) as (axes,):
        for name in ACCEPTED:
            held = [p for p in points if p["accept"] == name]
            x = [100 * p["clean_left_alone"]["value"] for p in held]
            y = [p["gleu"]["value"] for p in held]
            (line,) = axes.plot(x, y, marker="o", markersize=4, linewidth=1.2, label=name)
            for place, point in zip(zip(x, y, strict=True), held, strict=True):
                if ACCEPTED[name] is None:
                    axes.annotate(f"{point['tau']:g}", place, xytext=(4, 4), textcoords="offset points", fontsize=7,
                                  color=line.get_color())  # fmt: skip
        axes.axhline(unchanged, color=plots.INK, linewidth=1, linestyle="--")
        axes.annotate("unchanged", (0.01, unchanged), xycoords=("axes fraction", "data"), xytext=(0, 3),
                      textcoords="offset points", fontsize=8)  # fmt: skip
        axes.set_xlabel("clean sentences left exactly as they were (%)")
        axes.set_ylabel("GLEU on JFLEG dev")
        axes.legend(fontsize=8)


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("jfleg", __doc__)
    record.add_held_out(options)
    options.add_argument("--data-dir", type=Path, default=Path("data"), help="folder of JFLEG")
    options.add_argument("--sweep", action="store_true", help="thresholds and acceptances")
    options.add_argument("--http", action="store_true", help="ask a server for the same, too")
    run = record.start("jfleg", options, arguments)
    asked = run.options
    material = gather(asked.data_dir, asked.held_out, asked.limit, asked.seed)
    results: dict[str, Any] = {"baselines": baselines(material.jfleg), "clean_sentences": len(material.clean)}
    if asked.sweep:
        results["sweep"] = points = sweep(run.model, material, asked.seed)
        rows = [row(f"threshold {p['tau']:g}, {p['accept']}", p) for p in points]
        plot(run.image, points, results["baselines"]["unchanged"])
    else:
        outcome = decode(run.model, material, None)
        accept = run.model.defaults.edit_accept
        told = None if accept is None else accept.to_json()
        results |= measure(material, outcome, accept, asked.seed) | {"accept": told, "effort": effort(outcome)}
        rows = [row("recommended", results)]
        if asked.http:
            model = ["--model", f"redraft-tiny={asked.model}"] if asked.model else []
            with wire.serving(*model) as server:
                results["http"] = over_http(material.jfleg, accept, outcome, server.port, asked.seed)
            rows.append(
                ["over HTTP", f"{results['http']['gleu']['value']:.2f}", f"{results['http']['same_text']} same"]
            )
    known = ("unchanged", "round_trip", "people")
    baseline_rows = [[name, f"{results['baselines'][name]:.2f}"] + [None] * 7 for name in known]
    record.show("JFLEG dev, clean and faulty held-out sentences", COLUMNS, baseline_rows + rows)
    return run.write(results)


if __name__ == "__main__":
    main()
