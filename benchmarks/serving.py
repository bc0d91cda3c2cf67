"""The server under load: requests from many clients, a new export meanwhile, malformed requests.

    python -m benchmarks.serving --requests=10000 --clients=32

A run of a few steps of the default problem is served by `trainer.serve`; a Keras model of the same structure by
uvicorn and Starlette with a call of the model for each request. Answers of ours are compared with those of the export
in this process. The exit code is 1 where one is lost, differs by more than 1e-5, or where a malformed request is
answered with anything but 4xx.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import dataclasses
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.predictions import ROOT, STEPS, train

HOST = "127.0.0.1"
PATH = "/v1/models/model:predict"
MOST_DIFFERENCE = 1e-5
PLAIN_PORT = 18765


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came back: status, body, seconds."""

    status: int
    body: bytes
    seconds: float


class Client:
    """A connection that is kept: as little work beside the server's as possible.

    Args:
      port: of the server, on this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, body: bytes, path: str = PATH) -> Answer:
        """Sends a body, and waits for the answer."""
        head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(body)}\r\n\r\n"
        return await self.send(head.encode() + body)

    async def get(self, path: str) -> Answer:
        """Gets an address."""
        return await self.send(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())

    async def send(self, request: bytes) -> Answer:
        """Sends a request as it is, and waits for the answer."""
        began = time.perf_counter()
        if self._streams is None:
            self._streams = await asyncio.open_connection(HOST, self._port)
        reader, writer = self._streams
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head.lower())
        body = await reader.readexactly(int(length[1])) if length else b""
        if b"connection: close" in head.lower():
            self.close()
        return Answer(int(head.split()[1]), body, time.perf_counter() - began)

    def close(self) -> None:
        """Ends the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def ask_all(port: int, bodies: Sequence[bytes], clients: int) -> tuple[list[Answer], float]:
    """The answers to bodies, in their order, and the seconds that all of them took."""
    answers: dict[int, Answer] = {}
    numbers = iter(range(len(bodies)))

    async def work() -> None:
        client = Client(port)
        for number in numbers:  # each number goes to one client
            answers[number] = await client.post(bodies[number])
        client.close()

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(clients)))
    return [answers[number] for number in range(len(bodies))], time.perf_counter() - began


@contextlib.contextmanager
def served(command: Sequence[str], pattern: str) -> Iterator[tuple[int, int]]:
    """The port of a server that a command starts, and its process."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    try:
        port = 0
        for line in process.stdout:
            if found := re.search(r"http://[\d.]+:(\d+)", line):
                port = int(found[1])
            if re.search(pattern, line):
                break
        yield port, process.pid
    finally:
        process.terminate()
        process.communicate()


def cpu_secs(pid: int) -> float:
    """What a process has used of the machine, which tells more than the clock where others use it too."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def loaded(name: str, port: int, pid: int, bodies: Sequence[bytes], clients: int) -> list[Answer]:
    """The answers of a server under load, after a line about it."""
    asyncio.run(ask_all(port, bodies[:200], clients))
    before = cpu_secs(pid)
    answers, seconds = asyncio.run(ask_all(port, bodies, clients))
    cpu = 1000 * (cpu_secs(pid) - before) / len(bodies)
    print(f"{told(name, answers, seconds)}, {cpu:.2f} ms of CPU a request", flush=True)
    return answers


def told(name: str, answers: Sequence[Answer], seconds: float) -> str:
    """Percentiles, in words."""
    p50, p99 = np.percentile([answer.seconds * 1000 for answer in answers], [50, 99])
    statuses = dict(collections.Counter(answer.status for answer in answers))
    rate = len(answers) / seconds
    return f"{name}: {rate:,.0f} requests/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, statuses {statuses}"


def bodies_of(histories: np.ndarray) -> list[bytes]:
    """A request for each history [steps, 1]."""
    return [json.dumps({"instances": [{"values": history.tolist()}]}).encode() for history in histories]


def expected_of(export: pathlib.Path, histories: np.ndarray) -> np.ndarray:
    """What the export answers in this process [rows]."""
    import tensorflow as tf

    from trainer.exported.model import Model

    model = Model(str(export))
    outputs = model.call(model.signature(None), {"values": tf.constant(histories, tf.float32)})
    return outputs["forecast"].numpy().reshape(-1)


def largest_difference(answers: Sequence[Answer], expected: np.ndarray) -> float:
    """Between answers and what is right, in their order."""
    found = [np.ravel(json.loads(answer.body)["predictions"][0])[0] for answer in answers if answer.status == 200]
    return float(np.abs(np.array(found) - expected).max()) if len(found) == len(expected) else np.inf


async def replaced(port: int, export: pathlib.Path, bodies: Sequence[bytes], clients: int) -> list[Answer]:
    """The answers while a copy of an export, with a higher number, goes live; and some time after."""
    newer = export.with_name(str(int(export.name) + 1000))
    done = asyncio.Event()
    answers: list[Answer] = []

    async def work(client: Client) -> None:
        while not done.is_set():
            answers.append(await client.post(random.choice(bodies)))

    async def publish() -> None:
        hidden = export.with_name("temp-copy")
        await asyncio.to_thread(shutil.copytree, export, hidden)
        hidden.rename(newer)
        watcher = Client(port)
        while newer.name.encode() not in (await watcher.get("/v1/models/model")).body:
            await asyncio.sleep(0.1)
        count = len(answers)
        while len(answers) < count + 1000:
            await asyncio.sleep(0.1)
        done.set()

    await asyncio.gather(publish(), *(work(Client(port)) for _ in range(clients)))
    return answers


def malformed(count: int, good: Sequence[bytes]) -> list[bytes]:
    """Bodies that no server can answer."""
    rng = random.Random(0)
    wrong = [None, True, "a", {}, [], [[1.0]] * (STEPS + 1), [["x"]] * STEPS, [[None]] * STEPS, 1e400, 10**400]
    made = []
    for number in range(count):
        body = rng.choice(good)
        match number % 5:
            case 0:
                made.append(body[: rng.randrange(len(body) - 1)])
            case 1:
                made.append(rng.randbytes(rng.randrange(200)))
            case 2:
                made.append(json.dumps({"instances": [{"values": rng.choice(wrong)}]}).encode())
            case 3:
                made.append(json.dumps({"instances": rng.choice(wrong[:5])}).encode())
            case _:
                made.append(json.dumps({"signature_name": rng.choice(["a", 1, None]), "instances": [1]}).encode())
    return made


async def refused(port: int, bodies: Sequence[bytes]) -> dict[int, int]:
    """How many malformed requests are answered with which status."""
    client = Client(port)
    return dict(collections.Counter([(await client.post(body)).status for body in bodies]))


def plain(port: int) -> None:
    """Serves a Keras model, a call for each request."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import keras
    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    model = keras.Sequential([keras.Input((STEPS, 1)), keras.layers.LSTM(3), keras.layers.Dense(1)])
    model.predict_on_batch(np.zeros((1, STEPS, 1), np.float32))

    async def answer(request: Request) -> JSONResponse:
        instances = (await request.json())["instances"]
        found = model.predict_on_batch(np.array([each["values"] for each in instances], np.float32))
        return JSONResponse({"predictions": found.tolist()})

    app = Starlette(routes=[Route(PATH, answer, methods=["POST"])])
    print(f"http://{HOST}:{port}", flush=True)
    uvicorn.run(app, host=HOST, port=port, log_level="warning", access_log=False)


def measure(folder: pathlib.Path, count: int, clients: int) -> bool:
    """Prints a line for each trial; whether all went well."""
    export = sorted((folder / "export" / "latest").iterdir())[-1]
    histories = np.random.default_rng(0).random((count, STEPS, 1)).astype(np.float32)
    bodies, expected = bodies_of(histories), expected_of(export, histories)
    command = ["trainer.serve", f"--model_dir={folder}", "--port=0", "--poll_secs=0.5"]
    with served(command, "is served") as (port, pid):
        difference = largest_difference(loaded("trainer.serve", port, pid, bodies, clients), expected)
        print(f"largest difference from the export: {difference:.1e}", flush=True)
        meanwhile = asyncio.run(replaced(port, export, bodies, clients))
        statuses = collections.Counter(answer.status for answer in meanwhile)
        print(f"while a new export went live: statuses {dict(statuses)}", flush=True)
        errors = asyncio.run(refused(port, malformed(max(1, count // 10), bodies)))
        print(f"malformed requests: statuses {errors}", flush=True)
    with served(["benchmarks.serving", f"--plain={PLAIN_PORT}"], r"http://") as (port, pid):
        asyncio.run(_until_up(port))
        loaded("plain Keras", port, pid, bodies, clients)
    return difference <= MOST_DIFFERENCE and set(statuses) == {200} and all(400 <= code < 500 for code in errors)


async def _until_up(port: int) -> None:
    while True:
        with contextlib.suppress(OSError):
            await Client(port).get("/")
            return
        await asyncio.sleep(0.1)


def main() -> None:
    """Prints a line for each trial."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--plain", type=int, help="be the plain server, at this port")
    arguments = parser.parse_args()
    if arguments.plain:
        plain(arguments.plain)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary, "run")
        train(folder)
        went_well = measure(folder, arguments.requests, arguments.clients)
    sys.exit(not went_well)


if __name__ == "__main__":
    main()
