"""Lines of a log as JSON objects: of records, of what is printed, and of several processes together."""

from __future__ import annotations

import io
import json
import logging
import sys
from typing import Any

import pytest

from trainer.job import json_log, logs
from trainer.job.json_log import LABELS, PLACE, JsonHandler, JsonStream


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_record_has_severity_message_time_place_labels_and_its_own_fields() -> None:
    written = io.StringIO()
    stream = JsonStream(written)
    stream.labels = {"role": "worker", "task": "1"}
    log = logging.Logger("trainer.of_this_test")
    log.addHandler(JsonHandler(stream))
    log.warning("%d steps\nin two lines", 3, extra={"fields": {"metrics": {"rmse": float("nan"), "mae": 0.5}}})
    (found,) = objects(written.getvalue())
    assert found["severity"] == "WARNING"
    assert found["message"] == "3 steps\nin two lines"
    assert found["time"].endswith("Z") and "T" in found["time"]
    assert found[LABELS] == {"role": "worker", "task": "1"}
    assert found[PLACE]["file"] == __file__ and found[PLACE]["line"].isdigit()
    assert found["metrics"] == {"rmse": None, "mae": 0.5}


def test_an_exception_is_in_the_message_of_its_record() -> None:
    written = io.StringIO()
    log = logging.Logger("trainer.of_this_test")
    log.addHandler(JsonHandler(JsonStream(written)))
    try:
        raise ValueError("no such thing")
    except ValueError:
        log.exception("It failed")
    (found,) = objects(written.getvalue())
    assert found["severity"] == "ERROR"
    assert found["message"].startswith("It failed\nTraceback") and found["message"].endswith(
        "ValueError: no such thing"
    )


def test_what_is_printed_is_an_object_for_each_text(capsys: pytest.CaptureFixture[str]) -> None:
    with logs.printed_as(["--log_format=json"]):
        print("a table\nof two lines\n")
        print("trainer.task: No such file", file=sys.stderr)
        print("x.py:3: UserWarning: careful", file=sys.stderr)
        sys.stderr.write("without an end")
    printed, errors = capsys.readouterr()
    assert [(one["severity"], one["message"]) for one in objects(printed)] == [("INFO", "a table\nof two lines")]
    assert [one["severity"] for one in objects(errors)] == ["ERROR", "WARNING", "INFO"]
    assert objects(errors)[2]["message"] == "without an end"
    print("as ever")
    assert capsys.readouterr().out == "as ever\n"


@pytest.mark.parametrize("argv", [[], ["--log_format=text"], ["--log_format=xml"], ["--flagfile=no/such/file"]])
def test_otherwise_what_is_printed_stays_text(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with logs.printed_as(argv):
        print("plain")
    assert capsys.readouterr().out == "plain\n"


def test_figures_are_said_beside_their_text() -> None:
    plain, written = io.StringIO(), io.StringIO()
    json_log.say("step 5", plain, {"step": 5})
    json_log.say("step 5", JsonStream(written), {"step": 5})  # type: ignore[arg-type]
    assert plain.getvalue() == "step 5\n"
    (found,) = objects(written.getvalue())
    assert (found["message"], found["step"]) == ("step 5", 5)


def test_lines_of_several_processes_say_whose_they_are() -> None:
    of_worker = json_log.render("INFO", "hello", {"role": "worker"}, {"step": 3})
    found = json.loads(json_log.merged(of_worker, "worker:0"))
    assert (found["message"], found["step"], found[LABELS]) == ("hello", 3, {"role": "worker", "process": "worker:0"})
    for text in ("from C++", '{"not": "ours"}', "{broken"):
        found = json.loads(json_log.merged(text, "ps:0"))
        assert (found["severity"], found["message"], found[LABELS]) == ("INFO", text, {"process": "ps:0"})


def test_secrets_stay_hidden() -> None:
    assert "hunter2" not in json_log.render("INFO", "https://me:hunter2@example.org/x", {}, {})
