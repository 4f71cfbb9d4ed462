"""Corruption: what noise is, and the forward process q(x_t | x_0) that mixes it in.

Every corruption here interpolates between the clean token and a constant noise distribution pi,

    q(x_t | x_0) = alpha_t x_0 + (1 - alpha_t) pi        (arXiv:2406.07524, Eq. 1)

independently per position. This file knows pi and Bayes' rule. It refuses to know how alpha depends on
time (schedules), what a network predicts (objectives) and what a policy does with it (sampling).

Shapes: B rows, L canvas positions, V vocabulary; `...` any leading shape, to which alphas broadcast.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.core.rng import Stream, uniform


class Corruption(ABC):
    """Interpolation with a constant noise distribution pi; subclasses say what pi is."""

    vocab_size: int

    @abstractmethod
    def noise(self, u_BL: Tensor) -> Tensor:
        """Token ids drawn from pi: a pure function of one uniform in [0, 1) per position."""

    @abstractmethod
    def log_stationary(self, like: Tensor) -> Tensor:
        """log pi [V] with the dtype and device of `like`; -inf where pi puts no mass."""

    @property
    def never_clean(self) -> tuple[int, ...]:
        """Ids that clean text never holds, so that p(x_0) must put no mass there (SUBS, arXiv:2406.07524)."""
        return ()

    def stationary(self, like: Tensor) -> Tensor:
        """pi [V], the limit of the forward process at t = 1."""
        return self.log_stationary(like).exp()

    def marginal(self, clean: Tensor, alpha: Tensor) -> Tensor:
        """q(x_t | x_0) [..., V]; `clean` is tokens [...] or a distribution over them [..., V]."""
        alpha = alpha[..., None]
        return alpha * self._distribution(clean, alpha) + (1 - alpha) * self.stationary(alpha)

    def transition(self, tokens_s: Tensor, alpha_s: Tensor, alpha_t: Tensor) -> Tensor:
        """q(x_t | x_s) [..., V] for s < t: the same interpolation with alpha_t / alpha_s (arXiv:2406.07524)."""
        return self.marginal(tokens_s, alpha_t / alpha_s)

    def posterior(self, tokens_t: Tensor, clean: Tensor, alpha_s: Tensor, alpha_t: Tensor) -> Tensor:
        """q(x_s | x_t, x_0) [..., V] for s < t, by Bayes' rule; alpha_s > 0.

        With tokens [...] as `clean` this is the true posterior. With a predicted distribution [..., V] in place of
        x_0 it is the model's p(x_s | x_t): the parameterisation of D3PM (arXiv:2107.03006), MDLM, UDLM
        (arXiv:2412.10193) and GIDD. For absorbing noise that equals the mixture E_{x_0 ~ p} q(x_s | x_t, x_0);
        for other noise it is exact when p(x_0) is the distribution of the clean token given all *other* positions,
        because the formula itself accounts for the evidence of the position's own token (`leave_one_out`,
        arXiv:2605.22765).
        """
        ratio = alpha_t / alpha_s
        at_s_V = self.marginal(clean, alpha_s)
        stay_V = self._distribution(tokens_t, at_s_V)
        arrive = (1 - ratio) * self.stationary(at_s_V)[tokens_t]  # q(x_t | x_s) for x_s != x_t
        joint_V = (ratio[..., None] * stay_V + arrive[..., None]) * at_s_V
        evidence = joint_V.sum(-1, keepdim=True)  # = q(x_t | x_0); zero only where p excludes a token seen clean
        return torch.where(evidence > 0, joint_V / evidence, stay_V)

    def leave_one_out(self, logits: Tensor, tokens_t: Tensor, alpha_t: Tensor) -> Tensor:
        """Logits [..., V] of p(x_0 | other positions) from logits of p(x_0 | all positions, its own included).

        Bayes: the position's own token x_t contributed the likelihood q(x_t | x_0), so subtract its logarithm. A
        denoiser trained by cross-entropy on every position predicts the second; `posterior` and the NELBO want the
        first. They coincide where the token is a mask.
        """
        return logits.scatter_add(-1, tokens_t[..., None], -self._evidence(tokens_t, alpha_t, logits))

    def put_back(self, logits: Tensor, tokens_t: Tensor, alpha_t: Tensor) -> Tensor:
        """The way back from `leave_one_out`: logits of p(x_0 | all positions) from those of p(x_0 | other positions).

        A denoiser trained on the NELBO of uniform noise predicts the second (UDLM, arXiv:2412.10193), and a token drawn
        for `UniformAncestral` must come from the first.
        """
        return logits.scatter_add(-1, tokens_t[..., None], self._evidence(tokens_t, alpha_t, logits))

    def _evidence(self, tokens_t: Tensor, alpha_t: Tensor, like: Tensor) -> Tensor:
        """log q(x_t | x_0 = x_t) - log q(x_t | any other x_0) [..., 1]: what a token says of itself."""
        by_noise = torch.log1p(-alpha_t) + self.log_stationary(alpha_t)[tokens_t]
        # Up to a constant, log q(x_t | x_0) raises x_0 = x_t alone: no [..., V] likelihood is needed.
        excess = torch.logaddexp(alpha_t.log(), by_noise) - by_noise
        # Where noise cannot have put x_t, the token is known to be clean and there is nothing to leave out.
        excess = torch.where(by_noise > -torch.inf, excess, 0)
        return excess[..., None].to(like.dtype)

    def _distribution(self, clean: Tensor, like: Tensor) -> Tensor:
        if clean.is_floating_point():
            return clean
        return torch.nn.functional.one_hot(clean, self.vocab_size).to(like.dtype)


@dataclass(frozen=True, slots=True)
class Absorbing(Corruption):
    """Noise is one special token (D3PM-absorbing, MDLM arXiv:2406.07524, LLaDA arXiv:2502.09992, Dream)."""

    mask_id: int
    vocab_size: int

    def __post_init__(self) -> None:
        _check_mask(self.mask_id, self.vocab_size)

    @property
    def never_clean(self) -> tuple[int, ...]:
        return (self.mask_id,)

    def noise(self, u_BL: Tensor) -> Tensor:
        return torch.full_like(u_BL, self.mask_id, dtype=torch.long)

    def log_stationary(self, like: Tensor) -> Tensor:
        log_pi_V = torch.full((self.vocab_size,), -torch.inf, dtype=like.dtype, device=like.device)
        log_pi_V[self.mask_id] = 0
        return log_pi_V


@dataclass(frozen=True, slots=True)
class Uniform(Corruption):
    """Noise is a uniformly random text token (D3PM-uniform, UDLM arXiv:2412.10193, DiffusionGemma).

    Ids from `text_size` on (special and control tokens at the end of the vocabulary) are never drawn; by default
    every id is text.
    """

    vocab_size: int
    text_size: int | None = None

    def __post_init__(self) -> None:
        _check_text(self.text_size, self.vocab_size)

    def noise(self, u_BL: Tensor) -> Tensor:
        return _pick(u_BL, self.text_size or self.vocab_size)

    def log_stationary(self, like: Tensor) -> Tensor:
        text_V = torch.arange(self.vocab_size, device=like.device) < (self.text_size or self.vocab_size)
        return (text_V.to(like.dtype) / text_V.sum()).log()


@dataclass(frozen=True, slots=True)
class Hybrid(Corruption):
    """Noise is the mask with probability 1 - uniform_share, else a uniformly random text token that is not the mask.

    Like GIDD (arXiv:2503.04482) with a mixing distribution that is constant in time. Text tokens are the ids below
    `text_size` (by default all), the mask left out: a random token is always a plausible clean one.
    """

    mask_id: int
    vocab_size: int
    uniform_share: float
    text_size: int | None = None

    def __post_init__(self) -> None:
        _check_mask(self.mask_id, self.vocab_size)
        _check_text(self.text_size, self.vocab_size)
        if not 0 <= self.uniform_share <= 1:
            raise ValueError(f"{self.uniform_share=} must be in [0, 1]")
        if self.num_text < 1:
            raise ValueError(f"{self.text_size=} leaves no text token beside {self.mask_id=}")

    @property
    def never_clean(self) -> tuple[int, ...]:
        return (self.mask_id,)

    @property
    def num_text(self) -> int:
        """How many ids random noise draws from."""
        limit = self.text_size or self.vocab_size
        return limit - (self.mask_id < limit)

    def noise(self, u_BL: Tensor) -> Tensor:
        """u below uniform_share picks a text token (rescaled), the rest of the unit interval is the mask."""
        index_BL = _pick(u_BL / max(self.uniform_share, torch.finfo(u_BL.dtype).tiny), self.num_text)
        text_BL = index_BL + (index_BL >= self.mask_id)  # skip the mask id
        return torch.where(u_BL < self.uniform_share, text_BL, self.mask_id)

    def log_stationary(self, like: Tensor) -> Tensor:
        ids_V = torch.arange(self.vocab_size, device=like.device)
        text_V = (ids_V < (self.text_size or self.vocab_size)) & (ids_V != self.mask_id)
        mask_V = (ids_V == self.mask_id).to(like.dtype)
        return (self.uniform_share / self.num_text * text_V.to(like.dtype) + (1 - self.uniform_share) * mask_V).log()


def corrupt(
    tokens_BL: Tensor,
    editable_BL: Tensor,
    level_B: Tensor,
    corruption: Corruption,
    seed_B: Tensor,
    status_BL: Tensor | None = None,
) -> Canvas:
    """Forward process q(x_t | x_0) on the editable positions; everything else is FIXED.

    `level_B` is the noise probability 1 - alpha_t, one per row [B] or per position [B, L] (blocks of one row may have
    their own). Positions hit are NOISY even where random noise happens to draw the token that was there; the other
    editable ones are ACCEPTED. Positions EMPTY in `status_BL`, where given, pass through. A row without any hit is
    done. A row's noise depends on its seed and its length position alone.
    """
    step_B = torch.zeros_like(seed_B)
    empty_BL = torch.zeros_like(editable_BL) if status_BL is None else status_BL == Status.EMPTY
    open_BL = editable_BL & ~empty_BL
    noisy_tokens_BL, hit_BL = forward_noise(tokens_BL, open_BL, level_B, corruption, seed_B, step_B)
    status_BL = torch.where(hit_BL, int(Status.NOISY), torch.where(open_BL, int(Status.ACCEPTED), int(Status.FIXED)))
    canvas = make_canvas(noisy_tokens_BL, torch.where(empty_BL, int(Status.EMPTY), status_BL), seed_B)
    return replace(canvas, done_B=~hit_BL.any(-1))


def forward_noise(
    tokens_BL: Tensor, editable_BL: Tensor, level_B: Tensor, corruption: Corruption, seed_B: Tensor, step_B: Tensor
) -> tuple[Tensor, Tensor]:
    """A draw of x_t [B, L] at noise probability `level_B` ([B] or [B, L]), and where noise hit [B, L]."""
    length = tokens_BL.shape[-1]
    level_BL = level_B[:, None] if level_B.ndim == 1 else level_B
    hit_BL = editable_BL & (uniform(seed_B, step_B, length, Stream.CORRUPT) < level_BL)
    noise_BL = corruption.noise(uniform(seed_B, step_B, length, Stream.NOISE))
    return torch.where(hit_BL, noise_BL, tokens_BL), hit_BL


def _pick(u: Tensor, count: int) -> Tensor:
    """floor(u * count); clamped because the product may round up to `count`."""
    return (u * count).long().clamp_max(count - 1)


def _check_mask(mask_id: int, vocab_size: int) -> None:
    if not 0 <= mask_id < vocab_size:
        raise ValueError(f"{mask_id=} must be an id below {vocab_size=}")


def _check_text(text_size: int | None, vocab_size: int) -> None:
    if text_size is not None and not 0 < text_size <= vocab_size:
        raise ValueError(f"{text_size=} must be in [1, {vocab_size=}]")
