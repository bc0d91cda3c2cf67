"""What follows from an exit code, as a table."""

from __future__ import annotations

import pytest

from trainer.launch.cluster import supervision
from trainer.launch.cluster.supervision import Decision, Phase


@pytest.mark.parametrize(
    ("role", "code", "phase", "restarts", "decision"),
    [
        ("chief", 0, Phase.RUNNING, 0, Decision.FINISH),
        ("chief", 1, Phase.RUNNING, 0, Decision.RESTART),
        ("chief", 137, Phase.RUNNING, 2, Decision.RESTART),
        ("chief", 143, Phase.RUNNING, 2, Decision.RESTART),
        ("chief", 143, Phase.RUNNING, 3, Decision.STOP),
        ("chief", 2, Phase.RUNNING, 0, Decision.STOP),
        ("chief", 0, Phase.STOPPING, 0, Decision.CONTINUE),
        ("worker", 0, Phase.RUNNING, 0, Decision.CONTINUE),
        ("worker", 139, Phase.RUNNING, 0, Decision.RESTART),
        ("worker", 139, Phase.RUNNING, 3, Decision.STOP),
        ("worker", 143, Phase.FINISHING, 0, Decision.CONTINUE),
        ("worker", 143, Phase.STOPPING, 0, Decision.CONTINUE),
        ("ps", 137, Phase.RUNNING, 0, Decision.RESTART),
        ("ps", 2, Phase.RUNNING, 0, Decision.STOP),
        ("ps", 2, Phase.STOPPING, 0, Decision.CONTINUE),
        ("evaluator", 0, Phase.RUNNING, 0, Decision.CONTINUE),
        ("evaluator", 137, Phase.RUNNING, 0, Decision.RESTART),
        ("evaluator", 137, Phase.FINISHING, 0, Decision.RESTART),
        ("evaluator", 1, Phase.RUNNING, 3, Decision.CONTINUE),
        ("evaluator", 2, Phase.FINISHING, 0, Decision.STOP),
    ],
)
def test_what_follows_from_an_exit_code(role: str, code: int, phase: Phase, restarts: int, decision: Decision) -> None:
    found = supervision.classify_exit(role, code, phase=phase, asked_to_end=False, restarts=restarts, max_restarts=3)
    assert found is decision


def test_who_was_asked_to_end_is_not_restarted() -> None:
    found = supervision.classify_exit(
        "evaluator", 143, phase=Phase.FINISHING, asked_to_end=True, restarts=0, max_restarts=3
    )
    assert found is Decision.CONTINUE


@pytest.mark.parametrize(
    ("role", "has_ps", "secs"),
    [("ps", True, 0.0), ("worker", True, 0.0), ("worker", False, 5.0), ("evaluator", True, 60.0)],
)
def test_each_role_gets_the_time_it_needs_after_the_chief(role: str, has_ps: bool, secs: float) -> None:
    assert supervision.grace_secs(role, has_ps=has_ps, last_evaluation_secs=60.0) == secs


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (0, "ended with 0"),
        (137, "was killed by SIGKILL"),
        (139, "was killed by SIGSEGV"),
        (143, "ended with 143"),
        (255, "ended with 255"),
    ],
)
def test_an_exit_code_is_put_in_words(code: int, text: str) -> None:
    assert supervision.described(code) == text
