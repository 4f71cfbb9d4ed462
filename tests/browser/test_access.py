"""Everybody can use it: names, landmarks, contrast and focus in every view, in both themes, and on a phone.

Checks of our own making, and axe-core's.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="the extra `dev` is not installed, so there is no selenium to steer a browser")

from selenium.webdriver.common.keys import Keys

from tests.browser.page import Page, needs_browser, until

needs_browser()

VIEWS = ("write", "app", "edit", "live", "infill", "chat", "traces")
# What a view looks like with something in it.
ACTIONS = {"write": "Write", "edit": "Edit", "infill": "Fill"}
NAMED = {"button", "link", "textbox", "searchbox", "checkbox", "slider", "combobox", "spinbutton", "Iframe", "listbox"}

# Of every piece of text that is seen: how much lighter or darker it is than what it stands on (WCAG 2, 1.4.3).
CONTRAST = """
const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
function rgba(colour) {
  pen.clearRect(0, 0, 1, 1);
  pen.fillStyle = colour;
  pen.fillRect(0, 0, 1, 1);
  const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
  return [r, g, b, a / 255];
}
const over = (top, below) => below.map((value, n) => top[n] * top[3] + value * (1 - top[3]));
function ground(element) {
  const layers = [];
  for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
  return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255]);
}
function light(colour) {
  const linear = (value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const [r, g, b] = colour.map((value) => linear(value / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
const poor = [];
const apart = "script, :disabled, .unseen, .skip, option, noscript, .noise";
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const text = walk.currentNode.textContent.trim();
  const element = walk.currentNode.parentElement;
  const style = getComputedStyle(element);
  if (!text || !element.checkVisibility() || element.closest(apart)) continue;
  const below = ground(element);
  const [one, other] = [light(over(rgba(style.color), below)), light(below)].sort((a, b) => b - a);
  const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
  const ratio = (one + 0.05) / (other + 0.05);
  if (ratio < (large ? 3 : 4.5)) poor.push(`${text.slice(0, 40)} (${style.color}): ${ratio.toFixed(2)}`);
}
return poor;
"""

STRUCTURE = """
const hinted = [...document.querySelectorAll("[aria-describedby]")];
const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
return {
  language: document.documentElement.lang,
  title: document.title,
  mains: document.querySelectorAll("main").length,
  headings: document.querySelectorAll("h1").length,
  navigation: document.querySelector("nav").getAttribute("aria-label"),
  current: document.querySelectorAll("nav [aria-current=page]").length,
  twice: ids.filter((id, n) => ids.indexOf(id) !== n),
  described: hinted.every((each) => document.getElementById(each.getAttribute("aria-describedby"))),
  positive: document.querySelectorAll("[tabindex]:not([tabindex='0'], [tabindex='-1'])").length,
};
"""


def filled(page: Page, view: str, theme: str = "light") -> None:
    page.open(f"{view}?theme={theme}&seed=3&max=16&sure=1&temperature=0.9")
    if view in ACTIONS:
        page.press(ACTIONS[view])
        page.finished("[data-state]:not([hidden])")
    if view == "live":
        page.type("textarea", "She go to school . He have a ball")
        page.press("That is all")
        page.finished()
    if view == "chat":
        page.type("textarea", "Hello!" + Keys.ENTER)
        until(
            lambda: page.all("button.primary")[0].is_displayed() and page.all(".turn.assistant .committed"), "no answer"
        )
    if view == "app":
        page.press("Show a sample page")
        until(lambda: page.all(".preview iframe:not(.coming)"), "no frame was filled")


def nodes(page: Page) -> Iterator[tuple[str, str]]:
    """Roles and names, as a screen reader is told them."""
    for node in page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]:
        if not node.get("ignored"):
            yield str(node.get("role", {}).get("value")), str(node.get("name", {}).get("value", ""))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_controls_have_names_and_text_can_be_told_from_its_ground(page: Page, view: str, theme: str) -> None:
    filled(page, view, theme)
    assert [role for role, name in nodes(page) if role in NAMED and not name.strip()] == []
    found: dict[str, Any] = page.script(STRUCTURE)
    assert found["language"] == "en"
    assert view.capitalize() in found["title"]
    assert (found["mains"], found["headings"], found["current"], found["positive"]) == (1, 1, 1, 0)
    assert found["navigation"]
    assert found["twice"] == []
    assert found["described"]
    page.script(
        "document.getAnimations().filter((each) => each.effect.getTiming().iterations !== Infinity)"
        ".forEach((each) => each.finish())"
    )
    assert page.script(CONTRAST) == []
    if theme == "dark":
        page.shot(f"{view}-dark")


@pytest.mark.parametrize("view", VIEWS)
def test_nothing_is_cut_off_on_a_phone(page: Page, view: str) -> None:
    size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        filled(page, view)
        assert page.script("return document.documentElement.scrollWidth") <= 360
        page.shot(f"{view}-phone", whole=False)
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.mark.parametrize("view", ["write", "edit"])
def test_the_focus_goes_through_everything_in_order_and_is_seen(page: Page, view: str) -> None:
    filled(page, view)
    page.script(
        "window.stops = [...document.querySelectorAll('a, button, input, select, textarea, summary')]"
        ".filter((each) => each.checkVisibility() && !each.disabled); stops[0].focus();"
    )
    number = page.script("return stops.length")
    seen = []
    for _ in range(number - 1):
        page.driver.switch_to.active_element.send_keys(Keys.TAB)
        seen.append(page.script(
            "const at = document.activeElement, style = getComputedStyle(at);"
            "return [stops.indexOf(at), style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2]"
        ))  # fmt: skip
    assert seen == [[place, True] for place in range(1, number)]


def test_views_change_by_keys(page: Page) -> None:
    page.open("write")
    page.driver.find_element("css selector", "body").send_keys(Keys.ALT, "3")
    until(lambda: page.one("h1").text == "Edit", "the view did not change")
    page.driver.back()
    until(lambda: page.one("h1").text == "Write", "one cannot go back")


def test_those_who_want_no_motion_get_none(page: Page) -> None:
    page.driver.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    )
    try:
        page.open("write?seed=3&max=200")
        page.press("Write")
        until(lambda: page.all(".stage .noise"), "nothing was written")
        assert page.script("return document.getAnimations().length") == 0
        page.press("Stop")
    finally:
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_a_server_with_keys_asks_for_one_and_keeps_it_out_of_the_address(page: Page, locked: str) -> None:
    page.errors_expected = True  # the browser notes the status 401
    page.base = locked
    page.open("write?seed=3&max=4")
    page.type("input[type=password]", "a-key-of-some-length" + Keys.ENTER)
    until(lambda: page.all("textarea"), "the door stayed shut")
    page.press("Write")
    page.finished("[data-lane=diffusion]")
    assert "a-key" not in page.driver.current_url
    assert all(address.startswith(locked) for address in page.addresses() if address.startswith("http"))


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious(page: Page, view: str, theme: str) -> None:
    axe = pytest.importorskip("selenium_axe_python", reason="the extra `dev` is not installed, so there is no axe-core")
    filled(page, view, theme)
    page.script("document.getAnimations().forEach((each) => each.cancel())")
    page.script((Path(axe.__file__).parent / "axe-core" / "axe.min.js").read_text())
    found = page.driver.execute_async_script(
        "const done = arguments[0]; axe.run(document, { iframes: false }).then((all) => done([all.passes.length, "
        "all.violations.map((each) => [each.impact, each.id, each.nodes.map((node) => node.html.slice(0, 120))])]))"
    )
    assert found[0] > 10, "axe looked at nothing"
    assert [each for each in found[1] if each[0] in ("serious", "critical")] == []
