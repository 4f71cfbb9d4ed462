"""Tuning: of many decodings the fastest whose outputs agree with a slow reference's, within a tolerance.

Knows what agreement is and how to find out soon. Refuses to know files and how results are shown.

Agreement is one of two things. By "nats": how much worse the exact autoregressive mode of the same weights finds a
text, in nats per token, than the reference's text for the same prompt; a text that repeats itself is cheap to predict,
so the variety of its tokens must hold as well. By "text": the share of tokens (of edits, for "edit") that differ from
the reference's, which is strict: a text that goes another way from one token on is no worse for it.
"""

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import mean, median, stdev
from typing import TYPE_CHECKING, Any, Literal

from redraft.evals.baselines import reference
from redraft.sampling.decoding import Decoding, to_json
from redraft.sampling.policies import Threshold
from redraft.sampling.stops import Settled
from redraft.scoring import exact_nats

if TYPE_CHECKING:
    from redraft.library import Model
    from redraft.results import Result

Use = Literal["generate", "infill", "edit"]
Measure = Literal["nats", "text"]
TAUS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)
STEPS = (1, 2, 3, 4, 6, 8)
TOLERANCES: Mapping[Measure, float] = {"nats": 0.05, "text": 0.05}
VARIETY = 0.1  # nats of unigram entropy that a text may lose
HOPELESS = 1.64  # standard errors above the tolerance that end a candidate early
EMPTY = 10.0  # nats per token that an empty text is away from one that is not
GAP = 12  # tokens taken out of a text that is filled again


@dataclass(frozen=True, slots=True)
class Candidate:
    """A decoding, and the tokens denoised at once (None: all, or what the model decides)."""

    name: str
    decoding: Decoding
    block_length: int | None = None


@dataclass(frozen=True, slots=True)
class Output:
    """What one prompt led to. `nats` per token by the autoregressive mode, where there is one; `unit` what "text"
    compares: tokens, or edits."""

    unit: tuple[Any, ...]
    tokens: int
    forwards: int
    seconds: float
    nats: float | None
    entropy: float


@dataclass(slots=True)
class Trial:
    """A candidate and what it has written so far."""

    candidate: Candidate
    outputs: list[Output] = field(default_factory=list)
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A candidate in numbers. `excess` is what the tolerance is about, with its standard error; speeds are of all its
    forwards, at the median time that a forward on a canvas of its length took anybody."""

    name: str
    decoding: Mapping[str, Any]
    block_length: int | None
    prompts: int
    excess: float
    standard_error: float
    lost_variety: float
    tokens_per_forward: float
    tokens_per_second: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found: the fastest candidate that agrees (None: none does), and every one that was tried."""

    use: Use
    measure: Measure
    tolerance: float
    seed: int
    max_tokens: int
    chosen: Candidate | None
    rows: tuple[Row, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked of a model, over and over: a use, its prompts, and how long an answer is."""

    model: "Model"
    use: Use
    prompts: Sequence[str]
    max_tokens: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.prompts) < 2:
            raise ValueError(f"{len(self.prompts)} prompts are too few: a standard error needs two")
        if self.use == "edit" and self.model.voice.edit_id is None:
            raise ValueError(f"{self.model.name} was not trained to correct a text, so there is no decoding of it")
        if self.use == "infill":
            self.model.voice.check("infill")
        elif self.use == "generate" and "diffusion" not in self.model.voice.modes:
            raise ValueError(f"{self.model.name} has no mode 'diffusion' to tune")

    def write(self, candidate: Candidate, number: int) -> Output:
        """The output for one prompt."""
        prompt, seed = self.prompts[number], self.seed + number
        if self.use == "generate":
            return self._generated(candidate, prompt, seed, "diffusion")
        if self.use == "infill":
            return self._filled(candidate, prompt, seed)
        result = self.model.edit(prompt, decoding=candidate.decoding, seed=seed)
        edits = tuple((edit.start, edit.end, edit.after) for edit in result.edits)
        return _output(result, edits, list(result.tokens), None)

    def autoregressive(self, candidate: Candidate, number: int) -> Output:
        """The autoregressive mode on the same prompt."""
        return self._generated(candidate, self.prompts[number], self.seed + number, "ar")

    def _generated(self, candidate: Candidate, prompt: str, seed: int, mode: str) -> Output:
        # No text ends early, so that all write the same number of tokens; the mode "ar" cannot be told so.
        decoding = candidate.decoding
        banned = replace(decoding, banned_ids=(*decoding.banned_ids, *self.model.voice.stop_ids))
        result = self.model.generate(
            prompt, decoding=banned, canvas=candidate.block_length, max_tokens=self.max_tokens, seed=seed, mode=mode
        )
        tokens = list(result.tokens)
        return _output(result, tuple(tokens), tokens, self._nats(self.model.tokenizer.encode(prompt), tokens))

    def _filled(self, candidate: Candidate, text: str, seed: int) -> Output:
        prefix, suffix, gap = gap_in(self.model.tokenizer.encode(text), self.model.tokenizer.decode, seed)
        result = self.model.infill(prefix, suffix, gap=gap, decoding=candidate.decoding, seed=seed)
        encode = self.model.tokenizer.encode
        head = encode(prefix)
        whole = encode(prefix + result.text + suffix)
        tokens = list(result.tokens)
        return _output(result, tuple(tokens), tokens, self._nats(head, whole[len(head) :]))

    def _nats(self, head: Sequence[int], tokens: Sequence[int]) -> float | None:
        """Exact nats per token of `tokens` behind `head`."""
        if "ar" not in self.model.voice.modes or not tokens:
            return None
        network, start = self.model.network, self.model.voice.start
        before = float(exact_nats(network, start, [list(head)])[0]) if head else 0.0
        return (float(exact_nats(network, start, [[*head, *tokens]])[0]) - before) / len(tokens)


def gap_in(ids: Sequence[int], decode: Callable[[Sequence[int]], str], seed: int) -> tuple[str, str, int]:
    """A text as what stands before a gap and behind it, and the tokens that the gap had. Raises for short texts."""
    gap = min(GAP, len(ids) // 3)
    if gap < 1:
        raise ValueError(f"{decode(ids)!r} is too short to take a gap out of")
    start = random.Random(seed).randint(len(ids) // 4, len(ids) - gap - 1)
    return decode(ids[:start]), decode(ids[start + gap :]), gap


def _output(result: "Result", unit: tuple[Any, ...], tokens: Sequence[int], nats: float | None) -> Output:
    return Output(unit, len(result.tokens), result.nfe, result.wall_s, nats, unigram_entropy(tokens))


def unigram_entropy(tokens: Sequence[int]) -> float:
    """Nats of the distribution of a text's own tokens."""
    total = len(tokens)
    return -sum(n / total * math.log(n / total) for n in Counter(tokens).values())


def differing(first: Sequence[Any], second: Sequence[Any], use: Use) -> float:
    """The share in which two outputs differ, 0 to 1: of tokens by edit distance, of edits by those only one has."""
    if use == "edit":
        total = len(first) + len(second)
        return 0.0 if not total else 1 - 2 * len(set(first) & set(second)) / total
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.normalized_distance(first, second)


# ------------------------------------------------------------------ what is tried


def slow(model: "Model", use: Use, policy: Any = None) -> Candidate:
    """The reference: one token per step; for an edit as many steps as it takes. `policy` replaces the policy."""
    if use == "edit":
        decoding = replace(model.defaults.edit, max_steps=4 * max(STEPS))
        return Candidate("reference", replace(decoding, policy=policy or decoding.policy))
    recommended = getattr(model.defaults, use)
    length = model.defaults.block_length if use == "generate" else None
    decoding, length = reference("one-per-step", recommended, length)
    return Candidate("reference", replace(decoding, policy=policy or decoding.policy), length)


def grid(
    model: "Model", use: Use, max_tokens: int, policies: Mapping[str, Any] | None = None,
    canvases: Sequence[int] | None = None,
) -> list[Candidate]:  # fmt: skip
    """What is tried: the recommended decoding, then thresholds (policies) on canvases of half, once and twice its
    length where the model can choose; for an edit, fewer steps and earlier stops."""
    recommended: Decoding = getattr(model.defaults, use)
    if use == "edit":
        return _distinct([Candidate("recommended", recommended), *_edit_grid(recommended, policies)])
    policies = policies or {f"threshold:{tau}": Threshold(tau) for tau in TAUS}
    lengths = canvases or _lengths(model, use, max_tokens)
    own = model.defaults.block_length if use == "generate" else None
    found = [Candidate("recommended", recommended, own)]
    for length in lengths:
        tail = f" canvas {length}" if length is not None and len(lengths) > 1 else ""
        for name, policy in policies.items():
            found.append(Candidate(name + tail, replace(recommended, policy=policy), length))
    return _distinct(found)


def _lengths(model: "Model", use: Use, max_tokens: int) -> list[int | None]:
    own = model.defaults.block_length
    if use == "infill" or own is None or getattr(model.network, "block_length", None) is not None:
        return [own if use == "generate" else None]
    return [n for n in (own // 2, own, own * 2) if 1 <= n <= max(own, max_tokens)]


def _edit_grid(recommended: Decoding, policies: Mapping[str, Any] | None) -> Iterator[Candidate]:
    for name, policy in (policies or {"": recommended.policy}).items():
        for steps in STEPS:
            for quiet in (None, 0):
                stop = recommended.stop if quiet is None else Settled(max_quiet=quiet)
                words = f"{name} steps {steps}" + ("" if quiet is None else f" quiet {quiet}")
                decoding = replace(recommended, policy=policy, stop=stop, max_steps=steps)
                yield Candidate(words.strip(), decoding)


def _distinct(candidates: Sequence[Candidate]) -> list[Candidate]:
    kept = {(c.decoding, c.block_length): c for c in reversed(candidates)}
    return list(reversed(kept.values()))


# ------------------------------------------------------------------ the search


@dataclass(slots=True)
class Search:
    """A job, its reference, and a race of candidates against it."""

    job: Job
    reference: Trial
    trials: list[Trial]
    measure: Measure
    tolerance: float
    tell: Callable[[Trial], None] = lambda trial: None
    deadline: float = math.inf

    def run(self) -> Candidate | None:
        """The fastest that agrees. All take turns on a quarter of the prompts; then the fastest of those that may agree
        is run on the rest, and so on until one does."""
        total = len(self.job.prompts)
        for number in range(max(2, total // 4)):
            for trial in (self.reference, *self.trials):
                self._extend(trial, number + 1)
        for trial in self.trials:
            trial.verdict = "" if self._may(trial) else "differs"
        for trial in sorted(self._open(), key=self._speed, reverse=True):
            for count in (max(2, total // 2), total):
                self._extend(self.reference, count)
                self._extend(trial, count)
                if not self._may(trial):
                    break
                if time.monotonic() > self.deadline:
                    trial.verdict = "out of time"
                    return None
            if self._agrees(trial):
                trial.verdict = "fastest that agrees"
                for other in self._open():
                    other.verdict = "slower"
                return trial.candidate
            trial.verdict = "differs"
        return None

    def _open(self) -> list[Trial]:
        return [trial for trial in self.trials if not trial.verdict]

    def _extend(self, trial: Trial, count: int) -> None:
        while len(trial.outputs) < count:
            self.tell(trial)
            trial.outputs.append(self.job.write(trial.candidate, len(trial.outputs)))

    def excess(self, trial: Trial) -> tuple[float, float]:
        """How far a trial is from the reference, and the standard error of that."""
        pairs = list(zip(trial.outputs, self.reference.outputs, strict=False))
        found = [self._apart(one, slow) for one, slow in pairs]
        return mean(found), stdev(found) / math.sqrt(len(found))

    def _apart(self, one: Output, slow: Output) -> float:
        if self.measure == "text":
            return differing(one.unit, slow.unit, self.job.use)
        if one.nats is None or slow.nats is None:  # an empty text is as far from one that is not as can be
            return 0.0 if one.nats == slow.nats else EMPTY
        return one.nats - slow.nats

    def lost_variety(self, trial: Trial) -> float:
        pairs = zip(trial.outputs, self.reference.outputs, strict=False)
        return mean(slow.entropy - one.entropy for one, slow in pairs)

    def _may(self, trial: Trial) -> bool:
        value, error = self.excess(trial)
        return value - HOPELESS * error <= self.tolerance

    def _agrees(self, trial: Trial) -> bool:
        """Within the tolerance, the standard error included, and as varied."""
        value, error = self.excess(trial)
        varied = self.measure == "text" or self.lost_variety(trial) <= VARIETY
        return value + error <= self.tolerance and varied

    def _speed(self, trial: Trial) -> float:
        return self._rate(trial) / self._pace(trial)

    def _rate(self, trial: Trial) -> float:
        """Tokens per forward as on all prompts that the reference has: some prompts are slower for everybody."""
        same = rate(self.reference.outputs[: len(trial.outputs)])
        return rate(trial.outputs) * rate(self.reference.outputs) / same if same else 0.0

    def _pace(self, trial: Trial) -> float:
        """Seconds of a forward: the median over everybody on a canvas of that length, so that one slow moment of the
        machine decides nothing."""
        length = trial.candidate.block_length
        alike = [t for t in (*self.trials, self.reference) if t.candidate.block_length == length]
        return median(output.seconds / max(output.forwards, 1) for t in alike for output in t.outputs)

    def row(self, trial: Trial) -> Row:
        value, error = self.excess(trial)
        candidate = trial.candidate
        return Row(
            candidate.name, to_json(candidate.decoding), candidate.block_length, len(trial.outputs), value, error,
            self.lost_variety(trial), self._rate(trial), self._speed(trial), trial.verdict,
        )  # fmt: skip


def rate(outputs: Sequence[Output]) -> float:
    """Tokens per forward."""
    return sum(output.tokens for output in outputs) / max(sum(output.forwards for output in outputs), 1)


def tune(
    job: Job,
    candidates: Sequence[Candidate],
    slowest: Candidate,
    *,
    measure: Measure | None = None,
    tolerance: float | None = None,
    seconds: float = math.inf,
    tell: Callable[[Trial], None] = lambda trial: None,
) -> Tuned:
    """Race candidates against the slow reference. `seconds` ends the search, with nothing found, when they are over.

    measure    "nats" where the model has an autoregressive mode and the use is no edit, else "text"
    tolerance  nats per token, or the share of tokens (of edits) that may differ
    """
    exact = "ar" in job.model.voice.modes and job.use != "edit"
    measure = measure or ("nats" if exact else "text")
    if measure == "nats" and not exact:
        raise ValueError(f"nats need an autoregressive mode and a text that is written, not {job.use!r}; use 'text'")
    tolerance = TOLERANCES[measure] if tolerance is None else tolerance
    if not tolerance >= 0 or not candidates:
        raise ValueError(f"{tolerance=} must be 0 or more, and there must be candidates: {len(candidates)}")
    began = time.monotonic()
    search = Search(
        job, Trial(slowest, verdict="reference"), [Trial(candidate) for candidate in candidates], measure, tolerance,
        tell, began + seconds,
    )  # fmt: skip
    job.write(slowest, 0)  # the first forwards of a process are slow
    chosen = search.run()
    trials = [search.reference, *sorted(search.trials, key=search._speed)]
    rows = [search.row(trial) for trial in trials]
    if job.use == "generate" and "ar" in job.model.voice.modes:
        rows.insert(1, _autoregressive(job, search))
    took = time.monotonic() - began
    return Tuned(job.use, measure, tolerance, job.seed, job.max_tokens, chosen, tuple(rows), took)


def _autoregressive(job: Job, search: Search) -> Row:
    """The autoregressive mode on the same prompts: no candidate, but what speed is measured against."""
    slowest = search.reference.candidate
    trial = Trial(Candidate("autoregressive", slowest.decoding, 1), verdict="for comparison")
    trial.outputs = [job.autoregressive(slowest, number) for number in range(len(search.reference.outputs))]
    value, error = search.excess(trial)
    heat = {"temperature": to_json(slowest.decoding)["temperature"]}
    pace = median(output.seconds / max(output.forwards, 1) for output in trial.outputs)
    return Row(
        "autoregressive", heat, None, len(trial.outputs), value, error, search.lost_variety(trial),
        rate(trial.outputs), rate(trial.outputs) / pace, trial.verdict,
    )  # fmt: skip
