"""`python -m trainer.launch submit kubernetes`: options become manifests, which are checked, shown or created."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence

from trainer.job import errors, flags
from trainer.job.errors import UsageError
from trainer.job.findings import Finding
from trainer.launch import command_line
from trainer.launch.files import render
from trainer.launch.kubernetes import katib, manifest_file
from trainer.launch.kubernetes import manifests as kubernetes
from trainer.launch.kubernetes import rules as kubernetes_rules
from trainer.launch.kubernetes import study as kubernetes_study
from trainer.launch.kubernetes.handle import KubernetesJob
from trainer.launch.kubernetes.kubectl import Kubectl
from trainer.launch.kubernetes.options import KubernetesOptions, Workload
from trainer.launch.kubernetes.pods import Manifest
from trainer.launch.packaging import problem_files
from trainer.launch.study import search_space, study_file
from trainer.launch.submission import costs, names
from trainer.launch.submission import options as submit_options
from trainer.launch.submission.costs import Item
from trainer.launch.submission.options import SubmitOptions

USAGE = "python -m trainer.launch submit kubernetes [--flag=value ...] -- [flags of trainer.task]"
_CLASSES = (SubmitOptions, KubernetesOptions)
_CTRL_C = 130  # as a shell counts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Submission:
    """Checked manifests.

    Attributes:
      manifests: in the order in which they are created; the job itself is the last.
      notes: what is not known here, and left to the cluster.
    """

    manifests: list[Manifest]
    notes: tuple[Finding, ...]


def main(argv: Sequence[str]) -> int:
    """Shows or creates the job; with --wait the exit code is the job's, 0 or 1."""
    own, task_argv = command_line.halves(argv)
    settings = submit_options.parse(own, USAGE, *_CLASSES)
    chosen, what = settings[SubmitOptions], settings[KubernetesOptions]
    if what.manifest is None:  # what is written into a file has the name that it has there
        what = dataclasses.replace(what, name=names.of_now(what.name))
    submission = prepare(what, task_argv)
    documents = submission.manifests
    for note in submission.notes:
        print(note, file=sys.stderr)
    if prices := costs.require(chosen.prices):
        print(costs.line(prices, _items(what), longest_secs=what.timeout_secs), file=sys.stderr)
    if chosen.dry_run:
        print(render.text(documents, chosen.format or render.Format.YAML), end="")
        print("checked; nothing was sent. kubectl create -f accepts it", file=sys.stderr)
        return 0
    job = send(submission, what)
    print(job.name, flush=True)
    for hint in job.hints:
        print(hint, file=sys.stderr)
    if not chosen.wait:
        return 0
    try:
        return job.wait(poll_secs=chosen.poll_secs)
    except KeyboardInterrupt:
        print("no longer following; the job continues", file=sys.stderr)
        return _CTRL_C


def send(submission: Submission, what: KubernetesOptions) -> KubernetesJob:
    """Creates the job. Raises JobError where the cluster refuses it."""
    client, documents = Kubectl(context=what.context), submission.manifests
    namespace = str(documents[-1]["metadata"].get("namespace", what.namespace))
    return KubernetesJob(client, client.create(documents, namespace))


def prepare(what: KubernetesOptions, task_argv: Sequence[str]) -> Submission:
    """Builds the manifests and checks them.

    Raises:
      FindingsError: with everything that is wrong with them.
    """
    if what.manifest is not None:
        beside = [
            flag for flag in flags.to_argv(what) if not flag.startswith(("--manifest=", "--context=", "--namespace="))
        ]
        if beside or task_argv:
            got = f"{' '.join([*beside, *task_argv])} together with --manifest"
            raise UsageError(got, "--context and --namespace with it", "Write it into the file")
        manifests, notes = manifest_file.read(what.manifest)
        return Submission(manifests=manifests, notes=notes)
    if what.config is not None:
        documents = _study(what, what.config, task_argv)
    else:
        documents = kubernetes.manifests(what, task_argv)
    findings = [finding for document in documents for finding in kubernetes_rules.document(document)]
    findings += [*_gpus(what), *problem_files.elsewhere(task_argv, "image")]
    notes = errors.refuse(findings, "The manifests are not accepted; nothing was sent:")
    return Submission(manifests=documents, notes=notes)


def _study(what: KubernetesOptions, config: str, task_argv: Sequence[str]) -> list[Manifest]:
    study = study_file.read(config, search_space.of_task(task_argv))
    for difference in katib.differences(study):
        print(difference, file=sys.stderr)
    return kubernetes_study.manifests(what, task_argv, study)


def _gpus(what: KubernetesOptions) -> list[Finding]:
    """Pods of an Indexed Job are all alike."""
    idle = what.ps + what.evaluator
    if not what.gpu or not idle or what.kind is Workload.TFJOB:
        return []
    return [
        Finding(
            where=("spec", "template", "spec", "containers", 0, "resources"),
            got=f"GPUs for {idle} pods that do not train, since the pods of one Job are alike",
            accept="--kind=tfjob, whose replica types differ",
            do="Set it, or drop --ps and --evaluator",
        )
    ]


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
