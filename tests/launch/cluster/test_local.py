"""A whole job of real processes: what is restarted, who ends whom, and that nobody is left."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.launch.conftest import Launch, assert_gone, await_end

pytestmark = pytest.mark.process
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the kernel of this system does not tell children")


def said(text: str, name: str) -> list[str]:
    """The lines of one process, without its name."""
    return re.findall(rf"^{name} +\| (.*)$", text, re.MULTILINE)


def test_every_process_gets_its_place_and_the_chief_ends_the_job(launch: Launch) -> None:
    job = launch(
        "--worker=2",
        "--ps=1",
        "--evaluator=1",
        fifos=("go",),
        chief="env:TF_CONFIG,listen,argv,wait:go,meet:worker:0,meet:worker:1,meet:ps:0,exit:0",
        worker="env:TF_CONFIG,listen,say:ready,forever",
        ps="env:TF_CONFIG,listen,say:ready,forever",
        evaluator="env:TF_CONFIG,say:ready,exit:0",
    )
    for _ in range(4):
        job.until(r"\| ready$")
    job.let("go")
    assert job.end() == 0
    assert_gone(job.pids)
    clusters = {}
    for name in ("chief:0", "worker:0", "worker:1", "ps:0", "evaluator:0"):
        config = json.loads(said(job.text, name)[0].removeprefix("TF_CONFIG="))
        assert f"{config['task']['type']}:{config['task']['index']}" == name
        clusters[name] = config["cluster"]
    assert all(spec == clusters["chief:0"] for spec in clusters.values())
    assert {job: len(nodes) for job, nodes in clusters["chief:0"].items()} == {"chief": 1, "worker": 2, "ps": 1}
    assert said(job.text, "chief:0")[2].endswith("--separate_evaluator")
    assert said(job.text, "chief:0")[3:] == ["met worker:0", "met worker:1", "met ps:0"]
    assert re.search(r"launch +\| +\d+\.\d s  chief:0 ended with 0 after \d+\.\d s: training is done", job.text)
    assert job.text.endswith("the job ended with 0\n")


def test_a_killed_process_is_restarted_in_its_place(launch: Launch) -> None:
    job = launch("--ps=1", fifos=("go",), chief="wait:go,meet:worker:0,exit:0", worker="env:TF_CONFIG,listen,forever")
    pid = job.pid_of("worker:0")
    first = job.until("TF_CONFIG=.*")[0]
    job.until(r"\| listening$")
    os.kill(pid, signal.SIGKILL)
    job.until(r"worker:0 was killed by SIGKILL after .* s: restart 1 of 3")
    assert job.pid_of("worker:0", "restarted") != pid
    assert job.until("TF_CONFIG=.*")[0] == first
    job.until(r"\| listening$")
    job.let("go")
    assert job.end() == 0
    assert "met worker:0" in job.text
    assert_gone(job.pids)


def test_a_chief_that_asks_for_it_is_restarted(launch: Launch) -> None:
    job = launch("--worker=0", chief="once:exit:143,say:again,exit:0")
    assert job.end() == 0
    assert "chief:0 ended with 143 after" in job.text
    assert said(job.text, "chief:0") == ["again"]


def test_a_chief_that_dies_for_good_ends_the_job_with_its_code(launch: Launch) -> None:
    job = launch("--ps=1", "--max_restarts=1", chief="exit:1", worker="forever", ps="forever")
    assert job.end() == 1
    assert job.text.count("chief:0 ended with 1") == 2
    assert "restart 1 of 1" in job.text and "restart 2" not in job.text
    assert_gone(job.pids)


def test_a_worker_that_dies_for_good_ends_the_job(launch: Launch) -> None:
    job = launch("--max_restarts=0", chief="forever", worker="exit:1")
    assert job.end() == 1
    assert "worker:0 ended with 1 after" in job.text and "s: ending the job" in job.text


@pytest.mark.parametrize("role", ["chief", "worker", "evaluator"])
def test_wrong_usage_in_one_process_ends_the_job_with_2(launch: Launch, role: str) -> None:
    acts = {"chief": "forever", "worker": "forever", "evaluator": "forever", role: "say:wrong,exit:2"}
    job = launch("--evaluator=1", **acts)
    assert job.end() == 2
    assert f"{role}:0 ended with 2" in job.text and "restart" not in job.text
    assert said(job.text, f"{role}:0") == ["wrong"]
    assert_gone(job.pids)


def test_the_evaluator_outlives_the_chief_even_when_killed(launch: Launch) -> None:
    job = launch("--evaluator=1", "--worker=0", fifos=("go",), chief="exit:0", evaluator="wait:go,say:evaluated,exit:0")
    pid = job.pid_of("evaluator:0")
    job.until("training is done")
    os.kill(pid, signal.SIGKILL)
    job.pid_of("evaluator:0", "restarted")
    job.let("go")
    assert job.end() == 0
    assert said(job.text, "evaluator:0") == ["evaluated"]


def test_an_evaluator_that_never_ends_is_ended(launch: Launch) -> None:
    job = launch(
        "--evaluator=1",
        "--worker=0",
        "--last_evaluation_secs=0.1",
        fifos=("go",),
        chief="wait:go,exit:0",
        evaluator="on_term:say:stopped+exit:143,say:ready,forever",
    )
    job.until(r"\| ready$")
    job.let("go")
    assert job.end() == 0
    assert "evaluator:0 is still running 0.1 s after training: SIGTERM" in job.text
    assert "restarted" not in job.text
    assert said(job.text, "evaluator:0") == ["ready", "stopped"]


def test_who_ignores_sigterm_is_killed_after_the_grace(launch: Launch) -> None:
    job = launch(
        "--ps=1",
        "--grace=0.2",
        fifos=("go",),
        chief="wait:go,exit:0",
        worker="forever",
        ps="on_term:say:no,say:ready,forever",
    )
    job.until(r"\| ready$")
    job.let("go")
    assert job.end() == 0
    assert said(job.text, "ps:0") == ["ready", "no"]
    assert "ps:0 is still running 0.2 s after SIGTERM: SIGKILL" in job.text
    assert "restarted" not in job.text
    assert_gone(job.pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_and_lets_the_chief_save_first(launch: Launch, number: signal.Signals) -> None:
    job = launch(
        "--ps=1",
        chief="on_term:meet:ps:0+say:saved+exit:143,say:ready,forever",
        worker="say:ready,forever",
        ps="listen,say:ready,forever",
    )
    for _ in range(3):
        job.until(r"\| ready$")
    job.send(number)
    assert job.end() == 143
    assert f"{number.name}: ending all processes" in job.text
    assert said(job.text, "chief:0") == ["ready", "met ps:0", "saved"]
    assert "restarted" not in job.text
    assert_gone(job.pids)


def test_a_second_signal_drops_no_save_and_says_how_long_it_may_take(launch: Launch, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    job = launch("--worker=0", chief=f"on_term:say:saving+wait:{tmp_path / 'go'}+say:saved+exit:143,say:ready,forever")
    job.until(r"\| ready$")
    job.send(signal.SIGINT)
    job.until(r"\| saving")
    job.send(signal.SIGINT)
    job.until(r"processes are saving, for \d+ s more at most; kill -9 \d+ would not wait")
    (tmp_path / "go").write_text("\n")
    assert job.end() == 143
    assert said(job.text, "chief:0") == ["ready", "saving", "saved"]
    assert_gone(job.pids)


@linux_only
def test_no_process_outlives_a_launcher_that_is_killed(launch: Launch) -> None:
    job = launch("--worker=2", chief="say:ready,forever", worker="on_term:say:no,say:ready,forever")
    for _ in range(3):
        job.until(r"\| ready$")
    job.send(signal.SIGKILL)
    job.end()
    assert len(job.pids) == 3
    await_end(job.pids)


@linux_only
def test_what_a_process_leaves_behind_is_ended(launch: Launch) -> None:
    job = launch("--worker=0", chief="spawn,exit:0")
    left = int(job.until(r"left (\d+)")[1])
    assert job.end() == 0
    await_end([left])


def test_a_port_that_is_taken_makes_the_job_move(launch: Launch) -> None:
    job = launch("--ps=1", fifos=("go",), chief="wait:go,exit:0", worker="once:taken,listen,forever", ps="forever")
    taken = job.until(r"worker:0 found (\S+) in use: restarting all on other ports")[1]
    job.until(r"\| listening$")
    job.let("go")
    assert job.end() == 0
    addresses = re.findall(r"started \(process \d+, (\S+)\)", job.text)
    assert len(addresses) == len(set(addresses)) == 6
    assert addresses[1] == taken
    assert_gone(job.pids)


def test_faults_are_injected_once_and_the_unreached_are_reported(launch: Launch) -> None:
    job = launch(
        "--kill=worker:0@0.1s",
        "--kill=chief:0@0.2s:TERM,worker:1@999s",
        "--worker=2",
        "--ps=1",
        fifos=("go",),
        chief="on_term:exit:143,say:ready,wait:go,exit:0",
        worker="forever",
        ps="forever",
    )
    restarted = {job.until(r"(\S+) restarted")[1], job.until(r"(\S+) restarted")[1]}
    assert restarted == {"worker:0", "chief:0"}
    job.let("go")
    assert job.end() == 0
    assert job.text.count("worker:0 gets SIGKILL (--kill=worker:0@0.1s)") == 1
    assert job.text.count("chief:0 gets SIGTERM (--kill=chief:0@0.2s:TERM)") == 1
    assert "--kill=worker:1@999s: the job ended before" in job.text


def test_a_job_whose_output_nobody_reads_ends(launch: Launch) -> None:
    job = launch("--worker=0", fifos=("go",), chief="say:ready,wait:go,say:more,forever")
    pid = job.pid_of("chief:0")
    job.until(r"\| ready$")
    job.output.close()
    job.let("go")
    await_end([pid])
