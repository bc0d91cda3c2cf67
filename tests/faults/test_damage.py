"""Damaged checkpoints, in short: no training goes on from what is not as it was saved."""

from __future__ import annotations

import pytest

from tests.faults import damage

WHOLE = {
    f"model.ckpt-{step}.{suffix}": b"saved" for step in damage.SAVED_STEPS for suffix in ("index", "data", "manifest")
} | {"checkpoint": b'model_checkpoint_path: "model.ckpt-10"\n'}


def without(*names: str, **changed: bytes) -> dict[str, bytes]:
    return {name: content for name, content in WHOLE.items() if name not in names} | changed


@pytest.mark.parametrize(
    ("left", "newest"),
    [
        (WHOLE, 10),
        (without("model.ckpt-10.manifest"), 10),
        (without("model.ckpt-10.index"), 8),
        (without("checkpoint"), 10),
        (without(checkpoint=b'model_checkpoint_path: "model.ckpt-4"'), 4),
        (without(checkpoint=b'model_checkpoint_path: "model.ckpt-70"'), 10),
        (without(*(f"model.ckpt-{step}.data" for step in damage.SAVED_STEPS)), None),
    ],
)
def test_the_campaign_knows_which_one_is_whole(left: dict[str, bytes], newest: int | None) -> None:
    assert damage.newest_whole(WHOLE, left) == newest


def test_every_case_ends_with_the_right_weights_or_is_refused_in_words() -> None:
    came = damage.run(cases=6, seed=2)
    assert sum(map(len, came.values())) == 6
    assert set(came) <= {"right weights, from the newest whole one", "refused in words, none being whole"}, came
