"""`python -m trainer.serve` as a process: new exports under load, an end without a lost request, wrong usage."""

from __future__ import annotations

import concurrent.futures
import logging
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.exported import small_model
from tests.launched import Launched
from trainer import serve
from trainer.serving import settings
from trainer.serving.settings import ServeOptions
from trainer.serving.versions import Versions

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def model_dir(tmp_path: pathlib.Path) -> pathlib.Path:
    """A run's directory with an export."""
    (tmp_path / "export" / "latest").mkdir(parents=True)
    small_model.write(tmp_path / "export" / "latest" / "1700000000", weight=1.0)
    return tmp_path


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was logged as a warning or worse, whatever else another test has let be logged."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


# Versions.


def test_a_newer_export_replaces_the_one_that_is_served(model_dir: pathlib.Path) -> None:
    told: list[tuple[int, bool]] = []
    versions = Versions(str(model_dir), lambda version, went_well: told.append((version, went_well)))
    versions.begin()
    first = versions.served
    versions.look()
    assert versions.served is first
    small_model.write(model_dir / "export" / "latest" / "1700000001", weight=2.0)
    versions.look()
    versions.look()
    assert versions.served is not None and versions.served.export.version == 1700000001
    assert told == [(1700000000, True), (1700000001, True)]


def test_an_export_is_not_read_while_its_files_still_come(
    model_dir: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    versions = Versions(str(model_dir))
    versions.begin()
    whole = model_dir / "export" / "latest" / "1700000000"
    half = model_dir / "export" / "latest" / "1700000009"
    half.mkdir()
    shutil.copy(whole / "saved_model.pb", half)
    versions.look()  # it may be whole the next time
    shutil.copytree(whole / "variables", half / "variables")
    versions.look()  # its files are others than before
    assert versions.served is not None and versions.served.export.version == 1700000000
    assert not warnings_in(caplog)
    versions.look()
    assert versions.served.export.version == 1700000009


def test_a_damaged_export_is_said_once_and_tried_again_when_it_changes(
    model_dir: pathlib.Path, caplog: pytest.LogCaptureFixture
) -> None:
    versions = Versions(str(model_dir))
    versions.begin()
    damaged = model_dir / "export" / "latest" / "1700000009"
    damaged.mkdir()
    (damaged / "saved_model.pb").write_bytes(b"\xff")
    for _ in range(4):
        versions.look()
    (warning,) = warnings_in(caplog)
    assert warning.startswith("Version 1700000009 is not served")
    shutil.rmtree(damaged)
    small_model.write(damaged)
    versions.look()
    versions.look()
    assert versions.served is not None and versions.served.export.version == 1700000009


# The process.


@pytest.fixture
def served(
    model_dir: pathlib.Path, forking_python: pathlib.Path, request: pytest.FixtureRequest
) -> Iterator[tuple[Launched, str]]:
    """A server with the flags of the parameter, and its address."""
    flags = [f"--model_dir={model_dir}", "--port=0", "--poll_secs=0.1", *getattr(request, "param", ())]
    program = {"module": "trainer.serve", "own_python": forking_python}
    server = Launched(flags, cwd=ROOT, environ=os.environ, secs=300, **program)
    address = server.until(r"at (http://127\.0\.0\.1:\d+)/v1/models/model")[1]
    server.until("is served, from")
    yield server, address
    server.close()


@pytest.mark.process
def test_no_request_is_lost_when_a_new_export_comes(served: tuple[Launched, str], model_dir: pathlib.Path) -> None:
    _, address = served
    newer_is_seen = threading.Event()
    found: list[tuple[int, list[float]]] = []
    body = {"signature_name": "csv:serving_default", "instances": ["1,0,0"]}

    def ask_until_newer(_: int) -> int:
        asked = 0
        with httpx.Client(base_url=address, timeout=60) as client:
            while not newer_is_seen.is_set():
                answer = client.post("/v1/models/model:predict", json=body)
                found.append((answer.status_code, answer.json().get("predictions")))
                asked += 1
                if found[-1][1] == [3.0]:
                    newer_is_seen.set()
        return asked

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask_until_newer, number) for number in range(4)]
        small_model.write(model_dir / "export" / "latest" / "1700000001", weight=2.0)
        total = sum(each.result() for each in asking)
    assert len(found) == total
    assert {status for status, _ in found} == {200}
    assert {tuple(values) for _, values in found} <= {(2.0,), (3.0,)}


@pytest.mark.process
@pytest.mark.parametrize("served", [["--batch_wait_ms=3000"]], indirect=True)
def test_requests_that_wait_when_the_server_is_asked_to_end_are_answered(served: tuple[Launched, str]) -> None:
    server, address = served
    body = {"signature_name": "csv:serving_default", "instances": ["1,0,0"]}

    def ask(_: int) -> httpx.Response:
        return httpx.post(f"{address}/v1/models/model:predict", json=body, timeout=60)

    with concurrent.futures.ThreadPoolExecutor(4) as pool, httpx.Client(base_url=address, timeout=60) as watcher:
        asking = [pool.submit(ask, number) for number in range(4)]
        while "trainer_queued_rows 4.0" not in watcher.get("/metrics").text:
            pass
        server.send(signal.SIGTERM)
        found = [each.result() for each in asking]
    assert [each.json() for each in found] == [{"predictions": [2.0]}] * 4
    assert {each.headers.get("connection") for each in found} == {"close"}
    assert server.end() == 0
    assert "Asked to end by SIGTERM: requests that are here are answered." in server.text


@pytest.mark.process
def test_help_and_usage_errors_come_without_tensorflow() -> None:
    code = (
        "import sys; from trainer import serve; print(serve.main(['--help']), serve.main([])); "
        "sys.exit('tensorflow' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Usage: python -m trainer.serve --model_dir=DIR") and done.stdout.endswith("0 2\n")
    assert "trainer.serve: No --model_dir" in done.stderr


# Usage.


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--model_dir=nowhere"], "--model_dir=nowhere holds no export"),
        (["--model_dir=a", "--port=70000"], "--port=70000"),
        (["--model_dir=a", "--model_name=a/b"], "--model_name=a/b"),
        (["--model_dir=a", "--poll_secs=0"], "--poll_secs=0"),
    ],
)
def test_wrong_usage_is_told_in_one_message(flags: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert serve.main(flags) == 2
    assert words in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(model_dir: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert serve.main([f"--model_dir={model_dir}", f"--port={port}"]) == 2
    said = capsys.readouterr().err
    assert f"--port={port}: Address already in use" in said and "--port=0 for any" in said


def test_vertex_says_where_the_model_is_and_how_it_is_asked() -> None:
    environ = {
        "AIP_HTTP_PORT": "8080",
        "AIP_HEALTH_ROUTE": "/ping",
        "AIP_PREDICT_ROUTE": "/v1/endpoints/1/deployedModels/2:predict",
        "AIP_STORAGE_URI": "gs://bucket/model",
    }
    place = settings.place(ServeOptions(), environ)
    assert (place.model_dir, place.host, place.port) == ("gs://bucket/model", "0.0.0.0", 8080)
    assert (place.health_route, place.predict_route) == ("/ping", environ["AIP_PREDICT_ROUTE"])
    place = settings.place(ServeOptions(model_dir="mine", port=1), environ)
    assert (place.model_dir, place.port) == ("mine", 1)
    assert settings.place(ServeOptions(model_dir="mine"), {}).host == "127.0.0.1"
