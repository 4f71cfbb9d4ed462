"""Stops: when is a canvas finished?

Knows a prediction, the canvas it was made from and the canvas it led to. Refuses to know policies and loops.
Compose with `|`: done when any is.

Shapes: B rows, L canvas positions.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status
from redraft.sampling.checks import check_count, check_number
from redraft.sampling.prediction import COSTLY, Prediction


class Stop:
    """Says which rows are done [B], and which positions nobody will need any more [B, L]."""

    __slots__ = ()

    def __call__(self, prediction: Prediction, before: Canvas, after: Canvas) -> Tensor:
        """Rows that are finished. `prediction` scored `before`, and the step made `after` of it.

        What both remember of earlier steps (`stable_B`, `quiet_B`) includes this one.
        """
        raise NotImplementedError

    def surplus(self, canvas: Canvas) -> Tensor | None:
        """Positions that may become EMPTY at once, always the last present ones of a row. None: none, ever."""
        return None

    @property
    def reads(self) -> frozenset[str]:
        """Which of the `COSTLY` summaries it looks at; it is given NaN for the others."""
        return COSTLY

    @property
    def only_canvas(self) -> bool:
        """Whether it looks at tokens and statuses alone, not at what is predicted of accepted tokens."""
        return False

    def __or__(self, other: "Stop") -> "Stop":
        return AnyOf((*_flat(self), *_flat(other)))


class CanvasOnly(Stop):
    """A stop that looks at tokens and statuses alone."""

    __slots__ = ()

    @property
    def reads(self) -> frozenset[str]:
        return frozenset()

    @property
    def only_canvas(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class AnyOf(Stop):
    """Done when any of the stops is. Written `a | b`."""

    stops: tuple[Stop, ...]

    def __post_init__(self) -> None:
        if (
            not isinstance(self.stops, tuple)
            or not self.stops
            or not all(isinstance(stop, Stop) for stop in self.stops)
        ):
            raise ValueError(f"stops={self.stops!r} must be one or more stops")

    def __call__(self, prediction: Prediction, before: Canvas, after: Canvas) -> Tensor:
        return torch.stack([stop(prediction, before, after) for stop in self.stops]).any(0)

    @property
    def reads(self) -> frozenset[str]:
        return frozenset().union(*(stop.reads for stop in self.stops))

    @property
    def only_canvas(self) -> bool:
        return all(stop.only_canvas for stop in self.stops)

    def surplus(self, canvas: Canvas) -> Tensor | None:
        found = [surplus_BL for stop in self.stops if (surplus_BL := stop.surplus(canvas)) is not None]
        return torch.stack(found).any(0) if found else None


@dataclass(frozen=True, slots=True)
class AllAccepted(CanvasOnly):
    """Done when nothing is noisy."""

    def __call__(self, prediction: Prediction, before: Canvas, after: Canvas) -> Tensor:
        return ~after.noisy_BL.any(-1)


@dataclass(frozen=True, slots=True)
class AllSteps(CanvasOnly):
    """Done when the steps are spent: for processes that take back what they accepted up to the very end."""

    def __call__(self, prediction: Prediction, before: Canvas, after: Canvas) -> Tensor:
        return torch.zeros_like(before.done_B)


@dataclass(frozen=True, slots=True)
class StableAndConfident(Stop):
    """Done when the most probable tokens were the same for `patience` steps, at low mean entropy (DiffusionGemma).

    The last prediction counts as the same as the one before, `patience` times in a row; its entropy is in nats. Only
    editable positions count.
    """

    mean_entropy: float = 0.005
    patience: int = 1

    def __post_init__(self) -> None:
        check_number("mean_entropy", self.mean_entropy, low=0)
        check_count("patience", self.patience, low=0)

    def __call__(self, prediction: Prediction, before: Canvas, after: Canvas) -> Tensor:
        open_BL = before.editable_BL
        total_B = torch.where(open_BL, prediction.entropy_BL, 0.0).sum(-1)
        return (after.stable_B >= self.patience) & (total_B < self.mean_entropy * open_BL.sum(-1))

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({"entropy_BL"})


@dataclass(frozen=True, slots=True)
class AfterStopToken(CanvasOnly):
    """Done when a stop token is accepted and everything before it is. What follows it is dropped at once.

    Dropped positions are never computed again. Nothing is dropped where a FIXED position follows.
    """

    stop_ids: tuple[int, ...]

    def __post_init__(self) -> None:
        ids = self.stop_ids
        if (
            not isinstance(ids, tuple)
            or not ids
            or not all(isinstance(i, int) and not isinstance(i, bool) for i in ids)
        ):
            raise ValueError(f"stop_ids={self.stop_ids!r} must be one or more token ids")

    def __call__(self, prediction: Prediction, before: Canvas, after: Canvas) -> Tensor:
        settled_BL = after.noisy_BL.cumsum(-1) == 0
        return (self._stopped(after) & settled_BL).any(-1)

    def surplus(self, canvas: Canvas) -> Tensor:
        seen_BL = self._stopped(canvas).cumsum(-1) > 0
        behind_BL = seen_BL.roll(1, -1).index_fill(-1, canvas.seed_B.new_zeros(1), False)
        blocked_B = (behind_BL & (canvas.status_BL == Status.FIXED)).any(-1)
        return behind_BL & ~blocked_B[:, None]

    def _stopped(self, canvas: Canvas) -> Tensor:
        hit_BL = torch.zeros_like(canvas.noisy_BL)
        for stop_id in self.stop_ids:
            hit_BL = hit_BL | (canvas.tokens_BL == stop_id)
        return hit_BL & (canvas.status_BL == Status.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Settled(CanvasOnly):
    """Done when nothing is noisy and a step changed nothing: the fixed point of an edit (LLaDA2.1's block end).

    Also done when `max_quiet` forwards have found nothing noisy; with 0 the canvas that holds no noise is final.
    """

    max_quiet: int | None = None

    def __post_init__(self) -> None:
        check_count("max_quiet", self.max_quiet, low=0, optional=True)

    def __call__(self, prediction: Prediction, before: Canvas, after: Canvas) -> Tensor:
        same_BL = (before.tokens_BL == after.tokens_BL) & (before.status_BL == after.status_BL)
        enough_B = (same_BL | ~before.present_BL & ~after.present_BL).all(-1)
        if self.max_quiet is not None:
            enough_B = enough_B | (after.quiet_B >= self.max_quiet)
        return enough_B & ~after.noisy_BL.any(-1)


STOPS: tuple[type[Stop], ...] = (AllAccepted, AllSteps, StableAndConfident, AfterStopToken, Settled, AnyOf)


def _flat(stop: Stop) -> tuple[Stop, ...]:
    return stop.stops if isinstance(stop, AnyOf) else (stop,)
