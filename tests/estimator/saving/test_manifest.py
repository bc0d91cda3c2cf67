"""Manifests: what they hold, what differs from them, and that nothing damaged is believed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from trainer.estimator.saving import manifest, verification
from trainer.estimator.saving.manifest import DamagedManifestError

FACTS = {"data": {"files": ["a.csv"], "rows": 12}, "scale": 0.1, "name": "Zürich"}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """The prefix of a checkpoint with its manifest."""
    prefix = tmp_path / "model.ckpt-7"
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=["weights", "words"],
        shape_and_slices=["", ""],
        tensors=[tf.range(100.0), tf.constant(["a", "b"])],
    )
    manifest.write(str(prefix), FACTS)
    return prefix


def beside(prefix: Path, suffix: str) -> Path:
    return prefix.with_name(f"{prefix.name}{suffix}")


def test_it_holds_the_files_and_the_facts(saved: Path) -> None:
    beside(saved, "0.index").touch()  # of step 70
    beside(saved, ".meta").touch()  # tf.estimator's, which no reader needs
    found = manifest.read(str(saved))
    assert found is not None and found.facts == manifest.facts(str(saved)) == FACTS
    assert list(found.files) == ["model.ckpt-7.data-00000-of-00001", "model.ckpt-7.index"]
    assert found.files["model.ckpt-7.index"].size == beside(saved, ".index").stat().st_size
    assert manifest.parse(found.render()) == found
    assert verification.problem(str(saved)) is None


def test_without_a_manifest_there_are_no_facts(saved: Path) -> None:
    beside(saved, ".manifest").unlink()
    assert manifest.read(str(saved)) is None
    assert manifest.facts(str(saved)) == {}


def flip(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[random.Random(0).randrange(len(content))] ^= 4
    file.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "truncated": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "emptied": lambda file: file.write_bytes(b""),
    "zeroed": lambda file: file.write_bytes(bytes(file.stat().st_size)),
    "flipped": flip,
    "missing": lambda file: file.unlink(),
}


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001", ".manifest"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_damage_is_seen_and_names_the_file(saved: Path, suffix: str, damage: str) -> None:
    DAMAGES[damage](beside(saved, suffix))
    problem = verification.problem(str(saved))
    if (suffix, damage) == (".manifest", "missing"):
        assert problem is None  # as for a checkpoint of tf.estimator, whose content tells
    else:
        assert problem is not None and problem.startswith(f"model.ckpt-7{suffix} ")


@pytest.mark.parametrize("suffix", [".index", ".data-00000-of-00001"])
@pytest.mark.parametrize("damage", sorted(set(DAMAGES) - {"flipped"}))
def test_without_a_manifest_the_content_tells(saved: Path, suffix: str, damage: str) -> None:
    beside(saved, ".manifest").unlink()
    DAMAGES[damage](beside(saved, suffix))
    assert verification.problem(str(saved)) is not None


def test_every_flipped_bit_of_a_manifest_is_seen_or_changes_nothing(saved: Path) -> None:
    file = beside(saved, ".manifest")
    whole = manifest.read(str(saved))
    content = file.read_bytes()
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 1 << place % 8
        try:
            assert manifest.parse(bytes(damaged)) == whole
        except DamagedManifestError as error:
            assert str(error) in ("it is not as it was written", "it has another checksum than was saved")


@pytest.mark.parametrize("content", [b"", b"null", b"[]", b"{}", b'{"crc32c": "", "manifest": 7}', b"[" * 100_000])
def test_what_is_no_manifest_is_not_believed(content: bytes) -> None:
    with pytest.raises(DamagedManifestError, match="it is not as it was written|it has another checksum"):
        manifest.parse(content)


def test_a_manifest_of_another_program_that_fits_its_checksum_is_read(saved: Path) -> None:
    text = json.dumps(json.loads(beside(saved, ".manifest").read_text()))
    assert manifest.parse(text.encode()).facts == FACTS
