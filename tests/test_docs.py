"""The documentation tells the truth where a machine can check it: files, links, commands, options, imports, papers."""

import ast
import functools
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "benchmarks").rglob("*.md")])
GUIDES = [ROOT / "README.md", ROOT / "docs" / "quickstart.md"]
PAPERS = (ROOT / "docs" / "papers.md").read_text()
FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<body>.*?)^(?P=indent)```", re.M | re.S)
LINK = re.compile(r"(?<!`)\]\(<?([^)\s>]+)>?(?: \"[^\"]*\")?\)|<(?:img|a|source)\b[^>]*?\b(?:src|href)=\"([^\"]+)\"")

# The guides and the table of papers describe the whole project: there is nothing to hold them to before its last part.
whole = pytest.mark.skipif(not (ROOT / "redraft/cli/main.py").exists(), reason="there is no command line yet")


def blocks(page: Path, *languages: str) -> Iterator[str]:
    for match in FENCE.finditer(page.read_text()):
        if match["language"] in languages:
            yield match["body"]


def command_lines(page: Path) -> Iterator[str]:
    """Shell lines of a page, continuations joined and comments dropped."""
    for body in blocks(page, "bash", "sh", "shell", "console"):
        for line in body.replace("\\\n", " ").splitlines():
            yield line.removeprefix("$ ").split(" #")[0].strip()


def links(page: Path) -> Iterator[str]:
    for match in LINK.finditer(FENCE.sub("", page.read_text())):
        yield match[1] or match[2]


def anchors(page: Path) -> set[str]:
    """The fragments GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ +(.+?) *$", FENCE.sub("", page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@functools.cache
def help_text(*arguments: str) -> str:
    code = "import sys; sys.argv[0] = 'redraft'; from redraft.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *arguments, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@functools.cache
def commands() -> frozenset[str]:
    """The commands that `redraft --help` offers: those of its words that are a file in redraft/cli."""
    stems = {path.stem.replace("_", "-") for path in (ROOT / "redraft/cli").glob("*.py")} - {"main"}
    offered = set(re.findall(r"(?m)^\s+([a-z][a-z-]*)\b|(?<=[{,])([a-z][a-z-]*)(?=[,}])", help_text()))
    return frozenset(stems & {word for pair in offered for word in pair})


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    broken = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (fragment and target.suffix == ".md" and fragment not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_python_in_the_guides_compiles_and_imports_what_exists(page: Path) -> None:
    for body in blocks(page, "python", "py"):
        tree = ast.parse(body)
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in ("redraft", "recipes"):
                module = importlib.import_module(node.module or "")
                missing = [alias.name for alias in node.names if not hasattr(module, alias.name)]
                assert missing == [], f"{node.module} has no {missing}"


@whole
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_docs_exist_with_their_options(page: Path) -> None:
    for line in command_lines(page):
        for name, rest in re.findall(r"(?:^|[\s/])redraft (\S+)([^|;&>]*)", line):
            if name.startswith("-"):
                continue
            assert name in commands(), f"{line!r}: redraft has {sorted(commands())}"
            for option in re.findall(r"(?<=\s)--[a-z][a-z-]*", rest):
                assert re.search(rf"{option}\b", help_text(name)), f"{line!r}: redraft {name} has no {option}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_make_targets_in_the_docs_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.M))
    named = {match for line in command_lines(page) for match in re.findall(r"(?:^|&& )make ([a-z]+)", line)}
    assert named <= targets


@whole
def test_every_command_is_documented() -> None:
    told = "\n".join(page.read_text() for page in PAGES)
    assert "demo" in commands()
    assert {name for name in commands() if not re.search(rf"\bredraft {name}\b", told)} == set()


def paper_rows() -> list[tuple[str, str, str, str]]:
    """(paper, arXiv id, what we use, where) for every row of the table."""
    lines = [line for line in PAPERS.splitlines() if line.startswith("|")][2:]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]  # type: ignore[misc]


@pytest.mark.parametrize("row", paper_rows(), ids=lambda row: row[0])
def test_a_paper_has_an_arxiv_id_and_a_use(row: tuple[str, str, str, str]) -> None:
    _, identifier, use, _ = row
    assert re.fullmatch(r"\[(\d{4}\.\d{4,5})\]\(https://arxiv\.org/abs/\1\)", identifier)
    assert use


@whole
@pytest.mark.parametrize("row", paper_rows(), ids=lambda row: row[0])
def test_the_files_a_paper_is_used_in_exist(row: tuple[str, str, str, str]) -> None:
    paths = re.findall(r"`([^`]+)`", row[3])
    assert paths
    assert [path for path in paths if not (ROOT / path).exists()] == []


@whole
def test_every_paper_the_code_cites_is_in_the_table() -> None:
    sources = [path for folder in ("redraft", "recipes") for path in (ROOT / folder).rglob("*.py")]
    cited = {i for path in sources for i in re.findall(r"(?i)arxiv:\s?(\d{4}\.\d{4,5})", path.read_text())}
    assert cited - set(re.findall(r"\d{4}\.\d{4,5}", PAPERS)) == set()


def test_a_broken_link_or_a_wrong_anchor_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A b, c\n[x](gone.md) [y](#a-b-c) [z](#nowhere)\n```\n[not](a-link)\n```\n")
    assert list(links(page)) == ["gone.md", "#a-b-c", "#nowhere"]
    assert anchors(page) == {"a-b-c"}


def test_a_command_line_is_read_as_a_shell_would(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```bash\n$ redraft edit \\\n  --threshold 0.5  # why\n```\n```python\nredraft = 1\n```\n")
    assert [" ".join(line.split()) for line in command_lines(page)] == ["redraft edit --threshold 0.5"]
