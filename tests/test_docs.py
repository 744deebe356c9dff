"""The documents' commands, links and names are real."""

from __future__ import annotations

import argparse
import ast
import re
import runpy
import shlex
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "projects/**/*.md")
    for path in ROOT.glob(pattern)
)
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ASSIGNMENT = re.compile(r"[A-Z_]+=\S*")
# Programs other than ours that the documents call; their options are theirs.
FOREIGN = {"pip", "ruff", "tensorboard", "source"}


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def fences(text: str, language: str) -> list[str]:
    return [body for name, body in FENCE.findall(text) if name == language]


def prose(text: str) -> str:
    return FENCE.sub("", text)


def commands(text: str) -> list[list[str]]:
    """The words of every command in a document's bash blocks, without variables set before it."""
    found = []
    for block in fences(text, "bash"):
        for line in block.replace("\\\n", " ").splitlines():
            for part in line.split(" && "):
                words = shlex.split(part, comments=True)
                while words and ASSIGNMENT.fullmatch(words[0]):
                    words.pop(0)
                if words[:2] == ["taskset", "-c"]:  # runs the rest on some cores
                    words = words[3:]
                if words:
                    found.append(words)
    return found


ALL = [
    pytest.param(document, words, id=f"{document}: {shlex.join(words)}")
    for document in DOCUMENTS
    for words in commands(read(document))
]


class Parsed(Exception):
    """Carries a tool's parser out of the tool."""


@pytest.fixture(scope="module")
def parser_of():
    """Function of a tool's path: its argument parser, without running the tool."""
    parsers: dict[str, argparse.ArgumentParser] = {}

    def stop(parser, *_, **__):
        raise Parsed(parser)

    def find(tool: str) -> argparse.ArgumentParser:
        if tool not in parsers:
            with pytest.MonkeyPatch.context() as patch:
                patch.syspath_prepend((ROOT / tool).parent)  # as when the script is run
                main = runpy.run_path(str(ROOT / tool), run_name="tool")["main"]
                patch.setattr(argparse.ArgumentParser, "parse_args", stop)
                with pytest.raises(Parsed) as found:
                    main()
            parsers[tool] = found.value.args[0]
        return parsers[tool]

    return find


def check_tool(parser_of, document: str, tool: str, words: list[str]) -> None:
    assert (ROOT / tool).is_file(), f"{tool} does not exist"
    parser = parser_of(tool)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser, "error", lambda message: pytest.fail(f"{tool}: {message}"))
        args = parser.parse_args(words)
    config = getattr(args, "config", None)
    if config is not None and config != "CONFIG":
        made_here = f"`{config}`" in prose(read(document))
        assert (ROOT / config).is_file() or made_here, f"{config} does not exist"


@pytest.mark.parametrize("document, words", ALL)
def test_command(document, words, parser_of):
    program, *rest = words
    if program == "make":
        assert re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    elif program == "mim":
        action, *rest = rest
        if action == "search":
            assert rest == ["ganet_mm"]
            return
        assert rest.pop(0) == "ganet_mm"
        if action == "run":
            action = rest.pop(0)
            (tool,) = (
                path.relative_to(ROOT).as_posix() for path in ROOT.glob(f"tools/**/{action}.py")
            )
        else:
            tool = f"tools/{action}.py"
        # mim takes the checkpoint as an option and passes it on by place
        rest = [word for word in rest if word != "--checkpoint"]
        check_tool(parser_of, document, tool, rest)
    elif program in ("tools/dist_train.sh", "tools/slurm_train.sh"):
        assert (ROOT / program).stat().st_mode & 0o100
        if program == "tools/dist_train.sh":
            config, processes, *rest = rest
            assert int(processes) > 0
        else:
            _, _, config, *rest = rest
        check_tool(parser_of, document, "tools/train.py", [config, "--launcher", "pytorch", *rest])
    elif program == "python" and rest[:2] == ["-m", "pytest"]:
        for word in rest[2:]:
            assert not word.startswith("tests/") or (ROOT / word).exists()
    elif program == "python":
        check_tool(parser_of, document, rest[0], rest[1:])
    else:
        assert program in FOREIGN


def test_every_tool_is_documented():
    """Also that the parser above finds anything at all."""
    called = {word for param in ALL for word in param.values[1] if word.startswith("tools/")}
    tools = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("tools/**/*.py")}
    shown = "".join(read(document) for document in DOCUMENTS)
    assert len(called) > 5
    assert [tool for tool in sorted(tools) if tool not in shown] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(read(document))):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (ROOT / document).parent / path if path else ROOT / document
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, target


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("document", DOCUMENTS)
def test_files_it_names_exist(document):
    text = read(document)
    folders = "ganet_mm|tools|configs|projects|tests|benchmarks|docs"
    # After a blank or a quote only: not inside a longer path such as work_dirs/….
    named = re.findall(rf"(?<![\w/.])((?:{folders})/[\w/.]+\.(?:py|sh|md|ipynb))\b", text)
    made_here = set(re.findall(r"[Ss]ave as `([^`]+)`", text))
    beside = (ROOT / document).parent
    missing = [name for name in named if not ((ROOT / name).exists() or (beside / name).exists())]
    assert [name for name in missing if name not in made_here] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_path_of_a_machine(document):
    assert re.findall(r"(?<![\w.])/(?:home|root|work|tmp|mnt|opt|Users|usr)/", read(document)) == []
    assert re.findall(r"\b[A-Z]:\\", read(document)) == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_blocks_are_python(document):
    for block in fences(read(document), "python"):
        ast.parse(block)
