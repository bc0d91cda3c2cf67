"""What the doctor finds, and the fixes that it names."""

from __future__ import annotations

import json
import pathlib
import socket
import sys

import pytest

from trainer.job.cluster import from_environment
from trainer.job.findings import Finding, Level
from trainer.job.hosts import Answer, Reached
from trainer.launch.doctor import doctor, report
from trainer.launch.doctor.options import DoctorOptions


def tf_config(task_type: str, index: int = 0, **jobs: list[str]) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": jobs, "task": {"type": task_type, "index": index}})}


def findings(environ: dict[str, str], options: DoctorOptions | None = None) -> dict[str, Finding]:
    """The last finding of each subject."""
    return {str(found.where): found for found in doctor.examine(options or DoctorOptions(), environ)}


def test_a_machine_without_a_cluster_trains_in_one_process(capsys: pytest.CaptureFixture[str]) -> None:
    assert doctor.main(["--nodevices"]) == 0
    shown = capsys.readouterr().out
    assert "worker 0 of a job in one process" in shown
    assert "train, save, evaluate and export, all in this process" in shown
    assert "keras 3" in shown
    assert shown.endswith("All is well.\n")


@pytest.mark.parametrize(
    ("task_type", "jobs", "role", "work"),
    [
        (
            "chief",
            ("worker", "ps"),
            "chief 0 of a parameter-server job (chief, 1 workers, 1 ps)",
            "coordinate the workers",
        ),
        ("worker", ("worker", "ps"), "worker 0 of a parameter-server job", "train as the chief directs"),
        ("ps", ("worker", "ps"), "ps 0 of a parameter-server job", "keep its share of the variables"),
        (
            "chief",
            ("worker",),
            "chief 0 of a synchronous job (chief, 1 workers)",
            "train in step with the workers, save, ev",
        ),
        ("worker", ("worker",), "worker 0 of a synchronous job", "train in step with the chief"),
        (
            "evaluator",
            ("worker",),
            "evaluator 0 of a job whose other processes run elsewhere",
            "evaluate and export each checkpoint",
        ),
        ("chief", ("evaluator",), "chief 0 of a job in one process", "train and save"),
    ],
)
def test_each_role_says_what_it_would_do(task_type: str, jobs: tuple[str, ...], role: str, work: str) -> None:
    addresses = {job: [f"{job}-0.invalid:2222"] for job in ("chief", *jobs)}
    task = from_environment(tf_config(task_type, **addresses))
    found = {str(finding.where): finding for finding in doctor.roles(task, separate_evaluator=False)}
    assert found["role"].got.startswith(role)
    assert found["would"].got.startswith(work)


def test_with_an_evaluator_elsewhere_the_chief_only_saves() -> None:
    task = from_environment(tf_config("chief", chief=["c:1"], worker=["w:1"]))
    found = {str(finding.where): finding for finding in doctor.roles(task, separate_evaluator=True)}
    assert found["would"].got == "train in step with the workers, save"


def test_neighbours_that_listen_are_fine_and_others_are_named_with_a_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as closed, socket.socket() as own:
        for bound in (closed, own):
            bound.bind(("127.0.0.1", 0))
        chief, worker, ps = (f"127.0.0.1:{sock.getsockname()[1]}" for sock in (own, server, closed))
        monkeypatch.setenv("TF_CONFIG", tf_config("chief", chief=[chief], worker=[worker], ps=[ps])["TF_CONFIG"])
        assert doctor.main(["--nodevices"]) == 2
        shown = capsys.readouterr().out
    assert f"ok    worker 0      {worker}: listens" in shown
    assert f"ERROR ps 0          {ps}: no process listens there\n" in shown
    assert "fix: Start ps 0 there, or read its log" in shown
    assert f"note  own port      {chief.partition(':')[2]} is taken here" in shown
    assert "1 of " in shown and "findings are errors" in shown


@pytest.mark.parametrize(
    ("answer", "fix"),
    [
        (Answer.UNKNOWN, "Correct the name"),
        (Answer.SILENT, "Open the port in the firewall"),
        (Answer.FAILED, "Check that this machine has a route there"),
    ],
)
def test_each_silence_has_its_fix(answer: Answer, fix: str) -> None:
    found = doctor.reachability("ps 0", Reached(address="ps-0:2222", answer=answer))
    assert found.level is Level.ERROR and found.do is not None and found.do.startswith(fix)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"TF_CONFIG": "{"}, "TF_CONFIG is not valid JSON"),
        (tf_config("chief", chief=["c"]), "TF_CONFIG: cluster.chief[0] is 'c'"),
        (tf_config("worker", 3, chief=["c:1"], worker=["w:1"]), "task is worker 3, which is not in the cluster"),
    ],
)
def test_a_wrong_environment_is_named_with_its_fix(environ: dict[str, str], told: str) -> None:
    found = findings(environ)["cluster"]
    assert found.level is Level.ERROR and told in found.got and found.do


def test_parameter_servers_without_a_worker_are_wrong() -> None:
    task = from_environment(tf_config("ps", chief=["c:1"], ps=["p:1"]))
    found = list(doctor.roles(task, separate_evaluator=False))[-1]
    assert (found.level, found.do) == (Level.ERROR, "List workers, or drop ps")


def test_a_loopback_address_among_other_machines_is_wrong() -> None:
    task = from_environment(tf_config("chief", chief=["localhost:1"], worker=["w:1"]))
    found = list(doctor.roles(task, separate_evaluator=False))[-1]
    assert found.level is Level.ERROR
    assert found.got == "localhost among hosts of other machines, which cannot reach it"


def test_an_evaluator_asks_nobody() -> None:
    task = from_environment(tf_config("evaluator", chief=["c.invalid:1"], worker=["w.invalid:1"]))
    assert list(doctor.neighbours(task)) == list(doctor.own_address(task)) == []


def test_the_output_directory_is_looked_at(tmp_path: pathlib.Path) -> None:
    def found(output_dir: str | None, environ: dict[str, str] | None = None) -> list[tuple[Level, str]]:
        return [(finding.level, finding.got) for finding in doctor.output(output_dir, environ or {})]

    assert found(None) == []
    assert found(str(tmp_path / "new"))[0][1].startswith(f"{tmp_path / 'new'}: ")
    (tmp_path / "file").touch()
    assert found(str(tmp_path / "file" / "run")) == [(Level.ERROR, f"{tmp_path / 'file'} is not a directory")]
    # in which nobody makes files, whatever its permissions say
    assert found("/proc/run") == [(Level.ERROR, "/proc is not writable: No such file or directory")]


def test_a_finding_is_a_line_and_its_fix_another() -> None:
    assert report.row(Finding(level=Level.OK, where="cores", got="2")) == "ok    cores         2"
    wrong = Finding(where="ps 0", got="h:1: no such host", do="Correct the name")
    assert report.row(wrong) == "ERROR ps 0          h:1: no such host\n" + " " * 20 + "fix: Correct the name"


@pytest.mark.parametrize(
    ("wheels", "count"), [({"tensorflow": "2.21.0"}, 0), ({"tensorflow": "2.21.0", "tensorflow_cpu": "2.21.1"}, 1)]
)
def test_a_mixture_of_both_wheels_is_an_error_with_its_repair(
    wheels: dict[str, str], count: int, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in wheels.items():
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name.replace('_', '-')}\nVersion: {version}\n")
    installed = [path for path in sys.path if not list(pathlib.Path(path).glob("tensorflow*.dist-info"))]
    monkeypatch.setattr(sys, "path", [str(tmp_path), *installed])
    told = [found for found in doctor.versions() if found.where == "tensorflow"]
    assert len(told) == count
    for found in told:
        assert found.level is Level.ERROR
        assert found.got == "tensorflow 2.21.0 and tensorflow-cpu 2.21.1, which overwrite each other's files"
        assert found.do is not None and "pip uninstall -y tensorflow tensorflow-cpu, then pip install" in found.do
