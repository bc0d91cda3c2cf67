from __future__ import annotations

import pytest

from tests.bucket.downloads import span
from tests.bucket.messages import Refusal


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, (0, 100)),
        ("bytes=0-9", (0, 10)),
        ("bytes=90-", (90, 10)),
        ("bytes=90-1000", (90, 10)),
        ("bytes=-10", (90, 10)),
        ("bytes=-1000", (0, 100)),
    ],
)
def test_ranges_are_cut_at_the_end_of_the_object(text: str | None, found: tuple[int, int]) -> None:
    assert span(text, 100) == found


@pytest.mark.parametrize(
    ("text", "size", "status"),
    [
        ("bytes=100-", 100, 416),
        ("bytes=5-4", 100, 416),
        ("bytes=0-", 0, 416),
        ("bytes=-", 9, 400),
        ("lines=1-", 9, 400),
    ],
)
def test_ranges_without_a_byte_in_them_are_refused(text: str, size: int, status: int) -> None:
    with pytest.raises(Refusal) as caught:
        span(text, size)
    assert caught.value.status == status
