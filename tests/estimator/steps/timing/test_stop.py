"""Asking for the end of training, and the codes of its reasons."""

from __future__ import annotations

from trainer.estimator.steps.timing.stop import Stop, StopReason


def test_a_stop_keeps_the_first_reason() -> None:
    stop = Stop()
    assert not stop
    stop.request("first")
    stop.request("second")
    assert (bool(stop), stop.reason) == (True, "first")
    stop.clear()
    assert (bool(stop), stop.reason) == (False, None)


def test_the_code_of_a_reason_leads_back_to_it_and_an_interruption_outweighs_all() -> None:
    assert [StopReason.of_code(reason.code) for reason in StopReason] == list(StopReason)
    assert max(StopReason, key=lambda reason: reason.code) is StopReason.INTERRUPTED
    assert StopReason.DATA_END.code == 0
