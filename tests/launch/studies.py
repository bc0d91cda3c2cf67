"""Studies of every kind, for property tests."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st

from trainer.launch.study.parameter import Kind, Parameter, Scale, Value
from trainer.launch.study.stopping import ConvexStopping, DecayCurveStopping, MedianStopping, Stopping, StudyStopping
from trainer.launch.study.study import Algorithm, Goal, Measurement, Study

_WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=12)
_POSITIVE = st.floats(1e-9, 1e9)
_COUNTS = st.integers(1, 2**31 - 1)
_PERHAPS = st.one_of(st.none(), _COUNTS)
_SECS = st.integers(1, 10**9).map(lambda millis: millis / 1000)


@st.composite
def _unnamed(draw: st.DrawFn, kind: Kind) -> dict[str, Any]:
    """The settings of a parameter, without name and parent."""
    if kind is Kind.CATEGORICAL:
        return {"kind": kind, "values": tuple(draw(st.lists(_WORDS, min_size=1, max_size=4, unique=True)))}
    scale = draw(st.sampled_from(Scale))
    if kind is Kind.DISCRETE:
        values = draw(st.lists(st.integers(1, 10**9), min_size=1, max_size=5, unique=True))
        return {"kind": kind, "values": tuple(value / 1000 for value in sorted(values)), "scale": scale}
    numbers = _POSITIVE if kind is Kind.DOUBLE else st.integers(1, 2**63 - 1)
    low, high = sorted((draw(numbers), draw(numbers)))
    return {"kind": kind, "minimum": low, "maximum": high, "scale": scale}


@st.composite
def _family(
    draw: st.DrawFn, names: list[str], kinds: list[Kind], parent: Parameter | None, depth: int
) -> list[Parameter]:
    """A parameter and those below it; takes their names from `names`."""
    if not names:
        return []
    name = names.pop()
    spelled = name.replace("_", "-") if draw(st.booleans()) else name
    settings = draw(_unnamed(draw(st.sampled_from(kinds))))
    if parent is not None:
        settings |= {"parent": parent.name, "parent_values": tuple(_some_values(draw, parent))}
    found = [Parameter(name=name, spelled=spelled, **settings)]
    if depth and found[0].kind is not Kind.DOUBLE:
        for _ in range(draw(st.integers(0, 2))):
            found += draw(_family(names, kinds, found[0], depth - 1))
    return found


def _some_values(draw: st.DrawFn, parent: Parameter) -> list[Value]:
    if parent.kind is Kind.INTEGER:
        assert parent.minimum is not None and parent.maximum is not None
        whole = st.integers(int(parent.minimum), int(parent.maximum))
        return list(draw(st.lists(whole, min_size=1, max_size=3)))
    return list(draw(st.lists(st.sampled_from(parent.values), min_size=1, max_size=3)))


@st.composite
def _stopping(draw: st.DrawFn, names: list[str]) -> Stopping | None:
    by_time = draw(st.booleans())
    most = draw(_PERHAPS)
    return draw(
        st.sampled_from(
            [
                None,
                MedianStopping(use_elapsed_duration=by_time),
                DecayCurveStopping(use_elapsed_duration=by_time),
                ConvexStopping(
                    max_step_count=most,
                    min_step_count=draw(st.one_of(st.none(), st.integers(0, most or 100))),
                    min_measurement_count=draw(_PERHAPS),
                    learning_rate_parameter=draw(st.one_of(st.none(), st.sampled_from(names))),
                    use_elapsed_duration=by_time,
                    update_all_stopped_trials=draw(st.sampled_from([None, True, False])),
                ),
            ]
        )
    )


@st.composite
def _study_stopping(draw: st.DrawFn) -> StudyStopping | None:
    if draw(st.booleans()):
        return None
    fewest, most = sorted((draw(_COUNTS), draw(_COUNTS)))
    shortest, longest = sorted((draw(_SECS), draw(_SECS)))
    limits = StudyStopping(
        should_stop_asap=draw(st.booleans()),
        min_num_trials=fewest,
        max_num_trials=most,
        max_num_trials_no_progress=draw(_PERHAPS),
        min_runtime_secs=shortest,
        max_runtime_secs=longest,
        max_secs_no_progress=draw(st.one_of(st.none(), _SECS)),
    )
    if draw(st.booleans()):
        return dataclasses.replace(limits, max_runtime_secs=None, max_end_time="2026-12-31T12:00:00Z")
    return limits


@st.composite
def studies(draw: st.DrawFn, *, conditional: bool = True) -> Study:
    """Any study; parameters stand as a file with conditional ones gives them: each in front of those below it."""
    algorithm = draw(st.sampled_from(Algorithm))
    kinds = [kind for kind in Kind if algorithm is not Algorithm.GRID or kind is not Kind.DOUBLE]
    names = [f"parameter_{letter}" for letter in "abcdefgh"]
    parameters: list[Parameter] = []
    for _ in range(draw(st.integers(1, 4))):
        parameters += draw(_family(names, kinds, None, 2 if conditional else 0))
    return Study(
        goal=draw(st.sampled_from(Goal)),
        metric=draw(st.sampled_from(["rmse", "training/hptuning/metric", "Genauigkeit_ß"])),
        parameters=tuple(parameters),
        max_trials=draw(_COUNTS),
        max_parallel_trials=draw(_COUNTS),
        max_failed_trials=draw(st.integers(0, 2**31 - 1)),
        algorithm=algorithm,
        stopping=draw(_stopping([entry.name for entry in parameters])),
        measurement=draw(st.sampled_from(Measurement)),
        study_stopping=draw(_study_stopping()),
    )
