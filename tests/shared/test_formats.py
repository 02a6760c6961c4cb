"""Every shared model in every format whose frontend is here: right in float, on T41, and the same in all of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import metrics, planner, references
from bench.agreement import Agreement, agreement
from bench.formats import Format, Same
from bench.imported import is_installed, ordered, row, source
from bench.networks import FORMATS, SAME
from magik_core import pipeline, spelling
from magik_core.net import load

MODELS = planner.shared_folder() / "models"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.slow,
    pytest.mark.usefixtures("everything"),
    pytest.mark.skipif(not MODELS.is_dir(), reason="the folder of shared models and data is missing"),
]
FLOAT_ON_T41 = {"mobileface": 1}  # steps that stay float, here the normalization at its end; all others have none


def name_of(found: Format | Same) -> str:
    return found.name


@pytest.mark.parametrize("found", FORMATS, ids=name_of)
def test_float(found: Format) -> None:
    """The imported graph computes what was recorded, or the format is refused with the reason."""
    if not is_installed(found):
        pytest.skip(f"frontend {found.frontend} is not installed")
    made = row(found, MODELS)
    if made.is_right is None:
        pytest.skip(made.against)
    assert made.is_right, made


@pytest.mark.parametrize("found", [f for f in FORMATS if f.others], ids=name_of)
def test_each_file_of_a_pair_means_the_model(found: Format) -> None:
    first = spelling.serialize(source(found, MODELS))
    for other in found.others:
        assert spelling.serialize(source(found, MODELS, other)) == first, other


@pytest.mark.parametrize("found", [f for f in FORMATS if f.least], ids=name_of)
def test_t41(found: Format, tmp_path: Path) -> None:
    """Samples are the recorded inputs: that it works is shown here, how well it can work in bench/accuracy."""
    (x,) = found.samples(MODELS)
    samples = x.reshape(len(x), *x.shape[2:])
    np.save(tmp_path / "samples.npy", samples)
    keys = {"input": list(found.inputs), "input_shape": [list(x.shape[1:])], "calibration": tmp_path / "samples.npy"}
    result = pipeline.convert(MODELS / found.path, tmp_path / "out", soc="T41", **keys)
    assert (result.soc, result.calibration_samples) == ("T41", len(x))
    assert result.float_steps == FLOAT_ON_T41.get(found.name, 0)
    net = load(tmp_path / "out.mgk")
    rows = [net.run(one) for one in x]
    got = ordered(found, {port.name: np.stack([one[port.name] for one in rows]) for port in net.outputs})
    for name, y, w in zip(found.outputs, got, references.outputs(found, MODELS), strict=True):
        assert metrics.cosine({name: w}, {name: y}) > found.least, name


@pytest.mark.parametrize("same", SAME, ids=name_of)
def test_formats_of_one_network_agree(same: Same) -> None:
    """As float programs, which the host's library runs."""
    found: Agreement = agreement(same, MODELS)
    if found.is_right is None:
        pytest.skip(found.remark)
    assert found.is_right, found


def test_every_folder_is_in_the_list() -> None:
    folders = {path.parent.name for path in MODELS.glob("*/README.md")}
    assert {found.path.partition("/")[0] for found in FORMATS} == folders


def test_every_model_file_is_in_the_list() -> None:
    """A new file in a format that is read gets a row."""
    listed = {path for found in FORMATS for path in (found.path, *found.others)}
    suffixes = {"." + path.rpartition(".")[2] for path in listed if "." in path.rpartition("/")[2]}
    files = {p.relative_to(MODELS).as_posix() for p in MODELS.rglob("*") if p.suffix in suffixes - {".npz"}}
    inside = {path for path in files if any(path.startswith(f"{name}/") for name in listed)}
    assert files - inside == {path for path in listed if (MODELS / path).is_file()}
