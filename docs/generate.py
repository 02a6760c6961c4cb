"""Write the tables of docs/ from the code that they describe; the text around them is by hand.

    python docs/generate.py            write
    python docs/generate.py --check    write nothing; exit 1 if a page is stale, naming it

A table stands in its page between `<!-- name -->` and `<!-- /name -->`. Only this repository is described,
whatever else is installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import json
import os
import pkgutil
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields
from importlib.metadata import EntryPoint, version
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path[:0] = [str(ROOT), *(str(folder) for folder in sorted(ROOT.glob("plugins/*")))]

import typer  # noqa: E402

from magik_core import checks, cli, config, hookspecs, ops, passes, plugins  # noqa: E402
from magik_core.kernels import parts_of  # noqa: E402
from magik_core.ops.affine import Affine  # noqa: E402
from magik_core.ops.lut import Pointwise  # noqa: E402
from magik_core.soc import SoC  # noqa: E402

MARK = "<!-- {} -->"
SECTION = re.compile(r"^(Args|Attributes|Shapes|Source|Raises|Returns): *", re.MULTILINE)
FIGURES = ("title", "memory_bytes", "alignment", "cpu", "simd", "clock_hz")


# ---- Markdown --------------------------------------------------------------------------------------------


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: object) -> str:
    return f"`{text}`" if str(text) else ""


def sections(doc: str | None) -> dict[str, str]:
    """A docstring by section: "" is what stands before `Args:`, `Shapes:` and so on, as single lines."""
    parts = SECTION.split(inspect.cleandoc(doc or ""))
    named = {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}
    return {name: "\n\n".join(" ".join(p.split()) for p in text.split("\n\n")).strip() for name, text in named.items()}


# ---- operators -------------------------------------------------------------------------------------------


def operators() -> str:
    """The ONNX operators with who lowers them, then a section for each kernel operator."""
    by_onnx = sorted(ops.by_onnx().items())
    rows = [(name, link(op.__name__), ", ".join(op.dtypes)) for name, op in by_onnx]
    found = [op for _, op in sorted(ops.found().items()) if is_operator(op)]
    return "\n\n".join([table(("ONNX", "kernel operator", "computes on"), rows), *map(operator, found)])


def is_operator(op: type[ops.Op]) -> bool:
    """Whether a class stands for steps of its own, rather than being only a base of others."""
    is_base = any(issubclass(other, op) and other is not op for other in ops.found().values())
    return bool(op.onnx or own_kernels(op)) or not is_base


def own_kernels(op: type[ops.Op]) -> list[str]:
    """C functions of the operator, from the source beside it."""
    path = ROOT.joinpath(*op.__module__.split(".")).with_suffix(".c")
    names = re.findall(r"^void magik_(\w+)\(const struct magik_step", path.read_text(), re.M) if path.exists() else []
    return sorted(name for name in names if parts_of(name)[0] == ops.snake(op.__name__))


def kernels(op: type[ops.Op]) -> list[str]:
    """The operator's own C functions, and the shared ones for functions of one value."""
    if not issubclass(op, Pointwise):
        return own_kernels(op)
    is_straight = op is Affine or op.straight is not Pointwise.straight
    wide = own_kernels(Affine) if is_straight else ["lut_u16", "points_u16"]
    return list(dict.fromkeys(["lut_u8", *wide, *own_kernels(op)]))


def operator(op: type[ops.Op]) -> str:
    said = sections(op.__doc__)
    lines = [f"## {op.__name__}", "", said.pop("", ""), ""]
    lines.append(f"- ONNX: {', '.join(op.onnx) or 'none; other operators use it'}")
    lines.append(f"- Kernels: {', '.join(map(code, kernels(op))) or 'none; other operators do the work'}")
    attributes = ". ".join(text for text in (defaults(op), said.pop("Attributes", "")) if text)
    lines += [f"- Attributes: {attributes}"] if attributes else []
    lines += [f"- {name}: {text}" for name, text in said.items()]
    lines += ["- Codes: those of the output mean what those of the input do."] if op.keeps_codes else []
    return "\n".join(lines)


def defaults(op: type[ops.Op]) -> str:
    """The fields of the dataclass, as they are written in Python."""
    if "__dataclass_fields__" not in vars(op):
        return ""
    return ", ".join(code(f.name if f.default is MISSING else f"{f.name} = {f.default!r}") for f in fields(op))  # type: ignore[arg-type]


def link(name: str) -> str:
    return f"[{name}](#{name.lower()})"


# ---- SoCs ------------------------------------------------------------------------------------------------


def repository() -> plugins.Plugins:
    """magik's own plugin and those of this repository."""
    packages = sorted(path.parent.name for path in ROOT.glob("plugins/*/magik_*/__init__.py"))
    points = [EntryPoint(name, name, hookspecs.GROUP) for name in packages]
    loaded = plugins.Plugins([EntryPoint("builtin", plugins.BUILTIN, hookspecs.GROUP), *points])
    if loaded.failures:
        raise SystemExit("\n".join(map(str, loaded.failures)))
    return loaded


def socs() -> str:
    return "\n\n".join(soc(item.value, item.source.distribution) for item in repository().items("soc"))


def soc(chip: SoC, distribution: str) -> str:
    cited = dict(source.split(": ", 1) for source in chip.sources)
    figures = [(code(name), figure(name, getattr(chip, name)), cited.get(name, "")) for name in FIGURES]
    parts = [f"## {chip.name}", f"From {code(distribution)}.", table(("figure", "value", "source"), figures)]
    rows = [
        (code(c.name), "any" if c.op == "*" else c.op, "notice" if c.is_notice else "blocker", c.need, c.source)
        for c in chip.checks
    ]
    parts += [table(("check", "operator", "kind", "need", "source"), rows)] if rows else ["No checks."]
    lists = {value.title: value.names for c in chip.checks for _, value in c.limits if isinstance(value, checks.Names)}
    parts += [f"“{title}” are {', '.join(sorted(names))}." for title, names in lists.items()]
    return "\n\n".join(parts)


def figure(name: str, value: Any) -> str:
    if name == "memory_bytes":
        return "no limit" if value is None else f"{value:,} bytes ({value >> 20} MiB)"
    if name == "clock_hz":
        return "none stated" if value is None else f"{value / 1e9:g} GHz"
    if name == "alignment":
        return f"{value} bytes"
    return ", ".join(value) or "none stated" if isinstance(value, tuple) else value or "none stated"


# ---- commands --------------------------------------------------------------------------------------------


def commands() -> str:
    from magik_core.cli import _app

    group = typer.main.get_command(_app.app())
    own = {info.name for info in pkgutil.iter_modules(cli.__path__)}
    found = {name: one for name, one in group.commands.items() if name in own}  # type: ignore[attr-defined]
    return "\n\n".join(command(f"magik {name}", one) for name, one in sorted(found.items()))


def command(name: str, one: Any) -> str:
    """A command's section; a group's commands have one each."""
    if getattr(one, "commands", None):
        return "\n\n".join(command(f"{name} {sub}", item) for sub, item in sorted(one.commands.items()))
    arguments = [p for p in one.params if p.param_type_name == "argument"]
    options = [p for p in one.params if p.param_type_name == "option" and p.name != "help"]
    usage = " ".join([name, *(p.metavar or p.name.upper() for p in arguments), "[OPTIONS]" if options else ""])
    parts = [f"## {name}", f"```text\n{usage.strip()}\n```", example(inspect.cleandoc(one.help or ""))]
    rows = [(code(p.metavar or p.name.upper()), p.help or "") for p in arguments]
    parts += [table(("argument", "meaning"), rows)] if rows else []
    parts += [table(("option", "default", "meaning"), map(option, options))] if options else []
    return "\n\n".join(parts)


def example(text: str) -> str:
    return re.sub(r"^Example: (magik .*?)(, then .*)?$", r"Example: `\1`\2", text, flags=re.MULTILINE)


def option(p: Any) -> tuple[str, str, str]:
    value = "" if p.is_flag else f" {p.metavar or 'N'}"
    names = [*sorted(p.opts, key=len, reverse=True), *p.secondary_opts]
    default = "" if p.default in (None, ()) else code(p.default)
    if p.is_flag:
        default = {True: "on", False: "off"}.get(p.default, "")
    return ", ".join(code(name + value) for name in names), default, p.help or ""


def option_of_key() -> dict[str, str]:
    """The option of `magik convert` for each config key, its help ending in the key; --set for the others."""
    from magik_core.cli import _app, _options

    convert = typer.main.get_command(_app.app()).commands["convert"]  # type: ignore[attr-defined]
    own = {key: p.opts[0] for p in convert.params if (key := _options.key_of(p.help))}
    return {key: own.get(key, "--set") for key in (*config.KEYS, *own)}


# ---- frontends -------------------------------------------------------------------------------------------


def caffe_layers() -> str:
    """What each type of Caffe's layers becomes."""
    from magik_frontend_caffe.convert import DROPPED
    from magik_frontend_caffe.data import DATA
    from magik_frontend_caffe.layers import table as layers

    rows = [(name, one.text) for name, one in layers().items()]
    rows += [(name, "An input.") for name in DATA] + [(name, "Left out.") for name in DROPPED]
    return table(("layer", "becomes"), sorted(rows))


def quantized_operators(*domains: str) -> str:
    """What each quantized operator of some domains becomes; names of one function are together."""
    from magik_core.builtin.onnx_quantized.table import table as operators_

    by_text: dict[str, list[str]] = {}
    for (domain, name), one in operators_().items():
        if domain in domains and name not in by_text.setdefault(one.text, []):
            by_text[one.text].append(name)
    rows = sorted((", ".join(map(code, sorted(names))), text) for text, names in by_text.items() if names)
    return table(("operator", "becomes"), rows)


def moved_operators() -> str:
    """Standard operators that may stand between codes."""
    from magik_core.builtin.onnx_quantized.moved import MOVED, READ

    return ", ".join(map(code, sorted([*MOVED, *READ])))


def mxnet_layers() -> str:
    layers = importlib.import_module("magik_frontend_mxnet.layers")
    return families(layers, layers.families())


def keras_layers() -> str:
    layers = importlib.import_module("magik_frontend_tf.keras_files.layers")
    return families(layers, layers.families())


def keras_functions() -> str:
    layers = importlib.import_module("magik_frontend_tf.keras_files.layers")
    return families(layers, layers.functions())


def families(layers: Any, named: Mapping[str, Sequence[str]]) -> str:
    """Layers by family: a family is a file, its docstring says what it holds."""
    rows = []
    for name, ops_ in named.items():
        said = importlib.import_module(f"{layers.__name__}.{name}").__doc__.strip().splitlines()[0]
        rows.append((said.rstrip("."), ", ".join(map(code, ops_))))
    return table(("family", "layers"), rows)


def tf_operators() -> str:
    """TensorFlow's operators that may be in a graph, as the version of tf2onnx has them that the page names.

    Another version leaves the page as it is: it may know others.
    """
    old = (ROOT / "docs/tf.md").read_text(encoding="utf-8")
    named = re.search(r"With tf2onnx (\S+):", old)
    found = version("tf2onnx") if importlib.util.find_spec("tf2onnx") else ""
    if not found or (named and named[1] != found):
        return old.partition(MARK.format("operators"))[2].partition(MARK.format("/operators"))[0].strip()
    os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")
    from magik_frontend_tf.graphs import refuse, spectra

    accepted = refuse.accepted() | spectra.RULES.keys()
    names = ", ".join(code(name) for name in sorted(accepted) if not name.startswith("_"))
    return f"With tf2onnx {found}:\n{names}"


def tflite_operators() -> str:
    """The builtin operators of TFLite by family, as those of MXNet."""
    layers = importlib.import_module("magik_frontend_tf.tflite.layers")
    rows = []
    for name, ops_ in layers.families().items():
        said = importlib.import_module(f"{layers.__name__}.{name}").__doc__.strip().splitlines()[0]
        rows.append((said.rstrip("."), ", ".join(map(code, ops_))))
    return table(("family", "operators"), rows)


def torch_options() -> str:
    """The options of the PyTorch frontend."""
    options = repository().frontends["torch"].options
    return table(("option", "says"), [(code(name), text[0].upper() + text[1:]) for name, text in options.items()])


# ---- config, passes, hooks -------------------------------------------------------------------------------


def keys() -> str:
    options = option_of_key()
    rows = [
        (code(key), kind(schema), code(json.dumps(schema.get("default"))), code(options[key]), schema["description"])
        for key, schema in config.Config.model_json_schema()["properties"].items()
    ]
    return table(("key", "type", "default", "option", "meaning"), rows)


def not_built() -> str:
    rows = [(code(key), code(json.dumps(value))) for key, value in config.NOT_BUILT.items()]
    return table(("key", "accepted value"), rows)


def kind(schema: Mapping[str, Any], is_many: bool = False) -> str:
    """A JSON schema in words."""
    if "anyOf" in schema:
        return kind(schema["anyOf"][0], is_many)
    if schema["type"] == "array":
        return ("lists of " if is_many else "list of ") + kind(schema["items"], True)
    word = {"string": "text", "object": "object", "integer": "integer", "number": "number", "boolean": "true or false"}[
        schema["type"]
    ]
    return word + "s" * (is_many and word != "text")


def rewrites() -> str:
    """A row for each pass, in the order in which they run; then the cases of those that have several."""
    rows, cases = [], []
    for number, one in enumerate(passes.PASSES, 1):
        first, _, rest = inspect.cleandoc(one.__doc__ or "").partition("\n\n")
        purpose = (importlib.import_module(one.__module__).__doc__ or "").strip().splitlines()[0]
        rows.append((str(number), code(one.__name__), purpose, first))
        cases += [f"`{one.__name__}`\n\n```text\n{rest}\n```"] if rest else []
    return "\n\n".join([table(("", "pass", "purpose", "before and after"), rows), "## Cases", *cases])


def hooks() -> str:
    rows = []
    for name, spec in vars(hookspecs).items():
        if name.startswith("register_"):
            hint = str(inspect.signature(spec).parameters["register"].annotation)
            handed = re.sub(r"^Callable\[\[(.*)\], None\]$", r"\1", hint)
            rows.append((code(name), code(handed), (spec.__doc__ or "").strip()))
    return table(("hook", "is handed", "to"), rows)


BLOCKS = {
    "ops.md": {"operators": operators},
    "socs.md": {"socs": socs},
    "commands.md": {"commands": commands},
    "config.md": {"keys": keys, "not built": not_built},
    "passes.md": {"passes": rewrites},
    "architecture.md": {"hooks": hooks},
    "caffe.md": {"layers": caffe_layers},
    "keras.md": {"layers": keras_layers, "functions": keras_functions},
    "mxnet.md": {"layers": mxnet_layers},
    "tf.md": {"operators": tf_operators},
    "torch.md": {"options": torch_options},
    "onnx-quantized.md": {"operators": lambda: quantized_operators("", "com.microsoft"), "moved": moved_operators},
    "thinker.md": {"operators": lambda: quantized_operators("thinker", "linger")},
    "training.md": {"operators": lambda: quantized_operators("magik.trainingkit")},
    "tflite.md": {"tflite": tflite_operators},
}


def filled(page: str, text: str) -> str:
    """A page's text with its tables made anew."""
    for name, make in BLOCKS[page].items():
        begin, end = MARK.format(name), MARK.format("/" + name)
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise SystemExit(f"docs/{page}: no {begin} … {end}")
        text = f"{before}{begin}\n\n{make()}\n\n{end}{after}"
    return text


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a page is stale")
    is_check = parser.parse_args(argv).check
    stale = []
    for page in BLOCKS:
        old = (DOCS / page).read_text(encoding="utf-8")
        new = filled(page, old)
        if new != old:
            stale.append(page)
            if not is_check:
                (DOCS / page).write_text(new, encoding="utf-8")
    if stale:
        print(f"{'stale, run make docs' if is_check else 'written'}: {', '.join(stale)}", file=sys.stderr)
    return int(is_check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
