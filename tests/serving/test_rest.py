"""What the server answers, beside the requests and answers of TensorFlow Serving's REST page."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import json
import pathlib
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import pytest

from tests.exported import small_model
from trainer.serving.app import Server
from trainer.serving.batching import Batcher
from trainer.serving.figures import Figures
from trainer.serving.settings import Place, ServeOptions
from trainer.serving.versions import Versions

MODEL = "/v1/models/model"
Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Versions:
    """A loaded model."""
    root = tmp_path_factory.mktemp("models")
    small_model.write(root / "7")
    made = Versions(str(root))
    made.begin()
    return made


@contextlib.asynccontextmanager
async def client(versions: Versions, **options: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server of that model."""
    settings = ServeOptions(**options)
    place = Place(model_dir="", host="", port=0, health_route="/health", predict_route="/predict")
    figures = Figures()
    with ThreadPoolExecutor(1) as pool:
        batcher = Batcher(
            pool,
            1,
            most_rows=settings.max_batch_rows,
            wait_secs=settings.batch_wait_ms / 1000,
            most_queued=settings.max_queue_rows,
            told=figures.asked,
        )
        transport = httpx.ASGITransport(Server(versions, batcher, figures, settings).app(place))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as made:
            yield made


@pytest.fixture
def ask(versions: Versions) -> Iterator[Ask]:
    """Posts to an address, or gets it where nothing is sent."""

    def asked(path: str, body: Any = None, *, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
        async def run() -> httpx.Response:
            async with client(versions, **options) as made:
                if body is None:
                    return await made.get(path)
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                return await made.post(path, content=content, headers=headers)

        return asyncio.run(run())

    return asked


ROW = {"x": 1.0, "y": [1.0, 2.0], "name": "a"}


def test_rows_are_answered_by_rows(ask: Ask) -> None:
    found = ask(f"{MODEL}:predict", {"instances": [ROW, {**ROW, "x": -100}]})
    assert found.status_code == 200
    assert found.json() == {
        "predictions": [
            {"label": "a+", "pair": [31.0, -31.0], "total": 31.0},
            {"label": "a-", "pair": [-70.0, 70.0], "total": -70.0},
        ]
    }


def test_columns_are_answered_by_columns(ask: Ask) -> None:
    columns = {"x": [1.0, 2.0], "y": [[1.0, 2.0], [0, 0]], "name": ["a", {"b64": base64.b64encode(b"\xff").decode()}]}
    found = ask(f"{MODEL}:predict", {"inputs": columns}).json()["outputs"]
    assert found["total"] == [31.0, 2.0]
    assert found["label"] == ["a+", {"b64": base64.b64encode(b"\xff+").decode()}]


@pytest.mark.parametrize("instances", [[1, 2, 3], [{"n": 1}, {"n": 2}, {"n": 3}]])
def test_one_input_is_sent_with_or_without_its_name(ask: Ask, instances: Any) -> None:
    found = ask(f"{MODEL}:predict", {"signature_name": "count", "instances": instances}).json()
    assert [row["next"] for row in found["predictions"]] == [2, 3, 4]


def test_one_output_is_answered_without_its_name(ask: Ask) -> None:
    request = {"signature_name": "csv:serving_default", "instances": ["1,2,3", "0,0,0"]}
    assert ask(f"{MODEL}:predict", request).json() == {"predictions": [51.0, 0.0]}
    request = {"signature_name": "mean", "inputs": [1, 2, 6]}
    assert ask(f"{MODEL}:predict", request).json() == {"outputs": 3.0}


def test_columns_of_different_lengths_are_left_to_the_model(ask: Ask) -> None:
    columns = {"x": [1.0], "y": [[1.0, 2.0], [0, 0], [1, 1]], "name": ["a", "b", "c"]}
    assert ask(f"{MODEL}:predict", {"inputs": columns}).json()["outputs"]["total"] == [31.0, 1.0, 21.0]


def test_calls_that_are_short_are_made_in_the_loop_with_the_same_answers(versions: Versions) -> None:
    async def run() -> list[Any]:
        async with client(versions) as made:
            bodies = [{"signature_name": "count", "instances": [n]} for n in range(40)]
            return [
                (await made.post(f"{MODEL}:predict", json=body)).json()["predictions"][0]["next"] for body in bodies
            ]

    assert asyncio.run(run()) == list(range(1, 41))


def test_a_signature_of_a_fixed_batch_takes_any_number_of_rows(ask: Ask) -> None:
    request = {"signature_name": "four", "instances": [1, 2, 3, 4, 5, 6]}
    assert ask(f"{MODEL}:predict", request).json() == {"predictions": [2.0, 4.0, 6.0, 8.0, 10.0, 12.0]}


def test_examples_are_classified_and_regressed(ask: Ask) -> None:
    examples = [{"x": 1.0, "y": [1.0, 2.0]}, {"x": 0.5, "y": [0.0, 0.0]}]
    found = ask(f"{MODEL}:classify", {"signature_name": "classify", "examples": examples})
    assert found.json() == {"results": [[["low", -31.0], ["high", 31.0]], [["low", -0.5], ["high", 0.5]]]}
    request = {"signature_name": "regress", "context": {"y": [1.0, 1.0]}, "examples": [{"x": 1.0}, {"x": 2.0}]}
    assert ask(f"{MODEL}:regress", request).json() == {"results": [21.0, 22.0]}


def test_the_tokens_of_what_is_not_finite_go_in_and_out(ask: Ask) -> None:
    body = b'{"signature_name": "four", "instances": [NaN, Infinity, 1, -Infinity]}'
    assert ask(f"{MODEL}:predict", body).text == '{"predictions": [NaN, Infinity, 2.0, -Infinity]}'


def test_the_version_and_its_signatures_are_told(ask: Ask) -> None:
    status = {"error_code": "OK", "error_message": ""}
    expected = {"model_version_status": [{"version": "7", "state": "AVAILABLE", "status": status}]}
    assert ask(MODEL).json() == ask(f"{MODEL}/versions/7").json() == expected
    found = ask(f"{MODEL}/versions/7/metadata").json()
    assert found["model_spec"] == {"name": "model", "signature_name": "", "version": "7"}
    signature = found["metadata"]["signature_def"]["signature_def"]["csv:serving_default"]
    assert signature["inputs"]["rows"]["dtype"] == "DT_STRING"
    assert [dim["size"] for dim in signature["inputs"]["rows"]["tensor_shape"]["dim"]] == ["-1"]
    assert signature["method_name"] == "tensorflow/serving/predict"


def test_the_routes_that_vertex_asks_for_are_there(ask: Ask) -> None:
    assert ask("/health").json() == {"status": "ok", "version": "7"}
    request = {"instances": [ROW], "parameters": {"any": 1}}
    assert ask("/predict", request).json()["predictions"][0]["total"] == 31.0
    assert ask("/healthz").status_code == 200


def test_a_body_may_be_compressed(ask: Ask) -> None:
    body = gzip.compress(json.dumps({"instances": [ROW]}).encode())
    assert ask(f"{MODEL}:predict", body, headers={"content-encoding": "gzip"}).status_code == 200
    bomb = gzip.compress(b" " * 1_000_000)
    found = ask(f"{MODEL}:predict", bomb, headers={"content-encoding": "gzip"}, max_body_bytes=10_000)
    assert (found.status_code, found.json()) == (413, {"error": "The body is larger than 10,000 bytes"})
    assert ask(f"{MODEL}:predict", b"{}", headers={"content-encoding": "br"}).status_code == 415
    assert ask(f"{MODEL}:predict", b"{}", headers={"content-encoding": "gzip"}).status_code == 400


WRONG: list[tuple[str, Any, int, str]] = [
    (":predict", b"", 400, "The body is not JSON"),
    (":predict", b'{"instances": [1', 400, "The body is not JSON"),
    (":predict", b"\xff\xfe\x00", 400, "The body is not JSON"),
    (":predict", b"[" * 100_000, 400, "nested too deeply"),
    (":predict", b'{"instances": ' + b"[" * 500 + b"1" + b"]" * 500 + b"}", 400, "instances[0] is no object"),
    (":predict", b"[1]", 400, "The body is not an object of JSON"),
    (":predict", {}, 400, 'either "instances" or "inputs"'),
    (":predict", {"instances": [ROW], "inputs": {}}, 400, 'either "instances" or "inputs"'),
    (":predict", {"instances": []}, 400, "a list of at least one row"),
    (":predict", {"instances": [{"x": 1}]}, 400, "instances[0] has x, where one with name, x, y is taken"),
    (":predict", {"instances": [ROW, 3]}, 400, "instances[1] is no object"),
    (":predict", {"instances": [{**ROW, "x": "1"}]}, 400, "x: '1' where a number (float32) belongs"),
    (":predict", {"instances": [{**ROW, "x": None}]}, 400, "x: null where a number (float32) belongs"),
    (":predict", {"instances": [{**ROW, "x": True}]}, 400, "x: a boolean where a number (float32) belongs"),
    (":predict", {"instances": [{**ROW, "x": 1e39}]}, 400, "x: a number that is too large for float32"),
    (":predict", {"instances": [{**ROW, "x": 10**400}]}, 400, "x: "),
    (":predict", {"instances": [{**ROW, "x": [1, [2]]}]}, 400, "x: lists of different lengths or depths"),
    (":predict", {"instances": [{**ROW, "y": [1, 2, 3]}]}, 400, "y: the shape [1, 3] where y float32 [?, 2] is taken"),
    (":predict", {"instances": [ROW, {**ROW, "y": [1]}]}, 400, "y: lists of different lengths"),
    (":predict", {"instances": [{**ROW, "name": 1}]}, 400, "name: 1 where a string"),
    (":predict", {"instances": [{**ROW, "name": {"b64": "?"}}]}, 400, "name: '?' is not base64"),
    (":predict", b'{"instances": [{"x": 1, "y": [1, 2], "name": "\\ud800"}]}', 400, "half a character"),
    (":predict", {"signature_name": "none", "instances": [1]}, 400, "no signature 'none'. It has: "),
    (":predict", {"signature_name": ["a"], "instances": [1]}, 400, "no signature ['a']"),
    (":predict", {"signature_name": "count", "instances": [1.5]}, 400, "n: 1.5 where a whole number (int64) belongs"),
    (":predict", {"signature_name": "count", "instances": [1 << 64]}, 400, "n: "),
    (":predict", {"signature_name": "mean", "instances": [1]}, 400, "no row for each instance"),
    (":predict", {"signature_name": "csv:serving_default", "instances": ["1,a,2"]}, 400, "convert string: a"),
    (":predict", {"inputs": {"x": [1]}}, 400, '"inputs" has x, where name, x, y are taken'),
    (":predict", {"inputs": [1]}, 400, '"inputs" has to be an object'),
    (":classify", {"examples": [{"x": 1.0}]}, 400, 'does not answer :classify. Set "signature_name" to classify'),
    (":regress", {"signature_name": "regress", "examples": []}, 400, '"examples" has to be a list'),
    (":regress", {"signature_name": "regress", "examples": [1]}, 400, "examples[0] is no object"),
    (":regress", {"signature_name": "regress", "examples": [{"x": 1.0}]}, 400, "The model refuses the values"),
    (":regress", {"signature_name": "regress", "examples": [{"x": [1, "a"]}]}, 400, "all of one kind"),
    (":regress", {"signature_name": "regress", "examples": [{"x": 1}], "context": {"x": 1}}, 400, "the context both"),
    (":regress", {"signature_name": "regress", "examples": [{"x": 1, "y": [1.0, 2.0]}]}, 400, "point, as in 3.0"),
    (":regress", {"signature_name": "regress", "examples": [{"x": 1e300}]}, 400, "The model refuses the values"),
    (":divine", {}, 404, "No :divine. There are :predict, :classify, :regress"),
    ("/versions/8:predict", {}, 404, "Version 8 is not served; version 7 is"),
    ("/versions/x:predict", {}, 404, "there is no such model or address"),
    ("/labels/stable:predict", {}, 404, "versions have no labels here"),
    ("x:predict", {}, 404, "there is no such model or address"),
    ("/metadata", {}, 405, "does not take POST"),
]


@pytest.mark.parametrize(("path", "body", "status", "words"), WRONG)
def test_what_cannot_be_answered_is_said_in_one_line(ask: Ask, path: str, body: Any, status: int, words: str) -> None:
    found = ask(f"{MODEL}{path}", body)
    assert (found.status_code, list(found.json())) == (status, ["error"])
    assert words in found.json()["error"]


def test_requests_that_come_together_share_calls_and_keep_their_answers(versions: Versions) -> None:
    async def run() -> tuple[list[Any], str]:
        async with client(versions, batch_wait_ms=50.0, max_batch_rows=8) as made:
            bodies = [{"signature_name": "four", "instances": [n, n + 0.5]} for n in range(20)]
            found = await asyncio.gather(*(made.post(f"{MODEL}:predict", json=body) for body in bodies))
            return [each.json()["predictions"] for each in found], (await made.get("/metrics")).text

    found, figures = asyncio.run(run())
    assert found == [[2.0 * n, 2.0 * n + 1] for n in range(20)]
    assert "trainer_batch_rows_count 5.0" in figures and "trainer_batch_rows_sum 40.0" in figures
    assert 'trainer_requests_total{code="200",verb="predict"} 20.0' in figures


def test_one_bad_request_does_not_harm_those_that_it_shares_a_call_with(versions: Versions) -> None:
    async def run() -> list[httpx.Response]:
        async with client(versions, batch_wait_ms=50.0) as made:
            rows = ["1,0,0", "a,0,0", "3,0,0"]
            bodies = [{"signature_name": "csv:serving_default", "instances": [row]} for row in rows]
            return await asyncio.gather(*(made.post(f"{MODEL}:predict", json=body) for body in bodies))

    first, second, third = asyncio.run(run())
    assert (first.json(), third.json()) == ({"predictions": [1.0]}, {"predictions": [3.0]})
    assert second.status_code == 400 and "could not correctly convert string: a" in second.json()["error"]


def test_more_rows_than_may_wait_are_told_to_come_again(versions: Versions) -> None:
    async def run() -> list[httpx.Response]:
        async with client(versions, batch_wait_ms=200.0, max_queue_rows=2) as made:
            body = {"signature_name": "count", "instances": [1]}
            return await asyncio.gather(*(made.post(f"{MODEL}:predict", json=body) for _ in range(3)))

    found = asyncio.run(run())
    assert sorted(each.status_code for each in found) == [200, 200, 429]
    refused = next(each for each in found if each.status_code == 429)
    assert refused.headers["retry-after"] == "1" and refused.json() == {"error": "2 rows wait already"}


def test_a_large_batch_is_answered_as_its_rows_are(ask: Ask) -> None:
    rows = np.random.default_rng(0).normal(size=(5000, 3)).astype(np.float32)
    instances = [{"x": float(x), "y": [float(a), float(b)], "name": ""} for x, a, b in rows]
    found = ask(f"{MODEL}:predict", {"instances": instances}).json()["predictions"]
    expected = rows[:, 0] + 10 * (rows[:, 1] + rows[:, 2])
    np.testing.assert_allclose([row["total"] for row in found], expected, rtol=1e-5, atol=1e-5)


def test_no_model_yet_is_told_with_a_time_to_come_again(tmp_path: pathlib.Path) -> None:
    async def run() -> list[httpx.Response]:
        async with client(Versions(str(tmp_path))) as made:
            return [await made.get("/readyz"), await made.get(MODEL), await made.post(f"{MODEL}:predict", json={})]

    for found in asyncio.run(run()):
        assert (found.status_code, found.headers["retry-after"]) == (503, "2")
        assert found.json() == {"error": "No model yet"}
