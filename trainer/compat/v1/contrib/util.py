"""`tf.contrib.util`: tensors as protocol buffers, which are in `tf` now."""

from __future__ import annotations

from typing import Any

from trainer.compat import names

_OWN = {
    "constant_value": "tensorflow:get_static_value",
    "make_ndarray": "tensorflow:make_ndarray",
    "make_tensor_proto": "tensorflow:make_tensor_proto",
}


def __getattr__(name: str) -> Any:
    return names.found(__name__, name, _OWN, None, {})
