"""What of XLA's programs is kept, for whom, and when it is deleted."""

from __future__ import annotations

import os
import pathlib

import pytest

from trainer.storage import compiled_programs, scratch
from trainer.storage.compiled_programs import FOLDER, VARIABLE, CompiledPrograms


@pytest.fixture
def environ(tmp_path: pathlib.Path) -> dict[str, str]:
    return {scratch.VARIABLE: str(tmp_path / "scratch")}


def opened(environ: dict[str, str]) -> pathlib.Path:
    """The directory in which TensorFlow is to keep programs."""
    assert compiled_programs.opened(environ) is not None
    (flag,) = [flag for flag in environ[VARIABLE].split() if "directory" in flag]
    return pathlib.Path(flag.partition("=")[2])


def sealed(directory: pathlib.Path, name: str, content: bytes = b"code") -> pathlib.Path:
    """A program of that name, as a process leaves it."""
    path = directory / f"{name}.pb"
    path.write_bytes(content)
    CompiledPrograms(directory).seal()
    return path


def test_it_lies_in_the_scratch_directory_for_this_user_alone(environ: dict[str, str]) -> None:
    directory = opened(environ)
    assert directory.parent == pathlib.Path(environ[scratch.VARIABLE], FOLDER)
    assert [oct(path.stat().st_mode & 0o777) for path in (directory.parent, directory)] == ["0o700", "0o700"]
    assert environ[VARIABLE].endswith("--tf_xla_persistent_cache_device_types=CPU")


def test_flags_that_are_given_stay(environ: dict[str, str]) -> None:
    opened(environ | {VARIABLE: ""})
    given = environ | {VARIABLE: "--tf_xla_clustering_debug"}
    opened(given)
    assert given[VARIABLE].startswith("--tf_xla_clustering_debug --tf_xla_persistent_cache_directory=")


@pytest.mark.parametrize("directory", ["", "/elsewhere"])
def test_a_directory_of_the_users_own_is_left_alone(environ: dict[str, str], directory: str) -> None:
    environ[VARIABLE] = f"--tf_xla_persistent_cache_directory={directory}"
    before = dict(environ)
    assert compiled_programs.opened(environ) is None
    assert environ == before
    assert compiled_programs.in_use(environ) is None


def test_other_flags_of_xla_have_programs_of_their_own(environ: dict[str, str]) -> None:
    assert opened(dict(environ)) == opened(dict(environ))
    assert opened(dict(environ)) != opened(environ | {"XLA_FLAGS": "--xla_cpu_enable_fast_math=true"})


def test_a_directory_that_others_may_write_to_is_not_used(environ: dict[str, str]) -> None:
    folder = opened(dict(environ)).parent
    folder.chmod(0o777)
    assert compiled_programs.opened(environ) is None
    assert VARIABLE not in environ


def test_a_scratch_directory_that_cannot_be_made_ends_nothing(tmp_path: pathlib.Path) -> None:
    (tmp_path / "file").touch()
    assert compiled_programs.opened({scratch.VARIABLE: str(tmp_path / "file")}) is None


def test_programs_with_their_checksum_are_kept_and_all_others_deleted(environ: dict[str, str]) -> None:
    directory = opened(dict(environ))
    whole, damaged, torn, unsealed = (sealed(directory, name) for name in ("whole", "damaged", "torn", "unsealed"))
    damaged.write_bytes(b"c0de")
    torn.write_bytes(b"co")
    unsealed.with_name("unsealed.pb.crc32c").unlink()
    opened(environ)
    assert sorted(directory.glob("*.pb")) == [whole]


def test_what_another_process_is_writing_is_left_to_it_for_an_hour(environ: dict[str, str]) -> None:
    directory = opened(dict(environ))
    new, old = directory / "new.pb123.tmp", directory / "old.pb123.tmp"
    for path in (new, old):
        path.touch()
    os.utime(old, (0, 0))
    opened(environ)
    assert list(directory.iterdir()) == [new]


def test_the_oldest_are_deleted_when_there_are_too_many(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_programs, "_MOST_BYTES", 8)
    directory = opened(dict(environ))
    paths = [sealed(directory, name) for name in ("first", "second", "third")]
    for age, path in enumerate(reversed(paths)):
        os.utime(path, (1e9 - age, 1e9 - age))
    opened(environ)
    assert sorted(directory.glob("*.pb")) == sorted(paths[1:])


def test_the_process_finds_what_was_opened_for_it(environ: dict[str, str]) -> None:
    assert compiled_programs.in_use(environ) is None
    directory = opened(environ)
    found = compiled_programs.in_use(environ)
    assert found is not None
    program = directory / "new.pb"
    program.touch()
    found.seal()
    assert program.with_name("new.pb.crc32c").exists()


def test_a_directory_that_is_gone_ends_nothing(environ: dict[str, str]) -> None:
    directory = opened(environ)
    directory.rmdir()
    CompiledPrograms(directory).seal()
