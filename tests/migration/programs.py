"""Small programs for the tests of this folder: written to disk, migrated, read again."""

from __future__ import annotations

import pathlib
import textwrap

from trainer import migrate


def rewritten(folder: pathlib.Path, text: str, name: str = "program.py") -> str:
    """What becomes of a program of one file."""
    return all_rewritten(folder, {name: text})[name]


def all_rewritten(folder: pathlib.Path, texts: dict[str, str]) -> dict[str, str]:
    """What becomes of a program, by the paths of its files."""
    source = written(folder / "source", texts)
    migrate.main([str(source), f"--output_dir={folder / 'copy'}"])
    copies = [path for path in (folder / "copy").rglob("*") if path.is_file()]
    root = folder / "copy" / "source"
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in copies}


def written(folder: pathlib.Path, texts: dict[str, str]) -> pathlib.Path:
    """A folder with these files."""
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    return folder
