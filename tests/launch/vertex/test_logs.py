"""Log lines of a job, from a server that answers as Cloud Logging does."""

from __future__ import annotations

import pytest

from tests.launch.vertex.test_client import client_of
from tests.launch.vertex.test_submit import NAME, ONE, WHERE, services, submit
from tests.vertex.fixtures import vertex_service  # noqa: F401
from tests.vertex.server import Fault, VertexService
from trainer.launch import __main__ as launcher
from trainer.launch.vertex.logs import JobLogs
from trainer.launch.vertex.service import LOGGING

START = "2026-01-02T03:04:05.000000000Z"


def logs_of(service: VertexService) -> JobLogs:
    rest = client_of(service).rest
    return JobLogs(rest.elsewhere(rest.at.of(LOGGING, service.endpoint)), "1000", START)


def texts(logs: JobLogs) -> list[str]:
    return [str(line) for line in logs.new_lines()]


def test_each_line_is_given_once_in_the_order_of_time_and_with_who_said_it(
    vertex_service: VertexService,  # noqa: F811
) -> None:
    say = vertex_service.log.say
    say("1000", "workerpool1-2", "second\nthird", at="2026-01-02T03:04:07.5Z")
    say("1000", "service", "first", at="2026-01-02T03:04:06.25Z", plain=True)
    say("999", "workerpool0-0", "of another job", at="2026-01-02T03:04:06.0Z")
    say("1000", "workerpool0-0", "of an earlier life", at="2026-01-02T03:00:00.0Z")
    logs = logs_of(vertex_service)
    assert texts(logs) == ["service     | first", "worker:2    | second", "worker:2    | third"]
    assert texts(logs) == []
    say("1000", "workerpool3-0", "fourth", at="2026-01-02T03:04:08.0Z", trial="7")
    assert texts(logs) == ["trial 7 evaluator:0 | fourth"]


def test_a_line_that_arrives_late_is_not_lost(vertex_service: VertexService) -> None:  # noqa: F811
    logs = logs_of(vertex_service)
    vertex_service.log.say("1000", "workerpool0-0", "newest", at="2026-01-02T03:05:00.0Z")
    assert texts(logs) == ["chief:0     | newest"]
    vertex_service.log.say("1000", "workerpool1-0", "older", at="2026-01-02T03:04:30.0Z")
    assert texts(logs) == ["worker:0    | older"]


def test_more_lines_than_an_answer_holds_come_page_by_page(vertex_service: VertexService) -> None:  # noqa: F811
    vertex_service.log.page_size = 3
    for number in range(10):
        vertex_service.log.say("1000", "workerpool0-0", str(number), at=f"2026-01-02T03:04:{10 + number}.0Z")
    assert texts(logs_of(vertex_service)) == [f"chief:0     | {number}" for number in range(10)]
    assert len(vertex_service.received) == 4


def test_waiting_shows_what_the_replicas_say(
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    vertex_service.log.say("1000", "workerpool0-0", "step 1/10")
    assert submit(*ONE, *services(vertex_service), "--wait", "--poll_secs=0.01") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2] == "chief:0     | step 1/10" and lines[-1].endswith("succeeded")


def test_a_job_of_which_no_logs_may_be_read_is_followed_without(
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    vertex_service.refused_paths = ("/v2/",)
    assert submit(*ONE, *services(vertex_service), "--wait", "--poll_secs=0.01") == 0
    out = capsys.readouterr().out
    assert out.count("without log lines: Not allowed") == 1 and "the role roles/logging.viewer in project" in out
    assert out.rstrip().endswith("succeeded")


def test_trouble_of_logging_that_passes_is_not_told(
    vertex_service: VertexService,  # noqa: F811
) -> None:
    logs = logs_of(vertex_service)
    vertex_service.log.say("1000", "workerpool0-0", "here")
    vertex_service.faults = [Fault(status=503), Fault()]
    assert texts(logs) == ["chief:0     | here"]


def test_logs_are_read_and_followed_by_the_job_s_name(
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    at = services(vertex_service)
    assert submit(*ONE, *at) == 0
    capsys.readouterr()
    assert launcher.main(["logs", "vertex", "1000", *WHERE, *at]) == 0
    assert "pending; machines are being provisioned" in (err := capsys.readouterr().err)
    assert "nothing was said yet; --follow waits for it" in err
    for text in ("hello", "again"):
        vertex_service.log.say("1000", "workerpool0-0", text)
    assert launcher.main(["logs", "vertex", NAME, *at]) == 0
    assert capsys.readouterr().out == "chief:0     | hello\nchief:0     | again\n"
    assert launcher.main(["logs", "vertex", NAME, *at, "--follow", "--tail=1", "--poll_secs=0.01"]) == 0
    said = capsys.readouterr().out
    assert "| again\n" in said and "hello" not in said and said.endswith("succeeded\n")


@pytest.mark.parametrize(
    ("state", "told"),
    [("JOB_STATE_QUEUED", "quota of custom training"), ("JOB_STATE_PENDING", "machines are being provisioned")],
)
def test_a_job_that_waits_says_why(
    state: str,
    told: str,
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    at = services(vertex_service)
    vertex_service.jobs.life = (state,)
    assert submit(*ONE, *at) == 0
    assert launcher.main(["status", "vertex", NAME, *at]) == 0
    assert told in capsys.readouterr().out
    vertex_service.log.say("1000", "service", "No A100 in us-central1-a; waiting", plain=True)
    assert launcher.main(["status", "vertex", NAME, *at]) == 0
    assert "No A100 in us-central1-a; waiting" in capsys.readouterr().out


def test_the_newest_jobs_are_listed(
    vertex_service: VertexService,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    at = services(vertex_service)
    vertex_service.jobs.page_size = 2
    for number in range(5):
        assert submit(*WHERE, "--image=a/b:1", f"--output_dir=gs://my-bucket/{number}", f"--name=n{number}", *at) == 0
    capsys.readouterr()
    assert launcher.main(["list", "vertex", *WHERE, *at, "--limit=4"]) == 0
    heads, *rows = capsys.readouterr().out.splitlines()
    assert heads.split() == ["NUMBER", "NAME", "STATE", "SUBMITTED", "(UTC)", "OUTPUT"]
    assert [(row.split()[0], row.split()[-1]) for row in rows] == [
        (str(1000 + number), f"gs://my-bucket/{number}") for number in (4, 3, 2, 1)
    ]
