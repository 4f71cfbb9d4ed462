"""Draw the README's picture: one generation and one correction by the shipped model, as an SVG of a terminal.

python -m scripts.picture docs/images/canvas.svg
"""

import argparse
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

import redraft
from redraft.cli.terminal import paint, paint_edits, snapshots

PROMPT = "One day, a little girl named Lily"
FAULTY = "She go to school yesterday and she meet her freind . they was very hapy to see each other"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model")
    args = parser.parse_args()
    model = redraft.load(args.model)
    console = Console(record=True, width=100, file=StringIO(), force_terminal=True)
    views = list(model.stream(PROMPT, max_tokens=48, canvas=48, seed=args.seed, temperature=0.7, label="story"))
    console.print(Text(f'$ redraft generate "{PROMPT}"', style="bold"))
    for view in snapshots(views, 4):
        console.print(Text(f"{view.nfe:3d} forwards  ", style="cyan") + paint(view, PROMPT))
    result = model.edit(FAULTY)
    console.print(Text("\n$ redraft edit letter.txt", style="bold"))
    console.print(Text(f"{result.nfe:3d} forwards  ", style="cyan") + paint_edits(result.original, result.edits))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(console.export_svg(title="redraft"))


if __name__ == "__main__":
    main()
