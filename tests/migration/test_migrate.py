"""`python -m trainer.migrate`: what is left to do, with its place; copies; packages called trainer; exit codes."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import pytest

from tests.migration.programs import all_rewritten, written
from trainer import migrate

ROOT = pathlib.Path(__file__).parent.parent.parent


def report(folder: pathlib.Path, text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """The exit code and the lines about a program of one file, without its path."""
    written(folder, {"program.py": text})
    code = migrate.main([str(folder / "program.py"), f"--output_dir={folder / 'copy'}"])
    return code, capsys.readouterr().out.replace(str(folder / "copy" / "program.py"), "").splitlines()


LEFT = {
    "with tf.Session() as s: pass": ":2:6: tf.Session runs a Session",
    "tf.train.start_queue_runners()": ":2:1: tf.train.start_queue_runners needs a Session; the queues",
    "import tensorflow_hub as hub": ":2:1: tensorflow_hub's modules of TensorFlow 1 need a Session",
    "from tensorflow.contrib import slim": ":2:39: slim, which TensorFlow lost, is not given here",
    "tf.contrib.learn.Experiment()": ":2:1: tf.contrib.learn.Experiment is older than tf.estimator",
    "tf.contrib.seq2seq.BasicDecoder": ":2:1: tf.contrib.seq2seq.BasicDecoder is not given here. Write the decoder",
    "tf.contrib.image.x": ":2:1: tf.contrib.image.x is not among what is given of tf.contrib",
    "tf.estimator.BoostedTreesClassifier(1)": ":2:1: tf.estimator.BoostedTreesClassifier needs kernels",
    "tf.contrib.layers.sum_pool(x)": ":2:1: tf.contrib.layers.sum_pool is not given here",
    "tf.contrib.estimator.RNNEstimator(e)": "Write a model function with tf.nn.dynamic_rnn",
    "tf.contrib.tpu.keras_to_tpu_model(m)": ":2:1: tf.contrib.tpu.keras_to_tpu_model is not given here",
    "from tensorflow.contrib.tpu.python.tpu import tpu_thing": ":2:35: tf.estimator.tpu.tpu_thing is not given here",
    "tf.python.x; tf.no_such_name": ":2:14: tf.no_such_name is not in this TensorFlow",
    "run_context.session.run(x)": ":2:1: run_context.session: a hook has no Session here",
    "FLAGS._parse_flags()": ":2:1: FLAGS._parse_flags is older than absl's flags",
    "def f((a, b)): pass": ":2:7: Not Python 3: Function parameters cannot be parenthesized",
}


@pytest.mark.parametrize(("line", "said"), LEFT.items(), ids=LEFT)
def test_what_has_no_counterpart_is_reported_with_its_place(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], line: str, said: str
) -> None:
    code, lines = report(tmp_path, f"import tensorflow as tf\n{line}\n", capsys)
    assert code == 1
    assert said in lines[0]
    assert lines[-1].endswith("1 place left to do by hand.")


DONE = [
    "with tf.Session(graph=g) as s: pass",
    "with tf.Graph().as_default(), tf.Session() as s: pass",
    "tf.layers.dense(x, tf.contrib.layers.xavier_initializer())",
    "tf.logging.set_verbosity(tf.logging.INFO); tf.app.run()",
    "tf.nn.dynamic_rnn(tf.nn.rnn_cell.GRUCell(3), x); tf.train.AdamOptimizer().minimize(loss)",
    "tf.contrib.tpu.replicate(f); tf.contrib.tpu.TPUEstimator(f)",
    "tf.lookup.index_table_from_tensor(['a']); tf.keras.layers.Dense(1)",
    "tf.gfile.GFile('x'); tf.python_io.TFRecordWriter('x'); tf.flags.DEFINE_string('a', '', '')",
]


@pytest.mark.parametrize("line", DONE)
def test_what_is_here_is_not_reported(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], line: str) -> None:
    code, lines = report(tmp_path, f"import tensorflow as tf\n{line}\n", capsys)
    assert (code, lines) == (0, ["1 Python file, 1 rewritten, nothing left to do by hand."])


def test_a_program_for_python_2_gets_a_note_on_division(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines = report(tmp_path, "print 1 / 2\n", capsys)
    assert code == 0
    assert lines[0].startswith(":1:1: note: A program for Python 2: / between whole numbers rounded down there.")


def test_a_package_called_trainer_has_another_name_in_the_copy(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies = all_rewritten(
        tmp_path,
        {
            "trainer/__init__.py": "",
            "trainer/model.py": "x = 1\n",
            "trainer/task.py": "import trainer.model\nfrom trainer import model\nprint(trainer.model.x)\n",
            "setup.py": "setup(packages=['trainer'])\n",
            "run.sh": "cd x\npython -m trainer.task\n",
        },
    )
    assert copies["own_trainer/task.py"] == (
        "import own_trainer.model\nfrom own_trainer import model\nprint(own_trainer.model.x)\n"
    )
    assert copies["setup.py"] == "setup(packages=['own_trainer'])\n"
    out = capsys.readouterr().out
    assert "run.sh:2:1: Names the program's own package trainer, which is own_trainer in the copy." in out
    assert "The program's own package trainer is called own_trainer: python -m own_trainer.task" in out


def test_comments_layout_encoding_and_line_ends_stay(tmp_path: pathlib.Path) -> None:
    text = "# -*- coding: latin-1 -*-\r\nimport tensorflow as tf   # é\r\n\r\nx = ( 1,\r\n   2 )\r\n"
    (tmp_path / "a.py").write_bytes(text.encode("latin-1"))
    assert migrate.main([str(tmp_path / "a.py"), f"--output_dir={tmp_path / 'copy'}"]) == 0
    assert (tmp_path / "copy" / "a.py").read_bytes() == text.replace(
        "import tensorflow", "import trainer.compat.v1"
    ).encode("latin-1")


def test_the_original_stays_and_other_files_are_copied(tmp_path: pathlib.Path) -> None:
    texts = {"a.py": "import tensorflow as tf\n", "data/a.csv": "1,2\n"}
    copies = all_rewritten(tmp_path, texts)
    assert (tmp_path / "source" / "a.py").read_text() == texts["a.py"]
    assert copies["data/a.csv"] == "1,2\n"


def test_a_dry_run_shows_the_change_and_writes_nothing(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = written(tmp_path / "source", {"a.py": "import tensorflow as tf\n"})
    assert migrate.main([str(source), "--diff"]) == 0
    out = capsys.readouterr().out
    assert "-import tensorflow as tf\n+import trainer.compat.v1 as tf\n" in out
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--diff"], "No PATH. Accepted: Python files and folders of a program. Add one."),
        (["source"], "No --output_dir. Accepted: a new folder for the copies."),
        (["none.py", "--diff"], "No file none.py. Accepted: files and folders of a program."),
        (["csv", "--diff"], "No Python file in csv."),
        (["source", "--output_dir=data"], "--output_dir=data is not empty."),
        (["source", "--output_dir=source/copy"], "--output_dir=source/copy is inside source."),
        (["source/a.py", "data/a.py", "--diff"], "source/a.py and data/a.py would both be copied to a.py."),
        (["source", "--dif"], "Unknown flag --dif"),
    ],
    ids=str,
)
def test_wrong_usage_is_refused(
    tmp_path: pathlib.Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, {"source/a.py": "x = 1\n", "csv/a.csv": "1\n", "data/a.py": "x = 2\n"})
    assert migrate.main(words) == 2
    assert capsys.readouterr().err.startswith(f"trainer.migrate: {said}")


@pytest.mark.process
def test_neither_help_nor_a_migration_loads_tensorflow(tmp_path: pathlib.Path) -> None:
    source = written(tmp_path / "source", {"a.py": "import tensorflow as tf\n"})
    code = (
        "import sys; from trainer import migrate; "
        f"codes = migrate.main(['--help']), migrate.main([{str(source)!r}, '--diff']); "
        "sys.exit(f'{codes} loaded' if 'tensorflow' in sys.modules or codes != (0, 0) else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("Usage: python -m trainer.migrate PATH ... --output_dir=DIR\n")
