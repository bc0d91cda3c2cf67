from __future__ import annotations

from trainer.networks import rnn


def test_sizes_follow_the_number_of_steps_as_in_the_course(make_schema, traced):
    network = traced(rnn.forecast, make_schema(steps=49))
    assert network.weights["gru/gru_cell/recurrent_kernel"].shape == (16, 48)
    assert network.weights["hidden/kernel"].shape == (16, 24)
