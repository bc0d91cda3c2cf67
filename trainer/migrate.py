"""ENTRY: `python -m trainer.migrate PATH ... --output_dir=DIR` makes copies of programs that run here."""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
import pathlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer.job import flags
from trainer.job.config import setting
from trainer.job.errors import JobError, UsageError
from trainer.job.findings import Finding, Level

if TYPE_CHECKING:
    from trainer.migration.program import Migrated

_USAGE = "python -m trainer.migrate PATH ... --output_dir=DIR"


@dataclasses.dataclass(frozen=True, kw_only=True)
class MigrateOptions:
    """Copies of the Python files and folders PATH, with imports and calls rewritten; the originals stay as they are:"""

    output_dir: str | None = setting(None, "a new folder for the copies")
    diff: bool = setting(False, "show what would change, and write nothing")

    def __post_init__(self) -> None:
        if self.output_dir is None and not self.diff:
            raise UsageError("No --output_dir", "a new folder for the copies", "Add --output_dir=migrated, or --diff")


def main(argv: Sequence[str] | None = None) -> int:
    """Migrates as asked and returns the exit code: 0 done, 1 something is left to do by hand, 2 wrong usage."""
    if isinstance(sys.stdout.encoding, str):
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        return _migrate(list(sys.argv[1:] if argv is None else argv))
    except flags.HelpRequested:
        text = flags.help_text(MigrateOptions).partition("\n")[2].partition("\n\nLogging:")[0]
        print(f"Usage: {_USAGE}\n{text}\n\nExit code: 0 done, 1 something is left to do by hand, 2 wrong usage.")
        return 0
    except flags.TextRequested as text:
        print(text, end="")
        return 0
    except JobError as error:
        print(f"trainer.migrate: {error}", file=sys.stderr, flush=True)
        return error.exit_code


def _migrate(words: Sequence[str]) -> int:
    paths = [word for word in words if not word.startswith("-")]
    options = flags.parse([word for word in words if word.startswith("-")], MigrateOptions)[MigrateOptions]
    if not paths:
        raise UsageError("No PATH", "Python files and folders of a program", "Add one")
    if importlib.util.find_spec("libcst") is None:
        do = "Run pip install '.[migrate]' where setup.py is"
        raise UsageError("libcst is not installed", "the package that reads and writes Python sources", do)
    _check_target(options.output_dir, paths)
    from trainer.migration import program

    files = program.find(paths)
    migrated = program.migrate(files, None if options.diff else options.output_dir)
    findings = [*files.findings, *(finding for each in migrated for finding in each.findings)]
    findings += program.commands(files)
    if options.diff:
        sys.stdout.writelines(line for each in migrated for line in _diff(each))
    else:
        assert options.output_dir is not None  # MigrateOptions has checked it
        program.write(files, migrated, options.output_dir)
    return _report(migrated, findings, files.renamed)


def _check_target(folder: str | None, paths: Sequence[str]) -> None:
    """Raises UsageError where the copies would be mixed with something else."""
    if folder is None:
        return
    target = pathlib.Path(folder)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"--output_dir={folder} is not empty", "a new folder", "Name another one, or remove it")
    for path in map(pathlib.Path, paths):
        if path.is_dir() and target.resolve().is_relative_to(path.resolve()):
            raise UsageError(f"--output_dir={folder} is inside {path}", "a folder beside it", "Name another one")


def _diff(migrated: Migrated) -> list[str]:
    """The change of a file as a unified diff; empty where there is none."""
    before, after = migrated.source.text.splitlines(True), migrated.text.splitlines(True)
    lines = difflib.unified_diff(before, after, str(migrated.source.original), str(migrated.source.copy))
    return [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]


def _report(migrated: Sequence[Migrated], findings: Sequence[Finding], renamed: str | None) -> int:
    """Prints what is left to do, and a line that counts; returns the exit code."""
    for finding in findings:
        print(finding)
    if renamed is not None:
        print(f"The program's own package trainer is called {renamed}: python -m {renamed}.task")
    changed = sum(each.text != each.source.text for each in migrated)
    errors = sum(finding.level is Level.ERROR for finding in findings)
    rest = f"{errors} place{'s' if errors > 1 else ''} left to do by hand" if errors else "nothing left to do by hand"
    print(f"{len(migrated)} Python file{'s' if len(migrated) > 1 else ''}, {changed} rewritten, {rest}.")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
