"""Asks SavedModels in OpenVINO, for `benchmarks.runtimes`.

PYTHON benchmarks/runtimes_openvino.py FOLDER…, with a Python that has openvino. Each folder has a `model` and its
`inputs.npz`; it gets the `answers.npz`, or `failed.txt`, which says why there are none.
"""

from __future__ import annotations

import pathlib
import sys

import numpy as np
import openvino


def main(places: list[pathlib.Path]) -> None:
    """Asks each model on the processor, in float32."""
    core = openvino.Core()
    # Without it, products are computed in bfloat16 where the processor has instructions for that.
    precise = {"INFERENCE_PRECISION_HINT": "f32"}
    for place in places:
        inputs = dict(np.load(place / "inputs.npz"))
        try:
            model = core.compile_model(core.read_model(place / "model"), "CPU", precise)
            outputs = model(inputs)
            answers = {name: value for port, value in outputs.items() for name in port.get_names()}
            np.savez(place / "answers.npz", **answers)
        except RuntimeError as error:
            (place / "failed.txt").write_text(" ".join(str(error).split())[-300:])


main([pathlib.Path(name) for name in sys.argv[1:]])
