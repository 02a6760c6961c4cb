"""A network in eval() computes the numbers of its packed program, to the last bit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainingkit.nets import BODIES, converted, made

KINDS = [("T40", 8, True), ("T40", 4, True), ("T40", 2, True), ("T40", 4, False), ("Txx", 8, True), ("Txx", 4, False)]


@pytest.mark.parametrize(("device", "bits", "is_signed"), KINDS)
@pytest.mark.parametrize("body", BODIES)
def test_evaluation_is_the_program(tmp_path: Path, body: str, device: str, bits: int, is_signed: bool) -> None:
    net, x = made(body, bits, device, is_signed, mean=128.0 if is_signed else 0.0)
    with torch.no_grad():
        y = net(x).numpy()
    assert len(np.unique(y)) > 2, "the case shows nothing"
    np.testing.assert_array_equal(converted(net, x, tmp_path), y)


@pytest.mark.parametrize("body", ["conv", "shortcut", "full", "unpool zero", "conv1d", "twofold lstm"])
def test_both_exporters_write_the_same(tmp_path: Path, body: str) -> None:
    net, x = made(body, 4, "T40", True, 128.0)
    np.testing.assert_array_equal(converted(net, x, tmp_path, dynamo=True), converted(net, x, tmp_path))


@pytest.mark.parametrize("body", ["shortcut", "conv1d", "lstm"])
@pytest.mark.parametrize("soc", ["T40", "T41"])
@pytest.mark.usefixtures("everything")
def test_the_program_of_a_chip_is_that_of_the_host(tmp_path: Path, soc: str, body: str) -> None:
    net, x = made(body, 4, soc, True, 128.0)
    with torch.no_grad():
        np.testing.assert_array_equal(converted(net, x, tmp_path, soc=soc), net(x).numpy())
