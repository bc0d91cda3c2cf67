"""`python -m trainer.launch submit kubernetes`: options become manifests, which are checked, shown or created."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

from trainer.job.errors import UsageError
from trainer.launch import command_line
from trainer.launch.files import render
from trainer.launch.kubernetes import sending
from trainer.launch.kubernetes.handle import KubernetesJob
from trainer.launch.kubernetes.options import KubernetesOptions
from trainer.launch.kubernetes.plan import Submission, prepare
from trainer.launch.kubernetes.sending_options import SendingOptions
from trainer.launch.packaging.build import Builder
from trainer.launch.submission import attempts, costs, names
from trainer.launch.submission import options as submit_options
from trainer.launch.submission.attempts import AttemptedJob
from trainer.launch.submission.costs import Item
from trainer.launch.submission.options import SubmitOptions

USAGE = "python -m trainer.launch submit kubernetes [--flag=value ...] -- [flags of trainer.task]"
_CLASSES = (SubmitOptions, KubernetesOptions, SendingOptions)
_CTRL_C = 130  # as a shell counts


def main(argv: Sequence[str]) -> int:
    """Shows or creates the job; with --wait the exit code is the job's, 0 or 1."""
    own, task_argv = command_line.halves(argv)
    settings = submit_options.parse(own, USAGE, *_CLASSES)
    chosen, what, how = settings[SubmitOptions], settings[KubernetesOptions], settings[SendingOptions]
    if how.fallback and not (chosen.wait or chosen.dry_run):
        raise UsageError("--fallback without --wait", "both, since it is done from here", "Add --wait")
    submissions = _prepared(what, how, task_argv)
    if prices := costs.require(chosen.prices):
        print(costs.line(prices, _items(what), longest_secs=what.timeout_secs), file=sys.stderr)
    if chosen.dry_run:
        _show(submissions[0][1], chosen)
        return 0
    try:
        job = sending.submit(submissions, how, poll_secs=chosen.poll_secs, told=attempts.announce)
        return job.wait(poll_secs=chosen.poll_secs) if chosen.wait else 0
    except KeyboardInterrupt:
        print("no longer following; the job continues", file=sys.stderr)
        return _CTRL_C


def submitted(own: Sequence[str], task_argv: Sequence[str]) -> AttemptedJob[KubernetesJob]:
    """Creates the job for a program, which does with it what it likes. Raises UsageError, JobError.

    Args:
      own: flags of `submit kubernetes`.
      task_argv: flags of the task.
    """
    settings = submit_options.parse(own, USAGE, *_CLASSES)
    chosen, how = settings[SubmitOptions], settings[SendingOptions]
    submit_options.require_of_program(chosen)
    return sending.submit(_prepared(settings[KubernetesOptions], how, task_argv), how, poll_secs=chosen.poll_secs)


def _prepared(what: KubernetesOptions, how: SendingOptions, task_argv: Sequence[str]) -> list[tuple[str, Submission]]:
    """The checked job as it is created first, and as it is without spot nodes, each with its nodes in words."""
    if how.fallback and what.spot is None:
        raise UsageError("--fallback without --spot", "something to fall back from", "Add --spot, or drop it")
    if how.build and not what.image:
        raise UsageError("--build without --image", "the name of the image to build", "Add --image=REGISTRY/NAME:TAG")
    if what.staging and what.python_image is None and how.build is not Builder.CLOUD:
        do = "Drop it: the image has the source in it"
        raise UsageError("--staging without --python_image", "it, or --build=cloud", do)
    ways = {"spot nodes" if what.spot else "the cluster's nodes": what}
    if how.fallback:
        ways["nodes on demand"] = dataclasses.replace(what, spot=None)
    found = [(where, _prepared_once(each, how, task_argv)) for where, each in ways.items()]
    for note in dict.fromkeys(note for _, submission in found for note in submission.notes):
        print(note, file=sys.stderr)
    return found


def _prepared_once(what: KubernetesOptions, how: SendingOptions, task_argv: Sequence[str]) -> Submission:
    """Under a name of its own; what is written into a file has the name that it has there."""
    if what.manifest is None:
        what = dataclasses.replace(what, name=names.of_now(what.name))
    return prepare(what, task_argv, builder=how.build)


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
