"""Wire: a server in a process of its own, and just enough HTTP to ask it anything, well formed or not.

Knows processes, sockets and HTTP/1.1 as this server speaks it. Refuses to know what is asked and what is measured.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Server:
    """Where it listens, and its process."""

    port: int
    process: "subprocess.Popen[str]"

    def resident(self) -> int:
        """Bytes of memory that it holds."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS:"))

    def cpu_s(self) -> float:
        """Seconds of the processor that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def end(self) -> int:
        """Ask it to finish and go; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def serving(*options: str, threads: int = 1) -> Iterator[Server]:
    """`redraft serve` on a free port of loopback, for as long as the block runs."""
    command = [sys.executable, "-m", "redraft.cli.main", "serve", "--port", "0", "--quiet", *options]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if " on http://" not in line:
                raise ValueError(f"the server did not start: {line!r}")
            yield Server(int(line.rstrip().removesuffix("/v1").rpartition(":")[2]), process)
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back, and the seconds until its first byte of a body and its last."""

    status: int
    body: bytes
    first_s: float
    total_s: float

    def json(self) -> Any:
        return json.loads(self.body)

    def events(self) -> list[Any]:
        """What a stream said, without its end mark."""
        lines = (line.removeprefix("data: ") for line in self.body.decode().split("\n\n") if line)
        return [json.loads(line) for line in lines if line != "[DONE]"]


class Connection:
    """One connection, opened when it is needed and kept while both sides keep it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def ask(self, path: str, body: bytes = b"", method: str = "POST") -> Reply:
        """The whole reply. Cancelling it leaves the server alone with its request."""
        began = time.perf_counter()
        try:
            reader = await self._send(path, body, method)
            status, headers = await _head(reader)
            pieces, first = [], 0.0
            async for piece in _body(reader, headers):
                first = first or time.perf_counter() - began
                pieces.append(piece)
        except BaseException:
            self.close()
            raise
        if headers.get("connection") == "close":
            self.close()
        total = time.perf_counter() - began
        return Reply(status, b"".join(pieces), first or total, total)

    async def _send(self, path: str, body: bytes, method: str) -> asyncio.StreamReader:
        if self._writer is None or self._reader is None or self._reader.at_eof():
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        head = f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        self._writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        await self._writer.drain()
        return self._reader

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in lines[1:] if line)
    return int(lines[0].split()[1]), {name.lower(): value for name, value in pairs}


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> AsyncIterator[bytes]:
    if headers.get("transfer-encoding") != "chunked":
        yield await reader.readexactly(int(headers.get("content-length", 0)))
        return
    while size := int(await reader.readline(), 16):
        yield (await reader.readexactly(size + 2))[:-2]
    await reader.readline()


async def say(port: int, data: bytes, seconds: float = 5.0) -> bytes:
    """What comes back when exactly these bytes are sent and the other side is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        writer.write_eof()
        return await asyncio.wait_for(reader.read(65536), seconds)
    except (OSError, TimeoutError):
        return b""
    finally:
        writer.close()
