"""Makes docs/api.md from the docstrings of every public name: `python -m tests.api_page` writes it."""

from __future__ import annotations

import dataclasses
import enum
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from tests.launched import ROOT

PAGE = ROOT / "docs" / "api.md"
HEAD = """# Public names

Made from the docstrings by `python -m tests.api_page`; a test holds it current. What is not here is
not public, and may change.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for module, names in _modules():
        parts.append(f"\n## `{module}`\n")
        parts += [_entry(name, value) for name, value in names]
    return "".join(parts)


def _modules() -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    import trainer
    import trainer.estimator
    import trainer.launch

    found = {
        "trainer": trainer,
        "trainer.estimator": trainer.estimator,
        "trainer.estimator.export": trainer.estimator.export,
        "trainer.estimator.experimental": trainer.estimator.experimental,
        "trainer.estimator.inputs": trainer.estimator.inputs,
        "trainer.estimator.tpu": trainer.estimator.tpu,
        "trainer.launch": trainer.launch,
    }
    for module, value in found.items():
        own = [name for name, one in vars(value).items() if getattr(one, "__module__", "") == value.__name__]
        public = getattr(value, "__all__", None) or [name for name in own if not name.startswith("_")]
        named = [(name, getattr(value, name)) for name in sorted(public)]
        yield module, [(name, one) for name, one in named if inspect.isclass(one) or inspect.isfunction(one)]


def _entry(name: str, value: Any) -> str:
    if value.__module__.partition(".")[0] == "tensorflow":
        return f"\n### `{name}`\n\nTensorFlow's own, `tf.compat.v1.train.{name}`.\n"
    if inspect.isfunction(value):
        return f"\n### `{name}`\n\n{_call(name, value)}{_text(value)}"
    head = f"\n### `{name}`\n\n{_text(value)}"
    return head + "".join(_members(value))


def _members(kind: type) -> Iterator[str]:
    if issubclass(kind, enum.Enum) or dataclasses.is_dataclass(kind):
        return
    for name, member in vars(kind).items():
        if inspect.isfunction(member) and not name.startswith("_") and member.__doc__:
            yield f"\n#### `{kind.__name__}.{name}`\n\n{_call(name, member)}{_text(member)}"


def _call(called: str, function: Any) -> str:
    """How a function is called, as a block of code: its parameters by name, with their defaults."""
    shown = []
    for name, one in inspect.signature(function).parameters.items():
        if name == "self":
            continue
        stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        default = "" if one.default is one.empty or callable(one.default) else f"={one.default!r}"
        shown.append(f"{stars}{name}{default}")
    call = textwrap.fill(f"{called}({', '.join(shown)})", 100, subsequent_indent="    ", break_on_hyphens=False)
    return f"```text\n{call}\n```\n\n"


def _text(value: Any) -> str:
    """A docstring as Markdown: its sections are code blocks, which keep their layout."""
    lines = inspect.cleandoc(value.__doc__ or "").splitlines()
    sections = ("Args:", "Attributes:", "Returns:", "Yields:", "Raises:")
    start = next((index for index, line in enumerate(lines) if line in sections), len(lines))
    prose, rest = "\n".join(lines[:start]).strip(), "\n".join(lines[start:]).rstrip()
    wrapped = "\n\n".join(textwrap.fill(" ".join(part.split()), 100) for part in prose.split("\n\n"))
    return f"{wrapped}\n" + (f"\n```text\n{rest}\n```\n" if rest else "")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
