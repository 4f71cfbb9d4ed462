"""Write the list of words that a checkpoint's edits may come out as, from the passages that it was trained on.

python scripts/words.py runs/tiny/data/train.npz redraft/weights/tiny/words.txt.gz
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from tokenizers import Tokenizer

from redraft.data.lexicon import MISSPELLINGS
from redraft.data.passages import load_passages
from redraft.data.tokenizer import SPECIALS, load_tokenizer
from redraft.instant.words import Words, count_words

RARE = 50  # a misspelling that is as frequent as this is another word too ("form" for "from")


def texts(path: Path) -> Iterator[str]:
    file = path.parent / "tokenizer.json"
    tokenizer = load_tokenizer(file, Tokenizer.from_file(str(file)).token_to_id(SPECIALS[0]))
    passages = load_passages(path)
    for start in range(0, len(passages), 2000):
        rows = [passages[n].tolist() for n in range(start, min(start + 2000, len(passages)))]
        yield from tokenizer.inner.decode_batch(rows, skip_special_tokens=False)


def main(source: str, target: str) -> None:
    held = list(texts(Path(source)))
    found, frequent = count_words(held), count_words(held, RARE, RARE)
    wrong = {word for group in MISSPELLINGS.values() for word in group}
    right = frozenset(word for word in MISSPELLINGS if " " not in word)
    kept = frozenset(
        word for word in found.known | right if word not in wrong or word in frequent.known or word in right
    )
    Words(kept).save(Path(target))
    print(f"{len(kept)} words, {Path(target).stat().st_size} bytes")


if __name__ == "__main__":
    main(*sys.argv[1:])
