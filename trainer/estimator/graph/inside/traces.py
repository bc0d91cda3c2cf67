"""Reads traces of `tf.profiler`, whose messages are in TensorFlow's wheel, but in no public module."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tensorflow.compiler.xla.service.hlo_pb2 import HloProto
from tensorflow.tsl.profiler.protobuf.xplane_pb2 import XSpace

_CALLERS = ("while", "call", "conditional")
"""Instructions of XLA that last as long as others that they run."""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Thread:
    """What a thread of a process, or a stream of a GPU, did.

    Attributes:
      names: of its events.
      begins: float64 [events], seconds since some moment that all threads share.
      ends: float64 [events].
      compiled: bool [events], whether XLA compiled it and it is an operation: no loop over others.
      on_device: whether it is the stream of a device, so that all events are kernels.
    """

    names: Sequence[str]
    begins: np.ndarray
    ends: np.ndarray
    compiled: np.ndarray
    on_device: bool


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """What a process did.

    Attributes:
      threads: of the process and its devices.
      origins: which operation of the model function made an instruction of XLA, as far as that is known.
    """

    threads: Sequence[Thread]
    origins: Mapping[str, str]


def read(file: pathlib.Path) -> Trace:
    """The trace in a `*.xplane.pb`."""
    space = XSpace()
    space.ParseFromString(file.read_bytes())
    instructions: dict[str, Any] = {}
    for plane in space.planes:
        for metadata in plane.event_metadata.values():
            for stat in metadata.stats:
                if stat.bytes_value:
                    instructions |= _instructions(stat.bytes_value)
    callers = {name for name, instruction in instructions.items() if instruction.opcode in _CALLERS}
    threads = [
        _thread(plane, line, callers)
        for plane in space.planes
        for line in plane.lines
        if plane.name == "/host:CPU" or (plane.name.startswith("/device:GPU") and line.name.startswith("Stream"))
    ]
    origins = {name: instruction.metadata.op_name for name, instruction in instructions.items()}
    return Trace(threads=threads, origins={name: origin for name, origin in origins.items() if origin})


def _instructions(program: bytes) -> dict[str, Any]:
    """The instructions of a program of XLA by name."""
    module = HloProto.FromString(program).hlo_module
    return {found.name: found for computation in module.computations for found in computation.instructions}


def _thread(plane: Any, line: Any, callers: set[str]) -> Thread:
    names = {key: metadata.name for key, metadata in plane.event_metadata.items()}
    hlo = {key for key, metadata in plane.stat_metadata.items() if metadata.name == "hlo_op"}
    events = [event for event in line.events if not names[event.metadata_id].startswith("end: ")]
    begins = np.array([event.offset_ps for event in events], np.float64) / 1e12 + line.timestamp_ns / 1e9
    compiled = [
        names[event.metadata_id] not in callers and any(stat.metadata_id in hlo for stat in event.stats)
        for event in events
    ]
    return Thread(
        names=[names[event.metadata_id] for event in events],
        begins=begins,
        ends=begins + np.array([event.duration_ps for event in events], np.float64) / 1e12,
        compiled=np.array(compiled, bool),
        on_device=plane.name.startswith("/device:"),
    )
