"""A real browser before a real server: headless Chromium, the shipped model, and a stranger who must hear nothing."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")
pytest.importorskip("selenium", reason="the extra `dev` is not installed, so there is no selenium to steer a browser")

import uvicorn
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from redraft.library import load
from redraft.server.app import create_app
from redraft.server.served import serve
from tests.browser.page import BROWSER, DRIVER, Page, until

KEY = "a-key-of-some-length"
OWN = ("http://127.0.0.1:", "data:", "blob:", "about:")


@contextmanager
def serving(**options: Any) -> Iterator[str]:
    """The address of a server with the shipped model."""
    app = create_app([serve(load(), "redraft-tiny")], drain=1.0, **options)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until(lambda: server.started, "the server has not started")
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture(scope="session")
def base() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.fixture
def locked() -> Iterator[str]:
    """A server that lets in those who have its key."""
    with serving(keys=[KEY]) as address:
        yield address


@pytest.fixture(scope="session")
def stranger() -> Iterator[tuple[str, list[str]]]:
    """Another server, and what has been asked of it."""
    heard: list[str] = []

    class Listens(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.path)
            self.send_response(200)
            self.send_header("access-control-allow-origin", "*")
            self.end_headers()

        do_POST = do_HEAD = do_OPTIONS = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Listens)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()


@pytest.fixture(scope="session")
def downloads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("downloads")


@pytest.fixture(scope="session")
def browser(downloads: Path) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = str(BROWSER)
    arguments = ["--headless=new", "--disable-dev-shm-usage", "--window-size=1280,1000", "--hide-scrollbars"]
    if os.geteuid() == 0:
        arguments.append("--no-sandbox")  # Chromium's own sandbox cannot be set up by root
    for argument in arguments:
        options.add_argument(argument)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go: REDRAFT_SHOTS, or a temporary folder."""
    folder = Path(os.environ["REDRAFT_SHOTS"]) if "REDRAFT_SHOTS" in os.environ else tmp_path_factory.mktemp("shots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def page(browser: webdriver.Chrome, base: str, shots: Path) -> Iterator[Page]:
    """A page; behind it, no error was on the console and nobody else was asked for anything."""
    browser.set_window_size(1280, 1000)
    found = Page(browser, base, shots)
    found.errors(), found.addresses()
    yield found
    asked = [
        address for address in found.addresses() if not address.startswith((base, *OWN[1:], "chrome:", "devtools:"))
    ]
    assert asked == []
    errors = found.errors()
    assert found.errors_expected or errors == []
