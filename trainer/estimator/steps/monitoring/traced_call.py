"""What a trace says of one device call: the seconds of each part, and the operations that took most.

At each moment of the call one thing counts, the first of `Part` that goes on then, in whatever thread. So the parts add
up to the call, also where threads overlap:

    training thread  |Python|  call of a program of XLA            |Python|
    thread of XLA            |  matmul   |    |  fusion   |
    counts as        Python   XLA         betw. XLA         between Python
"""

from __future__ import annotations

import collections
import re
from collections.abc import Iterator, Mapping

import numpy as np

from trainer.estimator.graph.inside.traces import Thread, Trace
from trainer.job.step_profile import Part

CALL, WAIT = "training_steps", "waiting_for_input"
"""Events of ours: around the device call, and around each wait for batches."""
_SHOWN = 5
_OPERATION = re.compile(r"(?P<name>[\w./-]+):(?P<type>[A-Z]\w*)")
_CALLERS = re.compile(r"(Stateless|Stateful)?(While|If|Case|PartitionedCall|For)|RemoteCall|XlaLaunch|_?Xla\w*")
_GET_NEXT = "IteratorGetNext"
_PIPELINE = ("Iterator::", "InstantiatedCapturedFunction")
_XLA_CALL = ("CpuExecutable::", "GpuExecutable::", "ThunkExecutor::")
_RUNTIME = ("EagerExecute", "EagerLocalExecute", "EagerKernelExecute", "ExecutorState::", "FunctionRun", "TFE_Py_")
_OUTER = re.compile(r".*(Stateful)?PartitionedCall/|while/body/_\d+/|while/")

Spans = np.ndarray
"""float64 [spans, 2]: where they begin and end, in seconds."""


def parts(trace: Trace) -> dict[Part, float]:
    """Seconds of the traced call, by part; empty where the trace has no call in it."""
    calls = np.concatenate([_spans(thread, _are(thread, (CALL,))) for thread in trace.threads] or [np.zeros([0, 2])])
    if not len(calls):
        return {}
    begin, end = calls[:, 0].min(), calls[:, 1].max()
    found: dict[Part, list[Spans]] = {part: [] for part in Part}
    for thread in trace.threads:
        for part, spans in _of_thread(thread):
            found[part].append(np.clip(spans, begin, end))
    secs: dict[Part, float] = {}
    seen, covered = np.zeros([0, 2]), 0.0
    for part in Part:
        seen = np.concatenate([seen, *found[part]])
        before, covered = covered, (float(end - begin) if part is Part.PYTHON else _length(seen))
        secs[part] = covered - before
    return {part: value for part, value in secs.items() if value > 0}


def operations(trace: Trace) -> dict[str, float]:
    """The operations that took most, by their names in the model function, with their shares of all operations.

    What one took is its median time by how often it ran, so that a thread which the machine once put to sleep does not
    decide.
    """
    lengths: collections.defaultdict[str, list[float]] = collections.defaultdict(list)
    for thread in trace.threads:
        chosen = np.flatnonzero(thread.compiled | _are_operations(thread) | thread.on_device).tolist()
        for index, secs in zip(chosen, (thread.ends - thread.begins)[chosen].tolist(), strict=True):
            lengths[thread.names[index]].append(secs)
    by_origin: collections.defaultdict[str, float] = collections.defaultdict(float)
    for name, every in lengths.items():
        by_origin[_origin(name, trace.origins)] += float(np.median(every)) * len(every)
    total = sum(by_origin.values())
    largest = sorted(by_origin, key=lambda name: -by_origin[name])[:_SHOWN]
    return {name: by_origin[name] / total for name in largest} if total else {}


def _of_thread(thread: Thread) -> Iterator[tuple[Part, Spans]]:
    if thread.on_device:
        yield Part.GPU, _spans(thread, np.ones(len(thread.names), bool))
        return
    pulls = np.array([_type(name).startswith(_GET_NEXT) for name in thread.names], bool)
    yield Part.INPUT, _spans(thread, _are(thread, (WAIT,)) | pulls)
    yield Part.XLA, _spans(thread, thread.compiled)
    yield Part.OPERATIONS, _spans(thread, _are_operations(thread))
    yield Part.BETWEEN, _spans(thread, _are(thread, _XLA_CALL))
    yield Part.RUNTIME, _spans(thread, _are(thread, _RUNTIME))


def _are_operations(thread: Thread) -> np.ndarray:
    """bool [events]: operations of TensorFlow, without those of input pipelines and those that only call others."""
    names = {name: _type(name) for name in set(thread.names)}
    are = np.array([bool(names[name]) and not _CALLERS.fullmatch(names[name]) for name in thread.names], bool)
    are &= ~np.array([names[name].startswith(_GET_NEXT) for name in thread.names], bool)
    pipelines = _spans(thread, _are(thread, _PIPELINE))
    return are & ~_within(thread, pipelines) if len(pipelines) else are


def _type(name: str) -> str:
    """The type of an operation, from an event `name:Type`; empty for other events."""
    found = _OPERATION.fullmatch(name)
    return found["type"] if found and not name.startswith("__") else ""


def _origin(name: str, origins: Mapping[str, str]) -> str:
    """An operation's name in the model function, without the loops and calls around it."""
    found = origins.get(name, name).rpartition(";")[2]
    return _OUTER.sub("", found.partition(":")[0]) or name


def _are(thread: Thread, beginnings: tuple[str, ...]) -> np.ndarray:
    """bool [events]: those whose names begin so."""
    return np.array([name.startswith(beginnings) for name in thread.names], bool)


def _spans(thread: Thread, chosen: np.ndarray) -> Spans:
    return np.stack([thread.begins[chosen], thread.ends[chosen]], axis=1)


def _within(thread: Thread, spans: Spans) -> np.ndarray:
    """bool [events]: those that begin inside of one of the spans."""
    joined = _joined(spans)
    at = np.searchsorted(joined[:, 0], thread.begins, side="right") - 1
    return (at >= 0) & (thread.begins < joined[np.maximum(at, 0), 1])


def _joined(spans: Spans) -> Spans:
    """The same moments, as spans in order that do not overlap."""
    spans = spans[np.argsort(spans[:, 0])]
    reach = np.maximum.accumulate(spans[:, 1])
    first = np.concatenate([[True], spans[1:, 0] > reach[:-1]])
    last = np.concatenate([first[1:], [True]])
    return np.stack([spans[first, 0], reach[last]], axis=1)


def _length(spans: Spans) -> float:
    """Seconds that spans cover together."""
    if not len(spans):
        return 0.0
    joined = _joined(spans)
    return float((joined[:, 1] - joined[:, 0]).sum())
