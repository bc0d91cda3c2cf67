"""sweep.html and sweep.csv: all of the study, and nothing that a text in it could do."""

from __future__ import annotations

import csv
import io
import json
import os
import pathlib
import re

import pytest
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from trainer.launch.study.parameter import Kind, Parameter, Scale
from trainer.launch.study.study import Goal, Study
from trainer.launch.sweep import best_report, losses
from trainer.launch.sweep import page as sweep_page
from trainer.launch.sweep import results as sweep_results
from trainer.launch.sweep.evaluations import Evaluation
from trainer.launch.sweep.trial_records import Outcome, TrialRecord

EVIL = "</script><img src=x onerror=alert(1)>&"
STUDY = Study(
    goal=Goal.MINIMIZE,
    metric="rmse",
    parameters=(
        Parameter(name="model", kind=Kind.CATEGORICAL, values=(EVIL, "b")),
        Parameter(name="rate", kind=Kind.DOUBLE, minimum=0.001, maximum=0.3, scale=Scale.LOG),
        Parameter(name="units", kind=Kind.INTEGER, minimum=2, maximum=5, parent="model", parent_values=("b",)),
    ),
    max_trials=3,
)
TRIALS = [
    TrialRecord(
        number=1,
        assignment={"model": EVIL, "rate": 0.02},
        outcome=Outcome.DONE,
        value=0.5,
        evaluations=(Evaluation(step=5, value=float("nan"), secs=1.0), Evaluation(step=10, value=0.5, secs=2.0)),
        started_at=0.0,
        secs=2.0,
    ),
    TrialRecord(
        number=2,
        assignment={"model": "b", "rate": 0.3, "units": 2},
        outcome=Outcome.FAILED,
        reason=EVIL,
        log_tail=(EVIL,),
        started_at=0.0,
        secs=1.0,
    ),
    TrialRecord(number=3, assignment={"model": "b", "rate": 0.001, "units": 5}, started_at=0.0),
]


def drawn(directory: pathlib.Path = pathlib.Path("no such study")) -> str:
    importance = {"rate": 0.75, "model": 0.25}
    return sweep_page.page(
        STUDY, TRIALS, best=TRIALS[0], importance=importance, command=f"x {EVIL}", directory=directory
    )


def content(page: str) -> dict[str, object]:
    (text,) = re.findall(r'<script type="application/json" id="study">(.*)</script>', page)
    data: dict[str, object] = json.loads(text)
    return data


def test_texts_stay_data() -> None:
    page = drawn()
    assert EVIL not in page and "<img" not in page
    assert page.count("</script>") == 2
    data = content(page)
    assert data["command"] == f"x {EVIL}"
    assert data["trials"][1]["reason"] == EVIL  # type: ignore[index]


def test_the_page_needs_no_network() -> None:
    page = drawn().replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"https?:|//[a-z]|@import|url\(|src=|<link", page.partition('id="study"')[0])
    assert "default-src 'none'" in page


def test_every_trial_is_in_it_with_its_place_on_each_axis() -> None:
    data = content(drawn())
    one, two, three = data["trials"]  # type: ignore[misc]
    assert one["curve"] == [[5, None], [10, 0.5]] and one["state"] == "done"
    assert one["places"]["model"] == 0.25 and "units" not in one["places"]
    assert two["value"] is None and two["log"] == [EVIL]
    assert three["state"] == "under way" and three["secs"] is None
    assert data["best"] == 1 and data["importance"] == {"rate": 0.75, "model": 0.25}


def test_axes_are_marked_with_few_digits() -> None:
    axes = {axis["name"]: axis["marks"] for axis in content(drawn())["parameters"]}  # type: ignore[attr-defined]
    assert [text for _, text in axes["rate"]] == ["0.001", "0.004", "0.02", "0.07", "0.3"]
    assert [text for _, text in axes["units"]] == ["2", "3", "4", "5"]
    assert axes["model"] == [[0.25, EVIL], [0.75, "b"]]
    assert all(0 <= place <= 1 for marks in axes.values() for place, _ in marks)


def test_the_table_has_a_row_for_each_trial() -> None:
    rows = list(csv.DictReader(io.StringIO(sweep_results.table(STUDY, TRIALS))))
    assert [row["trial"] for row in rows] == ["1", "2", "3"]
    assert rows[0] | {"reason": ""} == {
        "trial": "1",
        "state": "done",
        "rmse": "0.5",
        "model": EVIL,
        "rate": "0.02",
        "units": "",
        "step": "10",
        "evaluations": "2",
        "seconds": "2.000",
        "reason": "",
    }
    assert (rows[1]["rmse"], rows[1]["reason"], rows[2]["state"]) == ("", EVIL, "under way")


def test_the_command_trains_the_best_trial_into_a_folder_of_its_own(tmp_path: pathlib.Path) -> None:
    command = sweep_results.train_command(STUDY, TRIALS[1], ["--train_steps=5"], tmp_path, "trainer.task")
    assert command.endswith(
        f" -m trainer.task --output_dir={tmp_path}/best --train_steps=5 --model=b --rate=0.3 --units=2"
    )


def test_the_end_names_the_best_trial_and_its_export(tmp_path: pathlib.Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "summary.json").write_text('{"export_dir": "here/export"}')
    text = sweep_results.closing(STUDY, TRIALS, tmp_path, "python -m trainer.task")
    assert "1 done, 1 failed, 1 under way" in text
    assert "trial 1: rmse 0.5" in text and "here/export" in text
    assert str(tmp_path / "sweep.html") in text and str(tmp_path / "sweep.csv") in text
    assert "  python -m trainer.task\n" in text


def test_the_report_of_the_best_trial_is_drawn_where_it_lacks_one_and_has_ended(tmp_path: pathlib.Path) -> None:
    assert not best_report.is_due(tmp_path, None) and not best_report.is_due(tmp_path, True)
    (tmp_path / "summary.json").write_text("{}")
    assert best_report.is_due(tmp_path, None) and not best_report.is_due(tmp_path, False)
    (tmp_path / "report.html").write_text("<html>")
    assert not best_report.is_due(tmp_path, True)


@pytest.mark.process
def test_a_report_that_cannot_be_drawn_is_told_in_a_line(tmp_path: pathlib.Path) -> None:
    told = best_report.draw(tmp_path, os.environ, tmp_path / "report.log")
    assert told is not None and f"{tmp_path} has no summary.json" in told and "report.log" in told


@pytest.mark.parametrize("trials", [[], TRIALS[1:]])
def test_a_study_without_a_result_has_a_page_too(trials: list[TrialRecord], tmp_path: pathlib.Path) -> None:
    page = sweep_page.page(STUDY, trials, best=None, importance={}, command=None, directory=pathlib.Path("nowhere"))
    assert content(page)["best"] is None
    assert "best" not in sweep_results.closing(STUDY, trials, tmp_path, None)


def test_a_trial_has_its_losses_and_a_link_to_its_report(tmp_path: pathlib.Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "report.html").write_text("<html>")
    writer = EventFileWriter(str(tmp_path / "1"))
    for step in range(1, 1001):
        value = summary_pb2.Summary.Value(tag="loss", simple_value=1000.0 / step)
        writer.add_event(event_pb2.Event(step=step, summary=summary_pb2.Summary(value=[value])))
    writer.close()
    first, second, _ = content(drawn(tmp_path))["trials"]  # type: ignore[misc]
    assert (first["report"], second["report"], second["losses"]) == ("1/report.html", None, [])
    assert len(first["losses"]) == 200
    assert (first["losses"][0], first["losses"][-1]) == ([1, 1000.0], [1000, 1.0])


def test_a_damaged_event_file_gives_what_can_be_read(tmp_path: pathlib.Path) -> None:
    (tmp_path / "events.out.tfevents.1").write_bytes(b"no events at all")
    assert losses.of(tmp_path) == []
