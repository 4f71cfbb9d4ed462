"""Published: what others say of their models on the ten benchmarks of Gemini Diffusion's announcement. Data alone.

Nothing here was measured by this project. Published numbers come of other prompts, extractions and tries.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Published:
    """A benchmark as it was announced. `tasks`: ours that ask it -> what is different, "" where nothing is."""

    title: str
    score: float
    tasks: Mapping[str, str]


MODEL = "Gemini Diffusion"
SOURCE = "Google DeepMind, May 2025"
SPEED = 1479  # tokens per second, without the overhead
OVERHEAD = 0.84  # seconds
BENCHMARKS = (
    Published("LiveCodeBench v6", 30.9, {"livecodebench": ""}),
    Published("BigCodeBench", 45.4, {"bigcodebench": "", "bigcodebench_hard": "hard"}),
    Published("LBPP v2", 56.8, {"lbpp": "Python"}),
    Published(
        "SWE-bench Verified", 22.9, {"swebench_verified": "single edit", "swebench_verified_form": "form of the patch"}
    ),
    Published("HumanEval", 89.6, {"humaneval": ""}),
    Published("MBPP", 76.0, {"mbpp": ""}),
    Published("GPQA Diamond", 40.4, {"gpqa_diamond": ""}),
    Published("AIME 2025", 23.3, {"aime25": ""}),
    Published("BIG-Bench Extra Hard", 15.0, {"bbeh": "", "bbeh_mini": "mini"}),
    Published("Global MMLU Lite", 69.1, {"global_mmlu_lite": "English", "global_mmlu_dev": "English, development"}),
)
