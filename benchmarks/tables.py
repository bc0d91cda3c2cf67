"""Three tables as people have them, one command each: scores, rows a second and memory, beside scikit-learn's models.

python -m benchmarks.tables [--rows=200000] [--folder=/tmp/tables] [--only=churn,houses,classes] [--sklearn=PYTHON]
python -m benchmarks.tables --only=classes --gigabytes=0.5,2

`--sklearn` is the Python of a virtual environment of its own with scikit-learn and pandas, which the project does not
need; without it, only the baselines of the closing table stand beside the model. `--gigabytes` trains on files of
these sizes instead, in which the rows of the table come again and again, to see whether memory grows with them.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pathlib
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

_CHURN_ROWS, _HOUSE_ROWS, _CLASSES = 7_000, 3_000, 40
_BLOCK = 20_000
_FLAGS = {
    "churn": ["--label_column=churn", "--train_steps=1500", "--dropout=0.3"],
    "houses": ["--label_column=price", "--train_steps=1500", "--hidden_units=32,16"],
    "classes": ["--label_column=kind", "--train_steps=6000", "--train_batch_size=256"],
}
_FOR_MEMORY = ["--train_steps=2000", "--eval_steps=200", "--report=false"]
_SCORES = {"churn": "accuracy", "houses": "rmse", "classes": "accuracy"}


def churn(random: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Customers of a telephone company: a text label, categories, blanks, dates, an id."""
    tenure, charges = random.integers(0, 72, count), random.gamma(4, 16, count)
    contract = random.choice(["month-to-month", "one year", "two year"], count, p=[0.55, 0.25, 0.2])
    payment = random.choice(["card", "transfer", "check", "cash"], count)
    city = np.minimum(random.zipf(1.4, count), 300)
    logit = 1.6 * (contract == "month-to-month") - 0.05 * tenure + 0.015 * charges - 1.1 + 0.6 * (payment == "check")
    logit += 1.0 * ((city % 5 == 0) & (contract != "two year")) + random.logistic(size=count) * 0.9
    days = random.integers(0, 3650, count)
    return {
        "customer_id": np.char.add("C", np.arange(count).astype(str)),
        "tenure": _blank(random, tenure.astype(str), 0.05),
        "charges": np.char.mod("%.2f", charges),
        "contract": contract,
        "payment": _blank(random, payment, 0.1),
        "city": np.char.add("city ", city.astype(str)),
        "joined": (np.datetime64("2012-01-01") + days).astype(str),
        "churn": np.where(logit > 0, "yes", "no"),
    }


def houses(random: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Prices of houses: a skewed number, blanks that mean something, an effect of two columns together."""
    area, year = random.gamma(6, 25, count) + 30, random.integers(1900, 2020, count)
    quarter = random.choice(["old town", "west", "harbour", "hills", "north"], count, p=[0.1, 0.3, 0.2, 0.15, 0.25])
    garage = random.integers(0, 3, count)
    factor = np.select([quarter == "old town", quarter == "harbour", quarter == "hills"], [1.8, 1.3, 1.5], 1.0)
    price = 900 * area * factor + 600 * (year - 1900) + 14_000 * garage + random.normal(scale=15_000, size=count)
    return {
        "area": np.char.mod("%.1f", area),
        "year": _blank(random, year.astype(str), 0.08),
        "quarter": quarter,
        "garage": np.where(garage == 0, "", garage.astype(str)),
        "sold": (np.datetime64("2015-01-01") + random.integers(0, 1800, count)).astype(str),
        "price": np.char.mod("%.0f", price),
    }


def classes(random: np.random.Generator, count: int) -> dict[str, np.ndarray]:
    """Forty kinds of events told apart by six measurements and three categories."""
    kind = random.integers(0, _CLASSES, count)
    centres = np.random.default_rng(7).normal(size=(_CLASSES, 6))
    measured = centres[kind] + random.normal(scale=0.9, size=(count, 6))
    source = np.where(random.random(count) < 0.6, kind % 12, random.integers(0, 12, count))
    device = np.where(random.random(count) < 0.4, kind * 7 % 500, random.integers(0, 500, count))
    columns = {f"m{number}": np.char.mod("%.4f", measured[:, number]) for number in range(6)}
    return columns | {
        "source": np.char.add("s", source.astype(str)),
        "device": _blank(random, np.char.add("d", device.astype(str)), 0.02),
        "level": random.choice(["low", "high"], count),
        "kind": np.char.add("kind ", kind.astype(str)),
    }


MAKERS: dict[str, Callable[[np.random.Generator, int], dict[str, np.ndarray]]] = {
    "churn": churn,
    "houses": houses,
    "classes": classes,
}


def _blank(random: np.random.Generator, values: np.ndarray, share: float) -> np.ndarray:
    return np.where(random.random(len(values)) < share, "", values)


def write(name: str, folder: pathlib.Path, count: int) -> pathlib.Path:
    """Writes a table of so many rows, in blocks; one that is there is kept."""
    path = folder / f"{name}-{count}.csv"
    if path.exists():
        return path
    with path.open("w") as file:
        for start in range(0, count, _BLOCK):
            rows = min(_BLOCK, count - start)
            columns = MAKERS[name](np.random.default_rng([start, len(name)]), rows)
            if not start:
                file.write(",".join(columns) + "\n")
            file.writelines(",".join(row) + "\n" for row in zip(*columns.values(), strict=True))
    return path


def repeated(path: pathlib.Path, size: float) -> pathlib.Path:
    """A file of so many gigabytes with the rows of another, all of them again and again; one that is there is kept."""
    header, _, rows = path.read_bytes().partition(b"\n")
    times = math.ceil(size * 1e9 / len(rows))
    larger = path.with_name(f"{path.stem}-times-{times}.csv")
    if not larger.exists():
        with larger.open("wb") as file:
            file.write(header + b"\n")
            for _ in range(times):
                file.write(rows)
    return larger


def trained(name: str, path: pathlib.Path, out: pathlib.Path, *flags: str) -> dict[str, object]:
    """Runs the one command; its summary, with seconds and the largest memory of the process.

    Args:
      name: of the table.
      path: of its file.
      out: the output directory.
      flags: further ones.
    """
    command = [sys.executable, "-m", "trainer.task", "--data_format=table", f"--train_data_paths={path}"]
    command += [f"--output_dir={out}", "--seed=1", *_FLAGS[name], *flags]
    print("$", " ".join(["python", *command[1:]]), flush=True)
    started = time.monotonic()
    with subprocess.Popen(command) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(process.returncode)
    summary: dict[str, object] = json.loads((out / "summary.json").read_text())
    return summary | {"wall": time.monotonic() - started, "peak_mib": usage.ru_maxrss / 1024}


def of_sklearn(python: str, name: str, path: pathlib.Path) -> Iterator[tuple[str, float]]:
    """Scores of scikit-learn's linear model and gradient boosting on the same rows."""
    script = pathlib.Path(__file__).with_name("tables_sklearn.py")
    label = _FLAGS[name][0].partition("=")[2]
    done = subprocess.run([python, str(script), str(path), label], check=True, capture_output=True, text=True)
    yield from json.loads(done.stdout).items()


def main() -> None:
    """Makes the tables, trains on them, and prints what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=200_000, help="of the table of forty classes")
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path("/tmp/tables"))
    parser.add_argument("--only", default="churn,houses,classes")
    parser.add_argument("--sklearn", help="a Python with scikit-learn and pandas")
    parser.add_argument("--gigabytes", help="sizes of files to train on, whose memory is compared")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    counts = {"churn": _CHURN_ROWS, "houses": _HOUSE_ROWS, "classes": chosen.rows}
    for name in chosen.only.split(","):
        path = write(name, chosen.folder, counts[name])
        if chosen.gigabytes:
            _compare_memory(name, path, [float(size) for size in chosen.gigabytes.split(",")])
            continue
        _show(name, trained(name, path, chosen.folder / f"run-{name}-{counts[name]}"), counts[name])
        for model, value in of_sklearn(chosen.sklearn, name, path) if chosen.sklearn else ():
            print(f"  {'scikit-learn ' + model:<34}{value:>12.4g}")
    print(f"largest memory of this process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def _compare_memory(name: str, path: pathlib.Path, sizes: list[float]) -> None:
    """Trains for as many steps on files of several sizes, and prints the largest memory of each."""
    lines = [f"\n{name}: {'size':>11}{'seconds':>12}{'largest memory':>18}"]
    for size in sizes:
        larger = repeated(path, size)
        summary = trained(name, larger, larger.with_suffix(""), *_FOR_MEMORY)
        lines.append(
            f"{name}: {larger.stat().st_size / 1e9:>8.2f} GB{summary['wall']:>12.0f}{summary['peak_mib']:>14.0f} MiB"
        )
    print("\n".join(lines))


def _show(name: str, summary: dict[str, object], count: int) -> None:
    score = _SCORES[name]
    metrics, baselines = summary["metrics"], summary["baselines"]
    assert isinstance(metrics, dict) and isinstance(baselines, dict)
    print(f"\n{name}, {count:,} rows: {score}")
    print(f"  {'this run':<34}{metrics[score]:>12.4g}")
    for baseline, value in baselines.items():
        if baseline.startswith(f"{score}_"):
            print(f"  {baseline.removeprefix(f'{score}_'):<34}{value:>12.4g}")
    print(f"  rows a second {summary['examples_per_sec']:,.0f}, {summary['wall']:.0f} s, {summary['peak_mib']:.0f} MiB")


if __name__ == "__main__":
    main()
