"""Put a recipe's data into one small folder: tokenizer, training and held-out passages, compressed.

    python -m scripts.gpu_pack small --data-dir data --out .gpu_data

For a machine that is given a checkout and one folder. The vocabulary is that of the model in the package, unless
`--tokenizer` names another or `train`. `np.load` reads the files as they are.
"""

import argparse
import shutil
import zipfile
from pathlib import Path

import numpy as np

from recipes import recipe as find_recipe
from redraft.library import SHIPPED
from redraft.train.recipe import prepare

FILES = ("tokenizer.json", "train.npz", "held_out.npz")
MIB = 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), help="where the texts are")
    parser.add_argument("--from", type=Path, dest="made", help="a run's data folder, already prepared, instead")
    parser.add_argument("--out", type=Path, default=Path(".gpu_data"))
    parser.add_argument("--tokenizer", default=str(SHIPPED / "tokenizer.json"), help="a tokenizer.json, or train")
    parser.add_argument("--most", type=float, default=60.0, help="MiB that all files together may have")
    args = parser.parse_args()
    made = args.made or _prepare(args.recipe, args.data_dir, args.out / "fresh", args.tokenizer)
    total = pack(made, args.out)
    if args.made is None:
        shutil.rmtree(made)
    for name in FILES:
        print(f"{args.out / name}: {(args.out / name).stat().st_size / MIB:.1f} MiB")
    if total > args.most * MIB:
        raise SystemExit(f"{total / MIB:.1f} MiB is more than {args.most}; lower the recipe's `characters`")


def _prepare(name: str, data_dir: Path, folder: Path, tokenizer: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if tokenizer != "train":
        shutil.copyfile(tokenizer, folder / "tokenizer.json")
    _, train, held = prepare(find_recipe(name), data_dir, folder)
    print(f"{len(train.tokens):,} tokens to train on, {len(held.tokens):,} held out")
    return folder


def pack(made: Path, out: Path) -> int:
    """Copy a prepared folder with its arrays compressed. Returns the bytes written."""
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(made / FILES[0], out / FILES[0])
    for name in FILES[1:]:
        compress(made / name, out / name)
    return sum((out / name).stat().st_size for name in FILES)


def compress(source: Path, target: Path) -> None:
    """The same arrays, LZMA instead of deflate: a third of the size for tokens."""
    with np.load(source) as held, zipfile.ZipFile(target, "w", zipfile.ZIP_LZMA) as packed:
        for name in held.files:
            with packed.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, held[name], allow_pickle=False)


if __name__ == "__main__":
    main()
