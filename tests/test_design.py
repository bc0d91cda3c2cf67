"""What the pages of docs/ say of the package is true: which files there are, and who may import whom."""

from __future__ import annotations

import pathlib
import re

import pytest

from tests.test_layers import ALLOWED, ESTIMATOR_ORDER, LAUNCH_ORDER, STEPS_ORDER

ROOT = pathlib.Path(__file__).parent.parent
DESIGN = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "benchmarks" / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MADE_BY_THE_READER = {"make_data.py", "houses.py", "ask.py", "study.yaml", "prices.yaml"}


def test_the_plan_of_the_house_is_the_one_that_is_held() -> None:
    rows = re.findall(r"^\| `trainer/([a-z_]+)(?:\.py|/)` \|[^|]*\|([^|]*)\|$", DESIGN, re.MULTILINE)
    told = {name: set(re.findall(r"[a-z_]+", imports)) & set(ALLOWED) - {name} for name, imports in rows}
    assert told == {name: allowed - {name} for name, allowed in ALLOWED.items()}


@pytest.mark.parametrize("order", [ESTIMATOR_ORDER, STEPS_ORDER, [name for name in LAUNCH_ORDER if name != "__main__"]])
def test_the_order_of_the_rooms_is_the_one_that_is_held(order: list[str]) -> None:
    blocks = [re.findall(r"[a-z_]+", block) for block in re.findall(r"```\n(.*?)```", DESIGN, re.DOTALL)]
    assert order in [names if names[0] == order[0] else names[::-1] for names in blocks]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_file_that_a_page_names_exists(page: pathlib.Path) -> None:
    names = set(re.findall(r"`([\w/]+\.(?:py|sh|yaml))`", page.read_text(encoding="utf-8"))) - MADE_BY_THE_READER
    folders = [ROOT, *(path for part in ("trainer", "tests", "benchmarks", "docs") for path in (ROOT / part).rglob(""))]
    assert {name for name in names if not any((folder / name).exists() for folder in folders)} == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_prose_ends_at_100_columns(page: pathlib.Path) -> None:
    prose = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    lines = [line for line in prose.splitlines() if not line.startswith("|")]
    assert [line for line in lines if len(line) > 100] == []
