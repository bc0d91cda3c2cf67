"""Answers one signature of a SavedModel through TensorFlow's C API, which TensorFlow Serving stands on.

`python c_api_session.py REQUEST.json` with {"library", "export_dir", "input": [op, output], "output": [op, output],
"floats" or "strings"}; prints the float32 outputs as JSON.
"""

from __future__ import annotations

import ctypes
import json
import pathlib
import sys
from typing import Any

import numpy as np

FLOAT, STRING = 1, 7
TSTRING_BYTES = 24


class Output(ctypes.Structure):
    """TF_Output."""

    _fields_ = (("oper", ctypes.c_void_p), ("index", ctypes.c_int))


def library(path: str) -> Any:
    """The C API with pointer results declared."""
    tf = ctypes.CDLL(path)
    made = ("TF_NewGraph", "TF_NewStatus", "TF_NewSessionOptions", "TF_LoadSessionFromSavedModel")
    for name in (*made, "TF_GraphOperationByName", "TF_AllocateTensor", "TF_TensorData"):
        getattr(tf, name).restype = ctypes.c_void_p
    tf.TF_Message.restype, tf.TF_Dim.restype = ctypes.c_char_p, ctypes.c_int64
    tf.TF_TensorData.argtypes = tf.TF_NumDims.argtypes = [ctypes.c_void_p]
    tf.TF_Dim.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return tf


def allocate(tf: Any, kind: int, shape: tuple[int, ...], size: int) -> int:
    dims = (ctypes.c_int64 * len(shape))(*shape)
    return int(tf.TF_AllocateTensor(kind, dims, len(shape), ctypes.c_size_t(size)))


def float_tensor(tf: Any, values: np.ndarray) -> int:
    tensor = allocate(tf, FLOAT, values.shape, values.nbytes)
    ctypes.memmove(tf.TF_TensorData(tensor), values.ctypes.data, values.nbytes)
    return tensor


def string_tensor(tf: Any, values: list[str]) -> int:
    tensor = allocate(tf, STRING, (len(values),), TSTRING_BYTES * len(values))
    start = tf.TF_TensorData(tensor)
    for index, value in enumerate(values):
        place, content = ctypes.c_void_p(start + TSTRING_BYTES * index), value.encode()
        tf.TF_StringInit(place)
        tf.TF_StringCopy(place, content, ctypes.c_size_t(len(content)))
    return tensor


def array_of(tf: Any, tensor: int) -> np.ndarray:
    shape = [tf.TF_Dim(tensor, axis) for axis in range(tf.TF_NumDims(tensor))]
    flat = (ctypes.c_float * int(np.prod(shape))).from_address(tf.TF_TensorData(tensor))
    return np.array(flat, np.float32).reshape(shape)


def main(request: dict[str, Any]) -> np.ndarray:
    tf = library(request["library"])
    graph, status = ctypes.c_void_p(tf.TF_NewGraph()), ctypes.c_void_p(tf.TF_NewStatus())

    def check() -> None:
        if tf.TF_GetCode(status):
            raise RuntimeError(tf.TF_Message(status).decode())

    tags = (ctypes.c_char_p * 1)(b"serve")
    options = ctypes.c_void_p(tf.TF_NewSessionOptions())
    directory = request["export_dir"].encode()
    session = ctypes.c_void_p(tf.TF_LoadSessionFromSavedModel(options, None, directory, tags, 1, graph, None, status))
    check()

    def point(name: str) -> Output:
        op, index = request[name]
        return Output(tf.TF_GraphOperationByName(graph, op.encode()), index)

    if "strings" in request:
        fed = string_tensor(tf, request["strings"])
    else:
        fed = float_tensor(tf, np.array(request["floats"], np.float32))
    inputs, outputs = (Output * 1)(point("input")), (Output * 1)(point("output"))
    values, results = (ctypes.c_void_p * 1)(fed), (ctypes.c_void_p * 1)()
    tf.TF_SessionRun(session, None, inputs, values, 1, outputs, results, 1, None, 0, None, status)
    check()
    return array_of(tf, results[0])


if __name__ == "__main__":
    print(json.dumps(main(json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8"))).tolist()))
