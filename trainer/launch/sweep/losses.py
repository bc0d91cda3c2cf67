"""The loss of a trial while it trained, from its events, which are read without TensorFlow."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Iterator, Sequence

from trainer.storage import framing

_LOSS, _MOST_POINTS = "loss", 200


def of(folder: pathlib.Path) -> list[tuple[int, float]]:
    """Steps and losses, at most two hundred of them, evenly spread; empty where there are none.

    Args:
      folder: of the trial.
    """
    from google.protobuf.message import DecodeError

    by_step: dict[int, float] = {}
    for file in sorted(folder.glob("events.out.tfevents.*")):
        try:
            by_step.update(_in_file(file))
        except (OSError, DecodeError):
            continue  # what was read of it counts
    points = sorted(by_step.items())
    return _thinned(points)


def _in_file(file: pathlib.Path) -> Iterator[tuple[int, float]]:
    from tensorboard.compat.proto import event_pb2

    for record in framing.sound_records(str(file)):
        event = event_pb2.Event.FromString(record)
        for value in event.summary.value:
            if value.tag == _LOSS and value.HasField("simple_value") and math.isfinite(value.simple_value):
                yield event.step, value.simple_value


def _thinned(points: Sequence[tuple[int, float]]) -> list[tuple[int, float]]:
    if len(points) <= _MOST_POINTS:
        return list(points)
    places = {round(index * (len(points) - 1) / (_MOST_POINTS - 1)) for index in range(_MOST_POINTS)}
    return [points[place] for place in sorted(places)]
