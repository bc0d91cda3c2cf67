"""Tests of trainer.storage.retry_policy."""

from __future__ import annotations

import pytest

from trainer.storage import RetryPolicy, UnavailableError
from trainer.storage.retry_policy import Retrying


class Clock:
    def __init__(self) -> None:
        self.now, self.waits = 0.0, list[float]()

    def wait(self, secs: float) -> None:
        self.waits.append(secs)
        self.now += secs


def retrying(clock: Clock, **given: float) -> Retrying:
    return Retrying(
        policy=RetryPolicy(**given),
        transient_reason=lambda error: str(error) if isinstance(error, OSError) else None,
        clock=lambda: clock.now,
        wait=clock.wait,
        chance=lambda: 0.0,
    )


def failing(times: int, error: Exception) -> list[Exception]:
    return [error] * times


def attempt_after(failures: list[Exception]) -> object:
    def attempt() -> str:
        if failures:
            raise failures.pop()
        return "done"

    return attempt


def test_what_succeeds_at_last_has_succeeded() -> None:
    clock = Clock()
    run = retrying(clock, first_wait_secs=1, longest_wait_secs=5).run
    assert run(attempt_after(failing(5, OSError("reset"))), "Reading x") == "done"  # type: ignore[arg-type]
    assert clock.waits == [0.5, 1, 2, 2.5, 2.5]  # half of 1, 2, 4, then of the longest wait


def test_time_is_up_after_the_total() -> None:
    clock = Clock()
    run = retrying(clock, total_secs=10, first_wait_secs=1).run
    with pytest.raises(UnavailableError, match=r"Reading x failed 5 times in 8 s; the last time: reset") as error:
        run(attempt_after(failing(99, OSError("reset"))), "Reading x")  # type: ignore[arg-type]
    assert error.value.exit_code == 143 and clock.now <= 10


def test_an_error_that_is_not_transient_is_raised_at_once() -> None:
    clock = Clock()
    with pytest.raises(KeyError):
        retrying(clock).run(attempt_after(failing(1, KeyError("x"))), "Reading x")  # type: ignore[arg-type]
    assert not clock.waits


def test_chance_spreads_the_waits_over_their_upper_half() -> None:
    policy = RetryPolicy(first_wait_secs=1, longest_wait_secs=8)
    assert [policy.wait_secs(tries, 0.0) for tries in (1, 2, 3, 4, 5)] == [0.5, 1, 2, 4, 4]
    assert [policy.wait_secs(tries, 0.5) for tries in (1, 2, 9999)] == [0.75, 1.5, 6]


def test_a_policy_of_no_time_is_refused() -> None:
    with pytest.raises(ValueError, match=r"silence_secs is 0\. It takes a number greater than 0"):
        RetryPolicy(silence_secs=0)
