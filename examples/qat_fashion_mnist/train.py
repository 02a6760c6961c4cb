"""Train in float, then with 8, 4 and 2 bits, and measure what each packed program gets right.

    python examples/qat_fashion_mnist/train.py FOLDER [--out FOLDER] [--readme] [--images N] [--tests N] [--epochs F]

FOLDER holds the files of Fashion-MNIST (data.py). Each stage starts from the network of one before it, is exported,
converted for T40 and run on this machine by magik's kernels on every test image, one by one. --readme writes the table
into README.md; --images, --tests and --epochs make a shorter run.
"""

from __future__ import annotations

import argparse
import logging
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from data import read
from magik_trainingkit import check
from network import DEVICE, REAL, Classifier, Stage, example
from torch import Tensor
from torch.nn import functional

import magik_core as magik

README = Path(__file__).parent / "README.md"
MARKS = "<!-- table -->", "<!-- /table -->"
BATCH, SEED = 64, 1
FLOAT, LONGER = "float", "float, trained on like 8 bits"
STAGES = (
    Stage(FLOAT, "", REAL, REAL, 6.0, epochs=6, rate=4e-3),
    Stage(LONGER, FLOAT, REAL, REAL, 6.0, epochs=2, rate=1e-3),
    Stage("8 bits", FLOAT, 8, 8, 6.0, epochs=2, rate=1e-3),
    Stage("4 bits", "8 bits", 4, 4, 4.0, epochs=3, rate=1e-3),
    Stage("2 bits, features of 4", "4 bits", 2, 4, 4.0, epochs=4, rate=2e-3),
)
HEADS = ("network", "right of {n}", "below float", "bytes", "training")
Data = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Row:
    """What a stage came to: the share that its program gets right, the program's bytes, seconds of training."""

    name: str
    right: float
    size: int
    seconds: float


def first(data: Data, count: int | None) -> Data:
    return data[0][:count], data[1][:count]


def batches(images: Tensor, classes: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """All images in a new order, half of them mirrored."""
    for pick in torch.randperm(len(images)).split(BATCH):
        x = images[pick]
        yield torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x), classes[pick]


def train(net: Classifier, stage: Stage, data: Data, share: float) -> None:
    """Train with a rate that rises and falls once."""
    images, classes = (torch.from_numpy(a) for a in data)
    epochs = max(round(share * stage.epochs), 1)
    optimizer = torch.optim.AdamW(net.parameters(), stage.rate, weight_decay=1e-2)
    steps = epochs * -(-len(images) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, stage.rate, steps, pct_start=0.15)
    net.train()
    for _ in range(epochs):
        for x, labels in batches(images, classes):
            loss = functional.cross_entropy(net(x), labels, label_smoothing=0.05)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()


def packed(net: Classifier, stage: Stage, folder: Path) -> Path:
    """The program of a network, as the board gets it."""
    path = folder / f"{stage.name.replace(' ', '-').replace(',', '')}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter, about itself
        torch.onnx.export(net.eval(), (example(),), str(path), dynamo=False, verbose=False)
    magik.convert(path, path.with_suffix(".bin"), soc=DEVICE, is_float=stage.is_float)
    return path.with_suffix(".bin")


def share_right(path: Path, data: Data) -> float:
    """The share of images that a program tells rightly."""
    program = magik.load(path)
    (name,) = (port.name for port in program.inputs)
    (out,) = (port.name for port in program.outputs)
    images, classes = data
    found = [int(program.run({name: image[None]})[out].argmax()) for image in images]
    return float((np.array(found) == classes).mean())


def run(stages: Sequence[Stage], given: Data, held_out: Data, folder: Path, share: float = 1.0) -> list[Row]:
    """Train, convert and measure each stage, from the network of the one it starts from."""
    rows: list[Row] = []
    nets: dict[str, Classifier] = {}
    for stage in stages:
        torch.manual_seed(SEED)
        net, start = Classifier(stage), time.perf_counter()
        check(net)
        if stage.start:
            net.carry_on(nets[stage.start])
        train(net, stage, given, share)
        nets[stage.name], seconds = net, time.perf_counter() - start
        path = packed(net, stage, folder)
        rows.append(Row(stage.name, share_right(path, held_out), path.stat().st_size, seconds))
        print(f"{stage.name}: {rows[-1].right:.2%} right, {rows[-1].size:,} bytes, {seconds:.0f} s", flush=True)
    return rows


def table(rows: Sequence[Row], count: int) -> str:
    lines = ["| " + " | ".join(HEADS).format(n=f"{count:,}") + " |", "|" + " --- |" * len(HEADS)]
    for row in rows:
        cells = [row.name, f"{row.right:.2%}", f"{100 * (rows[0].right - row.right):.2f}", f"{row.size:,}"]
        lines.append("| " + " | ".join([*cells, f"{row.seconds:.0f} s"]) + " |")
    return "\n".join(lines)


def write_readme(text: str) -> None:
    page = README.read_text(encoding="utf-8")
    head, _, rest = page.partition(MARKS[0])
    tail = rest.partition(MARKS[1])[2]
    README.write_text(f"{head}{MARKS[0]}\n\n{text}\n\n{MARKS[1]}{tail}", encoding="utf-8")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out/qat_fashion_mnist"), help="where programs are kept")
    parser.add_argument("--readme", action="store_true", help="write the table into README.md")
    parser.add_argument("--images", type=int, help="train on so many, not on all")
    parser.add_argument("--tests", type=int, help="test on so many images, not on all")
    parser.add_argument("--epochs", type=float, default=1.0, help="so many times the epochs of each stage")
    return parser.parse_args()


def main() -> None:
    options = arguments()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    options.out.mkdir(parents=True, exist_ok=True)
    given = first(read(options.folder, "train"), options.images)
    held_out = first(read(options.folder, "t10k"), options.tests)
    rows = run(STAGES, given, held_out, options.out, options.epochs)
    text = table(rows, len(held_out[1]))
    print(text)
    if options.readme:
        write_readme(text)


if __name__ == "__main__":
    main()
