"""Exports outside of TensorFlow: every network, every model of tables and the examples, beside OpenVINO.

    python -m benchmarks.runtimes --openvino=PYTHON [--folder=/tmp/runtimes] [--only=lstm,fits]

Each is trained for two steps and exported. The first of its signatures that is of numbers alone is asked in TensorFlow
and, by the Python of another environment, in OpenVINO. The exit code is 1 where one cannot be read there, or answers
that differ by more than 1e-5 (of the largest one, where that is above 1).
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from trainer.exported.signatures import Port

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROWS, _LOOKBACK = 5, 48
MOST_DIFFERENCE = 1e-5
_SMALL = ["--train_steps=2", "--train_batch_size=16", "--seed=1", "--exporter=final", "--noreport"]
_EXAMPLES = ("classification", "images", "paper", "text")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """A model to train.

    Attributes:
      name: of it.
      flags: of `trainer.task`.
      inputs: that it is asked with, by name; None for random ones.
    """

    name: str
    flags: Sequence[str]
    inputs: Mapping[str, np.ndarray] | None = None


def cases(folder: pathlib.Path) -> Iterator[Case]:
    """Every network, every model of tables for every task, and the examples."""
    from trainer.networks.registry import NETWORKS
    from trainer.problems.table_models import Model

    series, table = _series(folder), _table(folder)
    for name in NETWORKS:
        shape = ["--data_format=series", f"--lookback={_LOOKBACK}", "--horizon=12", "--sparse_period=12"]
        flags = [f"--model={name}", f"--train_data_paths={series}", *shape]
        yield Case(name=name, flags=flags, inputs={"values": _windows(series)})
    for label in ("left", "price", "plan"):
        for model in Model:
            others = ",".join({"left", "price", "plan"} - {label})
            flags = [f"--label_column={label}", f"--ignored_columns={others}", f"--model={model.value}"]
            yield Case(name=f"table {label} {model.value}", flags=[f"--train_data_paths={table}", *flags])
    for name in _EXAMPLES:
        yield Case(name=f"examples/{name}.py", flags=[f"--problem={ROOT / 'examples' / name}.py"])


def _series(folder: pathlib.Path) -> pathlib.Path:
    """Three columns: a sine with noise, a cosine far from zero, a trend."""
    random, time = np.random.default_rng(0), np.arange(600)
    columns = [np.sin(time / 7) + 0.1 * random.normal(size=600), 5 + np.cos(time / 12), 100 + 0.1 * time]
    path = folder / "series.csv"
    np.savetxt(path, np.stack(columns, axis=1), "%.5f", ",", header="a,b,c", comments="")
    return path


def _windows(series: pathlib.Path) -> np.ndarray:
    """Stretches of the series, float32 [ROWS, 48, 3]."""
    rows = np.loadtxt(series, np.float32, delimiter=",", skiprows=1)
    return np.stack([rows[start : start + _LOOKBACK] for start in range(0, 100 * ROWS, 100)])


def _table(folder: pathlib.Path) -> pathlib.Path:
    """Numbers with blanks, categories and dates, with a label for each task."""
    random, path = np.random.default_rng(0), folder / "table.csv"
    lines = ["tenure,contract,city,since,left,price,plan"]
    for row in range(400):
        tenure, contract, city, month = (int(random.integers(most)) for most in (60, 3, 4, 12))
        features = f"{'' if row % 11 == 5 else tenure},{'mty'[contract]},c{city},2020-{month + 1:02d}-03"
        lines.append(f"{features},{'yes' if tenure > 30 else 'no'},{1000 + 10 * tenure + 200 * contract},p{city % 3}")
    path.write_text("\n".join(lines) + "\n")
    return path


def exported(case: Case, folder: pathlib.Path) -> pathlib.Path:
    """Trains a model and returns its export; one that is there is kept."""
    from trainer import task

    out = folder / case.name.replace("/", "-").replace(" ", "-")
    if (out / "summary.json").exists():
        return next((out / "export" / "final").iterdir())
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = task.main([f"--output_dir={out}", *_SMALL, *case.flags])
    if code:
        sys.exit(f"{case.name} ended with {code}:\n{said.getvalue()[-2000:]}")
    return next((out / "export" / "final").iterdir())


def ask(export: pathlib.Path, given: Mapping[str, np.ndarray] | None, place: pathlib.Path) -> str:
    """Asks a signature of numbers, and leaves the model, the inputs and the outputs at a place.

    Args:
      export: of the model.
      given: the inputs, by name; None for random ones.
      place: a folder that is made.

    Returns:
      The name of the signature.
    """
    import tensorflow as tf

    from trainer.exported import signatures
    from trainer.exported.signatures import Signature

    def is_numeric(one: Signature) -> bool:
        return all(port.dtype != tf.string for port in (*one.inputs.values(), *one.outputs.values()))

    found = signatures.read(str(export))
    name = next(
        name for name in sorted(found, key=lambda name: (name != "serving_default", name)) if is_numeric(found[name])
    )
    loaded = tf.saved_model.load(str(export))
    inputs = given or {key: _random(port) for key, port in found[name].inputs.items()}
    answer = loaded.signatures[name](**{key: tf.constant(value) for key, value in inputs.items()})
    place.mkdir()
    # Other runtimes read the default signature alone.
    tf.saved_model.save(loaded, str(place / "model"), signatures={"serving_default": loaded.signatures[name]})
    np.savez(place / "inputs.npz", **inputs)
    np.savez(place / "outputs.npz", **{key: value.numpy() for key, value in answer.items()})
    return name


def _random(port: Port) -> np.ndarray:
    """Values of an input [ROWS, …]; whole numbers are 0 and 1, which every category knows."""
    random = np.random.default_rng(1)
    shape = [ROWS, *(size or 1 for size in port.row_shape or ())]
    drawn = random.integers(0, 2, shape) if port.dtype.is_integer else random.normal(size=shape)
    return drawn.astype(port.dtype.as_numpy_dtype)


def difference(place: pathlib.Path) -> float:
    """The largest one between the answers of both runtimes; nan where they are not of one shape."""
    expected, got = np.load(place / "outputs.npz"), np.load(place / "answers.npz")
    largest = 0.0
    for name in expected.files:
        if got[name].shape != expected[name].shape:
            return float("nan")
        scale = max(1.0, float(np.abs(expected[name]).max()))
        largest = max(largest, float(np.abs(got[name] - expected[name]).max()) / scale)
    return largest


def main() -> None:
    """Trains, asks both runtimes, and prints a row for each model."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--openvino", required=True, help="a Python with openvino")
    parser.add_argument("--folder", type=pathlib.Path, help="of what is made; default: one that is removed")
    parser.add_argument("--only", help="names of models, comma separated")
    chosen = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = chosen.folder or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        wanted = chosen.only.split(",") if chosen.only else None
        asked = {}
        for case in cases(folder):
            if wanted is None or case.name in wanted:
                place = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()), "asked")
                asked[case.name] = (ask(exported(case, folder), case.inputs, place), place)
        script = pathlib.Path(__file__).with_name("runtimes_openvino.py")
        subprocess.run([chosen.openvino, str(script), *(str(place) for _, place in asked.values())], check=True)
        print("| model | signature | largest difference |\n|---|---|---|")
        worst = [_shown(name, signature, place) for name, (signature, place) in asked.items()]
    sys.exit(0 if all(value <= MOST_DIFFERENCE for value in worst) else 1)


def _shown(name: str, signature: str, place: pathlib.Path) -> float:
    failed = place / "failed.txt"
    value = float("nan") if failed.exists() else difference(place)
    told = failed.read_text() if failed.exists() else f"{value:.1e}"
    print(f"| `{name}` | `{signature}` | {told} |", flush=True)
    return value


if __name__ == "__main__":
    main()
