"""What a trace says of a device call: of several things at once, one counts."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.estimator.graph.inside.traces import Thread, Trace
from trainer.estimator.steps.monitoring import traced_call
from trainer.job.step_profile import Part

Event = tuple[str, float, float]


def thread(*events: Event, compiled: tuple[str, ...] = (), on_device: bool = False) -> Thread:
    """A thread with events (name, begin, end) in seconds, of which XLA compiled some."""
    names = [name for name, _, _ in events]
    return Thread(
        names=names,
        begins=np.array([begin for _, begin, _ in events]),
        ends=np.array([end for _, _, end in events]),
        compiled=np.array([name in compiled for name in names], bool),
        on_device=on_device,
    )


def trace(*threads: Thread, origins: dict[str, str] | None = None) -> Trace:
    return Trace(threads=threads, origins=origins or {})


CALL: Event = (traced_call.CALL, 10.0, 20.0)


@pytest.mark.parametrize(
    ("threads", "expected"),
    [
        ([thread(CALL)], {Part.PYTHON: 10.0}),
        ([thread(CALL, (traced_call.WAIT, 11.0, 14.0))], {Part.INPUT: 3.0, Part.PYTHON: 7.0}),
        (  # two threads of XLA at once, and its call around them
            [
                thread(CALL, ("TFE_Py_Execute", 11.0, 19.0), ("CpuExecutable::Execute", 12.0, 18.0)),
                thread(("fusion", 13.0, 15.0), ("fusion", 16.0, 17.0), compiled=("fusion",)),
                thread(("dot", 14.0, 16.5), compiled=("dot",)),
            ],
            {Part.XLA: 4.0, Part.BETWEEN: 2.0, Part.RUNTIME: 2.0, Part.PYTHON: 2.0},
        ),
        (  # a loop of TensorFlow, which only calls others, and an iterator in it
            [
                thread(CALL, ("EagerExecute", 11.0, 20.0)),
                thread(
                    ("while:While", 11.0, 20.0),
                    ("while/body/_1/MatMul:MatMul", 12.0, 15.0),
                    ("while/body/_1/IteratorGetNext:IteratorGetNext", 15.0, 17.0),
                ),
            ],
            {Part.INPUT: 2.0, Part.OPERATIONS: 3.0, Part.RUNTIME: 4.0, Part.PYTHON: 1.0},
        ),
        (  # operations of a pipeline that works ahead are no part of the step
            [thread(CALL), thread(("Iterator::Root::Map", 11.0, 19.0), ("DecodeCSV:DecodeCSV", 12.0, 18.0))],
            {Part.PYTHON: 10.0},
        ),
        (  # what began before the call counts from its beginning
            [thread(CALL), thread(("kernel", 5.0, 12.0), on_device=True)],
            {Part.GPU: 2.0, Part.PYTHON: 8.0},
        ),
        ([thread(("EagerExecute", 1.0, 2.0))], {}),
        ([], {}),
    ],
)
def test_the_parts_of_a_call_add_up_to_it(threads: list[Thread], expected: dict[Part, float]) -> None:
    found = traced_call.parts(trace(*threads))
    assert found == pytest.approx(expected)
    assert sum(found.values()) == pytest.approx(10.0 if found else 0.0)


def test_operations_have_their_names_in_the_model_function() -> None:
    found = traced_call.operations(
        trace(
            thread(CALL, ("fusion.3", 11.0, 12.0), ("fusion.4", 12.0, 14.0), compiled=("fusion.3", "fusion.4")),
            thread(("while/body/_1/while/StatefulPartitionedCall/Adam/add:AddV2", 12.0, 13.0)),
            origins={
                "fusion.3": "while/StatefulPartitionedCall/lstm/MatMul",
                "fusion.4": "lstm/Tanh;while/StatefulPartitionedCall/lstm/Tanh",
            },
        )
    )
    assert found == {"lstm/Tanh": 0.5, "lstm/MatMul": 0.25, "Adam/add": 0.25}
    assert list(found)[0] == "lstm/Tanh"


def test_a_thread_that_was_asleep_once_decides_nothing() -> None:
    lengths = [1.0, 1.0, 90.0]
    events = [("add:AddV2", 100.0 * at, 100.0 * at + secs) for at, secs in enumerate(lengths)]
    often = [("mul:Mul", 1000.0 + at, 1000.5 + at) for at in range(6)]
    assert traced_call.operations(trace(thread(*events, *often))) == {"add": 0.5, "mul": 0.5}
