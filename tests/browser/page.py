"""Page: the playground as somebody uses it, by the names of things. Knows selenium; refuses to know any one view."""

import json
import shutil
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

SECONDS = 30.0
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)
DRIVER = shutil.which("chromedriver")


def needs_browser() -> None:
    """Skip a file of tests where there is nothing to run them in."""
    if BROWSER is None or DRIVER is None:
        pytest.skip(
            "there is no Chromium with its driver here; `apt-get install chromium chromium-driver` gets them",
            allow_module_level=True,
        )


class Page:
    """A browser at a server. What is looked for is a selector; what is pressed, the words on a button."""

    def __init__(self, driver: webdriver.Chrome, base: str, shots: Path) -> None:
        self.driver, self.base, self.shots = driver, base, shots
        self.errors_expected = False

    def open(self, address: str) -> None:
        """A view, in a page of its own."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.base}/#{address}")
        until(lambda: self.all("h1, .note"), "the page has not opened")

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        found = [element for element in self.all(selector) if element.is_displayed()]
        assert len(found) == 1, f"{len(found)} of {selector} are seen"
        return found[0]

    def press(self, name: str) -> None:
        """The button of this name."""
        buttons = [button for button in self.all("button") if button.text.strip() == name and button.is_displayed()]
        assert len(buttons) == 1, f"{len(buttons)} buttons are called {name}"
        self.reveal(buttons[0])
        buttons[0].click()

    def reveal(self, element: WebElement) -> None:
        self.script("arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })", element)

    def type(self, selector: str, text: str) -> None:
        """Replace what stands in a field."""
        field = self.one(selector)
        field.send_keys(Keys.CONTROL, "a")
        field.send_keys(text)

    def script(self, source: str, *arguments: Any) -> Any:
        return self.driver.execute_script(source, *arguments)

    def finished(self, selector: str = ".sheet[data-state]") -> None:
        def state() -> bool:
            return {element.get_attribute("data-state") for element in self.all(selector)} == {"finished"}

        until(state, "nothing was finished")

    def shot(self, name: str, whole: bool = True) -> Path:
        """A picture of the page, all of it or what is in sight."""
        path = self.shots / f"{name}.png"
        size = self.driver.get_window_size()
        if whole:
            tall = self.script("return document.documentElement.scrollHeight") + 150
            self.driver.set_window_size(size["width"], tall)
            time.sleep(0.2)
        self.driver.save_screenshot(str(path))
        self.driver.set_window_size(size["width"], size["height"])
        return path

    def errors(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def addresses(self) -> list[str]:
        """Whatever the page has asked for since this was asked last."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


def until(true: Callable[[], Any], otherwise: str, seconds: float = SECONDS) -> None:
    """Wait for something to become true."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, otherwise
        time.sleep(0.02)


def ask(base: str, path: str, **body: Any) -> dict[str, Any]:
    """What the server answers to the same request without a browser."""
    request = urllib.request.Request(base + path, json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        found = json.load(answer)
    assert isinstance(found, dict)
    return found
