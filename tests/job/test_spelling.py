"""Misspelt words."""

from __future__ import annotations

import pytest

from trainer.job import spelling


def test_nearest_is_silent_where_nothing_is_near() -> None:
    assert spelling.nearest("learning-rat", ["learning_rate", "seed"]) == "learning_rate"
    assert spelling.nearest("zzz", ["learning_rate", "seed"]) is None


def test_dashes_and_case_make_no_difference() -> None:
    assert spelling.nearest("N1_Standard_4", ["n1-standard-4", "a2-highgpu-1g"]) == "n1-standard-4"


@pytest.mark.parametrize(("word", "do"), [("SPOTT", "Did you mean SPOT?"), ("xyz", "Use one")])
def test_the_nearest_word_is_proposed(word: str, do: str) -> None:
    assert spelling.suggestion(word, ["SPOT", "STANDARD"], "Use one") == do
