"""Damaged checkpoints: which one a training resumes from, and whether its weights are right at the end.

python -m tests.faults.damage --cases=300 [--seed=1]

A directory holds five checkpoints of a training. In each case some of its files are truncated, emptied, zeroed, flipped
in bits or deleted: data (weights, slots, the input position), indexes, manifests, the state file. In a quarter of the
cases there are no manifests, as in directories of tf.estimator. Then training goes on to its end, which has to give the
weights that it gives without any damage, from the newest checkpoint whose files are as they were saved; where there is
none, an error in words.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import logging
import pathlib
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator

from tests.faults import saves_job, table
from trainer.estimator import Estimator, RunConfig, RunContext, TrainingHook
from trainer.estimator.saving.verification import DamagedCheckpointError
from trainer.job.errors import JobError

SAVED_STEPS, LAST_STEP = (2, 4, 6, 8, 10), 13
_STATE = "checkpoint"
_NAMED = re.compile(rb'^model_checkpoint_path: "(model\.ckpt-\d+)"')

Files = dict[str, bytes]


def truncated(content: bytes, draw: random.Random) -> bytes:
    return content[: draw.randrange(max(1, len(content)))]


def emptied(content: bytes, draw: random.Random) -> bytes:
    return b""


def zeroed(content: bytes, draw: random.Random) -> bytes:
    """With a run of zeros in it, as a sector that was never written."""
    start = draw.randrange(len(content))
    stop = draw.choice([len(content), min(len(content), start + 512)])
    return content[:start] + bytes(stop - start) + content[stop:]


def flipped(content: bytes, draw: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 8])):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def missing(content: bytes, draw: random.Random) -> None:
    return None


KINDS = (truncated, emptied, zeroed, flipped, missing)


class Resumes(TrainingHook):
    """Notes the step that a training resumes at."""

    def __init__(self) -> None:
        self.step: int | None = None

    def before_run(self, run_context: RunContext) -> None:
        if self.step is None:
            self.step = run_context.global_step


def estimator(directory: pathlib.Path) -> Estimator:
    config = RunConfig(
        tf_random_seed=1,
        save_checkpoints_steps=2,
        keep_checkpoint_max=len(SAVED_STEPS),
        log_step_count_steps=None,
        save_summary_steps=None,
    )
    return Estimator(saves_job.model_fn, directory, config)


def weights_at_the_end(directory: pathlib.Path, hooks: tuple[TrainingHook, ...] = ()) -> str:
    """Trains to the last step; the weights there."""
    trained = estimator(directory).train(saves_job.batches, hooks=list(hooks), max_steps=LAST_STEP)
    return saves_job.digest(trained.get_variable_value("weights"))


def damage(whole: Files, draw: random.Random) -> tuple[Files, list[str]]:
    """Some of the files in a damaged form, and in words what was done.

    Args:
      whole: the files of a directory.
      draw: decides.
    """
    left, done = dict(whole), []
    if draw.random() < 0.25:
        left = {name: content for name, content in left.items() if not name.endswith(".manifest")}
        done.append("no manifests")
    # The newest ones are met more often, and now and then all of them are.
    most = draw.choice([1, 1, 2, 2, 3, 3, 5, len(left)])
    for name in sorted(left, key=lambda name: draw.random() - (f"-{SAVED_STEPS[-1]}." in name))[:most]:
        kind = draw.choice(KINDS)
        changed = kind(left[name], draw)
        done.append(f"{name} {kind.__name__}")
        if changed is None:
            del left[name]
        else:
            left[name] = changed
    return left, done


def newest_whole(whole: Files, left: Files) -> int | None:
    """The step of the newest checkpoint whose files are as they were saved; None where there is none.

    A manifest that is gone takes nothing away from its checkpoint. A state file whose damage makes it name another one
    that is there is obeyed: nobody could tell it from one that somebody edited.
    """
    named = _NAMED.match(left.get(_STATE, b""))
    step = int(named[1].rpartition(b"-")[2]) if named else SAVED_STEPS[-1]
    last = step if step in SAVED_STEPS and any(name.startswith(f"model.ckpt-{step}.") for name in left) else None
    steps = [step for step in SAVED_STEPS if last is None or step <= last]
    return max((step for step in steps if _is_whole(f"model.ckpt-{step}.", whole, left)), default=None)


def _is_whole(prefix: str, whole: Files, left: Files) -> bool:
    names = [name for name in whole if name.startswith(prefix)]
    return all(left.get(name) == whole[name] or (name.endswith(".manifest") and name not in left) for name in names)


def run_case(directory: pathlib.Path, whole: Files, right: str, draw: random.Random) -> tuple[str, str]:
    """What came of one case, in a word, and what was done in it.

    Args:
      directory: for it alone.
      whole: the files of the training's directory.
      right: the weights without damage.
      draw: decides about the damage.
    """
    left, done = damage(whole, draw)
    directory.mkdir()
    for name, content in left.items():
        (directory / name).write_bytes(content)
    expected, resumes = newest_whole(whole, left), Resumes()
    try:
        weights = weights_at_the_end(directory, (resumes,))
    except JobError as error:
        refused = expected is None and isinstance(error, DamagedCheckpointError)
        word = "refused in words, none being whole" if refused else f"refused, though step {expected} is whole"
    except Exception as error:  # which a campaign counts
        word = f"ended with {type(error).__name__}"
    else:
        word = _word(weights == right, resumes.step, expected)
    return word, "; ".join(done)


def _word(right: bool, resumed: int | None, expected: int | None) -> str:
    if not right:
        return "wrong weights"
    if resumed == expected:
        return "right weights, from the newest whole one"
    # Some bytes of an index mean nothing, so that TensorFlow's checksums leave them out: nothing is wrong then.
    return "right weights, from a newer one" if (resumed or 0) > (expected or 0) else "right weights, from an older one"


@contextlib.contextmanager
def trained() -> Iterator[tuple[pathlib.Path, Files, str]]:
    """A folder for the cases, the files of a training, and its weights at the end."""
    with tempfile.TemporaryDirectory(prefix="trainer-damage-") as name:
        folder = pathlib.Path(name)
        estimator(folder / "whole").train(saves_job.batches, max_steps=SAVED_STEPS[-1])
        for old in (folder / "whole").glob("model.ckpt-0.*"):
            old.unlink()
        files = {path.name: path.read_bytes() for path in (folder / "whole").iterdir() if "tfevents" not in path.name}
        yield folder, files, weights_at_the_end(folder / "whole")


def run(cases: int, seed: int) -> dict[str, list[str]]:
    """What was done in the cases, by what came of them."""
    came: dict[str, list[str]] = collections.defaultdict(list)
    draw = random.Random(seed)
    with trained() as (folder, whole, right):
        for number in range(cases):
            word, done = run_case(folder / "case", whole, right, draw)
            came[word].append(done)
            shutil.rmtree(folder / "case")
            if number % 20 == 19:
                print({word: len(dones) for word, dones in came.items()}, file=sys.stderr, flush=True)
    return came


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.damage")
    parser.add_argument("--cases", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.getLogger("trainer").setLevel(logging.ERROR)
    came = run(options.cases, options.seed)
    print(table.render([{"what came of it": word, "cases": len(came[word])} for word in sorted(came)]))
    for word, dones in came.items():
        if not word.startswith(("right weights, from the newest", "refused in words")):
            print(f"\n{word}:", *dones, sep="\n  ")


if __name__ == "__main__":
    main()
