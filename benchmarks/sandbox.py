"""Sandbox: many executions of programs that end in every way, and what is left of them afterwards: nothing.

Counted before and after: processes of the machine that carry a mark or belong to a sandbox of ours, files in the folder
of temporary files, mounts, and open files of this process.
"""

import os
import secrets
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import track

from benchmarks import record
from redraft.evals.sandbox import Limits, Sandbox, open_sandbox

LIMITS = Limits(cpu_seconds=1, wall_seconds=1.5, memory=256 << 20, processes=12, disk=1 << 20, output=1 << 14)
# Name -> a program. `{mark}` stands in the arguments of every process that a program leaves behind.
PROGRAMS = {
    "done": "print('done')",
    "failed": "raise ValueError('failed')",
    "killed itself": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "left a file": "open('/tmp/left', 'w').write('x' * 100_000)",
    "left a child": "import subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)', '{mark}'], start_new_session=True)",
    "left a daemon": "import os, sys\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
    "        os.execv(sys.executable, [sys.executable, '-c', 'import time; time.sleep(600)', '{mark}'])",
    "wrote without end": "while True: print('x' * 1000)",
    "took memory": "x = []\nwhile True: x.append(bytearray(1 << 24))",
    "tried to mount": "import ctypes; print(ctypes.CDLL(None).mount(b'none', b'/tmp', b'tmpfs', 0, None))",
    "slept": "import time; time.sleep(600)  # {mark}",
    "forked": "import os, time\nfor _ in range(8):\n    if os.fork() == 0:\n        time.sleep(600)",
}
RARE = ("slept", "forked")  # these take their whole time; one in RARITY
RARITY = 20


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("sandbox", __doc__)
    run = record.start("sandbox", options, arguments)
    count, mark = run.options.limit or 1000, f"redraft-{secrets.token_hex(8)}"
    with tempfile.TemporaryDirectory(prefix="redraft-") as name, temporary(Path(name)) as folder:
        began, before = time.perf_counter(), left(mark, folder)
        outcomes = execute(open_sandbox(), count, mark)
        time.sleep(0.5)  # the kernel takes its mounts back when the last process has gone
        after = left(mark, folder)
    seconds = time.perf_counter() - began
    rows = [[name, number] for name, number in sorted(outcomes.items())]
    record.show("How programs ended", ("program: end", "times"), rows)
    record.show("What is there", ("", "before", "after"), [[name, before[name], after[name]] for name in before])
    return run.write({"executions": count, "seconds": seconds, "before": before, "after": after, "ended": outcomes})


def execute(sandbox: Sandbox, count: int, mark: str) -> dict[str, int]:
    """Programs in turn; how often each ended how."""
    often = [name for name in PROGRAMS if name not in RARE]
    ended: Counter[str] = Counter()
    for number in track(range(count), description="sandbox"):
        rare = number % RARITY == RARITY - 1
        name = RARE[number // RARITY % len(RARE)] if rare else often[number % len(often)]
        outcome = sandbox.run(PROGRAMS[name].replace("{mark}", mark), limits=LIMITS)
        ended[f"{name}: {outcome.status}"] += 1
    return dict(ended)


@contextmanager
def temporary(folder: Path) -> Iterator[Path]:
    """Temporary files go into `folder`, where nobody else's are."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before


def left(mark: str, folder: Path) -> dict[str, int]:
    """What there is of processes, files, mounts and open files."""
    listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    lines = [line for line in listed.splitlines() if mark in line or str(folder) in line]
    return {
        "processes": len(lines),
        "files": len(list(folder.iterdir())),
        "mounts": len(Path("/proc/self/mounts").read_text().splitlines()),
        "open files": len(os.listdir("/proc/self/fd")),
    }


if __name__ == "__main__":
    main()
