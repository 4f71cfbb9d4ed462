"""Inside the sandbox: runs an answer and the reference on the same inputs, and compares what they give.

The comparison is EvalPlus's, with its exceptions for single problems. This file is sent into the sandbox as text: it
knows nothing of the rest of the package. Knows functions, inputs and outputs. Refuses to know where they are from.
"""

import contextlib
import copy
import io
import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

LEAST, FACTOR = 1.0, 4.0  # seconds of an input: at least so many, and so many times what the reference takes
FLOAT = 1e-6
NOT_NONE = ("check_str", "text_match_three", "text_starta_endb")  # whether there is anything is all that is asked
AS_SETS = ("similar_elements", "find_char_long", "common_in_nested_lists", "extract_singly", "larg_nnum",
           "intersection_array", "find_dissimilar", "Diff")  # fmt: skip


def check(job: dict[str, Any]) -> str:
    """ "" when the answer gives what the reference gives on all inputs, else where and why it does not."""
    name, mbpp = job["name"], job["mbpp"]
    inputs = [[value(v) for v in given] for given in job["inputs"]]
    reference = loaded(job["reference"], name)
    wanted, seconds = [], []
    for given in inputs:
        began = time.process_time()
        wanted.append(reference(*copy.deepcopy(given)))
        seconds.append(max(LEAST, FACTOR * (time.process_time() - began)))
    if mbpp and name in NOT_NONE:
        wanted = [found is not None for found in wanted]
    compare = Comparison(name, mbpp, job["atol"])
    number = -1
    try:
        with quiet():
            answer = loaded(job["answer"], name)
        for number, given in enumerate(inputs):
            with quiet(), limited(seconds[number]):
                found = answer(*given)
                compare(given, found, wanted[number])
    except BaseException as error:
        where = "as it was loaded" if number < 0 else f"on input {number} of {len(inputs)}"
        return f"{where}: {type(error).__name__} {error}"[:200]
    return ""


def value(spelt: Any) -> Any:
    """A value that JSON spells with the names of what it does not have."""
    if isinstance(spelt, list):
        return [value(item) for item in spelt]
    if not isinstance(spelt, dict):
        return spelt
    kind, held = spelt["kind"], spelt["of"]
    if kind == "dict":
        return {key: value(item) for key, item in held}
    if kind == "complex":
        return complex(held)
    return {"tuple": tuple, "set": set}[kind](value(item) for item in held)


def loaded(code: str, name: str) -> Callable[..., Any]:
    """The function that a program defines. It is not __main__."""
    names: dict[str, Any] = {}
    exec(code, names)
    found: Callable[..., Any] = names[name]
    return found


class Comparison:
    """Raises AssertionError where an output is not what was wanted. Once floats were wanted, later ones may be near."""

    def __init__(self, name: str, mbpp: bool, atol: float) -> None:
        self.name, self.mbpp, self.atol = name, mbpp, atol

    def __call__(self, given: Sequence[Any], found: Any, wanted: Any) -> None:
        if not self.mbpp and self.name == "find_zero":
            assert abs(polynomial(given[0], found)) <= self.atol, f"{found!r} is no zero"
            return
        same = self.exact(given, found, wanted)
        if self.atol == 0 and floats(wanted):
            self.atol = FLOAT
        if same or self.atol == 0:
            assert same, f"{found!r}, not {wanted!r}"
            return
        assert type(found) is type(wanted), f"{found!r}, not {wanted!r}"
        if isinstance(wanted, (list, tuple)):
            assert len(found) == len(wanted), f"{found!r}, not {wanted!r}"
        assert np.allclose(found, wanted, rtol=1e-7, atol=self.atol), f"{found!r}, not {wanted!r}"

    def exact(self, given: Sequence[Any], found: Any, wanted: Any) -> bool:
        if self.mbpp and self.name in AS_SETS:
            return set(found) == set(wanted)
        if self.mbpp and self.name in NOT_NONE:
            return bool(found == wanted if isinstance(found, bool) else wanted == (found is not None))
        same = bool(found == wanted)
        return same or (self.mbpp and self.otherwise(given, found))

    def otherwise(self, given: Sequence[Any], found: Any) -> bool:
        """Problems of MBPP that can be understood in a second way."""
        if self.name == "are_equivalent":  # Mbpp/164 is understood in so many ways that anything goes
            return True
        if self.name == "sum_div":  # Mbpp/295
            return bool(found == 0)
        if self.name == "surface_Area":  # Mbpp/581
            return abs(found - pyramid(*given)) <= self.atol
        return self.name == "digit_distance_nums" and bool(found == digits_apart(*given))  # Mbpp/558


def floats(wanted: Any) -> bool:
    if isinstance(wanted, (list, tuple)) and wanted:
        return all(isinstance(item, float) for item in wanted)
    if isinstance(wanted, np.ndarray):
        return wanted.dtype in (np.float64, np.float32)
    return isinstance(wanted, float)


def polynomial(coefficients: Sequence[float], x: float) -> float:
    return sum(c * math.pow(x, power) for power, c in enumerate(coefficients))


def pyramid(base: float, height: float) -> int:
    """The surface of a square pyramid whose height stands upright."""
    return round(base**2 + 2 * base * math.sqrt((base / 2) ** 2 + height**2))


def digits_apart(one: int, other: int) -> int:
    """The sum of differences of digits, the shorter number with zeros in front."""
    longest = max(len(str(one)), len(str(other)))
    pairs = zip(str(one).zfill(longest), str(other).zfill(longest), strict=True)
    return sum(abs(int(a) - int(b)) for a, b in pairs)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


class TooLong(BaseException):
    """Not an Exception: an answer that catches those must not catch this."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """So many seconds of processor time. EvalPlus goes by the clock, which on a busy machine fails right answers."""

    def ring(number: int, frame: Any) -> None:
        raise TooLong(f"more than {seconds:.1f} s")

    signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
