"""What is wrong with a request, as it is told."""

from __future__ import annotations

import pytest

from trainer.launch import breaches
from trainer.launch.breaches import Breach, RequestError

FIRST = Breach(path=("jobSpec", "workerPoolSpecs", 0, "replicaCount"), got="2 chiefs", accept="one", do="Set it to 1")
SECOND = Breach(path=(), got="nothing", accept="a request", do="Write one")


def test_a_field_is_named_as_people_write_it() -> None:
    assert FIRST.field == "jobSpec.workerPoolSpecs[0].replicaCount"
    assert SECOND.field == "the document"


def test_all_breaches_are_told_in_one_error() -> None:
    breaches.refuse([])
    with pytest.raises(RequestError) as refused:
        breaches.refuse([FIRST, SECOND])
    assert str(refused.value) == (
        "2 faults in the request; nothing was sent\n"
        "  jobSpec.workerPoolSpecs[0].replicaCount: 2 chiefs. Accepted: one. Set it to 1.\n"
        "  the document: nothing. Accepted: a request. Write one."
    )
    assert refused.value.exit_code == 2 and refused.value.breaches == (FIRST, SECOND)


@pytest.mark.parametrize(("word", "do"), [("SPOTT", "Did you mean SPOT?"), ("xyz", "Use one")])
def test_the_nearest_word_is_proposed(word: str, do: str) -> None:
    assert breaches.meant(word, ["SPOT", "STANDARD"], "Use one") == do


def test_long_values_are_shown_short() -> None:
    assert breaches.short("x" * 200) == f"'{'x' * 59}... (202 characters)"
