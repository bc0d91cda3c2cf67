"""`python -m trainer.launch submit kubernetes`: options become manifests, which are checked, shown or created."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

from trainer.job import flags
from trainer.job.errors import UsageError
from trainer.launch import command_line
from trainer.launch.files import render
from trainer.launch.kubernetes import sending
from trainer.launch.kubernetes.handle import KubernetesJob
from trainer.launch.kubernetes.options import KubernetesOptions
from trainer.launch.kubernetes.plan import Submission, prepare
from trainer.launch.kubernetes.sending_options import SendingOptions
from trainer.launch.submission import costs, names
from trainer.launch.submission import options as submit_options
from trainer.launch.submission.costs import Item
from trainer.launch.submission.options import SubmitOptions

USAGE = "python -m trainer.launch submit kubernetes [--flag=value ...] -- [flags of trainer.task]"
_CLASSES = (SubmitOptions, KubernetesOptions, SendingOptions)
_CTRL_C = 130  # as a shell counts


def main(argv: Sequence[str]) -> int:
    """Shows or creates the job; with --wait the exit code is the job's, 0 or 1."""
    own, task_argv = command_line.halves(argv)
    settings = _parsed(own)
    chosen, what, how = settings[SubmitOptions], settings[KubernetesOptions], settings[SendingOptions]
    submission = _prepared(what, how, task_argv)
    if prices := costs.require(chosen.prices):
        print(costs.line(prices, _items(what), longest_secs=what.timeout_secs), file=sys.stderr)
    if chosen.dry_run:
        _show(submission, chosen)
        return 0
    on_demand = dataclasses.replace(what, spot=None)
    try:
        return sending.send_and_follow(
            submission,
            wait=chosen.wait,
            poll_secs=chosen.poll_secs,
            patience_secs=how.fallback_secs,
            otherwise=(lambda: _prepared(on_demand, how, task_argv)) if how.fallback else None,
        )
    except KeyboardInterrupt:
        print("no longer following; the job continues", file=sys.stderr)
        return _CTRL_C


def submitted(own: Sequence[str], task_argv: Sequence[str]) -> KubernetesJob:
    """Creates the job for a program, which does with it what it likes. Raises UsageError, JobError.

    Args:
      own: flags of `submit kubernetes`.
      task_argv: flags of the task.
    """
    settings = _parsed(own)
    submit_options.require_of_program(settings[SubmitOptions])
    return sending.send(_prepared(settings[KubernetesOptions], settings[SendingOptions], task_argv))


def _parsed(own: Sequence[str]) -> flags.Settings:
    settings = submit_options.parse(own, USAGE, *_CLASSES)
    chosen, what, how = settings[SubmitOptions], settings[KubernetesOptions], settings[SendingOptions]
    if how.fallback and (what.spot is None or not (chosen.wait or chosen.dry_run)):
        lacks = "--spot" if what.spot is None else "--wait"
        raise UsageError(f"--fallback without {lacks}", "--spot and --wait with it", f"Add {lacks}, or drop it")
    if how.build and not what.image:
        raise UsageError("--build without --image", "the name of the image to build", "Add --image=REGISTRY/NAME:TAG")
    return settings


def _prepared(what: KubernetesOptions, how: SendingOptions, task_argv: Sequence[str]) -> Submission:
    """The checked job, under a name of its own; what is written into a file has the name that it has there."""
    if what.manifest is None:
        what = dataclasses.replace(what, name=names.of_now(what.name))
    submission = prepare(what, task_argv, built_here=how.build is not None)
    for note in submission.notes:
        print(note, file=sys.stderr)
    return submission


def _show(submission: Submission, chosen: SubmitOptions) -> None:
    print(render.text(submission.manifests, chosen.format or render.Format.YAML), end="")
    if submission.package is not None:
        files = len(submission.package.files)
        path = submission.package.path_below(submission.folder)
        print(f"package: {path} ({files} files, uploaded unless it is there)", file=sys.stderr)
    if submission.image is not None:
        print(f"image: {submission.image} would be built of {', '.join(submission.image_files)}", file=sys.stderr)
    print("checked; nothing was sent. kubectl create -f accepts it", file=sys.stderr)


def _items(what: KubernetesOptions) -> list[Item]:
    """Cores, gigabytes of memory and GPUs of all pods."""
    computing = what.num_pods - what.ps - what.evaluator
    items = [Item(section="kubernetes", name="gpu", count=what.gpu * computing)] if what.gpu else []
    if what.cpu:
        items.append(Item(section="kubernetes", name="cpu", count=what.num_pods * quantity(what.cpu)))
    if what.memory:
        items.append(Item(section="kubernetes", name="memory_gb", count=what.num_pods * quantity(what.memory) / 1e9))
    return items


def quantity(text: str) -> float:
    """The number that a quantity of Kubernetes says: `500m` is .5, `8Gi` 8 * 2**30."""
    powers = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
    binary = {"Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50}
    for suffix, factor in (binary | powers).items():
        if text.endswith(suffix):
            return float(text.removesuffix(suffix)) * factor
    return float(text)
