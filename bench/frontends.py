"""Every model of the shared folder in every format: does it import, is it right, and what is left of its layout.

    python -m bench.frontends [--shared FOLDER] [--only NAME]… [--json]

"difference" is the largest one between the imported graph in onnxruntime and ref.npz (or the runtime that the row
names), in units of the output's range, and "at most" what it may be. "nodes" are those of the graph that the
frontend returns, "after passes" those that the core's passes leave; "Transposes" are counted among these, "moved"
are the Transposes that the float program runs: it has its tensors in NHWC, where most of them are nothing. Formats
whose frontend is not installed have a row that says so.

The second table holds float programs (`is_float=True`) of one network in several formats against the first of them,
in the host's library. It exits 1 where anything is not as it should be.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypeVar

from bench import planner
from bench.agreement import Agreement, agreement
from bench.formats import Format, Same
from bench.imported import Row, row
from bench.networks import FORMATS, SAME

Named = TypeVar("Named", Format, Same)
HEADS = ("network", "file", "frontend", "imports", "difference", "at most", "against", "nodes", "after passes",
         "Transposes", "moved", "remark")  # fmt: skip
SAME_HEADS = ("network", "formats", "difference", "at most", "remark")


def main(arguments: Sequence[str] | None = None) -> int:
    """Print both tables; 1 where something is not right."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=planner.shared_folder())
    parser.add_argument("--only", action="append", default=[], help="networks whose name has this text")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    models = asked.shared / "models"
    if not models.is_dir():
        parser.error(f"there is no folder {models}")
    sys.path.insert(0, os.getcwd())  # the networks of checkpoints are the tests'
    rows = [row(found, models) for found in told(FORMATS, asked.only)]
    same = [agreement(found, models) for found in told(SAME, asked.only)]
    if asked.json:
        print(json.dumps({"formats": [asdict(r) for r in rows], "same": [asdict(a) for a in same]}, indent=1))
    else:
        print(markdown(HEADS, map(row_cells, rows)), markdown(SAME_HEADS, map(same_cells, same)), sep="\n\n")
    wrong = [found.name for found in rows if found.is_right is False]
    wrong += [found.name for found in same if found.is_right is False]
    if wrong:
        print(f"not as it should be: {', '.join(wrong)}", file=sys.stderr)
    return int(bool(wrong))


def told(items: Iterable[Named], only: Sequence[str]) -> Iterator[Named]:
    """Those whose name has one of the texts, each said when it begins."""
    for item in items:
        if not only or any(text in item.name for text in only):
            print(item.name, file=sys.stderr)
            yield item


def markdown(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def row_cells(found: Row) -> list[str]:
    counts = ("" if n is None else str(n) for n in (found.nodes, found.left, found.transposes, found.moves))
    return [found.name, found.file, found.frontend, found.imports, shown(found.difference), shown(found.tolerance),
            found.against, *counts, found.remark]  # fmt: skip


def same_cells(found: Agreement) -> list[str]:
    most = shown(found.tolerance) if found.tolerance else "structure"
    return [found.name, ", ".join(found.formats), shown(found.difference), most, found.remark]


def shown(value: float | None) -> str:
    return "" if value is None else f"{value:.1e}"


if __name__ == "__main__":
    sys.exit(main())
