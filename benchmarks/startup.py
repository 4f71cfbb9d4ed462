"""Start-up: seconds from a bare process to the first text, memory, and the pace of forwards after that.

Every setting is a process of its own, which imports the package as a user does. Seconds are of the wall, and beside
them the processor's: on a busy machine the first say how busy it was.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import record

CANVASES = (8, 16, 32, 64)
DTYPES = ("float32", "bfloat16")
CHILD = """
import json, resource, statistics, sys, time
began, processor = time.perf_counter(), time.process_time()
import torch
from redraft import load
imported = time.perf_counter()
model = load(sys.argv[1] or None, dtype=getattr(torch, sys.argv[2]))
loaded = time.perf_counter()
next(v for v in model.stream("Once upon a time", max_tokens=32) if v.text)
first, spent = time.perf_counter(), time.process_time() - processor
from redraft.sampling.samplers import blank

def pace(run):
    for _ in range(3):
        run()
    seconds = []
    for _ in range(int(sys.argv[3])):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)

network = model.network
with torch.inference_mode():
    context = network.encode(torch.arange(40)[None])
    canvases = [blank(int(n), network.corruption, torch.tensor([0])) for n in sys.argv[4].split(",")]
    forwards = [pace(lambda: network.denoise(canvas, context)) for canvas in canvases]
    token = pace(lambda: network.next_logits(torch.tensor([[5]]), context))
print(json.dumps({
    "import_s": imported - began, "load_s": loaded - imported, "first_text_s": first - loaded,
    "total_s": first - began, "total_processor_s": spent, "forward_processor_s": forwards,
    "next_token_processor_s": token, "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000,
}))
"""


def measure(model: str | None, dtype: str, threads: int, repeats: int) -> dict[str, Any]:
    """One setting, in a process of its own. Raises CalledProcessError, its error shown, where that fails."""
    variables = os.environ | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", CHILD, model or "", dtype, str(repeats), ",".join(map(str, CANVASES))]
    done = subprocess.run(command, env=variables, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return {"dtype": dtype, "threads": threads} | found


def table(results: Sequence[dict[str, Any]]) -> None:
    columns = ["setting", "import s", "load s", "first text s", "together", "processor s", "peak MB"]
    columns += [f"canvas {n}, ms" for n in CANVASES] + ["next token, ms"]
    rows = []
    for found in results:
        times = [found[f"{name}_s"] for name in ("import", "load", "first_text", "total", "total_processor")]
        paces = [1000 * seconds for seconds in (*found["forward_processor_s"], found["next_token_processor_s"])]
        rows.append([f"{found['dtype']}, {found['threads']} threads", *times, f"{found['peak_mb']:.0f}", *paces])
    record.show("From a bare process to the first text, and a forward's processor time", columns, rows)


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("startup", __doc__)
    options.add_argument("--threads", type=int, nargs="+", default=(1, 2))
    options.add_argument("--repeats", type=int, default=50, help="forwards per figure")
    run = record.start("startup", options, arguments, loads=False)
    asked = run.options
    results = [measure(asked.model, d, n, asked.repeats) for n in asked.threads for d in DTYPES]
    table(results)
    return run.write({"canvases": list(CANVASES), "settings": results})


if __name__ == "__main__":
    main()
