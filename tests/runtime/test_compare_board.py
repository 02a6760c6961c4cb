"""`magik compare` on what the C++ library's debug variant really writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from magik_core.compare import compare
from magik_core.dump_info import safe
from magik_core.pack import pack
from magik_core.plan import plan
from magik_core.run import run as run_numpy
from tests.runtime import boards
from tests.runtime.boards import PIXELS, chain_of, client, image_files, passed, run


@pytest.mark.parametrize("chain", ["host", "mips"])
def test_the_numpy_definition_and_the_board(chain: str, tmp_path: Path) -> None:
    chain_of(chain)
    board, pc = tmp_path / "board", tmp_path / "pc/ptq_model"
    board.mkdir()
    pc.mkdir(parents=True)
    model, pixels, _ = image_files(board)
    program = client(chain, "core_run", "-DVENUS_DEBUG")
    passed(run(chain, program, model, pixels, board / "out", cwd=board, env={"MAGIK_CPP_DUMPDATA": "true"}))
    for file in (model, pixels):
        Path(file).unlink()
    net = boards.image_program()
    (tmp_path / "net.mgk").write_bytes(pack(net, plan(net), names=True))
    values = run_numpy(net, {"x": PIXELS})
    for step in net.steps:
        values[step.outputs[0]].tofile(pc / f"{safe(step.outputs[0])}.bin")
    for folder in (board, board / "MAGIK_DATA_DUMP"):
        found = compare(pc, folder, model=tmp_path / "net.mgk")
        assert found.first is None and len(found.layers) == len(net.steps)
