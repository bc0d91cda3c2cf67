"""`--kill`: what is understood, and what is refused."""

from __future__ import annotations

import signal

import pytest

from trainer.job.errors import UsageError
from trainer.launch.cluster import faults


@pytest.mark.parametrize(
    ("text", "name", "at_secs", "number"),
    [
        ("worker:1@20s", "worker:1", 20.0, signal.SIGKILL),
        ("ps:0@1.5", "ps:0", 1.5, signal.SIGKILL),
        ("chief:0@20s:TERM", "chief:0", 20.0, signal.SIGTERM),
        ("evaluator:0@3s:sigint", "evaluator:0", 3.0, signal.SIGINT),
    ],
)
def test_a_fault_names_process_time_and_signal(text: str, name: str, at_secs: float, number: signal.Signals) -> None:
    assert faults.parse(text) == faults.Fault(text=text, name=name, at_secs=at_secs, signal=number)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("worker1@20s", "--kill=worker1@20s. Accepted: ROLE:INDEX@SECSs"),
        ("worker:1", "Write it as worker:1@20s or chief:0@20s:TERM."),
        ("worker:-1@20s", "--kill=worker:-1@20s. Accepted"),
        ("wroker:1@20s", "'wroker' is not a role. Accepted: chief, worker, ps, evaluator. Did you mean worker?"),
        (
            "worker:1@2s:TREM",
            "'TREM' is not a signal. Accepted: KILL, TERM, INT, STOP and the like. Did you mean TERM?",
        ),
        ("worker:1@2s:9", "Leave it out for KILL."),
    ],
)
def test_what_is_no_fault_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        faults.parse(text)
    assert message in str(caught.value)
