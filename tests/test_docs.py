"""The documentation is true: its links lead somewhere, its tables are current, its blocks run."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import pytest

from magik_core import cli, config, hookspecs, ops, passes
from tests.blocks import ROOT, Workspace, blocks
from tests.conftest import repository

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
TEXTS = {path: path.read_text(encoding="utf-8") for path in (*PAGES, *sorted(ROOT.glob("*.md")))}
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)", re.DOTALL)
CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def load_generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_generator()


def page(name: str) -> str:
    return TEXTS[DOCS / name]


def absent(names: Iterable[str], text: str) -> list[str]:
    """Names that stand nowhere in a text as words of their own."""
    return [n for n in names if not re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", text)]


# ---- links -----------------------------------------------------------------------------------------------


def anchors(text: str) -> set[str]:
    """The anchors that headings get."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    broken = []
    for target in LINK.findall(CODE.sub("", TEXTS[path])):
        name, _, anchor = target.partition("#")
        file = (path.parent / name).resolve() if name else path
        if target.startswith(("http://", "https://")):
            continue
        if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
            broken.append(target)
    assert not broken


def test_every_page_is_linked_from_the_readme_or_from_a_page_that_is() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path in TEXTS and path not in reached:
            reached.add(path)
            names = (target.partition("#")[0] for target in LINK.findall(TEXTS[path]))
            waiting += [(path.parent / name).resolve() for name in names if name]
    assert set(PAGES) <= reached, "link it from README.md"


# ---- tables ----------------------------------------------------------------------------------------------


def test_tables_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_page_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    for name in generate.BLOCKS:
        (tmp_path / name).write_text(page(name).replace("`SOC`", "`COS`"), encoding="utf-8")
    monkeypatch.setattr(generate, "DOCS", tmp_path)
    assert generate.main(["--check"]) == 1
    assert capsys.readouterr().err == "stale, run make docs: config.md\n"
    assert generate.main([]) == 0
    assert {name: (tmp_path / name).read_text(encoding="utf-8") for name in generate.BLOCKS} == {
        name: page(name) for name in generate.BLOCKS
    }


def test_a_page_without_its_mark_is_refused() -> None:
    with pytest.raises(SystemExit, match=re.escape("docs/config.md: no <!-- keys --> … <!-- /keys -->")):
        generate.filled("config.md", "# Config file\n")


# ---- everything has its place ----------------------------------------------------------------------------


def test_every_operator_is_in_its_page() -> None:
    named = [name for name, op in ops.found().items() if generate.is_operator(op)]
    assert absent([f"## {name}" for name in named], page("ops.md")) == []
    assert absent(ops.by_onnx(), page("ops.md")) == []


def test_every_kernel_of_the_library_is_in_the_operators_page() -> None:
    from magik_core.library import kernel_names

    assert absent(kernel_names(), page("ops.md")) == []


def test_every_soc_and_check_is_in_its_page() -> None:
    for soc in repository().socs.values():
        _, heading, rest = page("socs.md").partition(f"\n## {soc.name}\n")
        assert heading, soc.name
        assert absent([f"`{check.name}`" for check in soc.checks], rest.partition("\n## ")[0]) == []
        assert not [check.need for check in soc.checks if check.need not in rest]


def test_every_command_is_in_its_page() -> None:
    names = [path.stem for path in Path(cli.__file__).parent.glob("[!_]*.py")]
    assert absent([f"## magik {name}" for name in names], page("commands.md")) == []


def test_every_config_key_and_its_option_are_in_its_page() -> None:
    assert absent([*config.KEYS, *config.NOT_BUILT], page("config.md")) == []
    assert absent(generate.option_of_key().values(), page("config.md")) == []
    assert set(generate.option_of_key()) == set(config.KEYS)


def test_every_hook_and_module_is_in_the_architecture() -> None:
    assert absent([name for name in vars(hookspecs) if name.startswith("register_")], page("architecture.md")) == []
    core = ROOT / "magik_core"
    modules = [path.name for path in core.glob("*.py") if not path.stem.startswith("__")]
    assert absent(modules, page("architecture.md")) == []


def test_every_pass_is_in_its_page() -> None:
    assert absent([one.__name__ for one in passes.PASSES], page("passes.md")) == []


def test_every_quantizer_is_named_beside_the_config_keys() -> None:
    assert absent(repository().quantizers, page("config.md")) == []


# ---- blocks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [p for p in PAGES if blocks(p)], ids=lambda path: path.name)
def test_blocks(path: Path, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    for block in blocks(path):
        workspace.do(block)


def test_the_config_of_the_page_is_one() -> None:
    import json

    block = next(block for block in blocks(DOCS / "config.md") if block.language == "json")
    parsed = config.Config.parse(json.loads(block.text))
    assert parsed.soc == "T41" and parsed.mean == ((127.0,),)


@pytest.mark.parametrize(
    ("purpose", "text", "said"),
    [
        ("", "exit 3\n", "page.md:7: exit code 3"),
        ("exit=1", "true\n", "page.md:7: exit code 0"),
        ("README.md", "no such line\n", "page.md:7: README.md has other lines"),
        ("output", "printed before\n", "page.md:7: no line, in this order, begins as 'printed before'"),
    ],
)
def test_a_false_block_fails(purpose: str, text: str, said: str, tmp_path: Path) -> None:
    from tests.blocks import Block

    with pytest.raises(AssertionError, match=re.escape(said)):
        Workspace(tmp_path).do(Block("page.md", 7, "sh", purpose, text))


@pytest.mark.parametrize(
    ("line", "wanted", "is_it"),
    [
        ("  a   b  c and more", "a b c", True),
        ("a b", "b", False),
        ("step 12 of 40: 3 ms", "step … of …: … ms", True),
        ("step 12 of 40: 3 s", "step … of …: … ms", False),
        ("a  b", "a … b", True),
        ("ab", "a…b", True),
        ("ba", "a…b", False),
        ("x" * 3000, "…".join("x" * 300) + "y", False),  # backtracking would never end
    ],
)
def test_what_a_line_of_output_stands_for(line: str, wanted: str, is_it: bool) -> None:
    from tests.blocks import _begins

    assert _begins(line, wanted) == is_it
