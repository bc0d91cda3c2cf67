"""docs/api.md lists every public name, as its docstring describes it now."""

from __future__ import annotations

from tests import api_page


def test_the_page_of_public_names_is_current() -> None:
    assert api_page.PAGE.read_text(encoding="utf-8") == api_page.page(), "python -m tests.api_page writes it"


def test_every_public_name_is_described() -> None:
    text = api_page.page()
    for name in ("Problem", "Estimator", "train_and_evaluate", "model_to_estimator", "stop_if_no_increase_hook"):
        assert f"`{name}" in text
    assert "\n\n\n#" not in text
