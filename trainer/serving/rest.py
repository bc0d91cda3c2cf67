"""Bodies of requests and answers, as TensorFlow Serving's REST interface has them.

Its page, https://www.tensorflow.org/tfx/serving/api_rest, is the source of the formats: rows ("instances") and columns
("inputs") of Predict, and the examples of Classify and Regress, whose answers are called "results".
"""

from __future__ import annotations

import dataclasses
import enum
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainer.estimator.contract.export import CLASSIFY_METHOD, DEFAULT_SIGNATURE, REGRESS_METHOD
from trainer.exported import values
from trainer.exported.signatures import Signature
from trainer.exported.values import ValueFault
from trainer.serving import examples
from trainer.serving.faults import RequestFault

Arrays = Mapping[str, np.ndarray]
_BOOLEANS = (b"true", b"false")


class Verb(enum.Enum):
    PREDICT = "predict"
    CLASSIFY = "classify"
    REGRESS = "regress"


_METHODS = {Verb.CLASSIFY: CLASSIFY_METHOD, Verb.REGRESS: REGRESS_METHOD}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Question:
    """A request that can be asked.

    Attributes:
      signature: that answers.
      verb: of the request.
      inputs: [rows, …], by name.
      rows: how many; None where the inputs are of no common number.
      by_row: whether the answer is by row, as the request was.
    """

    signature: Signature
    verb: Verb
    inputs: Arrays
    rows: int | None
    by_row: bool


def question(body: bytes, verb: Verb, signatures: Mapping[str, Signature]) -> Question:
    """What the body of a request asks.

    Args:
      body: JSON.
      verb: of the address.
      signatures: of the model, by name.

    Raises:
      RequestFault: no JSON, no such signature, or values that it does not take.
    """
    request = _object(body)
    signature = _signature(request.get("signature_name", DEFAULT_SIGNATURE), verb, signatures)
    try:
        if verb is not Verb.PREDICT:
            found = examples.serialized(request)
            (name,) = signature.inputs
            return Question(signature=signature, verb=verb, inputs={name: found}, rows=len(found), by_row=True)
        return _predicted(request, signature, has_bools=any(word in body for word in _BOOLEANS))
    except ValueFault as fault:
        raise RequestFault(400, str(fault)) from None
    except RecursionError:
        raise _too_deep() from None


def answer(asked: Question, outputs: Arrays) -> bytes:
    """The body of an answer.

    Args:
      asked: the request.
      outputs: of the model [rows, …], by name.

    Raises:
      RequestFault: the outputs are not of the form that was asked for.
    """
    match asked.verb:
        case Verb.CLASSIFY:
            found: Any = {"results": _classes(outputs)}
        case Verb.REGRESS:
            (value,) = outputs.values()
            found = {"results": value.reshape(-1).tolist()}
        case Verb.PREDICT:
            found = _rows(asked, outputs) if asked.by_row else {"outputs": _columns(outputs)}
    return json.dumps(found).encode()


def _object(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise RequestFault(400, f"The body is not JSON: {error}") from None
    if not isinstance(request, dict):
        raise RequestFault(400, "The body is not an object of JSON")
    return request


def _too_deep() -> RequestFault:
    return RequestFault(400, "The JSON is nested too deeply")


def _signature(name: Any, verb: Verb, signatures: Mapping[str, Signature]) -> Signature:
    if not isinstance(name, str) or name not in signatures:
        raise RequestFault(400, f"The model has no signature {name!r:.80}. It has: {', '.join(signatures)}")
    signature = signatures[name]
    method = _METHODS.get(verb)
    if method is not None and (signature.method != method or not signature.takes_strings):
        able = [one.name for one in signatures.values() if one.method == method]
        there = f'Set "signature_name" to {" or ".join(able)}' if able else "The model has none that do"
        raise RequestFault(400, f"The signature {name} does not answer :{verb.value}. {there}")
    return signature


def _predicted(request: Mapping[str, Any], signature: Signature, *, has_bools: bool) -> Question:
    by_row = "instances" in request
    if by_row == ("inputs" in request):
        raise ValueFault('The body has to have either "instances" or "inputs"')
    given = _of_instances(request["instances"], signature) if by_row else _of_inputs(request["inputs"], signature)
    inputs = {
        name: values.array(given[name], signature.of_rows(name), has_bools=has_bools) for name in signature.inputs
    }
    lengths = {array.shape[0] if array.ndim else None for array in inputs.values()}
    rows = lengths.pop() if len(lengths) == 1 else None
    return Question(signature=signature, verb=Verb.PREDICT, inputs=inputs, rows=rows, by_row=by_row)


def _of_instances(instances: Any, signature: Signature) -> dict[str, list[Any]]:
    """The values of each input, a list of rows."""
    if not isinstance(instances, list) or not instances:
        raise ValueFault('"instances" has to be a list of at least one row')
    names = list(signature.inputs)
    if len(names) == 1 and not _is_named(instances[0]):
        return {names[0]: instances}
    for number, row in enumerate(instances):
        if not isinstance(row, dict) or row.keys() != signature.inputs.keys():
            got = f"has {', '.join(row) or 'nothing'}" if isinstance(row, dict) else "is no object"
            raise ValueFault(f"instances[{number}] {got:.200}, where one with {', '.join(names)} is taken")
    return {name: [row[name] for row in instances] for name in names}


def _of_inputs(inputs: Any, signature: Signature) -> dict[str, Any]:
    names = list(signature.inputs)
    if not _is_named(inputs):
        if len(names) != 1:
            raise ValueFault(f'"inputs" has to be an object with {", ".join(names)}')
        return {names[0]: inputs}
    if inputs.keys() != signature.inputs.keys():
        raise ValueFault(f'"inputs" has {", ".join(inputs)[:200] or "nothing"}, where {", ".join(names)} are taken')
    return dict(inputs)


def _is_named(value: Any) -> bool:
    """Whether an object names inputs, and is no value of bytes."""
    return isinstance(value, dict) and value.keys() != {"b64"}


def _rows(asked: Question, outputs: Arrays) -> dict[str, Any]:
    for name, array in outputs.items():
        if not array.ndim or array.shape[0] != asked.rows:
            text = f'The output {name} has no row for each instance. Send the request by columns, as "inputs"'
            raise RequestFault(400, text)
    plain = {name: values.plain(array, name) for name, array in outputs.items()}
    if len(plain) == 1:
        (only,) = plain.values()
        return {"predictions": only}
    return {"predictions": [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]}


def _columns(outputs: Arrays) -> Any:
    plain = {name: values.plain(array, name) for name, array in outputs.items()}
    return next(iter(plain.values())) if len(plain) == 1 else plain


def _classes(outputs: Arrays) -> list[list[list[Any]]]:
    """Pairs of a class and its score for each row; "" or 0 where the model has none."""
    scores, classes = outputs.get("scores"), outputs.get("classes")
    shape = (scores if scores is not None else classes).shape  # type: ignore[union-attr]
    labels: Sequence[Any] = values.plain(classes, "classes") if classes is not None else np.full(shape, "").tolist()
    numbers = scores.tolist() if scores is not None else np.zeros(shape).tolist()
    return [list(map(list, zip(*row, strict=True))) for row in zip(labels, numbers, strict=True)]
