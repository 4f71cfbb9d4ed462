"""lm-eval: any model that Redraft loads, asked by EleutherAI's lm-evaluation-harness.

    python -m redraft.evals.lm_eval run --model redraft --model_args pretrained=FOLDER --tasks arc_easy,gsm8k
    lm_eval.simple_evaluate(model=RedraftLM("FOLDER"), tasks=["gsm8k"])          # with lm-eval's own Python interface

Knows the harness's three questions. Refuses to know tasks. Likelihoods are exact where the model has a causal mode,
else minus the bound (NELBO) of its diffusion, from `samples` noise levels per block. Importing this needs lm-eval.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from redraft.evals.baselines import reference
from redraft.library import Model, load
from redraft.sampling.decoding import Decoding, from_json, parse_policy
from redraft.scoring import continuations, nelbo

try:
    from lm_eval.api.model import LM
    from lm_eval.api.registry import register_model
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window
except ModuleNotFoundError:
    raise ModuleNotFoundError("this is an adapter for lm-eval: pip install 'redraft[lm-eval]'") from None

LIKELIHOODS = ("auto", "exact", "nelbo")
CONVERSATION = "\N{SYMBOL FOR START OF HEADING}redraft conversation: "  # then JSON up to the end of the line
TOKENS = 256  # of an answer, where a task does not say
NOTHING = -1  # in front of a text that has nothing there
ROWS = 8  # continuations scored in one pass
KNOWN = ("until", "max_gen_toks", "do_sample", "temperature", "top_k", "top_p", "min_p")
Pair = tuple[list[int], list[int]]


@register_model("redraft")
class RedraftLM(LM):  # type: ignore[misc]
    """A model of Redraft's behind lm-eval's interface.

    pretrained    folder or hub name; None: the model in the package
    mode          of generation: diffusion, ar or verify
    policy        such as threshold:0.9; `decoding` is a whole one as JSON; neither: what the checkpoint recommends
    canvas        tokens denoised at once
    likelihood    exact, nelbo, or auto: exact where there is a causal mode
    samples       noise levels per block of the bound; `block_length` its tokens per block
    batch_size    continuations scored in one pass

    Answers are greedy unless a task asks for a temperature. What a task asks for and this cannot do is refused.
    """

    def __init__(
        self,
        pretrained: str | Model | None = None,
        *,
        mode: str | None = None,
        policy: str | None = None,
        decoding: str | Mapping[str, Any] | None = None,
        canvas: int | None = None,
        likelihood: str = "auto",
        samples: int = 32,
        block_length: int | None = None,
        seed: int = 0,
        batch_size: int | str | None = None,
        max_batch_size: int | None = None,
        device: str | None = None,
        dtype: str | None = None,
        cache: str | None = None,
        quantize: str | None = None,
        tokenizer: str | None = None,
    ) -> None:
        super().__init__()
        if policy is not None and decoding is not None:
            raise ValueError("policy and decoding both say how to decode")
        if likelihood not in LIKELIHOODS:
            raise ValueError(f"{likelihood=} must be one of {', '.join(LIKELIHOODS)}")
        if isinstance(pretrained, Model):
            self.model = pretrained
        else:
            kind = None if dtype is None else getattr(torch, dtype)
            options = {"cache": cache, "quantize": quantize, "tokenizer": tokenizer}
            self.model = load(pretrained, dtype=kind, device=_device(device), **options)  # type: ignore[arg-type]
        self.mode, self.canvas, self.seed = mode or self.model.voice.modes[0], canvas, seed
        self.recommended = self._decoding(policy, decoding)
        self.likelihood = self._likelihood(likelihood)
        self.samples, self.block_length = samples, block_length
        self.rows = batch_size if isinstance(batch_size, int) else max_batch_size or ROWS

    def _decoding(self, policy: str | None, decoding: str | Mapping[str, Any] | None) -> Decoding:
        if decoding is not None:
            return from_json(dict(json.loads(decoding) if isinstance(decoding, str) else decoding))
        recommended = self.model.defaults.generate
        return recommended if policy is None else replace(recommended, policy=parse_policy(policy))

    def _likelihood(self, asked: str) -> str:
        exact = "ar" in self.model.voice.modes
        if asked == "exact" and not exact:
            raise ValueError(f"{self.model.name} has no causal mode, so its likelihood is a bound: likelihood=nelbo")
        if asked == "nelbo" or not exact:
            self.model.voice.check("score")
            return "nelbo"
        return "exact"

    # ------------------------------------------------------------------ likelihood

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """(log-likelihood, whether greedy decoding would write it) of continuations behind contexts."""
        return self._answered("loglikelihood", requests, [self._pair(*request.args) for request in requests])

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
        """Log-likelihood of whole texts; one that is longer than the model is read in windows, each token once."""
        found = []
        for request in requests:
            pairs = list(self._windows(self.model.tokenizer.encode(request.args[0])))
            found.append(sum(nats for nats, _ in self._scored(pairs, greedy=False)))
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, found[-1])
        return found

    def _answered(self, method: str, requests: Sequence[Any], pairs: Sequence[Pair]) -> list[tuple[float, bool]]:
        found = self._scored(pairs, greedy=True)
        for request, answer in zip(requests, found, strict=True):
            self.cache_hook.add_partial(method, request.args, answer)
        return found

    def _scored(self, pairs: Sequence[Pair], *, greedy: bool) -> list[tuple[float, bool]]:
        if self.likelihood == "nelbo":
            return [self._bound(head, tail, greedy) for head, tail in pairs]
        # Longest first, so that rows of one pass are alike and too long ones fail at once.
        order = sorted(range(len(pairs)), key=lambda n: -len(pairs[n][0]) - len(pairs[n][1]))
        found: dict[int, tuple[float, bool]] = {}
        for start in range(0, len(order), self.rows):
            places = order[start : start + self.rows]
            with torch.inference_mode():
                scored = continuations(self.model.network, [pairs[n] for n in places])
            found |= {n: (-nats, sure) for n, (nats, sure) in zip(places, scored, strict=True)}
        return [found[n] for n in range(len(pairs))]

    @torch.inference_mode()
    def _bound(self, head: list[int], tail: list[int], greedy: bool) -> tuple[float, bool]:
        length = self.model._score_length(self.block_length)
        estimate = nelbo(
            self.model.network, head, tail, block_length=length, num_samples=self.samples, seed=self.seed
        )  # fmt: skip
        return -float(estimate.mean_nats_B[0]), greedy and self._writes(head, tail)

    def _writes(self, head: list[int], tail: list[int]) -> bool:
        """Whether the most confident token per step, at temperature 0, makes this continuation."""
        decoding, _ = reference("one-per-step", replace(self.recommended, temperature=0.0), len(tail))
        whole = getattr(self.model.network, "block_length", None)
        result = self.model.generate(head, decoding=decoding, max_tokens=len(tail), canvas=whole or len(tail))
        return list(result.tokens) == tail

    def _pair(self, context: str, continuation: str) -> Pair:
        """Tokens of a context and of its continuation, cut where the tokens of both together are: a space at the end
        of the context belongs to the word behind it."""
        trailing = len(context) - len(context.rstrip())
        if trailing:
            context, continuation = context[:-trailing], context[-trailing:] + continuation
        if CONVERSATION in context:
            return self._checked(self._prompt(context), self.model.tokenizer.encode(continuation))
        encode, start = self.model.tokenizer.encode, self._start()
        head, whole = encode(context), encode(context + continuation)
        return self._checked([*start, *whole[: len(head)]], whole[len(head) :])

    def _checked(self, head: list[int], tail: list[int]) -> Pair:
        """Where both do not fit, the beginning of the context goes."""
        room = self.model.voice.room - len(tail)
        if room < 1 or not tail:
            raise ValueError(f"a continuation of {len(tail)} tokens; {self.model.name} has {self.model.voice.room}")
        return head[-room:], tail

    def _start(self) -> list[int]:
        """What stands in front of every text; causal models need something there."""
        end = self.model.voice.stop_ids[:1] if self.likelihood == "exact" else ()
        return list(self.model.voice.start or end)

    def _windows(self, ids: list[int]) -> Iterator[Pair]:
        start = self._start()
        if len(start) + len(ids) <= self.model.voice.room:
            if ids:
                yield start, ids
            return
        windows = get_rolling_token_windows(ids, start[0] if start else NOTHING, self.model.voice.room - 1, 1)
        for head, tail in map(make_disjoint_window, windows):
            yield [token for token in head if token != NOTHING], tail

    # ------------------------------------------------------------------ generation

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """Answers up to the first of a task's strings."""
        found = []
        for request in requests:
            context, options = request.args
            found.append(self._written(context, dict(options)))
            self.cache_hook.add_partial("generate_until", request.args, found[-1])
        return found

    def _written(self, context: str, options: dict[str, Any]) -> str:
        unknown = [name for name in options if name not in KNOWN]
        if unknown:
            raise ValueError(f"the task asks for {', '.join(unknown)}; this adapter knows {', '.join(KNOWN)}")
        until = options.get("until") or ()
        stop = [until] if isinstance(until, str) else list(until)
        most = int(options.get("max_gen_toks", TOKENS))
        extra: dict[str, Any] = {} if self.canvas is None else {"canvas": self.canvas}
        ids = self._prompt(context)
        if CONVERSATION in context and self.model.voice.chat is not None:
            stop += self.model.voice.chat.stops
        return self.model.generate(
            ids[-max(1, self.model.voice.room - most) :], decoding=self._asked(options), max_tokens=most,
            stop=tuple(stop), seed=self.seed, mode=self.mode, **extra,
        ).text  # fmt: skip

    def _asked(self, options: Mapping[str, Any]) -> Decoding:
        """Greedy, unless the task samples."""
        heat = float(options.get("temperature") or 0.0)
        if not options.get("do_sample", heat > 0):
            return replace(self.recommended, temperature=0.0)
        names = ("top_k", "top_p", "min_p")
        filters = {name: options[name] for name in names if options.get(name)}
        return replace(self.recommended, temperature=heat or 1.0, **filters)

    def _prompt(self, context: str) -> list[int]:
        if not context.startswith(CONVERSATION):
            return self.model.prompt_ids(context) or self._start()
        spelt, _, rest = context.removeprefix(CONVERSATION).partition("\n")
        return [*self.model.chat_ids(json.loads(spelt)), *(self.model.tokenizer.encode(rest) if rest else [])]

    # ------------------------------------------------------------------ conversations

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """A conversation as one line, which the model's own template writes when it is asked: what somebody typed
        never becomes a control token. An answer that is begun already goes on behind it."""
        begun = "" if add_generation_prompt else chat_history[-1]["content"]
        asked = chat_history if add_generation_prompt else chat_history[:-1]
        self.model.render_chat(asked)  # refuses what it cannot write, before anything is asked
        return f"{CONVERSATION}{json.dumps(asked)}\n{begun}"

    @property
    def tokenizer_name(self) -> str:
        return self.model.name.replace("/", "__")

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        if not chat_template:
            return ""
        self.model.voice.check("chat")
        return self.model.voice.chat.template if self.model.voice.chat else ""


def _device(asked: str | None) -> str:
    """lm-eval's command line asks for cuda where nobody said anything."""
    if asked is not None and asked.startswith("cuda") and not torch.cuda.is_available():
        logging.getLogger(__name__).warning("there is no CUDA device: on the CPU")
        return "cpu"
    return asked or "cpu"


def main() -> None:
    """lm-eval's command line, with the model `redraft` in its list."""
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()


if __name__ == "__main__":
    main()
