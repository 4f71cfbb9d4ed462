"""App, seen in a browser: a document is previewed where it can do nothing to anybody."""

import json

import pytest

pytest.importorskip("selenium", reason="the extra `dev` is not installed, so there is no selenium to steer a browser")

from tests.browser.page import Page, needs_browser, until

needs_browser()

# What a hostile document tries; every line names what it got. The frame is read through the driver alone.
HOSTILE = """<!doctype html><title>hostile</title><body><script>
const got = {};
const attempt = (name, act) => {
  try { got[name] = String(act()); } catch (error) { got[name] = "refused: " + error.name; }
};
const later = (name, promise) =>
  promise.then(() => { got[name] = "reached"; }, (error) => { got[name] = "refused: " + error.name; });
attempt("parent document", () => parent.document.title);
attempt("parent location", () => { parent.location = "STRANGER/parent"; return "asked"; });
attempt("top location", () => { top.location.href = "STRANGER/top"; return "asked"; });
attempt("parent function", () => parent.fetch);
attempt("local storage", () => localStorage.length);
attempt("session storage", () => sessionStorage.length);
attempt("cookie", () => document.cookie);
attempt("database", () => indexedDB.open("x"));
attempt("popup", () => open("STRANGER/popup"));
attempt("dialog", () => confirm("?"));
attempt("origin", () => origin);
attempt("socket", () => {
  new WebSocket("STRANGER/socket".replace("http", "ws")).onopen = () => { got.socket = "open"; };
  return "asked";
});
attempt("worker", () => {
  new Worker(URL.createObjectURL(new Blob(["fetch('STRANGER/worker')"])));
  return "asked";
});
attempt("beacon", () => navigator.sendBeacon("STRANGER/beacon", "x"));
attempt("form", () => {
  const form = document.createElement("form");
  form.action = "STRANGER/form";
  form.target = "_top";
  document.body.append(form);
  form.submit();
  return "asked";
});
later("fetch", fetch("STRANGER/fetch"));
later("own server", fetch("OWN/v1/models"));
if (navigator.mediaDevices) later("camera", navigator.mediaDevices.getUserMedia({ video: true }));
for (const tag of ["img", "script", "iframe", "link", "video", "embed"]) {
  const element = document.createElement(tag);
  if (tag === "link") element.rel = "stylesheet";
  element[tag === "link" ? "href" : "src"] = "STRANGER/" + tag;
  document.body.append(element);
}
document.body.style.background = "url(STRANGER/background)";
setTimeout(() => { location.href = "STRANGER/self"; }, 700);
parent.postMessage({ html: "<h1>taken over</h1>" }, "*");
document.title = "done";
document.body.dataset.got = JSON.stringify(got);
setInterval(() => { document.body.dataset.got = JSON.stringify(got); }, 50);
</script>"""


def put(page: Page, html: str) -> None:
    page.script(
        "const code = document.querySelector('textarea.code'); code.value = arguments[0];"
        "code.dispatchEvent(new Event('input'))",
        html,
    )


def inside(page: Page, script: str) -> object:
    """What a script finds inside the frame, by the driver's rights and not the page's."""
    page.driver.switch_to.frame(page.one(".preview iframe"))
    try:
        return page.script(script)
    finally:
        page.driver.switch_to.default_content()


def test_a_sample_page_runs_in_the_frame(page: Page) -> None:
    page.open("app")
    page.press("Show a sample page")
    until(lambda: page.all(".preview iframe:not(.coming)"), "no frame was filled")
    until(lambda: inside(page, "return document.querySelectorAll('button').length") == 8, "the sample did not run")
    assert "Written by hand" in page.one("section").text
    page.shot("app")


def test_a_hostile_document_gets_nowhere(page: Page, base: str, stranger: tuple[str, list[str]]) -> None:
    page.errors_expected = True  # every refusal is noted on the console
    address, heard = stranger
    page.open("app")
    put(page, HOSTILE.replace("STRANGER", address).replace("OWN", base))
    until(lambda: page.all(".preview iframe:not(.coming)"), "no frame was filled")
    until(lambda: inside(page, "return document.title") == "done", "the document did not run")
    until(lambda: "fetch" in told(page), "nothing was tried")
    got = told(page)
    for name in (
        "parent document",
        "parent function",
        "local storage",
        "session storage",
        "cookie",
        "database",
        "fetch",
        "own server",
    ):
        assert str(got[name]).startswith("refused"), f"{name}: {got[name]}"
    for name in ("parent location", "top location"):
        assert str(got[name]).startswith("refused"), f"{name}: {got[name]}"
    assert got["popup"] == "null"
    assert got["dialog"] == "false"
    assert got["origin"] == "null"
    assert got.get("socket") != "open"
    assert got.get("camera", "refused").startswith("refused")
    until(lambda: inside(page, "return location.href") != f"{base}/playground/frame.html", "it never tried to leave", 5)
    assert page.driver.current_url.startswith(f"{base}/#app")
    assert len(page.driver.window_handles) == 1
    assert page.one("h1").text == "App"
    assert heard == []
    page.addresses()  # the browser notes what it refused as if it had been asked


def told(page: Page) -> dict[str, str]:
    found = json.loads(str(inside(page, "return document.body.dataset.got || '{}'")))
    assert isinstance(found, dict)
    return found


def test_the_frame_is_confined_when_it_is_opened_by_itself(page: Page, base: str) -> None:
    page.driver.get(f"{base}/playground/frame.html")
    assert page.script("return origin") == "null"


def test_what_the_model_writes_is_shown_and_labelled(page: Page) -> None:
    page.open("app?seed=1&max=16")
    assert "never seen a web page" in page.one(".honest").text
    page.press("Make it")
    until(lambda: page.all("button.primary")[0].is_displayed(), "it did not end")
    assert page.one("textarea.code").get_attribute("value").startswith("<!doctype html>")  # type: ignore[union-attr]
