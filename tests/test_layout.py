"""The house rules, executed: sizes, imports, C without surprises, params in step, docstrings, spelling."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from magik_core import ops
from magik_core.kernels import DTYPES, ISAS, parts_of
from magik_core.library import kernel_names
from magik_core.ops import Params
from magik_core.program import MAX_DIMS
from tests.runtime.corpus import CASES, programs

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "magik_core"
C_KERNELS = sorted((CORE / "ops").glob("*.c"))
C_SOURCES = sorted([*C_KERNELS, *(CORE / "runtime" / "src").glob("*.[ch]")])

MOST_FILE_LINES, MOST_FUNCTION_LINES = 400, 60
LARGE_FILES = {  # path: why it may be longer
    "tests/cli/test_commands.py": "one end-to-end test per command and error, on one converted model",
}
LONG_FUNCTIONS: dict[str, str] = {}  # path:name: why it may be longer


@cache
def tracked() -> tuple[Path, ...]:
    """Files of the repository, new ones included; without git, all that look like sources."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        names = done.stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        folders = ("magik_core", "plugins", "tests", "docs", "examples", "bench")
        names = [str(p.relative_to(ROOT)) for f in folders for p in (ROOT / f).rglob("*.*") if "build" not in p.parts]
    return tuple(ROOT / name for name in sorted(names) if (ROOT / name).is_file())


@cache
def texts() -> Mapping[str, str]:
    """Tracked text files by path, this one left out."""
    kinds = {".py", ".c", ".h", ".md", ".toml", ".cmake", ".txt", ".css", ".js", ".yml", ""}
    own = Path(__file__).resolve()
    found = (p for p in tracked() if p.suffix in kinds and p != own)
    return {str(p.relative_to(ROOT)): p.read_text(errors="replace") for p in found}


def lines_with(pattern: str, *kinds: str) -> list[str]:
    """`path:line: text` of every tracked line that matches."""
    out = []
    for path, text in texts().items():
        if not kinds or path.endswith(kinds):
            found = (m for m in re.finditer(pattern, text, re.IGNORECASE | re.MULTILINE))
            out += [f"{path}:{text.count(chr(10), 0, m.start()) + 1}: {m.group(0)}" for m in found]
    return out


# ---- sizes ---------------------------------------------------------------------------------------------


def sources() -> list[str]:
    return [path for path in texts() if path.endswith((".py", ".c", ".h"))]


def test_files_are_short() -> None:
    large = {path: text.count("\n") for path in sources() if (text := texts()[path]).count("\n") > MOST_FILE_LINES}
    assert set(large) == set(LARGE_FILES), large


def python_functions(path: str) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(texts()[path])):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


def c_functions(text: str) -> Iterator[tuple[str, str]]:
    """(name, definition) of the functions of a C file in the house's layout."""
    for m in re.finditer(r"^(?:[a-z][\w *]*?[ *])(\w+)\([^;{}]*\)\n\{\n.*?^\}", text, re.MULTILINE | re.DOTALL):
        yield m.group(1), m.group(0)


def test_functions_are_short() -> None:
    long = {}
    for path in sources():
        found = python_functions(path) if path.endswith(".py") else c_functions(texts()[path])
        for name, body in found:
            lines = body if isinstance(body, int) else body.count("\n") + 1
            if lines > MOST_FUNCTION_LINES:
                long[f"{path}:{name}"] = lines
    assert set(long) == set(LONG_FUNCTIONS), long


# ---- imports point down ----------------------------------------------------------------------------------

LAYERS: tuple[set[str], ...] = (
    {"errors", "fmath", "naming", "progress"},
    {
        "program",
        "numerics",
        "layout",
        "graph",
        "infer",
        "spelling",
        "light",
        "container",
        "library",
        "kernels",
        "toolchain",
        "qemu",
        "images",
        "missing",
        "model_file",
        "asked",
        "config_text",
        "shifted",
    },
    {"ops"},
    {"passes", "quantizers", "recipe", "soc", "soc_contract", "checks", "hookspecs", "verify", "live"}
    | {"dump_info", "data_files"},
    set(),  # the stages and what they are made of: every other module
    {"pipeline", "read", "plugins", "builtin", "describe", "html", "html_parts", "debug", "debug_html", "vendor"},
    {"cli", "__main__", "magik_core"},
)
STAGES = 4
FRAMEWORKS = {"torch", "tensorflow", "tf2onnx", "mxnet", "caffe", "paddle", "cv2"}


def layer(module: str) -> int:
    return next((i for i, names in enumerate(LAYERS) if module in names), STAGES)


def imported(path: Path) -> set[str]:
    """Modules that a file imports when it runs, those inside functions too."""
    tree = ast.parse(path.read_text())
    typing = [n for n in ast.walk(tree) if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.unparse(n.test)]
    skipped = {id(n) for block in typing for n in ast.walk(block)}
    out: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            out |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "magik_core":
            out |= {f"magik_core.{a.name}" for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            out.add(node.module or "")
    return out


@cache
def dependencies() -> Mapping[str, set[str]]:
    """Per module or folder of magik_core, the others that it imports."""
    out: dict[str, set[str]] = {}
    for path in CORE.rglob("*.py"):
        parts = path.relative_to(CORE).with_suffix("").parts
        own = parts[0] if parts != ("__init__",) else "magik_core"
        names = {n.split(".")[1] for n in imported(path) if n.startswith("magik_core.")}
        modules = {n for n in names if (CORE / f"{n}.py").exists() or (CORE / n).is_dir()}
        out.setdefault(own, set()).update(modules - {own})
    return out


def test_imports_point_down() -> None:
    wrong = [f"{a} imports {b}" for a, names in dependencies().items() for b in names if layer(b) > layer(a)]
    assert wrong == []
    known = set(dependencies())
    assert set().union(*LAYERS) <= known, "a module that LAYERS names is gone"


def test_imports_make_no_circle() -> None:
    left = {a: set(names) for a, names in dependencies().items() if a != "magik_core"}
    while free := {a for a, names in left.items() if not names & set(left)}:
        left = {a: names for a, names in left.items() if a not in free}
    assert left == {}


def test_only_cli_imports_the_terminal() -> None:
    for path in CORE.rglob("*.py"):
        names = {n.split(".")[0] for n in imported(path)}
        assert path.parent.name == "cli" or not names & {"typer", "rich", "click"}, path
        assert not names & FRAMEWORKS and not any(n.startswith("magik_") and n != "magik_core" for n in names), path


def test_plugins_do_not_import_each_other() -> None:
    for plugin in (ROOT / "plugins").iterdir():
        own = {"magik_core", *(folder.name for folder in plugin.iterdir())}
        for path in plugin.rglob("*.py"):
            others = {n for n in imported(path) if n.startswith("magik_") and n.split(".")[0] not in own}
            assert not others or "tests" in path.parts, path


# ---- C ---------------------------------------------------------------------------------------------------

HEADERS = {"<stddef.h>", "<stdint.h>", "<string.h>", "<float.h>"}
FORBIDDEN = (
    r"\b(malloc|calloc|realloc|free|alloca|f?printf|puts|abort|exit|assert|getenv|time|rand|setjmp|longjmp|goto)\b"
)
MATH = r"(?<![\w.>])(expf?|logf?|sqrtf?|powf?|tanhf?|sinf?|cosf?|floorf?|ceilf?|roundf?|lround\w*|fabsf?|fma\w*)\("


MACHINE_HEADERS = {
    "avx2": {"<immintrin.h>"},
    "vnni": {"<immintrin.h>"},
    "msa": {"<msa.h>"},
    "cpu": {"<cpuid.h>"},
}


def isa_of(path: Path) -> str:
    """What a C file is for: the suffix of a kernel's file, or the name of a header in src; "" for any machine."""
    last = path.stem.rpartition("_")[2]
    return last if last in ISAS or last in MACHINE_HEADERS else ""


def code(path: Path) -> str:
    """A C file without comments and strings."""
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    return re.sub(r'"[^"\n]*"', '""', re.sub(r"//.*", "", text))


@pytest.mark.parametrize("path", C_SOURCES, ids=lambda p: p.name)
def test_c_needs_nothing(path: Path) -> None:
    """Kernels and src allocate nothing, print nothing, keep nothing, and use no math library."""
    text = code(path)
    assert set(re.findall(r"#include\s+(<[^>]+>)", text)) <= HEADERS | MACHINE_HEADERS.get(isa_of(path), set())
    assert re.findall(FORBIDDEN, text) == [] and re.findall(MATH, text) == []
    assert re.findall(r"^\s*static (?!const\b|inline\b)[^()]*(?:=|;)", text, re.MULTILINE) == [], "static data"
    assert (
        re.findall(r"^(?!extern |static |typedef |struct |enum |const |#)\w[\w *]*(?:\[\w*\])?\s*(?:=|;)", text, re.M)
        == []
    )
    conditions = re.findall(r"^\s*#\s*if.*", text, re.MULTILINE)
    is_guard = path.suffix == ".h" and all("ifndef MAGIK_" in c for c in conditions)
    assert conditions == [] or is_guard or path.name == "cpu.c"
    for name, body in c_functions(text):
        assert len(re.findall(rf"\b{name}\(", body)) == 1, f"{name} calls itself"


@pytest.mark.parametrize("path", C_KERNELS, ids=lambda p: p.name)
def test_kernels_are_named_for_their_file(path: Path) -> None:
    isa = isa_of(path)
    op = path.stem.removesuffix(f"_{isa}")
    public = {n.removeprefix(f"magik_{op}_") for n, d in c_functions(path.read_text()) if not d.startswith("static")}
    own = {f"{d}_{isa}_{kind}" for d in DTYPES for kind in ("prepare", "scratch")}
    companions = own if isa else {"shape", "is_view", *(f"{d}_scratch" for d in DTYPES)}
    assert public - companions and public - companions <= {f"{d}_{isa}" if isa else d for d in DTYPES}
    assert isa or "shape" in public
    assert (path.with_name(f"{op}.py")).exists()
    built = {f"{op}_{name}" for name in public - companions if not isa}
    assert built <= set(kernel_names()), "the library is older than the sources"


def struct_fields(name: str, text: str) -> list[tuple[str, str, int]]:
    """(field, int or float, words) of `struct name`, structs inside it flattened."""
    found = re.search(rf"struct {name} \{{(.*?)\n\}};", text, re.DOTALL)
    assert found, f"struct {name} is not defined"
    out: list[tuple[str, str, int]] = []
    for kind, names in re.findall(r"(int32_t|float|struct \w+) ([^;]+);", found.group(1)):
        if kind.startswith("struct"):
            out += struct_fields(kind.split()[1], text)
            continue
        for item in names.split(","):
            m = re.fullmatch(r"\s*(\w+)(?:\[(\w+)\])?\s*", item)
            assert m, item
            words = MAX_DIMS if m[2] == "MAGIK_MAX_DIMS" else int(m[2] or 1)
            out.append((m[1], "float" if kind == "float" else "int", words))
    return out


def params_fields(p: Params) -> list[tuple[str, str, int]]:
    out = []
    for item in fields(p):
        value = getattr(p, item.name)
        first = value[0] if isinstance(value, tuple) else value
        words = len(value) if isinstance(value, tuple) else 1
        out.append((item.name, "float" if isinstance(first, float) else "int", words))
    return out


def includes(stem: str) -> str:
    """The operator headers that an operator's C includes; op.h and the arithmetic hold no params."""
    names = re.findall(r'^#include "(\w+)\.h"', (CORE / "ops" / f"{stem}.c").read_text(), re.MULTILINE)
    return "".join(code(CORE / "runtime" / "src" / f"{name}.h") for name in names if name not in ("op", "window"))


def test_params_are_the_same_in_c_and_python() -> None:
    """Names, order, type and length of every field, for every kernel that a case reaches."""
    headers = "".join(code(p) for p in sorted((CORE / "runtime" / "src").glob("*.h")))

    reached = set()
    for name, program, _ in programs():
        for step in program.steps:
            x, y = program.reads(step), program.writes(step)
            stem = parts_of(step.op.kernel(x, y))[0]
            own = code(CORE / "ops" / f"{stem}.c")
            used = re.search(r"const struct (\w*params) \*p\b", own + includes(stem))
            in_c = struct_fields(used[1], own + headers) if used else []
            assert params_fields(step.op.params(x, y)) == in_c, f"{name}: {stem}"
            reached.add(stem)
    assert reached == {p.stem for p in C_KERNELS if not isa_of(p)}


# ---- operators --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ops.found().values(), ids=lambda op: op.__name__)
def test_operators_say_their_shapes_and_source(op: type[ops.Op]) -> None:
    doc = vars(op).get("__doc__") or ""
    assert re.match(r"[^\n]+\.(\n|$)|[^\n]+\n", doc), "a docstring of its own"
    is_base = bool(op.__subclasses__()) and not op.onnx
    assert is_base or ("Shapes:" in doc and "Source:" in doc)


def test_every_operator_has_cases() -> None:
    """A case of every ONNX operator that is lowered, or a test of its own where onnxruntime does not have it."""
    lowered = {case.op_type for case in CASES}
    apart = "".join(text for path, text in texts().items() if path.startswith("tests/ops/"))
    missing = [n for n in ops.by_onnx() if is_onnx(n) and n not in lowered and f'"{n}"' not in apart]
    assert missing == []


def is_onnx(name: str) -> bool:
    import onnx

    return onnx.defs.has(name)


def test_passes_are_in_the_list() -> None:
    text = (CORE / "passes" / "__init__.py").read_text()
    files = {p.stem for p in (CORE / "passes").glob("[a-z]*.py")}
    assert [name for name in sorted(files) if not re.search(rf"\b{name}\b", text)] == []
    tests = {p.stem.removeprefix("test_") for p in (ROOT / "tests" / "core" / "passes").glob("test_*.py")}
    assert sorted(files - tests) == []


# ---- text ---------------------------------------------------------------------------------------------------

BRITISH = (
    r"\b(colours?|behaviours?|neighbours?|favours?|honours?|centres?|greys?|licence|catalogues?|analys(e|ed|es|ing)|"
    r"\w*(quant|normal|optim|initial|serial|organ|recogn|minim|maxim|visual|equal|central|general|summar)is(e|ed|es|ing|ation)|"
    r"cancell(ed|ing)|labell(ed|ing)|modell(ed|ing))\b"
)
PLACES = r"(?<![\w.$}])/(work|root|home/\w+|tmp/e\d)/|\b(localhost|127\.0\.0\.1)\b"
HOSTS = r"pythonhosted|[-_]index[-_]url|\.internal\b"


def test_quoted_headings_exist() -> None:
    """`docs/x.md, "Heading"` in a docstring or comment."""
    missing = set()
    for path, text in texts().items():
        for document, heading in re.findall(r'(docs/[\w-]+\.md), "([^"]+)"', text):
            known = texts().get(document, "")
            if not re.search(rf"^#+ (\d[\d.]* )?{re.escape(heading)}$", known, re.MULTILINE):
                missing.add(f"{path}: {document}, {heading}")
    assert missing == set()


def test_spelling_is_american() -> None:
    assert lines_with(BRITISH) == []


def test_no_machine_is_named() -> None:
    assert lines_with(PLACES) == [] and lines_with(HOSTS) == []


def test_what_is_to_be_done_is_an_issue() -> None:
    assert lines_with(r"\b(TODO|FIXME|XXX|HACK)\b(?! ?\(?#\d+)", ".py", ".c", ".h", ".cmake", ".toml") == []


def test_no_code_is_commented_out() -> None:
    assert (
        lines_with(
            r"^\s*(#|//) *(import |from \w+ import |def |return |if .*:$|for .*:$|int32_t |for \()", ".py", ".c", ".h"
        )
        == []
    )


def test_stages_do_not_print() -> None:
    printing = lines_with(r"^\s*print\(", ".py")
    assert [line for line in printing if line.startswith("magik_core/") and "/cli/" not in line] == []
