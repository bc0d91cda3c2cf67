from __future__ import annotations

import pytest

from tests.bucket.conditions import Conditions, of_headers, of_query
from tests.bucket.messages import Refusal

# (conditions, generation, metageneration, status when reading, status when writing); generation 0 is no object.
CASES = [
    ({}, 5, 1, None, None),
    ({"ifGenerationMatch": "5"}, 5, 1, None, None),
    ({"ifGenerationMatch": "0"}, 0, 0, None, None),
    ({"ifGenerationMatch": "0"}, 5, 1, 412, 412),
    ({"ifGenerationMatch": "5"}, 6, 1, 412, 412),
    ({"ifGenerationNotMatch": "5"}, 6, 1, None, None),
    ({"ifGenerationNotMatch": "5"}, 5, 1, 304, 412),
    ({"ifMetagenerationMatch": "2"}, 5, 1, 412, 412),
    ({"ifMetagenerationNotMatch": "1"}, 5, 1, 304, 412),
]


@pytest.mark.parametrize(("query", "generation", "metageneration", "reading", "writing"), CASES)
def test_conditions_hold_or_are_refused_with_the_status_of_the_service(
    query: dict[str, str], generation: int, metageneration: int, reading: int | None, writing: int | None
) -> None:
    for read, status in ((True, reading), (False, writing)):
        if status is None:
            of_query(query).check(generation, metageneration, reading=read)
            continue
        with pytest.raises(Refusal, match="Match=") as caught:
            of_query(query).check(generation, metageneration, reading=read)
        assert caught.value.status == status


def test_headers_of_the_xml_api_say_the_same() -> None:
    assert of_headers({"x-goog-if-generation-match": "0"}) == Conditions(generation_match=0)


def test_the_source_of_a_copy_has_conditions_of_its_own() -> None:
    query = {"ifGenerationMatch": "1", "ifSourceGenerationMatch": "2"}
    assert of_query(query, "ifSource") == Conditions(generation_match=2)


def test_a_condition_that_is_no_number_is_refused() -> None:
    with pytest.raises(Refusal, match="ifGenerationMatch=x is no number"):
        of_query({"ifGenerationMatch": "x"})
