from __future__ import annotations

import numpy as np

from trainer.networks import rnn2


def test_sizes_follow_the_number_of_steps_as_in_the_course(make_schema, traced):
    network = traced(rnn2.forecast, make_schema(steps=49))
    assert network.weights["gru_1/gru_cell/recurrent_kernel"].shape == (98, 294)
    assert network.weights["gru_2/gru_cell/kernel"].shape == (98, 72)
    assert network.weights["hidden/kernel"].shape == (24, 12)


def test_a_state_depends_on_its_past_only(make_schema, traced, some_values):
    schema = make_schema(steps=6)
    network, values = traced(rnn2.stacked_grus, schema), some_values(schema)
    changed = values.copy()
    changed[:, 4] += 1.0
    before, after = network.forecasts(values), network.forecasts(changed)
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert (before[:, 4:] != after[:, 4:]).any()
