"""In which order checkpoints are tried: by the state file, else as they are found."""

from __future__ import annotations

import pytest

from trainer.estimator.saving import listing

STATE = """model_checkpoint_path: "model.ckpt-20"
all_model_checkpoint_paths: "model.ckpt-10"
all_model_checkpoint_paths: "model.ckpt-20"
last_preserved_timestamp: 7.5
"""


@pytest.mark.parametrize(
    ("state", "there", "tried", "doubt"),
    [
        (STATE, [10, 20], [20, 10], None),
        (STATE, [3, 5, 10, 20, 30], [20, 10, 5, 3], None),
        (STATE.replace("20", "3", 1), [3, 10, 20], [3, 20, 10], None),
        (STATE, [3, 10, 9], [10, 9, 3], "D/checkpoint names model.ckpt-20, which is not there"),
        (STATE, [], [], "D/checkpoint names model.ckpt-20, which is not there"),
        (None, [9, 100], [100, 9], "D/checkpoint is missing"),
        ("", [9, 100], [100, 9], "D/checkpoint is empty"),
        ("model_checkpoint_path 7", [9], [9], "D/checkpoint is not a checkpoint state file"),
        ("all_model_checkpoint_paths: 'model.ckpt-9'", [9], [9], "D/checkpoint is not a checkpoint state file"),
        (None, [], [], None),
        ("", [], [], None),
    ],
)
def test_the_newest_is_tried_first(state: str | None, there: list[int], tried: list[int], doubt: str | None) -> None:
    names = {f"model.ckpt-{step}": float(step) for step in there}
    content = None if state is None else state.encode()
    found = listing.of(content, lambda: names, "D/checkpoint", names.__contains__)
    assert [listing.step_in(name) for name in found.newest_first()] == tried
    assert found.doubt == doubt


def test_what_tensorflow_noted_is_kept() -> None:
    found = listing.of(STATE.encode(), dict, "D/checkpoint", lambda name: True)
    assert (found.last_preserved, [one.saved_at for one in found.listed]) == (7.5, [0.0, 0.0])


@pytest.mark.parametrize(
    ("file", "checkpoint", "belongs"),
    [
        ("model.ckpt-7.index", "model.ckpt-7", True),
        ("model.ckpt-7.manifest", "model.ckpt-7", True),
        ("model.ckpt-7.data-00000-of-00001", None, True),
        ("model.ckpt-7.meta", None, True),
        ("model.ckpt-7.index.tempstate1", None, False),
        ("model.ckpt-7.part-0-of-2.index", None, False),
        ("xmodel.ckpt-7.index", None, False),
    ],
)
def test_files_are_told_by_their_names(file: str, checkpoint: str | None, belongs: bool) -> None:
    assert (listing.checkpoint_of(file), listing.belongs_to(file) == "model.ckpt-7") == (checkpoint, belongs)
