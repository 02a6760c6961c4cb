"""From an ExportedProgram to ONNX, by torch's own exporter."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import onnx_ir as ir
import torch
from torch.export import ExportedProgram
from torch.utils import _pytree as pytree

from magik_core import graph
from magik_core.errors import ModelError, Problem
from magik_frontend_torch import naming, recurrent
from magik_frontend_torch.capture import said
from magik_frontend_torch.quiet import quiet

TRIES = 8  # of folding; each makes one more level of shapes known


def export(program: ExportedProgram, name: str, where: str) -> ir.Model:
    """Return the program in standard ONNX operators, nodes named after the modules that they came from.

    Raises: ModelError: operators that have no ONNX form, all of them.
    """
    names = output_names(program)
    recurrent.check(program, where)
    with quiet(), torch.no_grad():
        try:
            done = torch.onnx.export(
                program,
                (),
                dynamo=True,
                external_data=False,
                verbose=False,
                optimize=False,
                custom_translation_table=recurrent.table(),
            )
        except Exception as error:  # the exporter raises its own kinds, and onnxscript's
            raise _refusal(program, error, where) from None
        assert done is not None
        model = _plain(done.model)
        _fold(model)
        recurrent.drop_zero_states(model)
    naming.name_nodes(model, frozenset(parameters(program)))
    naming.name_outputs(model, names)
    _strip(model, name)
    return model


def output_names(program: ExportedProgram) -> list[str]:
    """A name for each output that a dict or a named tuple gives it, else an empty one."""
    spec = program.call_spec.out_spec
    if spec is None:
        return []
    tree = pytree.tree_unflatten(list(range(spec.num_leaves)), spec)
    paths = pytree.tree_flatten_with_path(tree)[0]
    return [".".join(_key(entry) for entry in path) if _is_named(path) else "" for path, _ in paths]


def parameters(program: ExportedProgram) -> set[str]:
    """The names of weights and buffers."""
    signature = program.graph_signature
    return {*signature.parameters, *signature.buffers, *program.state_dict, *program.constants}


def _is_named(path: tuple[Any, ...]) -> bool:
    return any(isinstance(entry, (pytree.MappingKey, pytree.GetAttrKey)) for entry in path)


def _key(entry: Any) -> str:
    for field in ("key", "name", "idx"):
        if hasattr(entry, field):
            return str(getattr(entry, field))
    return str(entry)


def _plain(model: ir.Model) -> ir.Model:
    """The model with weights of its own instead of torch's, functions inlined."""
    from onnx_ir.passes import common

    copy: ir.Model = ir.from_proto(ir.to_proto(model))
    common.InlinePass()(copy)
    copy.functions.clear()
    return copy


def _fold(model: ir.Model) -> None:
    for _ in range(TRIES):
        graph.infer(model, strict=False)
        if not graph.fold(model):
            return


def _strip(model: ir.Model, name: str) -> None:
    """Leave nothing of the machine that the model was exported on: stack traces, versions."""
    model.graph.name = name
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    for node in model.graph:
        node.metadata_props.clear()
        node.doc_string = None
        for value in node.outputs:
            value.metadata_props.clear()
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()


def _refusal(program: ExportedProgram, error: BaseException, where: str) -> ModelError:
    problems = [
        Problem(
            "an operator of torch has no ONNX form",
            f"module '{path}' of {where}" if path else where,
            operator,
            "an operator that torch.onnx translates",
        )
        for operator, path in dict.fromkeys(_untranslated(program))
    ]
    while error.__cause__ is not None:
        error = error.__cause__
    found = f"{type(error).__name__}: {said(error)}"
    return ModelError(problems=problems or [Problem("the model cannot be exported to ONNX", where, found)])


def _untranslated(program: ExportedProgram) -> Iterator[tuple[str, str]]:
    """Every operator that the exporter does not translate, with the path of its module."""
    from torch.onnx._internal.exporter import _core, _registration

    registry = _registration.ONNXRegistry.from_torchlib()
    for target, translation in recurrent.table().items():
        registry.register_op(target, translation, is_complex=False)
    try:
        graph_ = _core._prepare_exported_program_for_export(program, registry=registry).graph
    except Exception:  # it is a program that torch could not take; what is in it is all that can be said
        graph_ = program.graph
    for node in graph_.nodes:
        is_operator = node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)
        if is_operator and not registry.get_decomps(node.target):
            yield str(node.target), _module_of(node)


def _module_of(node: torch.fx.Node) -> str:
    """The path of the module that an operator was called in."""
    stack = node.meta.get("nn_module_stack") or {}
    return next((str(path) for path, _ in reversed(stack.values())), "")
