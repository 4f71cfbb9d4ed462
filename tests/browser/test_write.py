"""Write, seen in a browser: text resolves, can be watched again, is stopped, and is the same after a reload."""

import urllib.request

import pytest

pytest.importorskip("selenium", reason="the extra `dev` is not installed, so there is no selenium to steer a browser")

from selenium.webdriver.common.keys import Keys

from tests.browser.page import Page, ask, needs_browser, until

needs_browser()

LANE = "[data-lane=diffusion]"
STAGE = f"{LANE} .stage"


def text(page: Page, lane: str = LANE) -> str:
    return page.one(f"{lane} .stage").get_attribute("data-text") or ""


def test_what_is_seen_is_what_the_server_says(page: Page, base: str) -> None:
    page.open("write?seed=3&max=40")
    page.press("Write")
    page.finished(LANE)
    body = {"model": "redraft-tiny", "prompt": "One day, a little girl named Lily", "max_tokens": 40, "seed": 3}
    assert text(page) == ask(base, "/v1/completions", **body)["choices"][0]["text"]
    seen = page.script(f"return document.querySelector('{STAGE}').textContent")
    assert seen == body["prompt"] + text(page)


def test_the_canvas_is_noise_at_first_and_text_in_the_end(page: Page) -> None:
    page.open("write?seed=3&max=40")
    page.press("Write")
    until(lambda: page.all(f"{STAGE} .noise") and page.all(f"{STAGE} .accepted"), "no canvas was seen at work")
    page.shot("write-live", whole=False)
    page.finished(LANE)
    assert page.all(f"{STAGE} .noise") == []
    page.shot("write")


def test_the_numbers_are_there(page: Page) -> None:
    page.open("write?seed=3&max=24")
    page.press("Write")
    page.finished(LANE)
    facts = {e.get_attribute("data-fact"): e.text for e in page.all(f"{LANE} [data-fact]")}
    assert set(facts) == {"rate", "forwards", "each", "first"}
    assert int(facts["forwards"]) > 1
    assert float(facts["each"]) == pytest.approx(24 / int(facts["forwards"]), abs=0.3)


def test_every_step_can_be_looked_at_again(page: Page) -> None:
    page.open("write?seed=3&max=32")
    page.press("Write")
    page.finished(LANE)
    whole = text(page)
    scrub(page, 2)
    until(lambda: page.all(f"{STAGE} .noise"), "the second step shows no noise")
    assert text(page) == ""
    assert "step 2 of" in page.one(f"{LANE} .where").text
    page.one(f"{LANE} [aria-label='one step forward']").click()
    assert "step 3 of" in page.one(f"{LANE} .where").text
    scrub(page, 10_000)
    until(lambda: text(page) == whole, "the last step is not what was written")


def scrub(page: Page, place: int) -> None:
    page.script(
        "const range = document.querySelector(arguments[0]); range.value = arguments[1];"
        "range.dispatchEvent(new Event('input'))", f"{LANE} input[type=range]", place,
    )  # fmt: skip


def test_replaying_ends_where_the_run_did(page: Page) -> None:
    page.open("write?seed=3&max=16")
    page.press("Write")
    page.finished(LANE)
    whole = text(page)
    page.press("Replay")
    until(lambda: page.all(f"{STAGE} .noise"), "the replay shows no noise")
    until(lambda: text(page) == whole, "the replay did not end")


def test_stop_stops_the_server_too(page: Page, base: str) -> None:
    page.open("write?seed=3&max=900&temperature=1")
    page.press("Write")
    until(lambda: len(text(page)) > 10, "nothing was written")
    page.press("Stop")
    until(lambda: page.one(LANE).get_attribute("data-state") == "stopped", "it was not stopped")
    stopped = text(page)
    until(lambda: running(base) == 0, "the request is still at work", 2.0)
    assert text(page) == stopped
    page.one("button.primary")  # and it can be started again


def running(base: str) -> float:
    """Requests in the engine, by the server's own metrics."""
    with urllib.request.urlopen(f"{base}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("redraft_engine_running"))


def test_escape_stops_and_control_enter_starts(page: Page) -> None:
    page.open("write?seed=3&max=900")
    page.one("textarea").send_keys(Keys.CONTROL, Keys.ENTER)
    until(lambda: text(page), "the keys did not start it")
    page.one("textarea").send_keys(Keys.ESCAPE)
    until(lambda: page.one(LANE).get_attribute("data-state") == "stopped", "the key did not stop it")


def test_a_race_shows_both_modes_with_their_own_numbers(page: Page, base: str) -> None:
    page.open("write?seed=3&max=24&write.race=1")
    page.press("Write")
    page.finished(".sheet[data-lane]")
    body = {"model": "redraft-tiny", "prompt": "One day, a little girl named Lily", "max_tokens": 24, "seed": 3}
    for lane, mode in (("[data-lane=diffusion]", "diffusion"), ("[data-lane=autoregressive]", "ar")):
        expected = ask(base, "/v1/completions", mode=mode, **body)["choices"][0]["text"]
        assert text(page, lane) == expected
    page.shot("race")


def test_settings_are_in_the_address_and_survive_a_reload(page: Page) -> None:
    page.open("write")
    page.type("textarea", "The king was old")
    page.type("[data-setting=seed]", "11")
    page.type("[data-setting=temperature]", "0")
    page.type("[data-setting=max]", "16")
    until(lambda: "seed=11" in page.driver.current_url and "The+king" in page.driver.current_url, "not in the address")
    page.press("Write")
    page.finished(LANE)
    before = text(page)
    page.driver.refresh()
    until(lambda: page.all("textarea"), "the page did not come back")
    assert page.one("textarea").get_attribute("value") == "The king was old"
    page.press("Write")
    page.finished(LANE)
    assert text(page) == before


def test_an_answer_that_is_refused_says_why(page: Page) -> None:
    page.errors_expected = True  # the browser notes the status 400
    page.open("write?policy=magic&seed=1")
    page.press("Write")
    until(lambda: page.one(".trouble").text, "nothing was said")
    assert "magic" in page.one(".trouble").text
