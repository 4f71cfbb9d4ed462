"""Policies: a decision, not a loop. Which action at each position, given one prediction.

Knows [B, L] summaries and statuses. Refuses to know the vocabulary, the noise and what comes next. A policy that says
WRITE where the model predicts a control gets the control: `step` carries out deletions and insertions.

Every policy is a frozen dataclass; adding one means adding it to `POLICIES` and rows to the table test.
Shapes: B rows, L canvas positions.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from redraft.core.canvas import Action, Canvas, Status
from redraft.core.rng import Stream, uniform
from redraft.sampling.checks import check_choice, check_count, check_flag, check_number
from redraft.sampling.prediction import COSTLY, Prediction

Order = Literal["confidence", "margin", "entropy", "random"]


class Policy:
    """A decision: actions [B, L] for one prediction."""

    __slots__ = ()

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        """int64 `Action` per position. What it says of FIXED, EMPTY and finished positions is ignored."""
        raise NotImplementedError

    @property
    def revises(self) -> bool:
        """Whether a token that was accepted may change again."""
        return False

    @property
    def reads(self) -> frozenset[str]:
        """Which of the `COSTLY` summaries it looks at; it is given NaN for the others."""
        return COSTLY

    @property
    def only_noisy(self) -> bool:
        """Whether it looks at, and acts on, noisy positions alone."""
        return False


class NoisyOnly(Policy):
    """A policy that looks at noisy positions alone, and there at nothing costly unless it says so."""

    __slots__ = ()

    @property
    def reads(self) -> frozenset[str]:
        return _costly(getattr(self, "by", "confidence"))

    @property
    def only_noisy(self) -> bool:
        return True


def _costly(by: str) -> frozenset[str]:
    return COSTLY & {f"{by}_BL"}


@dataclass(frozen=True, slots=True)
class Threshold(NoisyOnly):
    """Write noisy positions with confidence above tau, and always at least the best (Fast-dLLM, arXiv:2505.22618).

    "At least the best" may be at least the best `count` (LLaDA2.1) or, with `num_steps`, the fixed schedule's quota,
    length / num_steps with the remainder first (low_confidence_dynamic of SDAR and LLaDA2.0).
    """

    tau: float = 0.9
    num_steps: int | None = None
    count: int = 1

    def __post_init__(self) -> None:
        check_number("tau", self.tau, low=0, high=1)
        check_count("num_steps", self.num_steps, optional=True)
        check_count("count", self.count)
        if self.num_steps is not None and self.count != 1:
            raise ValueError(f"give one of count and num_steps, not {self.count=} and {self.num_steps=}")

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        confident_BL = canvas.noisy_BL & (prediction.confidence_BL > self.tau)
        few_B = confident_BL.sum(-1) < self._quota(canvas)
        best_BL = _first(prediction.confidence_BL, canvas.noisy_BL, self._quota(canvas))
        return _write(torch.where(few_B[:, None], best_BL, confident_BL))

    def _quota(self, canvas: Canvas) -> Tensor:
        if self.num_steps is None:
            return torch.full_like(canvas.step_B, self.count)
        return _share(canvas, self.num_steps)


@dataclass(frozen=True, slots=True)
class Factor(NoisyOnly):
    """Write the n most confident while (n + 1)(1 - c_n) < factor, at least one (Fast-dLLM, arXiv:2505.22618).

    With `last_rank` a run that stops at the last noisy position takes that one too, as dInfer does.
    """

    factor: float = 1.0
    last_rank: bool = False

    def __post_init__(self) -> None:
        check_number("factor", self.factor, low=0)
        check_flag("last_rank", self.last_rank)

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        rank_BL = _rank(prediction.confidence_BL, canvas.noisy_BL)
        # The left side grows with rank, so what fits is a prefix of the ranking: n = rank + 1.
        fits_BL = (rank_BL + 2) * (1 - prediction.confidence_BL) < self.factor
        write_BL = canvas.noisy_BL & (fits_BL | (rank_BL == 0))
        if self.last_rank:
            one_left_B1 = (canvas.noisy_BL & ~write_BL).sum(-1, keepdim=True) == 1
            write_BL = write_BL | canvas.noisy_BL & one_left_B1
        return _write(write_BL)


@dataclass(frozen=True, slots=True)
class TopK(NoisyOnly):
    """Write the `count` best noisy positions, or as many as finish in `num_steps` steps (LLaDA, arXiv:2502.09992).

    The schedule gives its remainder to the first steps. `by` orders positions by confidence, margin, (low) entropy
    or at random.
    """

    num_steps: int | None = None
    count: int | None = None
    by: Order = "confidence"

    def __post_init__(self) -> None:
        check_count("num_steps", self.num_steps, optional=True)
        check_count("count", self.count, optional=True)
        _check_order(self.by)
        if (self.num_steps is None) == (self.count is None):
            raise ValueError(f"give one of num_steps and count, not {self.num_steps=} and {self.count=}")

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        return _write(_first(_score(self.by, prediction, canvas), canvas.noisy_BL, self._count(canvas)))

    def _count(self, canvas: Canvas) -> Tensor:
        if self.num_steps is None:
            return torch.full_like(canvas.step_B, self.count or 1)
        steps_left_B = (self.num_steps - canvas.step_B).clamp_min(1)
        return -(-canvas.noisy_BL.sum(-1) // steps_left_B)  # ceil: the remainder goes to the first steps


@dataclass(frozen=True, slots=True)
class TimeGrid(NoisyOnly):
    """Write the share 1 - s/t of the noisy, t falling evenly from 1 to eps, all at the end (Dream, arXiv:2508.15487).

    Unlike `TopK` the number is rounded down, so the first steps may write nothing.
    """

    num_steps: int = 32
    eps: float = 1e-3
    by: Order = "entropy"

    def __post_init__(self) -> None:
        check_count("num_steps", self.num_steps)
        check_number("eps", self.eps, low=0, high=1)
        _check_order(self.by)

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        drop = (1 - self.eps) / self.num_steps
        share_B = drop / (1 - drop * canvas.step_B.double())  # (t - s) / t
        noisy_B = canvas.noisy_BL.sum(-1)
        count_B = torch.where(canvas.step_B < self.num_steps - 1, (noisy_B * share_B).long(), noisy_B)
        return _write(_first(_score(self.by, prediction, canvas), canvas.noisy_BL, count_B))


@dataclass(frozen=True, slots=True)
class LinearGrid(NoisyOnly):
    """Leave floor(total (1 - (k + 1) / num_steps)) positions noisy after forward k: the count falls in a line (RND1).

    `total` counts the positions that are not given. Unlike `TopK` the number that stays is rounded down.
    """

    num_steps: int = 32
    by: Order = "entropy"

    def __post_init__(self) -> None:
        check_count("num_steps", self.num_steps)
        _check_order(self.by)

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        steps_left_B = (self.num_steps - 1 - canvas.step_B).clamp_min(0)
        stay_B = canvas.editable_BL.sum(-1) * steps_left_B // self.num_steps
        count_B = canvas.noisy_BL.sum(-1) - stay_B
        return _write(_first(_score(self.by, prediction, canvas), canvas.noisy_BL, count_B))


@dataclass(frozen=True, slots=True)
class Budgeted(NoisyOnly):
    """Of what an even schedule is behind with, write what reaches tau, and the best (Fast-dLLM's Dream without cache).

    The schedule earns floor(total / num_steps) positions a step, `num_steps` times; `total` counts the positions that
    are not given. What was refused stays in the budget.
    """

    tau: float = 0.9
    num_steps: int = 32

    def __post_init__(self) -> None:
        check_number("tau", self.tau, low=0, high=1)
        check_count("num_steps", self.num_steps)

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        total_B, noisy_B = canvas.editable_BL.sum(-1), canvas.noisy_BL.sum(-1)
        earned_B = total_B // self.num_steps * (canvas.step_B + 1).clamp_max(self.num_steps)
        budget_B = (earned_B - (total_B - noisy_B)).clamp_min(1)
        rank_BL = _rank(prediction.confidence_BL, canvas.noisy_BL)
        within_BL = canvas.noisy_BL & (rank_BL < budget_B[:, None])
        return _write(within_BL & ((rank_BL == 0) | (prediction.confidence_BL >= self.tau)))


@dataclass(frozen=True, slots=True)
class Margin(NoisyOnly):
    """Write the `count` noisy positions of largest top-probability margin, and all above tau (arXiv:2502.06768)."""

    count: int = 1
    tau: float | None = None

    def __post_init__(self) -> None:
        check_count("count", self.count)
        check_number("tau", self.tau, low=0, high=1, optional=True)

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        write_BL = _first(prediction.margin_BL, canvas.noisy_BL, torch.full_like(canvas.step_B, self.count))
        if self.tau is not None:
            write_BL = write_BL | canvas.noisy_BL & (prediction.margin_BL > self.tau)
        return _write(write_BL)

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({"margin_BL"})


@dataclass(frozen=True, slots=True)
class EntropyBound(Policy):
    """Write the lowest-entropy positions whose joint dependence stays under `bound` nats (arXiv:2505.24857).

    That is while the sum of their entropies minus the largest stays under it. by="confidence" takes the most confident
    first instead (RND1). sticky=False decides every editable position afresh and renoises the rest (DiffusionGemma).
    """

    bound: float = 0.1
    sticky: bool = True
    by: Literal["entropy", "confidence"] = "entropy"

    def __post_init__(self) -> None:
        check_number("bound", self.bound, low=0)
        check_flag("sticky", self.sticky)
        check_choice("by", self.by, ("entropy", "confidence"))

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        open_BL = canvas.noisy_BL if self.sticky else canvas.editable_BL
        rank_BL = _rank(_score(self.by, prediction, canvas), open_BL)
        entropy_BL = prediction.entropy_BL.clamp_max(1e30).masked_fill(~open_BL, 0.0)
        sorted_BL = torch.zeros_like(entropy_BL).scatter(-1, rank_BL, entropy_BL)
        dependence_BL = sorted_BL.cumsum(-1) - sorted_BL.cummax(-1).values
        write_BL = open_BL & (dependence_BL <= self.bound).gather(-1, rank_BL)
        rest = Action.KEEP if self.sticky else Action.RENOISE
        return torch.where(write_BL, int(Action.WRITE), torch.where(open_BL, int(rest), int(Action.KEEP)))

    @property
    def revises(self) -> bool:
        return not self.sticky

    @property
    def reads(self) -> frozenset[str]:
        return frozenset({"entropy_BL"})

    @property
    def only_noisy(self) -> bool:
        return self.sticky


@dataclass(frozen=True, slots=True)
class Ancestral(NoisyOnly):
    """The exact reverse process of absorbing noise, linear schedule, in `num_steps` (MDLM, arXiv:2406.07524).

    A noisy position is written with chance (alpha_s - alpha_t) / (1 - alpha_t), whatever the model thinks of it.
    """

    num_steps: int = 32

    def __post_init__(self) -> None:
        check_count("num_steps", self.num_steps)

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        chance_B = 1 / (self.num_steps - canvas.step_B).clamp_min(1)  # alpha = step / num_steps
        return _write(canvas.noisy_BL & (_coin(canvas, Stream.POLICY) < chance_B[:, None]))


@dataclass(frozen=True, slots=True)
class Remasking(Policy):
    """Ancestral, but accepted tokens become noise again with chance sigma: same marginals (ReMDM, arXiv:2503.00307).

    cap         sigma = min(eta, sigma_max)
    rescale     sigma = eta * sigma_max
    confidence  sigma = eta * sigma_max, shared out by softmax(-probability of the token) over the accepted. The
                probability is the model's present one (ReMDM's is that of the moment of writing).
    """

    num_steps: int = 32
    eta: float = 0.1
    kind: Literal["cap", "rescale", "confidence"] = "cap"

    def __post_init__(self) -> None:
        check_count("num_steps", self.num_steps)
        check_number("eta", self.eta, low=0, high=1)
        check_choice("kind", self.kind, ("cap", "rescale", "confidence"))

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        accepted_BL = canvas.status_BL == Status.ACCEPTED
        step_B1 = canvas.step_B[:, None].clamp_max(self.num_steps - 1).double()
        alpha_t_B1, alpha_s_B1 = step_B1 / self.num_steps, (step_B1 + 1) / self.num_steps
        sigma_BL = self._sigma(prediction, accepted_BL, alpha_t_B1, alpha_s_B1)
        # What remasking takes away from the accepted, the noisy must give back (ReMDM's posterior).
        sigma_noisy_BL = torch.zeros_like(sigma_BL) if self.kind == "confidence" else sigma_BL
        chance_BL = (alpha_s_B1 - (1 - sigma_noisy_BL) * alpha_t_B1) / (1 - alpha_t_B1)
        write_BL = canvas.noisy_BL & (_coin(canvas, Stream.POLICY) < chance_BL)
        renoise_BL = accepted_BL & (_coin(canvas, Stream.REMASK) < sigma_BL)
        return torch.where(renoise_BL, int(Action.RENOISE), _write(write_BL))

    def _sigma(self, prediction: Prediction, accepted_BL: Tensor, alpha_t_B1: Tensor, alpha_s_B1: Tensor) -> Tensor:
        sigma_max_B1 = ((1 - alpha_s_B1) / alpha_t_B1.clamp_min(1e-12)).clamp_max(1)
        if self.kind == "cap":
            return sigma_max_B1.clamp_max(self.eta).expand_as(prediction.current_BL)
        if self.kind == "rescale":
            return (self.eta * sigma_max_B1).expand_as(prediction.current_BL)
        doubt_BL = prediction.current_BL.double().neg().masked_fill(~accepted_BL, -torch.inf)
        return self.eta * sigma_max_B1 * doubt_BL.softmax(-1).nan_to_num(0.0)

    @property
    def revises(self) -> bool:
        return True

    @property
    def reads(self) -> frozenset[str]:
        return frozenset()


@dataclass(frozen=True, slots=True)
class UniformAncestral(Policy):
    """The exact reverse process of uniform noise, linear schedule, in `num_steps` (D3PM, arXiv:2107.03006).

    With x_0 drawn from the prediction, x_s ~ q(x_s | x_t, x_0) is x_t (KEEP), x_0 (WRITE) or fresh noise (RENOISE).
    `vocab_size` is how many tokens the noise draws from. Take it with the stop `AllSteps`: what was written may become
    noise again.
    """

    num_steps: int
    vocab_size: int

    def __post_init__(self) -> None:
        check_count("num_steps", self.num_steps)
        check_count("vocab_size", self.vocab_size)

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        step_B1 = canvas.step_B[:, None].clamp_max(self.num_steps - 1).double()
        alpha_t_B1, alpha_s_B1 = step_B1 / self.num_steps, (step_B1 + 1) / self.num_steps
        same_BL = prediction.tokens_BL == canvas.tokens_BL
        keep_BL, renoise_BL = uniform_reverse(same_BL, alpha_s_B1, alpha_t_B1, self.vocab_size)
        coin_BL = _coin(canvas, Stream.POLICY)
        action_BL = torch.where(coin_BL < keep_BL + renoise_BL, int(Action.RENOISE), int(Action.WRITE))
        return torch.where(coin_BL < keep_BL, int(Action.KEEP), action_BL)

    @property
    def revises(self) -> bool:
        return True

    @property
    def reads(self) -> frozenset[str]:
        return frozenset()


def uniform_reverse(same: Tensor, alpha_s: Tensor, alpha_t: Tensor, vocab_size: int) -> tuple[Tensor, Tensor]:
    """The chances that x_s ~ q(x_s | x_t, x_0) is x_t and that it is fresh noise; the rest is x_0's.

    `same` says where x_t is x_0. Bayes: the posterior is the product of alpha_s x_0 + (1 - alpha_s) noise and
    r x_t + (1 - r) noise with r = alpha_t / alpha_s, so a mixture of the three and, where they meet, of both.
    """
    ratio = alpha_t / alpha_s
    keep, renoise = ratio * (1 - alpha_s), (1 - ratio) * (1 - alpha_s)
    write = (1 - ratio) * alpha_s + vocab_size * ratio * alpha_s * same
    total = keep + renoise + write
    return keep / total, renoise / total


@dataclass(frozen=True, slots=True)
class LeftToRight(NoisyOnly):
    """Write the leftmost `count` noisy positions: autoregressive order.

    With `num_steps` the count is length / num_steps, the remainder first (SDAR's sequential order).
    """

    count: int = 1
    num_steps: int | None = None

    def __post_init__(self) -> None:
        check_count("count", self.count)
        check_count("num_steps", self.num_steps, optional=True)
        if self.num_steps is not None and self.count != 1:
            raise ValueError(f"give one of count and num_steps, not {self.count=} and {self.num_steps=}")

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        few_B = torch.full_like(canvas.step_B, self.count)
        count_B = few_B if self.num_steps is None else _share(canvas, self.num_steps)
        return _write(canvas.noisy_BL & (canvas.noisy_BL.cumsum(-1) <= count_B[:, None]))


@dataclass(frozen=True, slots=True)
class Staged(Policy):
    """`first` decides the first `num_steps` forwards of a canvas, `then` all others.

    Fast-dLLM's Dream writes a block's first position with the forward that refreshes the cache: `LeftToRight`, then
    `Threshold`.
    """

    first: Policy = LeftToRight()
    then: Policy = Threshold()
    num_steps: int = 1

    def __post_init__(self) -> None:
        check_policy("first", self.first)
        check_policy("then", self.then)
        check_count("num_steps", self.num_steps)

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        early_B1 = (canvas.step_B < self.num_steps)[:, None]
        return torch.where(early_B1, self.first(prediction, canvas), self.then(prediction, canvas))

    @property
    def revises(self) -> bool:
        return self.first.revises or self.then.revises

    @property
    def reads(self) -> frozenset[str]:
        return self.first.reads | self.then.reads

    @property
    def only_noisy(self) -> bool:
        return self.first.only_noisy and self.then.only_noisy


@dataclass(frozen=True, slots=True)
class Revising(Policy):
    """Let `inner` unmask, and overwrite accepted tokens the model disputes with confidence above tau (LLaDA2.1)."""

    inner: Policy = Threshold()
    tau: float = 0.9

    def __post_init__(self) -> None:
        check_policy("inner", self.inner)
        check_number("tau", self.tau, low=0, high=1)

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        revise_BL = _disputed(prediction, canvas) & (prediction.confidence_BL > self.tau)
        return torch.where(revise_BL, int(Action.WRITE), self.inner(prediction, canvas))

    @property
    def revises(self) -> bool:
        return True

    @property
    def reads(self) -> frozenset[str]:
        return self.inner.reads


@dataclass(frozen=True, slots=True)
class Renoising(Policy):
    """Before `inner` is asked, the first `num_steps` steps renoise accepted tokens the model gives less than tau.

    On a canvas of accepted text this is an edit of the surprising places alone (a one-sided, deterministic relative of
    ReMDM-conf, arXiv:2503.00307).
    """

    inner: Policy = Threshold()
    tau: float = 0.05
    num_steps: int = 1

    def __post_init__(self) -> None:
        check_policy("inner", self.inner)
        check_number("tau", self.tau, low=0, high=1)
        check_count("num_steps", self.num_steps)

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        doubted_BL = (canvas.status_BL == Status.ACCEPTED) & (prediction.current_BL < self.tau)
        doubted_BL = doubted_BL & (canvas.step_B < self.num_steps)[:, None]
        return torch.where(doubted_BL, int(Action.RENOISE), self.inner(prediction, canvas))

    @property
    def revises(self) -> bool:
        return True

    @property
    def reads(self) -> frozenset[str]:
        return self.inner.reads


@dataclass(frozen=True, slots=True)
class Correct(Policy):
    """The edit reverse process: on accepted text carry out what the model proposes with confidence above tau.

    A proposal is another token, DELETE or INSERT, each with its own threshold (by default tau). Noisy positions are
    written as by `Threshold`. A fixed position may ask for an insertion before it where its left neighbour is not.
    """

    tau: float = 0.5
    tau_insert: float | None = None
    tau_delete: float | None = None

    def __post_init__(self) -> None:
        check_number("tau", self.tau, low=0, high=1)
        check_number("tau_insert", self.tau_insert, low=0, high=1, optional=True)
        check_number("tau_delete", self.tau_delete, low=0, high=1, optional=True)

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        asked = prediction.proposal_BL
        tau_insert = self.tau if self.tau_insert is None else self.tau_insert
        tau_delete = self.tau if self.tau_delete is None else self.tau_delete
        tau_BL = torch.where(asked == Action.DELETE, tau_delete, torch.full_like(prediction.confidence_BL, self.tau))
        tau_BL = torch.where(asked == Action.INSERT, tau_insert, tau_BL)
        sure_BL = prediction.confidence_BL > tau_BL
        fixed_insert_BL = (canvas.status_BL == Status.FIXED) & (asked == Action.INSERT)
        correct_BL = sure_BL & (_disputed(prediction, canvas) | fixed_insert_BL)
        best_BL = _first(prediction.confidence_BL, canvas.noisy_BL, torch.ones_like(canvas.step_B))
        return _write(correct_BL | canvas.noisy_BL & (sure_BL | best_BL))

    @property
    def revises(self) -> bool:
        return True

    @property
    def reads(self) -> frozenset[str]:
        return frozenset()


POLICIES: tuple[type[Policy], ...] = (
    Threshold,
    Factor,
    TopK,
    TimeGrid,
    LinearGrid,
    Budgeted,
    Margin,
    EntropyBound,
    Ancestral,
    Remasking,
    UniformAncestral,
    LeftToRight,
    Staged,
    Revising,
    Renoising,
    Correct,
)


def check_policy(name: str, value: Any) -> None:
    """Raise ValueError unless value is a policy."""
    if not isinstance(value, Policy):
        raise ValueError(f"{name}={value!r} must be a policy")


def _check_order(by: str) -> None:
    check_choice("by", by, get_args(Order))


def _write(write_BL: Tensor) -> Tensor:
    return torch.where(write_BL, int(Action.WRITE), int(Action.KEEP))


def _rank(score_BL: Tensor, among_BL: Tensor) -> Tensor:
    """0 for the highest score among the given positions, 1 for the next, ...; ties go to the left."""
    order_BL = score_BL.masked_fill(~among_BL, -torch.inf).argsort(dim=-1, descending=True, stable=True)
    places_BL = torch.arange(order_BL.shape[-1], device=order_BL.device).expand_as(order_BL)
    return torch.zeros_like(order_BL).scatter(-1, order_BL, places_BL)


def _first(score_BL: Tensor, among_BL: Tensor, count_B: Tensor) -> Tensor:
    """True at the `count_B` highest scores among the given positions (all of them where there are fewer)."""
    return among_BL & (_rank(score_BL, among_BL) < count_B[:, None])


def _share(canvas: Canvas, num_steps: int) -> Tensor:
    """This step's share [B] of the canvas, length / num_steps with the remainder first, at least one."""
    length_B = canvas.inside_BL.sum(-1)
    return (length_B // num_steps + (canvas.step_B < length_B % num_steps)).clamp_min(1)


def _score(by: Order, prediction: Prediction, canvas: Canvas) -> Tensor:
    """What to order positions by: higher goes first."""
    if by == "random":
        return _coin(canvas, Stream.POLICY)
    if by == "entropy":
        return -prediction.entropy_BL.clamp_max(1e30)  # above the -inf of positions that do not compete
    return prediction.margin_BL if by == "margin" else prediction.confidence_BL


def _coin(canvas: Canvas, stream: Stream) -> Tensor:
    return uniform(canvas.seed_B, canvas.step_B, canvas.length, stream)


def _disputed(prediction: Prediction, canvas: Canvas) -> Tensor:
    """Accepted positions where the model predicts something else than what they hold."""
    return (canvas.status_BL == Status.ACCEPTED) & (prediction.tokens_BL != canvas.tokens_BL)
