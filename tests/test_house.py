"""The limits that hold for how this package reads, and that `tests/house.py` measures what it says."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import textwrap

import pytest

from tests import house, import_graph

ROOT = pathlib.Path(__file__).parent.parent
MOST_BODY_LINES = 30
MEDIAN_BODY_LINES, USUAL_BODY_LINES = 5, 14
"""Half of the functions are not longer than the first, nine of ten not longer than the second."""
FEWEST_COMMENTS = 5.0
"""In 100 lines of code where the code is hardest to follow."""

# The verbs of tf.estimator, whose parameters their docstrings list.
LONG_CLASSES = {"Estimator"}


@pytest.fixture(scope="module")
def trainer() -> house.House:
    """The figures of this package."""
    return house.measure(house.PACKAGE)


def own_name(name: str) -> str:
    """`Class.method` of `folder/file.py:Class.method`."""
    return name.partition(":")[2]


def test_files_are_short(trainer: house.House) -> None:
    assert trainer.long_files() == {}


def test_classes_have_few_methods_and_lines(trainer: house.House) -> None:
    assert {own_name(name) for name in trainer.long_classes()} <= LONG_CLASSES


def test_functions_are_short(trainer: house.House) -> None:
    assert trainer.body_lines(1.0) <= MOST_BODY_LINES
    assert trainer.body_lines(0.5) <= MEDIAN_BODY_LINES
    assert trainer.body_lines(0.9) <= USUAL_BODY_LINES


def test_neither_modules_nor_folders_import_each_other(trainer: house.House) -> None:
    assert trainer.module_cycles == []
    assert trainer.folder_cycles == []


@pytest.mark.parametrize("folder", house.FOLDERS_EXPLAINED)
def test_the_code_that_is_hardest_to_follow_has_comments(trainer: house.House, folder: str) -> None:
    assert trainer.comments_per_100_lines(folder) >= FEWEST_COMMENTS


def test_docstrings_over_tensors_name_shapes(trainer: house.House) -> None:
    assert trainer.without_shapes() == []


def test_public_functions_are_documented(trainer: house.House) -> None:
    assert trainer.undocumented() == []


def test_docstrings_of_functions_with_many_parameters_list_them(trainer: house.House) -> None:
    assert trainer.without_args() == []


# What the figures mean.


def small(tmp_path: pathlib.Path, **files: str) -> house.House:
    """The figures of a package of these files; two underscores in a name stand for a folder."""
    for name, text in files.items():
        path = tmp_path / "small" / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(textwrap.dedent(text))
    (tmp_path / "small" / "__init__.py").touch()
    return house.measure(tmp_path / "small")


def test_a_body_counts_lines_of_code_without_docstring_and_comments(tmp_path: pathlib.Path) -> None:
    measured = small(
        tmp_path,
        one='''
            def double(x):
                """Twice.

                It is.
                """
                # why

                y = (
                    2 * x
                )
                return y  # here too
        ''',
    )
    (function,) = measured.functions
    assert (function.name, function.lines) == ("one.py:double", 4)
    assert measured.body_lines(1.0) == 4


def test_comments_count_for_code_lines_and_marks_for_tools_do_not(tmp_path: pathlib.Path) -> None:
    measured = small(
        tmp_path,
        graph__one='''
            """A file."""
            # Because it is so.
            x = 1
            y = "# not this"  # noqa: E501
            z = 2  # and because of that
            w = 3
        ''',
    )
    assert measured.comments_per_100_lines("graph") == 50.0


def test_a_function_over_tensors_wants_a_shape_in_its_docstring_or_that_of_its_class(tmp_path: pathlib.Path) -> None:
    measured = small(
        tmp_path,
        one='''
            class Both:
                """Of a vector.

                Args:
                  vector: float32 [length].
                """

                def __init__(self, vector: tf.Tensor) -> None: ...

                def told(self) -> tf.Tensor:
                    """A scalar."""

                def untold(self, parts: Sequence[tf.Tensor]) -> None:
                    """Takes what it gets."""

            def no_tensor(count: int) -> None: ...

            def nowhere(x: tf.Tensor) -> None: ...
        ''',
    )
    assert measured.without_shapes() == ["one.py:Both.untold", "one.py:nowhere"]


def test_a_method_is_documented_by_its_own_class_or_the_one_that_it_fills_in(tmp_path: pathlib.Path) -> None:
    measured = small(
        tmp_path,
        one='''
            class Runs(Protocol):
                def run(self) -> None:
                    """Runs."""

            class Base:
                def stop(self) -> None:
                    """Stops."""

            class Engine(Base):
                def run(self) -> None: ...
                def stop(self) -> None: ...
                def burn(self) -> None: ...
                def _own(self) -> None: ...

            class _Hidden:
                def burn(self) -> None: ...
        ''',
    )
    assert measured.undocumented() == ["one.py:Engine.burn"]


def test_three_parameters_beside_self_want_a_list_of_them(tmp_path: pathlib.Path) -> None:
    measured = small(
        tmp_path,
        one='''
            class Two:
                def add(self, a, b, *others, **names):
                    """Adds."""

                def insert(self, a, b, *, at):
                    """Inserts."""

            def explained(a, b, c):
                """Does it.

                Args:
                  a: first.
                  b: second.
                  c: third.
                """

            def _own(a, b, c):
                """Is not for others."""
        ''',
    )
    assert measured.without_args() == ["one.py:Two.insert"]


def test_long_classes_and_files_are_named_with_their_size(tmp_path: pathlib.Path) -> None:
    methods = "\n".join(f"    def m{number}(self): ..." for number in range(16))
    measured = small(tmp_path, one=f"class Many:\n{methods}\n", two="x = 1\n" * 301)
    assert measured.long_classes() == {"one.py:Many": (16, 17)}
    assert measured.long_files() == {"two.py": 301}


def test_a_cycle_of_folders_is_found_where_modules_have_an_order(tmp_path: pathlib.Path) -> None:
    measured = small(
        tmp_path,
        a__low="x = 1",
        b__middle="from small.a import low",
        a__high="from small.b.middle import low",
        top="def later():\n    from small.a import high",
    )
    assert (measured.module_cycles, measured.folder_cycles) == ([], [["small.a", "small.b"]])


def test_a_cycle_of_modules_is_found() -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"d"}}
    assert import_graph.cycles(graph) == [["b", "c"]]


@pytest.mark.process
def test_the_figures_of_a_tree_are_printed(tmp_path: pathlib.Path) -> None:
    small(tmp_path, one="def run() -> None: ...\n")
    command = [sys.executable, "-m", "tests.house", str(tmp_path / "small")]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "| public functions; without a docstring | 1; 1 |" in printed
    assert "Undocumented:\n  one.py:run" in printed
