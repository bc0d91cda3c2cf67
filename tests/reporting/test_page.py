"""The page of a report: everything in it is text, it needs nothing from elsewhere, and two runs of it are the same."""

from __future__ import annotations

import dataclasses
import html.parser
import re

from trainer.job import score_table
from trainer.job.report import Summary
from trainer.job.score_table import Figures, Score
from trainer.reporting.page import Content, page
from trainer.reporting.plot import Plot

SUMMARY = Summary(
    global_step=2000,
    reason="max_steps",
    metrics={"accuracy": 0.9, "loss": 0.3, "global_step": 2000},
    test_metrics={"accuracy": 0.8},
    baselines={"accuracy_majority": 0.6, "accuracy_oracle": 0.95},
    steps_per_sec=4321.0,
    examples_per_sec=None,
    seconds=9.87,
    goodput={"share": 0.5, "seconds": {"progress": 5.0, "startup": 5.0, "idle": 0.0}, "restarts": 1, "lost_steps": 3},
    checkpoint="out/model.ckpt-2000",
    export_dir=None,
    model="<script>alert(1)</script>",
    params={"units": [8, 4], "rate": 0.1, "name": None},
    versions={"tensorflow": "2.21.0"},
)


def content(**changes: object) -> Content:
    directions = {"accuracy": "max", "loss": "min"}
    figures = Figures(
        model=SUMMARY.model,
        metrics=SUMMARY.metrics,
        baselines=SUMMARY.baselines,
        test_metrics=SUMMARY.test_metrics,
        directions=directions,
    )
    halves = [Plot(title=f"{n} & more", caption="<b>", draw=lambda figure: figure.subplots()) for n in ("one", "two")]
    made = Content(
        summary=SUMMARY,
        score=Score(name="accuracy", maximizes=True),
        scores=score_table.of(figures, ["accuracy"]),
        root="out",
        notes=["a note"],
        sections={"Training": halves[:1], "Evaluation": halves, "Nothing": []},
        data={"train_data_paths": "a.csv"},
        commands=["tensorboard --logdir out"],
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


class Elements(html.parser.HTMLParser):
    """The names and attributes of all elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs


def test_the_page_asks_nothing_of_a_network_and_runs_nothing() -> None:
    elements = Elements(page(content()))
    assert not {"script", "link", "img", "iframe"} & set(elements.names)
    targets = {value for name, value in elements.attributes if name in ("src", "href", "xlink:href")}
    assert all(target is not None and target.startswith("#") for target in targets)
    assert elements.names.count("svg") == 3


def test_names_of_others_are_texts() -> None:
    text = page(content())
    assert "&lt;script&gt;alert(1)&lt;/script&gt;: accuracy 0.9" in text
    assert "<script>" not in text and "<b>" not in re.sub(r"<div class=\"fact\">.*?</div>", "", text)


def test_the_run_stands_beside_simple_models_and_its_test_part() -> None:
    text = page(content())
    assert "<td>majority</td><td class=better>0.6</td><td></td>" in text
    assert "<td>oracle</td><td class=worse>0.95</td><td></td>" in text
    assert "<tr class=run><td>this run, test part</td><td>0.8</td>" in text
    assert "a note" in text


def test_what_the_time_went_into_and_the_settings_are_there() -> None:
    text = page(content())
    assert "10 s with all restarts, of which there were 1; 3 steps lost." in text
    assert "idle" not in text
    for name, value in (("units", "8, 4"), ("rate", "0.1"), ("name", "–"), ("train_data_paths", "a.csv")):
        assert f"<tr><td>{name}</td><td>{value}</td></tr>" in text


def test_a_heading_without_plots_is_left_out_and_an_odd_half_is_as_wide_as_the_page() -> None:
    text = page(content())
    assert "<h2>Nothing</h2>" not in text
    assert [text.count('<figure class="wide">'), text.count("<figure>")] == [1, 2]


def test_the_same_run_gives_the_same_page() -> None:
    assert page(content()) == page(content())
