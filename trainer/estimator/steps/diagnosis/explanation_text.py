"""An explanation in words, a sentence a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from trainer.estimator.graph import source_lines
from trainer.estimator.graph.first_bad_op import FirstBad
from trainer.estimator.steps.diagnosis.bad_step import BadStep
from trainer.estimator.steps.diagnosis.explanation import Explanation

_MOST_ROWS, _MOST_VALUES, _MOST_WEIGHTS = 5, 6, 3


def text_of(explanation: Explanation) -> str:
    """Sentences, each on a line of its own."""
    return "\n  ".join([*_op(explanation), *_then(explanation.first), *_rows(explanation), *_how(explanation.bad)])


def _op(explanation: Explanation) -> Iterator[str]:
    first, bad = explanation.first, explanation.bad
    who = f" of {bad.who}" if bad.who else ""
    if first.op is None:
        assert first.argument is not None
        name = bad.components[next(n for n, feed in enumerate(bad.traced.feeds) if feed is first.argument)].name
        yield f"The batch of step {bad.step}{who} itself holds {_kinds(explanation)}, in {name}."
        return
    gave = _kinds(explanation) if explanation.gave else _variables(explanation)
    yield f"The first result of step {bad.step}{who} that is not finite is {gave}, of {_named(first.op)}{_in(first)}."
    took = ", ".join(_range(tensor, values) for tensor, values in explanation.took)
    if took:
        yield f"It took {took}."


def _then(first: FirstBad) -> Iterator[str]:
    if first.then is not None:
        yield f"It became NaN in {_named(first.then)}."


def _rows(explanation: Explanation) -> Iterator[str]:
    bad, rows = explanation.bad, explanation.rows
    if rows is None:
        if any(component.has_rows for component in bad.components):
            weights = "; ".join(_largest(bad))
            yield f"No single row of the batch is to blame{f': the largest weights are {weights}' if weights else ''}."
        return
    batch = f"batch {bad.number.index}" if bad.number else "the batch"
    yield f"It comes from {_listed(rows)} of {batch} (counted from 0): {_held(bad, rows[0])}."


def _listed(rows: Sequence[int]) -> str:
    some = ", ".join(map(str, rows[:_MOST_ROWS]))
    more = f" and {len(rows) - _MOST_ROWS} more" if len(rows) > _MOST_ROWS else ""
    return f"row {some}" if len(rows) == 1 else f"rows {some}{more}"


def _how(bad: BadStep) -> Iterator[str]:
    if bad.replayed is None:
        yield "(The step was made again with the weights of the last checkpoint.)"


def _named(op: tf.Operation) -> str:
    """An op by its type and name, with its line or that of the op which it is in the gradient of."""
    forward = source_lines.forward_of(op)
    of = f" in the gradient of {_short(forward)}" if forward is not None else ""
    line = source_lines.line_of(forward if forward is not None else op) or source_lines.line_of(op)
    return f"{_short(op)}{of}" + (f" at {line}" if line else "")


def _short(op: tf.Operation) -> str:
    return op.type if op.type == op.name else f"{op.type} ({op.name})"


def _in(first: FirstBad) -> str:
    """In which iteration of which loops an op is."""
    loops = [f"iteration {number} of the loop {op.name}" for op, number in first.level.path if number is not None]
    return f", in {', in '.join(reversed(loops))}" if loops else ""


def _kinds(explanation: Explanation) -> str:
    """What is not finite in what an op gave, and how much of it."""
    found = []
    for _, values in explanation.gave:
        kinds = {"NaN": np.isnan(values), "inf": np.isposinf(values.real), "-inf": np.isneginf(values.real)}
        found += [f"{name} in {flags.sum()} of {flags.size}" for name, flags in kinds.items() if flags.any()]
    return " and ".join(found)


def _variables(explanation: Explanation) -> str:
    names = explanation.bad.traced.writes.get(explanation.first.op, ())
    return f"a value of {', '.join(sorted(names))}"


def _range(tensor: tf.Tensor, values: np.ndarray) -> str:
    """The type, the shape and the range of a tensor [...], from its values."""
    kind = f"{tensor.dtype.name} {list(values.shape)}"
    finite = np.abs(values[np.isfinite(values)]) if np.iscomplexobj(values) else values[np.isfinite(values)]
    if not finite.size:
        return f"{kind} without a finite number" if values.size else f"{kind} without any number"
    some = "" if finite.size == values.size else f" where finite ({finite.size} of {values.size})"
    least, most = finite.min(), finite.max()
    return f"{kind} {f'of {least:.4g}' if least == most else f'from {least:.4g} to {most:.4g}'}{some}"


def _held(bad: BadStep, row: int) -> str:
    """What a row holds."""
    held = [
        f"{component.name} is {_values(part[row].numpy())}"
        for component, part in zip(bad.components, bad.batch, strict=True)
        if component.has_rows
    ]
    return ", ".join(held)


def _values(values: np.ndarray) -> str:
    flat = np.ravel(values)
    shown = [f"{value:.6g}" if flat.dtype.kind == "f" else str(value) for value in flat[:_MOST_VALUES].tolist()]
    if flat.size == 1:
        return shown[0]
    return f"[{' '.join(shown)}{f' … {flat.size} values' if flat.size > _MOST_VALUES else ''}]"


def _largest(bad: BadStep) -> list[str]:
    """The weights with the largest values before the step."""
    floats = {name: np.asarray(v, np.float64) for name, v in bad.before.items() if np.asarray(v).dtype.kind == "f"}
    most = {name: np.abs(values).max() for name, values in floats.items() if values.size}
    largest = sorted(most, key=lambda name: -most[name])[:_MOST_WEIGHTS]
    return [f"{name} {list(floats[name].shape)} up to {most[name]:.4g}" for name in largest]
