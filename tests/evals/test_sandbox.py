"""The sandbox holds what tries to get out, and leaves nothing behind; where it cannot start, nothing runs."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from redraft.evals import sandbox as module
from redraft.evals import seccomp
from redraft.evals.sandbox import Limits, Sandbox, Unprotected, open_sandbox

SMALL = Limits(
    cpu_seconds=2, wall_seconds=3.0, memory=512 << 20, processes=16, disk=4 << 20, output=1 << 16
)  # fmt: skip


def run(sandbox: Sandbox, program: str, **options: object) -> module.Outcome:
    return sandbox.run(program, limits=SMALL, **options)  # type: ignore[arg-type]


def test_a_program_reads_its_input_and_writes_its_output(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "import sys\nprint(input()[::-1])\nprint('oh', file=sys.stderr)", stdin="abc\n")
    assert (outcome.status, outcome.code, outcome.stdout, outcome.stderr) == ("done", 0, "cba\n", "oh\n")


def test_a_program_may_use_threads_processes_and_installed_packages(sandbox: Sandbox) -> None:
    program = """
import multiprocessing, subprocess, threading
import numpy
thread = threading.Thread(target=print, args=("thread",), kwargs={"flush": True}); thread.start(); thread.join()
print(subprocess.run(["echo", "process"], capture_output=True, text=True).stdout.strip())
if __name__ == "__main__":
    with multiprocessing.Pool(2) as pool:
        print(pool.map(abs, [-1, -2]), numpy.ones(2).sum())
"""
    assert run(sandbox, program).stdout == "thread\nprocess\n[1, 2] 2.0\n"


def test_a_program_may_talk_to_itself(sandbox: Sandbox) -> None:
    program = """
import socket
with socket.create_server(("localhost", 0)) as server:
    client = socket.create_connection(("localhost", server.getsockname()[1]))
    server.accept()[0].sendall(b"hello")
    print(client.recv(9).decode())
"""
    assert run(sandbox, program).stdout == "hello\n"


def test_a_program_that_fails_says_why(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "raise KeyError('gone')")
    assert outcome.status == "failed"
    assert outcome.stderr.endswith("KeyError: 'gone'\n")


def test_a_fork_bomb_is_contained(sandbox: Sandbox) -> None:
    bomb = "import os\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass"
    outcome = run(sandbox, bomb)
    assert outcome.status in ("time", "processes")
    assert outcome.seconds < SMALL.wall_seconds + 3


@pytest.mark.parametrize(
    "bomb",
    [
        "x = []\nwhile True:\n    x.append(bytearray(1 << 20))",
        "import os, time\nos.fork(); os.fork(); os.fork()\nx = b'1' * (200 << 20)\ntime.sleep(9)",
    ],
    ids=["one process", "eight processes, each within its limit"],
)
def test_a_memory_bomb_is_contained(sandbox: Sandbox, bomb: str) -> None:
    assert run(sandbox, bomb).status == "memory"


def test_endless_output_is_cut_off(sandbox: Sandbox) -> None:
    outcome = run(sandbox, "while True:\n    print('x' * 1000)")
    assert outcome.status == "output"
    assert len(outcome.stdout) <= SMALL.output


@pytest.mark.parametrize("program", ["while True: pass", "import time\ntime.sleep(60)"], ids=["working", "sleeping"])
def test_what_does_not_end_is_ended(sandbox: Sandbox, program: str) -> None:
    outcome = run(sandbox, program)
    assert outcome.status == "time"
    assert outcome.seconds < SMALL.wall_seconds + 2


def test_a_full_disk_is_an_error_of_the_program_alone(sandbox: Sandbox) -> None:
    """Many files together, as a zip bomb writes them: each is smaller than any limit on one."""
    program = """
import io, zipfile
packed = io.BytesIO()
with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
    for number in range(64):
        file.writestr(str(number), bytes(1 << 20))
try:
    zipfile.ZipFile(packed).extractall("/tmp/out")
except OSError as error:
    print(error.strerror)
"""
    assert run(sandbox, program).stdout == "No space left on device\n"


def test_neither_home_nor_this_repository_can_be_read(sandbox: Sandbox) -> None:
    secret = Path(__file__).resolve()
    program = f"""
import os
for place in ({str(secret)!r}, {str(Path.home() / ".bashrc")!r}, "/etc/passwd", "/etc/shadow"):
    assert not os.path.exists(place), place
"""
    assert run(sandbox, program).status == "done"


def test_our_environment_is_not_seen(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REDRAFT_TEST_KEY", "hush")
    assert "REDRAFT_TEST_KEY" not in run(sandbox, "import os\nprint(*os.environ)").stdout


def test_nothing_can_be_written_but_in_tmp(sandbox: Sandbox) -> None:
    program = f"""
for folder in ("/", "/usr", "/job", "/dev", "/proc/sys/kernel", {sys.prefix!r}, {sys.base_prefix!r}):
    try:
        open(folder + "/new", "w")
    except OSError:
        continue
    print("wrote in", folder)
try:
    open("/proc/sys/kernel/core_pattern", "w")
    print("opened a setting of the kernel")
except OSError:
    pass
open("/tmp/new", "w").write("this may be")
"""
    outcome = run(sandbox, program)
    assert (outcome.status, outcome.stdout) == ("done", "")
    assert not Path("/tmp/new").exists()


def test_there_is_no_network_not_even_to_this_machine(sandbox: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        program = f"""
import socket
for place in (("127.0.0.1", {port}), ("1.1.1.1", 53)):
    try:
        socket.create_connection(place, 1)
        print("reached", place)
    except OSError:
        pass
"""
        outcome = run(sandbox, program)
    assert (outcome.status, outcome.stdout) == ("done", "")


def test_no_process_outside_can_be_seen_or_killed(sandbox: Sandbox) -> None:
    program = f"""
import os, signal
for pid in (os.getppid(), {os.getpid()}, -1):
    try:
        os.kill(pid, signal.SIGKILL)
        print("killed", pid)
    except OSError:
        pass
print(sum(name.isdecimal() for name in os.listdir("/proc")))
"""
    outcome = run(sandbox, program)
    assert outcome.status == "done"
    assert int(outcome.stdout) <= 3


def test_a_program_has_no_rights_and_gets_none(sandbox: Sandbox) -> None:
    """Not root, no namespaces of its own (the way out of sandboxes before), no mounts."""
    program = """
import ctypes, os
c = ctypes.CDLL(None, use_errno=True)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(os.getuid() != 0 or int(status["CapEff"], 16) == 0, int(status["CapEff"], 16), status["NoNewPrivs"].strip())
print(c.unshare(0x10000000), c.mount(b"none", b"/tmp", b"tmpfs", 0, None), c.ptrace(0, 0, 0, 0))
"""
    assert run(sandbox, program).stdout == "True 0 1\n-1 -1 -1\n"


def test_nothing_is_left_behind(sandbox: Sandbox) -> None:
    mark = f"REDRAFT{time.time_ns()}"
    program = f"""
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, "-c", "import time; time.sleep(50)", "{mark}"])
"""
    before = set(Path(module.tempfile.gettempdir()).glob("redraft-job-*"))
    for _ in range(3):
        run(sandbox, program)
    time.sleep(0.3)
    processes = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    assert mark not in processes
    assert set(Path(module.tempfile.gettempdir()).glob("redraft-job-*")) <= before


def test_without_bubblewrap_nothing_runs_and_the_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ValueError, match=r"there is no bwrap here: install bubblewrap .*apt install"):
        open_sandbox()
    assert isinstance(open_sandbox(unprotected=True), Unprotected)


def test_a_bubblewrap_that_cannot_start_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ValueError, match=r"cannot start here .*No permissions to create new namespace"):
        open_sandbox()


def test_an_unprotected_program_still_has_limits() -> None:
    assert run(Unprotected(), "print(2 + 2)").stdout == "4\n"  # type: ignore[arg-type]
    assert run(Unprotected(), "while True: pass").status == "time"  # type: ignore[arg-type]


def test_the_filter_is_whole_lines_and_known_for_two_machines() -> None:
    for machine in ("x86_64", "aarch64"):
        program = seccomp.program(machine)
        assert program is not None
        assert len(program) % 8 == 0
        assert len(program) // 8 < 4096  # what the kernel takes
    assert seccomp.program("z80") is None
