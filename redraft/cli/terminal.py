"""The terminal: a canvas resolving in place, edits in colour, one line of figures.

Knows views, edits and styles; rich is imported only where something is shown. A pipe never gets any of this.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from redraft.results import Edit, Result, View

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

NOISE, ACCEPTED, REVISED, GIVEN = "bright_black", "bold bright_white", "bold underline yellow", "dim"
REMOVED, ADDED = "strike red", "green"
CONTROL = {
    code: "\ufffd" for code in [*range(32), *range(127, 160)] if chr(code) not in "\n\t"
}  # model output is not trusted
SHORT = 40  # lines; of longer texts only the lines with edits are shown


def interactive() -> bool:
    """Is somebody looking at standard output?"""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def stdout() -> "Console":
    from rich.console import Console

    return Console(highlight=False, emoji=False, markup=False)


def show(text: "Text") -> None:
    """Print at full length; the terminal wraps."""
    stdout().print(text, soft_wrap=True)


def heading(text: str) -> None:
    from rich.text import Text

    show(Text(f"\n{text}", style="bold cyan") if interactive() else Text(f"\n{text}"))


def paint(view: View, prompt: str = "") -> "Text":
    """A view in colour: what was given, what stays, and the canvas by status."""
    from redraft.core.canvas import Status

    text = painted((prompt, GIVEN), (view.committed, ""))
    for piece in view.draft:
        style = NOISE if piece.status == Status.NOISY else REVISED if piece.revised else ACCEPTED
        text.append(piece.text.translate(CONTROL), style=style)
    return text


def painted(*parts: tuple[str, str]) -> "Text":
    """(text, style) parts, control characters made visible."""
    from rich.text import Text

    return Text.assemble(*((text.translate(CONTROL), style) for text, style in parts))


def animate(views: Iterable[View], prompt: str = "") -> Iterator[View]:
    """The same views, each shown in place of the one before; the place is cleared behind the last."""
    from rich.live import Live

    console = stdout()
    with Live(console=console, auto_refresh=False, transient=True) as live:
        for view in views:
            live.update(_tail(paint(view, prompt), console), refresh=True)
            yield view


def play(views: Sequence[View], prompt: str, speed: float = 1.0) -> None:
    """Recorded views at their own pace times `speed`, then the text; a few snapshots where nobody looks."""
    if not interactive():
        for view in snapshots(views):
            print(f"{view.seconds:6.2f} s  {view.nfe:>3} forwards  {view.text}".replace("\n", " "))
    else:
        for _ in animate(_paced(views, speed), prompt):
            pass
        last = views[-1].committed if views else ""
        show(painted((prompt, GIVEN), (last, "")))


def _paced(views: Sequence[View], speed: float) -> Iterator[View]:
    began = time.perf_counter()
    for view in views:
        time.sleep(max(view.seconds / speed - (time.perf_counter() - began), 0))
        yield view


def snapshots(views: Sequence[View], count: int = 5) -> list[View]:
    """`count` views spread evenly over the forwards, the first and the last among them."""
    if len(views) <= count:
        return list(views)
    return [views[round(n * (len(views) - 1) / (count - 1))] for n in range(count)]


def _tail(text: "Text", console: "Console") -> "Text":
    """As many of the last lines as the window holds: what scrolled away could not be drawn over."""
    from rich.text import Text

    lines = text.wrap(console, console.width)
    return Text("\n").join(lines[-max(console.height - 2, 1) :])


def figures(result: Result) -> str:
    """Tokens, forwards and rates in one line."""
    parts = [
        f"{len(result.tokens)} tokens",
        f"{result.nfe} forwards",
        f"{result.tokens_per_forward:.2f} tokens/forward",
        f"{result.tokens_per_second:.0f} tokens/s",
        f"first text {result.first_text_s:.2f} s",
    ]
    return " · ".join(parts)


def note(line: str) -> None:
    """One dim line on standard error, for a person; a pipe gets none."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.text import Text

        Console(stderr=True).print(Text(line.translate(CONTROL), style="dim"), soft_wrap=True)


def paint_edits(original: str, edits: Sequence[Edit]) -> "Text":
    """The original with removed words struck through and added words behind them."""
    parts, last = [], 0
    for edit in edits:
        parts += [(original[last : edit.start], ""), (edit.before, REMOVED), (edit.after, ADDED)]
        last = edit.end
    return _edited_lines(painted(*parts, (original[last:], "")))


def plain_edits(original: str, edits: Sequence[Edit]) -> str:
    """The same without colour: [-removed-]{+added+}."""
    parts, last = [], 0
    for edit in edits:
        removed, added = f"[-{edit.before}-]" if edit.before else "", f"{{+{edit.after}+}}" if edit.after else ""
        parts += [original[last : edit.start], removed, added]
        last = edit.end
    return "".join([*parts, original[last:]])


def _edited_lines(text: "Text") -> "Text":
    from rich.text import Text

    lines = text.split("\n", allow_blank=True)
    if len(lines) <= SHORT:
        return text
    kept: list[Text] = []
    for number, line in enumerate(lines, 1):
        if any(span.end > span.start for span in line.spans):
            kept.append(Text.assemble((f"{number:>5}  ", "dim"), line))
    return Text("\n").join(kept)
