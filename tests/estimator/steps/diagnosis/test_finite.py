"""What ends a training whose numbers are not finite, and what other processes are told of the reason."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from trainer.estimator.graph.variables import Role, VariableStore
from trainer.estimator.steps.diagnosis.bad_step import BatchNumber
from trainer.estimator.steps.diagnosis.finite import FiniteCheck
from trainer.estimator.steps.diagnosis.nan_loss import NanLossError, Why


class Explained:
    """Knows the reason."""

    def __init__(self, together: bool = False) -> None:
        self.together, self.asked = together, list[tuple[int, bool]]()

    def __call__(self, last: int, in_loss: bool) -> Why:
        self.asked.append((last, in_loss))
        return Why("It was a zero.")


def store_of(**values: float) -> VariableStore:
    store = VariableStore()
    for name, value in values.items():
        role = Role.WEIGHT if name.startswith("w") else Role.STATE
        store.get_or_create(name, role, tf.constant(value), {})
    return store


def check(store: VariableStore, explain: Explained | None = None) -> FiniteCheck:
    checked = FiniteCheck(store, lambda: "nothing was saved", explain)
    assert checked.variables(0, goes_on=True)
    return checked


def test_the_first_nan_of_a_call_is_named_with_its_step() -> None:
    explain = Explained()
    checked = check(store_of(w=1.0), explain)
    checked.losses(np.array([1.0, np.inf], np.float32), 7)
    with pytest.raises(NanLossError, match=r"^The loss is NaN at step 8; nothing was saved\.\n  It was a zero\.\n"):
        checked.losses(np.array([1.0, np.nan, np.nan], np.float32), 9)
    assert explain.asked == [(8, True)]


def test_weights_may_not_become_infinite_and_other_variables_not_nan() -> None:
    store = store_of(w=1.0, best=1.0)
    checked = check(store)
    store.by_name["best"].assign(np.inf)
    assert checked.variables(3, goes_on=True)
    store.by_name["w"].assign(np.inf)
    with pytest.raises(NanLossError, match="^Variable w is infinite at step 4; nothing was saved. Lower the learning"):
        checked.variables(4, goes_on=True)


def test_what_was_not_finite_from_the_start_was_meant() -> None:
    store = store_of(unknown=np.nan, w=1.0)
    assert check(store).variables(3, goes_on=False)


def test_processes_in_step_go_on_to_the_loss_that_all_of_them_see() -> None:
    store = store_of(w=1.0)
    checked = check(store, Explained(together=True))
    store.by_name["w"].assign(np.nan)
    assert not checked.variables(5, goes_on=True)
    with pytest.raises(NanLossError, match="Variable w is NaN at step 6"):
        checked.variables(6, goes_on=False)


def test_a_reason_comes_through_to_another_process() -> None:
    why = Why("Zeile 3: “0” → NaN", BatchNumber(5, 1, 2), (3, 4), found=True)
    assert Why.of_bytes(why.to_bytes()) == why
    long = Why("ä" * 100_000, None, tuple(range(1000)))
    assert len(long.to_bytes()) == len(why.to_bytes()) == len(Why().to_bytes())
    assert Why.of_bytes(long.to_bytes()).text == "ä" * 4000
