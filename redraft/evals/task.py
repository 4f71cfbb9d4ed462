"""Task: a benchmark as one frozen value. Where its examples are from, how they are asked, how an answer is judged.

Knows texts and verdicts. Refuses to know models, files and how often something is asked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from redraft.evals.sandbox import Limits, Sandbox

if TYPE_CHECKING:
    from redraft.evals.records import Run

Ask = Literal["complete", "chat", "edit", "infill", "rewrite"]
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Example:
    """One question.

    prompt       a text to go on from; of an edit, the text to correct; of an infill, what stands before the gap
    question     what a user says to a chat model
    target       what the judge compares with: plain JSON values
    group        a part of the benchmark that is also reported on its own
    needs        modules without which no answer could pass: where they are missing, the example is left out, aloud
    suffix       of an infill, what stands behind the gap
    source       of a rewrite, the text
    instruction  of a rewrite, what is to become of it
    refused      why nobody may be asked this; it counts as unanswered
    """

    id: str
    prompt: str
    question: str
    target: Any
    group: str = ""
    needs: tuple[str, ...] = ()
    suffix: str = ""
    source: str = ""
    instruction: str = ""
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A score from 0 to 1, why it is not higher in a few words, and what a corpus metric sums up."""

    score: float
    why: str = ""
    parts: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Bench:
    """What a judge may use besides the answer. `sandbox` is there for tasks that run code."""

    sandbox: Sandbox | None = None
    limits: Limits = field(default_factory=Limits)

    @property
    def runs(self) -> Sandbox:
        assert self.sandbox is not None, "a task that runs code says so"
        return self.sandbox


@dataclass(frozen=True, slots=True)
class Hub:
    """A file of a dataset on the Hugging Face hub."""

    repository: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A benchmark.

    files       names that a data folder may have the examples under, the preferred first
    examples    makes examples of the rows of that file
    judge       (example, answer, how it was asked, bench) -> verdict
    asks        how it may be asked, the preferred way first: a model is asked in the first that it can answer
    max_tokens  of an answer
    stop        strings that end a completion
    metric      how scores become one number: a name in `metrics.METRICS`
    also        further metrics that are reported beside it
    beside      adds to the rows what lies beside their file; the folder is None where the data is the hub's
    finish      makes something of a finished run, at a path like the run's, and says in a line what it was
    runs_code   whether the judge needs a sandbox
    withheld    whether its questions must not be shown: records hold a hash of them, reports hold nothing
    """

    name: str
    title: str
    version: str
    split: str
    source: str
    licence: str
    files: tuple[str, ...]
    examples: Callable[[Sequence[Row]], list[Example]]
    judge: Callable[[Example, str, Ask, Bench], Verdict]
    asks: tuple[Ask, ...]
    max_tokens: int
    hub: Hub | None = None
    stop: tuple[str, ...] = ()
    metric: str = "mean"
    also: tuple[str, ...] = ()
    beside: Callable[[Sequence[Row], Path | None], Sequence[Row]] | None = None
    finish: "Callable[[Sequence[Example], Run, Path], str] | None" = None
    runs_code: bool = False
    withheld: bool = False
    limits: Limits = field(default_factory=Limits)


def right(is_right: bool, why: str) -> Verdict:
    """Right, or wrong and why."""
    return Verdict(1.0) if is_right else Verdict(0.0, why)
