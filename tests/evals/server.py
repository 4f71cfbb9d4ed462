"""A server in this process with OpenAI's API and answers that are known, some of them broken."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# (path, body) -> a text to answer with, or bytes and a status to send as they are, or seconds to be silent for.
Answer = str | tuple[int, bytes] | float


@contextmanager
def serving(answer: Callable[[str, dict[str, Any]], Answer]) -> Iterator[str]:
    """The base URL of a server that answers so."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = answer(self.path, body | {"authorization": self.headers.get("Authorization")})
            if isinstance(found, float):
                time.sleep(found)
                found = "too late"
            status, data = found if isinstance(found, tuple) else (200, reply(self.path, found))
            try:
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                if status == 302:
                    self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                pass  # the other side has given up

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def reply(path: str, text: str) -> bytes:
    choice: dict[str, Any] = {"message": {"role": "assistant", "content": text}} if "chat" in path else {"text": text}
    return json.dumps({"choices": [choice], "usage": {"completion_tokens": len(text.split())}}).encode()
