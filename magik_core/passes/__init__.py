"""Graph rewrites, one per file, in the order of PASSES, until none changes anything.

A pass is `name(model, decline) -> int`: it edits the model, returns how many places it changed, and
calls `decline(node, reason)` where it could not do what its name says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import onnx_ir as ir

from magik_core import graph, verify
from magik_core.passes.expand_batch_norm import expand_batch_norm
from magik_core.passes.expand_depth_to_space import expand_depth_to_space
from magik_core.passes.expand_variadic import expand_variadic
from magik_core.passes.fold_affine_back import fold_affine_back
from magik_core.passes.fold_affine_forward import fold_affine_forward
from magik_core.passes.fold_constants import fold_constants
from magik_core.passes.fold_gemm import fold_gemm
from magik_core.passes.gather_to_slice import gather_to_slice
from magik_core.passes.merge_clips import merge_clips
from magik_core.passes.merge_moves import merge_moves
from magik_core.passes.merge_reshapes import merge_reshapes
from magik_core.passes.merge_transposes import merge_transposes
from magik_core.passes.normalize_operands import normalize_operands
from magik_core.passes.recognize_focus import recognize_focus
from magik_core.passes.recognize_gelu import recognize_gelu
from magik_core.passes.recognize_hard_sigmoid import recognize_hard_sigmoid
from magik_core.passes.recognize_hard_swish import recognize_hard_swish
from magik_core.passes.recognize_layer_norm import recognize_layer_norm
from magik_core.passes.recognize_mish import recognize_mish
from magik_core.passes.recognize_prelu import recognize_prelu
from magik_core.passes.recognize_softplus import recognize_softplus
from magik_core.passes.recognize_swish import recognize_swish
from magik_core.passes.remove_no_ops import remove_no_ops
from magik_core.passes.share_constants import share_constants
from magik_core.passes.share_nodes import share_nodes

Decline: TypeAlias = Callable[[str, str], None]
Pass: TypeAlias = Callable[[ir.Model, Decline], int]

PASSES: tuple[Pass, ...] = (
    fold_constants,
    share_constants,
    share_nodes,
    remove_no_ops,
    normalize_operands,
    merge_clips,
    gather_to_slice,
    recognize_focus,
    expand_variadic,
    expand_depth_to_space,
    recognize_softplus,
    recognize_mish,
    recognize_hard_sigmoid,
    recognize_hard_swish,
    recognize_swish,
    recognize_gelu,
    recognize_prelu,
    recognize_layer_norm,
    # Affine folding comes after recognition: x + 3 of a spelled-out HardSigmoid must not go into a Conv.
    expand_batch_norm,
    fold_gemm,
    fold_affine_back,
    fold_affine_forward,
    merge_reshapes,
    merge_transposes,
    merge_moves,
)
MAX_ROUNDS = 32


def run(model: ir.Model, extra: Sequence[Pass] = (), decline: Decline | None = None) -> int:
    """Run PASSES and then `extra` until nothing changes; return the number of changes.

    Args: decline: hears of each (node, reason) once.
    """
    said: set[tuple[str, str]] = set()

    def once(node: str, reason: str) -> None:
        if decline is not None and (node, reason) not in said:
            said.add((node, reason))
            decline(node, reason)

    total = 0
    for _ in range(MAX_ROUNDS):
        changed = sum(apply(one, model, once) for one in (*PASSES, *extra))
        total += changed
        if not changed:
            return total
    raise verify.InvariantError(f"passes still change the graph after {MAX_ROUNDS} rounds")


def apply(one: Pass, model: ir.Model, decline: Decline) -> int:
    """Run one pass, clean up behind it, and hold the graph against its contract."""
    changed = one(model, decline)
    if changed:
        graph.remove_dead(model)
        graph.name_everything(model)
        graph.infer(model)
        verify.verify_graph(model, getattr(one, "__name__", str(one)))
    return changed
