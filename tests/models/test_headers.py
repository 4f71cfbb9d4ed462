"""Headers: what a safetensors file says of itself is checked before it is believed."""

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from redraft.models.headers import INDEX, MAX_HEADER, read_header, read_headers, read_json

ENTRY = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def written(path: Path, header: object, data: bytes = b"", length: int | None = None) -> Path:
    """A file with a header that says anything."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def refused(path: Path, said: str) -> None:
    began = time.perf_counter()
    with pytest.raises(ValueError, match="truncated or not a safetensors file") as caught:
        read_header(path)
    assert time.perf_counter() - began < 1
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_header_says_what_the_format_s_own_writer_wrote(tmp_path: Path) -> None:
    tensors = {
        "a": torch.arange(6.0).view(2, 3),
        "b": torch.ones(4, dtype=torch.bfloat16),
        "c": torch.tensor(7),
        "none": torch.empty(0, 4),
    }
    save_file(tensors, tmp_path / "x.safetensors", metadata={"format": "pt"})
    held = read_header(tmp_path / "x.safetensors")
    assert {n: (h.shape, h.dtype, h.num_bytes) for n, h in held.items()} == {
        "a": ((2, 3), "F32", 24), "b": ((4,), "BF16", 8), "c": ((), "I64", 8), "none": ((0, 4), "F32", 0),
    }  # fmt: skip
    data = (tmp_path / "x.safetensors").read_bytes()
    assert struct.unpack("<6f", data[held["a"].start :][:24]) == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"shape": [2, 4]}, "needs 32 bytes, and has 24"),
        ({"shape": [2, -3]}, "shape=[2, -3]"),
        ({"shape": [2, 3.0]}, "shape=[2, 3.0]"),
        ({"shape": [True, 6]}, "shape=[True, 6]"),
        ({"shape": None}, ""),
        ({"dtype": "F31"}, "dtype='F31'"),
        ({"dtype": []}, ""),
        ({"data_offsets": [8, 32]}, "begins at byte"),
        ({"data_offsets": [24, 0]}, "needs 24 bytes"),
        ({"data_offsets": [-24, 0]}, "data_offsets=[-24, 0]"),
        ({"data_offsets": [0]}, ""),
        ({"shape": [1 << 40, 1 << 40], "data_offsets": [0, 1 << 82]}, "it should have"),
    ],
)
def test_an_entry_that_cannot_be_true_is_refused(tmp_path: Path, entry: dict[str, Any], said: str) -> None:
    refused(written(tmp_path / "x.safetensors", {"a": ENTRY | entry}, bytes(24)), said)


def test_tensors_that_overlap_or_leave_a_gap_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    refused(written(path, {"a": ENTRY, "b": ENTRY}, bytes(24)), "begins at byte")
    later = ENTRY | {"data_offsets": [28, 52]}
    refused(written(path, {"a": ENTRY, "b": later}, bytes(52)), "begins at byte")


@pytest.mark.parametrize("data", [b"", bytes(23), bytes(25)])
def test_numbers_that_are_too_few_or_too_many_are_refused(tmp_path: Path, data: bytes) -> None:
    refused(written(tmp_path / "x.safetensors", {"a": ENTRY}, data), "it should have")


@pytest.mark.parametrize("header", [b"{", b"\xff\xfe", b"[1]", b'"a"', b'{"a": 1}', b"[" * 100_000, b'{"a": {}}'])
def test_a_header_that_is_no_table_of_tensors_is_refused(tmp_path: Path, header: bytes) -> None:
    refused(written(tmp_path / "x.safetensors", header), "")


@pytest.mark.parametrize("length", [100, 1 << 40, (1 << 64) - 1])
def test_a_length_beyond_the_file_is_refused(tmp_path: Path, length: int) -> None:
    refused(written(tmp_path / "x.safetensors", {"a": ENTRY}, b"", length), f"should have {length} bytes")


def test_a_header_of_gigabytes_is_never_read(tmp_path: Path) -> None:
    path = written(tmp_path / "x.safetensors", {}, b"", MAX_HEADER + 1)
    with path.open("r+b") as file:
        file.truncate(8 << 30)  # a hole: it takes no room on the disk
    refused(path, f"should have {MAX_HEADER + 1} bytes")


@pytest.mark.parametrize("content", [b"", b"1234567"])
def test_a_file_without_a_length_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    refused(tmp_path / "x.safetensors", "")


# ------------------------------------------------------------------ shards


def sharded(folder: Path, weight_map: object, **files: dict[str, torch.Tensor]) -> Path:
    for name, tensors in files.items():
        save_file(tensors, folder / f"{name}.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    return folder


ONE, TWO = torch.ones(1), torch.ones(2)


def test_shards_are_read_together(tmp_path: Path) -> None:
    named = {"x": "a.safetensors", "y": "b.safetensors"}
    found = read_headers(sharded(tmp_path, named, a={"x": ONE}, b={"y": TWO}))
    assert {name: held.file.name for name, held in found.items()} == named


def test_a_tensor_in_two_shards_is_the_one_the_index_names(tmp_path: Path) -> None:
    files = {"a": {"x": ONE, "y": torch.zeros(3)}, "b": {"x": TWO}}
    found = read_headers(sharded(tmp_path, {"x": "a.safetensors", "y": "a.safetensors"}, **files))
    assert found["x"].shape == (1,)
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"x": "b.safetensors", "y": "a.safetensors"}}))
    assert read_headers(tmp_path)["x"].shape == (2,)


def test_missing_shards_are_named(tmp_path: Path) -> None:
    sharded(tmp_path, {"x": "a.safetensors", "y": "b.safetensors", "z": "c.safetensors"}, a={"x": ONE})
    with pytest.raises(ValueError, match=r"lacks 2 of 3 shards: b\.safetensors, c\.safetensors"):
        read_headers(tmp_path)


def test_an_index_that_names_what_no_shard_holds_is_refused(tmp_path: Path) -> None:
    sharded(tmp_path, {"x": "a.safetensors", "y": "a.safetensors"}, a={"x": ONE})
    with pytest.raises(ValueError, match=r"names y in a\.safetensors, which does not hold it"):
        read_headers(tmp_path)


@pytest.mark.parametrize(
    "name",
    ["../a.safetensors", "/etc/a.safetensors", "sub/a.safetensors", "..", ".", "", "a.bin", 5, None, ["a.safetensors"]],
)
def test_an_index_that_leads_elsewhere_is_refused_not_followed(tmp_path: Path, name: object) -> None:
    (tmp_path / "in").mkdir()
    save_file({"x": ONE}, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="no safetensors file beside it"):
        read_headers(sharded(tmp_path / "in", {"x": name}))


@pytest.mark.parametrize("weight_map", [None, {}, [], "a.safetensors"])
def test_an_index_without_a_map_is_refused(tmp_path: Path, weight_map: object) -> None:
    with pytest.raises(ValueError, match="has no weight_map"):
        read_headers(sharded(tmp_path, weight_map))


def test_a_folder_without_weights_says_which_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.safetensors is missing"):
        read_headers(tmp_path)


@pytest.mark.parametrize("content", [b"", b"no", b"[1]", b"\xff", b"[" * 100_000, b"9" * 5000])
def test_what_is_no_json_object_is_refused_with_its_path(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json is not"):
        read_json(tmp_path / "config.json")
