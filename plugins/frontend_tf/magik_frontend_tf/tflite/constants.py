"""The stored values of a tensor as an array, in the tensor's own order of axes."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np

from magik_frontend_tf.tflite.builder import DTYPES, Refusal
from magik_frontend_tf.tflite.schema import Tensor

MAX_STATE = 1 << 24  # elements


def array(tensor: Tensor) -> np.ndarray:
    """The numbers as the file has them: codes where the tensor is quantized.

    Raises: Refusal: their type or form is not read.
    """
    if tensor.is_sparse:
        raise Refusal("a tensor is sparse", tensor.name, "dense tensors", "convert the model without sparsity")
    if tensor.type not in DTYPES:
        raise Refusal("a tensor has a type that is not read", f"'{tensor.name}' {tensor.type}", ", ".join(DTYPES))
    if tensor.type == "s4":
        return _nibbles(tensor)
    dtype = np.dtype(DTYPES[tensor.type]).newbyteorder("<")
    return np.frombuffer(tensor.data, dtype).reshape(tensor.shape).astype(dtype.newbyteorder("="))


def zeros(tensor: Tensor) -> np.ndarray:
    """The state of a recurrent layer before its first step.

    Raises: Refusal: it has no sensible size.
    """
    count = math.prod(tensor.shape)
    if min(tensor.shape, default=1) < 1 or count > MAX_STATE:
        raise Refusal("a state has no sensible size", list(tensor.shape), f"1 to {MAX_STATE} elements")
    return np.zeros(tensor.shape, np.float32)


def _nibbles(tensor: Tensor) -> np.ndarray:
    """Two codes in a byte, the first in the low bits."""
    data = np.frombuffer(tensor.data, np.uint8)
    codes = np.stack([data & 15, data >> 4], axis=-1).reshape(-1)[: math.prod(tensor.shape)]
    return ((codes.astype(np.int8) ^ 8) - 8).reshape(tensor.shape).astype(ml_dtypes.int4)
