"""How a package reads, in figures, to some of which `tests/test_house.py` sets limits.

    python -m tests.house [TREE]

TREE is a package folder, `trainer` of this checkout if it is left out, or that of an older one to compare with.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import re
import sys
from collections.abc import Sequence

from tests import import_graph, source_files
from tests.source_files import Function, SourceFile

PACKAGE = pathlib.Path(__file__).parent.parent / "trainer"
MOST_LINES, MOST_METHODS, MOST_CLASS_LINES = 300, 15, 150
FEWEST_WITH_ARGS = 3
"""From how many parameters on a docstring lists them."""
FOLDERS_EXPLAINED = ("estimator/graph", "estimator/distribution")
"""Where code is hardest to follow, so that comments are counted there."""

_SHAPE = re.compile(r"\[[^\[\]]*\]|\bscalar|\b(any|same) shape")


@dataclasses.dataclass(frozen=True)
class House:
    """The figures of a package.

    Attributes:
      files: all of its modules.
      module_cycles: modules that import each other.
      folder_cycles: modules and folders of one folder that import each other, a folder at least among them.
    """

    files: Sequence[SourceFile]
    module_cycles: Sequence[Sequence[str]]
    folder_cycles: Sequence[Sequence[str]]

    @functools.cached_property
    def functions(self) -> list[Function]:
        """All of all files."""
        return [function for file in self.files for function in file.functions]

    def body_lines(self, quantile: float) -> int:
        """The lines of the body than which that part of the functions is not longer; 1.0 for the longest."""
        lengths = sorted(function.lines for function in self.functions)
        return lengths[min(int(quantile * len(lengths)), len(lengths) - 1)]

    def long_files(self) -> dict[str, int]:
        """Lines of the files that have more than MOST_LINES."""
        return {file.name: file.lines for file in self.files if file.lines > MOST_LINES}

    def long_classes(self) -> dict[str, tuple[int, int]]:
        """Methods and lines of the classes that have more than MOST_METHODS or MOST_CLASS_LINES."""
        classes = [each for file in self.files for each in file.classes]
        return {c.name: (c.methods, c.lines) for c in classes if c.methods > MOST_METHODS or c.lines > MOST_CLASS_LINES}

    def comments_per_100_lines(self, folder: str) -> float:
        """Comments in 100 lines of code of the files in a folder and in its folders; nan when there are none."""
        files = [file for file in self.files if file.name.startswith(f"{folder}/")]
        code = sum(file.code_lines for file in files)
        return 100 * sum(file.comments for file in files) / code if code else float("nan")

    def over_tensors(self) -> list[Function]:
        """The functions whose tensors have shapes to be told."""
        return [function for function in self.functions if function.over_tensors]

    def without_shapes(self) -> list[str]:
        """Functions over tensors whose docstring names no shape."""
        return [function.name for function in self.over_tensors() if not _SHAPE.search(function.docstring)]

    def public(self) -> list[Function]:
        """The functions that other modules may call."""
        return [function for function in self.functions if function.public]

    def without_args(self) -> list[str]:
        """Public functions of FEWEST_WITH_ARGS parameters or more whose docstring does not list them."""
        many = [function for function in self.public() if function.parameters >= FEWEST_WITH_ARGS]
        return [function.name for function in many if "Args:" not in function.docstring]

    def undocumented(self) -> list[str]:
        """Public functions without a docstring."""
        return [function.name for function in self.public() if not function.docstring]


def measure(package: pathlib.Path) -> House:
    """Reads all modules of a package folder."""
    files = import_graph.modules(package)
    graph = import_graph.of_modules(files)
    folders = {name for name, path in files.items() if path.name == "__init__.py"}
    mixed = [group for edges in import_graph.of_siblings(graph).values() for group in import_graph.cycles(edges)]
    return House(
        files=source_files.read(list(files.values()), package),
        module_cycles=import_graph.cycles(graph),
        folder_cycles=[group for group in mixed if folders.intersection(group)],
    )


def report(house: House) -> str:
    """A table in Markdown, and below it what is over a limit."""
    rows = {
        "files": len(house.files),
        "lines; of code": f"{sum(f.lines for f in house.files)}; {sum(f.code_lines for f in house.files)}",
        "body of functions, lines, p50 / p90 / max": " / ".join(str(house.body_lines(q)) for q in (0.5, 0.9, 1.0)),
        f"files over {MOST_LINES} lines": len(house.long_files()),
        f"classes over {MOST_METHODS} methods or {MOST_CLASS_LINES} lines": len(house.long_classes()),
        "cycles between modules; between folders": f"{len(house.module_cycles)}; {len(house.folder_cycles)}",
        **{f"comments in 100 lines, {f}": f"{house.comments_per_100_lines(f):.1f}" for f in FOLDERS_EXPLAINED},
        "functions over tensors; without shapes": f"{len(house.over_tensors())}; {len(house.without_shapes())}",
        "public functions; without a docstring": f"{len(house.public())}; {len(house.undocumented())}",
        f"public functions of {FEWEST_WITH_ARGS} parameters and more without Args": len(house.without_args()),
    }
    table = ["| figure | |", "|---|---|", *(f"| {title} | {value} |" for title, value in rows.items())]
    over = {
        "Long files": [f"{name} {lines}" for name, lines in house.long_files().items()],
        "Long classes": [
            f"{name} {methods} methods, {lines} lines" for name, (methods, lines) in house.long_classes().items()
        ],
        "Cycles": [" - ".join(group) for group in (*house.module_cycles, *house.folder_cycles)],
        "Without shapes": house.without_shapes(),
        "Undocumented": house.undocumented(),
        "Without Args": house.without_args(),
        "Longest functions": _longest(house.functions, 15),
    }
    return "\n".join([*table, *(f"\n{title}:\n  " + "\n  ".join(names) for title, names in over.items() if names)])


def _longest(functions: Sequence[Function], count: int) -> list[str]:
    longest = sorted(functions, key=lambda function: -function.lines)[:count]
    return [f"{function.name} {function.lines}" for function in longest]


if __name__ == "__main__":
    print(report(measure(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else PACKAGE)))
