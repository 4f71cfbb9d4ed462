"""Edit, Infill, Chat and Traces, seen in a browser: what is locked stays, what is rejected is taken back."""

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="the extra `dev` is not installed, so there is no selenium to steer a browser")

from selenium.webdriver.common.keys import Keys

from redraft.server.routes_playground import EXAMPLES
from tests.browser.page import Page, ask, needs_browser, until

needs_browser()

Answer = dict[str, Any]
TEXT = EXAMPLES["edit"][0]
SETTLED = ".settled"


def settled(page: Page) -> str:
    return page.one(SETTLED).get_attribute("data-text") or ""


def edit(page: Page) -> None:
    page.press("Edit")
    page.finished("[data-state]")


@pytest.fixture(scope="session")
def reply(base: str) -> Answer:
    """What the server makes of the text: something, or the tests below would say nothing."""
    found = ask(base, "/v1/edits", model="redraft-tiny", input=TEXT, seed=3)
    assert len(found["edits"]) > 2
    return found


def test_a_text_settles_into_a_better_one(page: Page, reply: Answer) -> None:
    page.open("edit?seed=3")
    edit(page)
    assert settled(page) == reply["text"]
    assert len(page.all(".changes li")) == len(page.all(".change")) == len(reply["edits"])
    page.shot("edit")


def test_a_rejected_change_is_taken_back_and_the_others_stay(page: Page, reply: Answer) -> None:
    page.open("edit?seed=3")
    edit(page)
    page.all(".changes [data-choice=rejected]")[0].click()
    first = reply["edits"][0]
    begin, end = first["start"], first["start"] + len(first["after"])
    assert settled(page) == reply["text"][:begin] + first["before"] + reply["text"][end:]
    page.press("Reject all")
    assert settled(page) == TEXT
    page.press("Accept all")
    page.press("Use this text")
    assert page.one("textarea").get_attribute("value") == reply["text"]


def test_changes_are_chosen_by_keys(page: Page, reply: Answer) -> None:
    page.open("edit?seed=3")
    edit(page)
    page.all(".changes button")[0].send_keys("r")
    page.driver.switch_to.active_element.send_keys("a")
    choices = [row.get_attribute("data-choice") for row in page.all(".changes li")]
    assert choices == ["rejected", "accepted", *["pending"] * (len(reply["edits"]) - 2)]


def test_a_locked_selection_stays_as_it_is(page: Page, reply: Answer) -> None:
    page.open("edit?seed=3")
    first = next(each for each in reply["edits"] if each["before"].strip())
    start, end = max(first["start"] - 3, 0), first["end"] + 3
    page.script("document.querySelector('textarea').setSelectionRange(arguments[0], arguments[1])", start, end)
    page.press("Lock selection")
    assert page.one(".chip.lock").get_attribute("aria-label") == f"Unlock: {TEXT[start:end]}"
    edit(page)
    assert TEXT[start:end] in settled(page)
    assert settled(page) != TEXT
    until(lambda: "edit.locks" in page.driver.current_url, "the lock is not in the address")
    page.one(".chip.lock").click()
    edit(page)
    assert settled(page) == reply["text"]


def test_a_text_is_edited_as_it_is_typed(page: Page, base: str) -> None:
    page.open("edit?seed=3&edit.typing=1")
    page.type("textarea", "They was happy")
    page.one("textarea").send_keys(" .")
    expected = ask(base, "/v1/edits", model="redraft-tiny", input="They was happy .", seed=3)["text"]
    until(lambda: settled(page) == expected, "it was not edited")


def test_typing_goes_through_one_session_that_edits_what_is_new(page: Page) -> None:
    page.open("edit?seed=3&edit.typing=1")
    page.type("textarea", "They was happy . He have a dog . ")
    until(lambda: page.all(".told")[0].text, "nothing was edited")
    for key in "She go home .":
        page.one("textarea").send_keys(key)
    until(lambda: "1 window edited" in page.one(".told").text, "what was edited before was edited again")
    page.one("[data-view=write]").click()
    page.one("[data-view=edit]").click()
    page.one("textarea").send_keys(" It rain .")
    until(lambda: settled(page).startswith("They"), "the session did not go on")


def test_without_a_websocket_typing_asks_anew(page: Page, base: str) -> None:
    page.open("edit?seed=3&edit.typing=1")
    page.script("window.WebSocket = class { constructor() { setTimeout(() => this.onclose(), 0); } }")
    page.type("textarea", "They was happy .")
    expected = ask(base, "/v1/edits", model="redraft-tiny", input="They was happy .", seed=3)["text"]
    until(lambda: settled(page) == expected, "it was not edited")


def test_a_transcript_is_followed_and_what_is_committed_stays(page: Page) -> None:
    page.open("live?seed=3")
    committed = ""
    for words in ("she go to school yesterday . ", "he have a dog . ", "they was very happy . ", "it were late . "):
        page.one("textarea").send_keys(words)
        until(lambda: page.one(".stage").get_attribute("data-text"), "nothing followed")
        time.sleep(0.3)
        now = page.one(".stage").get_attribute("data-committed") or ""
        assert now.startswith(committed)
        committed = now
    page.press("That is all")
    page.finished()
    text = page.one(".stage").get_attribute("data-text") or ""
    assert text == page.one(".stage").get_attribute("data-committed")
    assert text.startswith(committed)
    assert committed
    page.shot("live")
    page.press("Clear")
    assert page.one(".stage").text == ""


def test_a_sample_is_played_and_can_be_stopped(page: Page) -> None:
    page.open("live?seed=3")
    page.press("Play sample 2")
    page.press("Stop")
    until(lambda: page.one(".stage").text, "nothing followed")
    heard = page.one("textarea").get_attribute("value")
    time.sleep(0.6)
    assert page.one("textarea").get_attribute("value") == heard


def test_what_a_preset_leaves_open_must_be_filled_in(page: Page) -> None:
    page.open("edit?seed=3")
    page.press("Translate")
    page.press("Edit")
    until(lambda: page.one(".trouble").text == "fill in {language} first", "nothing was said")


def test_characters_beyond_sixteen_bits_do_not_shift_the_changes(page: Page) -> None:
    page.open("edit?seed=3")
    # chromedriver types no characters beyond the basic plane
    page.script(
        "const area = document.querySelector('textarea'); area.value = '\U0001f600\U0001f600 ' + area.value;"
        "area.dispatchEvent(new Event('input'))"
    )
    edit(page)
    page.press("Reject all")
    assert settled(page) == f"\U0001f600\U0001f600 {TEXT}"


def test_gaps_are_filled_and_what_stands_around_them_stays(page: Page) -> None:
    page.open("infill?seed=3")
    page.press("Fill")
    page.finished("[data-state]")
    text = page.one(".filled").get_attribute("data-text") or ""
    assert "____" not in text
    assert text.startswith("Tom was sad because ")
    assert ". Then his mother gave him a " in text
    assert text.endswith(" and he smiled.")
    page.shot("infill")


def test_a_conversation_goes_on_and_survives_a_reload(page: Page) -> None:
    page.open("chat?seed=3&max=30")
    for words in ("Hello! I would like to book a table for two.", "Tonight at seven."):
        page.type("textarea", words + Keys.ENTER)
        until(
            lambda: page.all("button.primary")[0].is_displayed() and page.all(".turn.assistant .committed"), "no answer"
        )
    turns = [turn.text for turn in page.all(".turn")]
    assert len(turns) == 4
    assert all(turns)
    page.shot("chat")
    time.sleep(0.3)
    page.driver.refresh()
    until(lambda: len(page.all(".turn")) == 4, "the conversation is gone")
    page.press("New conversation")
    assert page.all(".turn") == []


def test_two_runs_are_compared_on_one_clock_and_taken_away_as_files(page: Page, downloads: Path) -> None:
    page.open("write?seed=3&max=16&write.race=1")
    page.press("Write")
    page.finished(".sheet[data-lane]")
    written = page.one("[data-lane=diffusion] .stage").get_attribute("data-text")
    page.one("[data-view=traces]").click()
    for chip in page.all(".recent .chip"):
        chip.click()
    until(lambda: len([s for s in page.all(".drop .stage") if s.get_attribute("data-text")]) == 2, "nothing was loaded")
    page.shot("traces")
    for name in ("Save trace", "Save page", "Save picture"):
        button = next(b for b in page.all(".saving button") if b.text == name and b.is_displayed())
        page.reveal(button)
        button.click()
    until(lambda: len(complete(downloads)) == 3, f"only {complete(downloads)} were saved")
    trace, html, picture = (next(downloads.glob(f"*.{kind}")) for kind in ("jsonl", "html", "png"))
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    assert lines[0]["redraft_trace"] == 1
    assert lines[-1]["committed"] in (written, page.all(".drop .stage")[0].get_attribute("data-text"))
    assert "<!doctype html>" in html.read_text()
    assert frames(picture.read_bytes()) > 3
    page.open("traces")
    page.all("input[type=file]")[0].send_keys(str(trace))
    until(lambda: page.all(".drop .stage")[0].get_attribute("data-text") == lines[-1]["committed"], "not read back")


def complete(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in (".jsonl", ".html", ".png")]


def frames(png: bytes) -> int:
    """Frames of an animated PNG, every chunk of which must be whole."""
    from zlib import crc32

    at, count, names = 8, 0, []
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        names.append(png[at + 4 : at + 8])
        assert struct.unpack(">I", png[at + 8 + length : at + 12 + length])[0] == crc32(png[at + 4 : at + 8 + length])
        if names[-1] == b"acTL":
            (count,) = struct.unpack(">I", png[at + 8 : at + 12])
        at += length + 12
    assert names[-1] == b"IEND"
    assert names.count(b"fcTL") == count
    return count


def test_a_file_that_is_no_trace_is_named(page: Page, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.jsonl"
    wrong.write_text('{"redraft_trace": 1}\n{"committed"')
    page.open("traces")
    page.all("input[type=file]")[0].send_keys(str(wrong))
    until(lambda: page.all(".drop .trouble")[0].text, "nothing was said")
    assert page.all(".drop .trouble")[0].text == "wrong.jsonl: line 2 is torn or not JSON"
