"""The sandbox: runs a Python program that nobody trusts, and says how it ended.

Knows bubblewrap, limits and processes. A program sees the interpreter and the system's libraries read-only, a small
/tmp and nothing else: no home, no network, no other process. Refuses to know what the program is for.
"""

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Literal, Protocol

from redraft.evals import seccomp

Status = Literal["done", "failed", "time", "memory", "processes", "output"]

HOW_TO_GET_IT = "install bubblewrap 0.8 or newer (apt install bubblewrap, dnf install bubblewrap)"
NOBODY = 65534
TICK = 0.05  # seconds between two looks at what a program uses
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ssl", "/etc/alternatives", "/etc/fonts")
# Runs inside, before the program: gives up root where it has it, then everything that limits can take.
LAUNCH = """
import json, os, resource, sys
limits = json.loads(sys.argv[1])
if limits["nobody"]:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
cap = lambda name, value: resource.setrlimit(getattr(resource, "RLIMIT_" + name), (value, value))
cap("CPU", limits["cpu_seconds"]); cap("AS", limits["memory"]); cap("NOFILE", limits["files"])
cap("FSIZE", limits["disk"]); cap("CORE", 0)
if limits["count"]:
    cap("NPROC", limits["processes"])
os.execv(sys.executable, [sys.executable, *limits["flags"], sys.argv[2]])
"""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use: seconds, bytes, and how many of a thing. Memory counts all its processes together."""

    cpu_seconds: int = 10
    wall_seconds: float = 30.0
    memory: int = 2 << 30
    processes: int = 32
    files: int = 128
    disk: int = 64 << 20
    output: int = 1 << 20


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended, and what it wrote."""

    status: Status
    code: int
    stdout: str
    stderr: str
    seconds: float


class Sandbox(Protocol):
    """What runs a program."""

    def run(self, program: str, *, stdin: str = "", limits: Limits = Limits()) -> Outcome: ...


def open_sandbox(*, unprotected: bool = False) -> Sandbox:
    """Bubblewrap, tried out. Raises ValueError, saying what to do, where it cannot start.

    `unprotected` runs programs as plain processes with limits: for machines that are themselves thrown away.
    """
    if unprotected:
        return Unprotected()
    if sys.platform != "linux":
        raise ValueError(f"programs are run under bubblewrap, which {sys.platform} does not have")
    found = shutil.which("bwrap")
    if found is None:
        raise ValueError(f"programs are run under bubblewrap, and there is no bwrap here: {HOW_TO_GET_IT}")
    sandbox = Bubblewrap(found)
    outcome = sandbox.run("print('alive')")
    if outcome.stdout != "alive\n":
        said = (outcome.stderr.strip() or outcome.status).splitlines()[-1]
        raise ValueError(f"bubblewrap cannot start here ({said}): {HOW_TO_GET_IT}")
    return sandbox


@dataclass(frozen=True, slots=True)
class Bubblewrap:
    """Programs in namespaces of their own: users, mounts, processes, network, host name and shared memory.

    Started by root, a program becomes nobody instead of root of a user namespace: what that is allowed to do to the
    machine depends on the number behind the name.
    """

    path: str

    def run(self, program: str, *, stdin: str = "", limits: Limits = Limits()) -> Outcome:
        with _job(program, stdin) as folder, _filter() as rules:
            nobody = os.geteuid() == 0
            options = ["--seccomp", str(rules.fileno())] if rules else []
            options += _namespaces(nobody) + _view(folder, limits)
            command = [self.path, *options, "--", sys.executable, *_launch(limits, "/job", nobody=nobody, count=True)]
            held = [rules.fileno()] if rules else []
            return _watched(command, folder, {}, None, held, limits)


@dataclass(frozen=True, slots=True)
class Unprotected:
    """Programs as plain processes with limits, in a folder of their own: whatever this user may do, they may."""

    def run(self, program: str, *, stdin: str = "", limits: Limits = Limits()) -> Outcome:
        with _job(program, stdin) as folder:
            command = [sys.executable, *_launch(limits, str(folder), nobody=False, count=False)]
            return _watched(command, folder, _environment(str(folder)), folder, [], limits)


def _namespaces(nobody: bool) -> list[str]:
    shared = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    shared += ["--die-with-parent", "--new-session", "--cap-drop", "ALL"]
    if nobody:
        return [*shared, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    return ["--unshare-user", "--disable-userns", *shared]


def _view(folder: Path, limits: Limits) -> list[str]:
    """What a program finds in place of the machine's files."""
    view = ["--perms", "755", "--dir", "/etc"]  # bubblewrap makes folders that only root may enter
    for path in map(Path, SYSTEM):
        if path.is_symlink():
            view += ["--symlink", os.readlink(path), str(path)]
        elif path.exists():
            view += ["--ro-bind", str(path), str(path)]
    for place in _interpreter():
        above = reversed(Path(place).parents)
        view += [word for parent in above if parent != Path("/") for word in ("--perms", "755", "--dir", str(parent))]
        view += ["--ro-bind", place, place]
    small = ["--size", str(limits.disk), "--perms", "1777", "--tmpfs"]
    view += ["--proc", "/proc", "--remount-ro", "/proc", "--dev", "/dev", *small, "/dev/shm", "--remount-ro", "/dev"]
    view += [
        *small,
        "/tmp",
        "--ro-bind",
        str(folder),
        "/job",
        "--ro-bind",
        str(folder / "hosts"),
        "/etc/hosts",
        "--remount-ro",
        "/",
        "--chdir",
        "/tmp",
        "--clearenv",
    ]
    return view + [word for name, value in _environment("/tmp").items() for word in ("--setenv", name, value)]


def _interpreter() -> list[str]:
    """Folders of the interpreter and of installed packages that the system's folders do not hold."""
    paths = sysconfig.get_paths()
    wanted = [sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parents[1]), paths["purelib"]]
    return [place for place in dict.fromkeys(wanted) if not place.startswith("/usr/") and place != "/usr"]


def _environment(home: str) -> dict[str, str]:
    """Nothing of ours, and one thread per library: threads count as processes."""
    threads = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
    plain = {"PATH": "/usr/bin:/bin", "HOME": home, "TMPDIR": home, "LANG": "C.UTF-8", "MPLBACKEND": "Agg"}
    return plain | {"PYTHONHASHSEED": "0"} | threads


def _launch(limits: Limits, folder: str, *, nobody: bool, count: bool) -> list[str]:
    asked = asdict(limits) | {"nobody": nobody, "count": count, "flags": ["-B", "-s"]}
    return ["-I", "-B", "-c", LAUNCH, json.dumps(asked), f"{folder}/program.py"]


@contextmanager
def _job(program: str, stdin: str) -> Iterator[Path]:
    """A folder with the program and its input, that anybody may read."""
    with tempfile.TemporaryDirectory(prefix="redraft-job-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "program.py").write_text(program, encoding="utf-8", errors="surrogatepass")
        (folder / "stdin").write_text(stdin, encoding="utf-8", errors="surrogatepass")
        (folder / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        yield folder


@contextmanager
def _filter() -> Iterator[IO[bytes] | None]:
    rules = seccomp.program()
    if rules is None:
        yield None
        return
    with tempfile.TemporaryFile() as file:
        file.write(rules)
        file.seek(0)
        yield file


# ------------------------------------------------------------------ watching


def _watched(
    command: Sequence[str], folder: Path, environment: dict[str, str], home: Path | None, held: list[int],
    limits: Limits,
) -> Outcome:  # fmt: skip
    """Run to the end, or until it uses too much of anything; then nothing of it is left."""
    began = time.monotonic()
    with (folder / "stdin").open("rb") as given:
        process = subprocess.Popen(
            command, stdin=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=home,
            pass_fds=held, start_new_session=True,
        )  # fmt: skip
    assert process.stdout is not None
    assert process.stderr is not None
    pipes: tuple[IO[bytes], IO[bytes]] = (process.stdout, process.stderr)
    try:
        texts, broken = _collect(process, pipes, limits, began + limits.wall_seconds)
    finally:
        _end(process)
        for pipe in pipes:
            pipe.close()
    status: Status = broken or ("done" if process.returncode == 0 else _death(process.returncode, texts[1]))
    out, err = (text.decode("utf-8", "replace") for text in texts)
    return Outcome(status, process.returncode, out, err, time.monotonic() - began)


def _collect(
    process: subprocess.Popen[bytes], pipes: tuple[IO[bytes], IO[bytes]], limits: Limits, deadline: float
) -> tuple[tuple[bytes, bytes], Status | None]:
    """What was written until the end, or until a limit was broken: which one."""
    texts = {pipe: bytearray() for pipe in pipes}
    with selectors.DefaultSelector() as selector:
        for pipe in pipes:
            selector.register(pipe, selectors.EVENT_READ)
        broken: Status | None = None
        looked = 0.0
        while broken is None and (selector.get_map() or process.poll() is None):
            for key, _ in selector.select(TICK):
                read = os.read(key.fd, 1 << 16)
                texts[key.fileobj] += read  # type: ignore[index]
                if not read:
                    selector.unregister(key.fileobj)
            if sum(map(len, texts.values())) > limits.output:
                broken = "output"
            elif (now := time.monotonic()) > looked + TICK:
                looked, broken = now, _broken(process.pid, limits, now > deadline)
            if process.poll() is not None and not selector.select(0):
                break  # a process left behind may hold a pipe open for ever
            if not selector.get_map():
                time.sleep(TICK / 10)
    first, second = (bytes(texts[pipe][: limits.output]) for pipe in pipes)
    return (first, second), broken


def _broken(pid: int, limits: Limits, late: bool) -> Status | None:
    """The limit that a process and its descendants break together, if one."""
    if late:
        return "time"
    family = _family(pid)
    if len(family) > limits.processes + 3:  # bubblewrap's own two, and the launcher's
        return "processes"
    return "memory" if sum(family.values()) > limits.memory else None


def _family(pid: int) -> dict[int, int]:
    """Resident bytes of a process and all its descendants."""
    parents: dict[int, int] = {}
    held: dict[int, int] = {}
    for name in os.listdir("/proc") if sys.platform == "linux" else ():
        if not name.isdecimal():
            continue
        try:
            words = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
        except (OSError, UnicodeDecodeError):
            continue  # it has just ended
        parents[int(name)], held[int(name)] = int(words[1]), int(words[21]) * os.sysconf("SC_PAGE_SIZE")
    family = {pid: held.get(pid, 0)}
    found = True
    while found:
        found = {child for child, parent in parents.items() if parent in family and child not in family} != set()
        family |= {child: held[child] for child, parent in parents.items() if parent in family}
    return family


def _end(process: subprocess.Popen[bytes]) -> None:
    """Nothing of it is left. Ending the first process of a namespace ends all in it, however fast they multiply."""
    for pid in sorted(_family(process.pid)):
        if process.poll() is None or pid != process.pid:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
    process.wait()


def _death(code: int, stderr: bytes) -> Status:
    """What a program died of: bubblewrap says 128 + the signal, a plain process has it negative."""
    number = -code if code < 0 else code - 128
    if number in (signal.SIGXCPU, signal.SIGKILL):
        return "time"
    return "memory" if b"MemoryError" in stderr[-2000:] else "failed"
