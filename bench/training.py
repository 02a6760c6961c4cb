"""What a step of quantized training costs: the kit's operators beside the same net in float and PyTorch's own way.

    python -m bench.training [--bits N]… [--batch N] [--size N] [--rounds N] [--threads N]

A step is a forward pass, a backward pass and one of SGD with momentum, of a net like MobileNetV2 (bench/trained.py)
on `batch` images of `size` x `size`. "float": the kit's operators with quantize=False. "torch": the same net of
PyTorch's layers in float; "torch.ao": that one with fake quantization of 8 bits as prepare_qat_fx inserts it. The steps
of all are interleaved in one process; a time is the median. ratio: the median of each round's ratio to "float", whose
parts ran next to one another. memory: the most that a process of its own held during three steps, less what it held
when the net was made (the nets' weights are the same).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from bench import trained
from bench.timing import times

FLOAT = "float"
HEADS = ("net", "ms a step", "ratio", "memory, MiB")


def made(name: str, size: int) -> nn.Module:
    """The net of a row, ready to train."""
    torch.manual_seed(0)
    if name.startswith("torch"):
        net = trained.of_torch().train()
        return net if name == "torch" else prepared(net, size)
    return trained.of_kit(32 if name == FLOAT else int(name.split()[0])).train()


def prepared(net: nn.Module, size: int) -> nn.Module:
    """A net with PyTorch's fake quantization in it."""
    from torch.ao.quantization import get_default_qat_qconfig_mapping
    from torch.ao.quantization.quantize_fx import prepare_qat_fx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is said to move to another package
        return prepare_qat_fx(net, get_default_qat_qconfig_mapping("x86"), (torch.zeros(1, 3, size, size),))


def step_of(net: nn.Module, batch: int, size: int) -> Callable[[], None]:
    """One step of training, always on the same images."""
    rng = torch.Generator().manual_seed(1)
    x = torch.randint(0, 256, (batch, 3, size, size), generator=rng).float() / 255
    labels = torch.randint(0, trained.CLASSES, (batch,), generator=rng)
    optimizer = torch.optim.SGD(net.parameters(), 0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(net(x), labels).backward()
        optimizer.step()

    return step


def peak() -> float:
    """The most MiB that this process has held."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines())
    return int(lines["VmHWM"].split()[0]) / 1024


def held(name: str, batch: int, size: int) -> float:
    """MiB that three steps take beyond a net that has been used once, on one image."""
    net = made(name, size)
    step_of(net, 2, 32)()
    before, step = peak(), step_of(net, batch, size)
    for _ in range(3):
        step()
    return peak() - before


def in_own_process(name: str, options: argparse.Namespace) -> float:
    given = ["--batch", str(options.batch), "--size", str(options.size), "--threads", str(options.threads)]
    command = [sys.executable, "-m", "bench.training", "--held", name, *given]
    return float(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def table(found: dict[str, np.ndarray], memory: dict[str, float]) -> str:
    lines = ["| " + " | ".join(HEADS) + " |", "|" + " --- |" * len(HEADS)]
    for name, row in found.items():
        ratio = np.median(row / found[FLOAT])
        lines.append(f"| {name} | {np.median(row):.0f} | {ratio:.2f} | {memory[name]:.0f} |")
    return "\n".join(lines)


def arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bits", type=int, nargs="+", default=[8])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--held", help=argparse.SUPPRESS)
    return parser.parse_args(given)


def main() -> None:
    options = arguments(None)
    torch.set_num_threads(options.threads)
    if options.held:
        print(json.dumps(held(options.held, options.batch, options.size)))
        return
    names = [FLOAT, *(f"{bits} bits" for bits in options.bits), "torch", "torch.ao"]
    steps = {name: step_of(made(name, options.size), options.batch, options.size) for name in names}
    found = times(steps, options.rounds)
    print(table(found, {name: in_own_process(name, options) for name in names}))


if __name__ == "__main__":
    main()
