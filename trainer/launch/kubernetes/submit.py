"""`python -m trainer.launch submit kubernetes`: options become manifests, which are checked, shown or applied."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from trainer.job import flags
from trainer.job.errors import UsageError
from trainer.launch import breaches, command_line, job_files
from trainer.launch.breaches import Breach
from trainer.launch.files import render
from trainer.launch.kubernetes import katib, kubectl
from trainer.launch.kubernetes import manifests as kubernetes
from trainer.launch.kubernetes import rules as kubernetes_rules
from trainer.launch.kubernetes import study as kubernetes_study
from trainer.launch.kubernetes.options import KubernetesOptions, Workload
from trainer.launch.kubernetes.pods import Manifest
from trainer.launch.study import search_space, study_file
from trainer.launch.submit import costs
from trainer.launch.submit import options as submit_options
from trainer.launch.submit.costs import Item
from trainer.launch.submit.options import SubmitOptions

USAGE = "python -m trainer.launch submit kubernetes [--flag=value ...] -- [flags of trainer.task]"
_CLASSES = (SubmitOptions, KubernetesOptions)
_CTRL_C = 130  # as a shell counts


def main(argv: Sequence[str]) -> int:
    """Shows or applies the job; with --wait the exit code is the job's, 0 or 1."""
    own, task_argv = command_line.halves(argv)
    settings = submit_options.parse(own, USAGE, *_CLASSES)
    chosen, what = settings[SubmitOptions], settings[KubernetesOptions]
    documents = prepare(what, task_argv)
    if prices := costs.require(chosen.prices):
        print(costs.line(prices, _items(what), longest_secs=what.timeout_secs), file=sys.stderr)
    if chosen.dry_run:
        print(render.text(documents, chosen.format or render.Format.YAML), end="")
        print("checked, nothing sent; kubectl apply -f takes it", file=sys.stderr)
        return 0
    client = kubectl.Kubectl(context=what.context)
    client.apply(render.text(documents, render.Format.JSON) if len(documents) == 1 else _as_list(documents))
    main_one = documents[-1]
    where = {"kind": main_one["kind"], "name": main_one["metadata"]["name"]}
    namespace = str(main_one["metadata"].get("namespace", what.namespace))
    for hint in kubectl.hints(**where, namespace=namespace):
        print(hint, file=sys.stderr)
    if not chosen.wait:
        return 0
    try:
        return client.follow(**where, namespace=namespace, poll_secs=chosen.poll_secs)
    except KeyboardInterrupt:
        print("not followed any more; the job goes on", file=sys.stderr)
        return _CTRL_C


def prepare(what: KubernetesOptions, task_argv: Sequence[str]) -> list[Manifest]:
    """Builds the manifests and checks them.

    Raises:
      RequestError: with everything that is wrong with them.
      FaultyFileError: likewise, where they come from a file.
    """
    if what.manifest is not None:
        beside = [
            flag for flag in flags.to_argv(what) if not flag.startswith(("--manifest=", "--context=", "--namespace="))
        ]
        if beside or task_argv:
            got = f"{' '.join([*beside, *task_argv])} beside --manifest"
            raise UsageError(got, "--context and --namespace beside it", "Write it into the file")
        return job_files.manifests(what.manifest)
    if what.config is not None:
        documents = _study(what, what.config, task_argv)
    else:
        documents = kubernetes.manifests(what, task_argv)
    breaches.refuse(
        [*(breach for document in documents for breach in kubernetes_rules.document(document)), *_gpus(what)]
    )
    return documents


def _study(what: KubernetesOptions, config: str, task_argv: Sequence[str]) -> list[Manifest]:
    study = study_file.read(config, search_space.of_task(task_argv))
    for difference in katib.differences(study):
        print(difference, file=sys.stderr)
    return kubernetes_study.manifests(what, task_argv, study)


def _gpus(what: KubernetesOptions) -> list[Breach]:
    """Pods of an Indexed Job are all alike."""
    idle = what.ps + what.evaluator
    if not what.gpu or not idle or what.kind is Workload.TFJOB:
        return []
    return [
        Breach(
            path=("spec", "template", "spec", "containers", 0, "resources"),
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


def _as_list(documents: Sequence[Manifest]) -> str:
    """Several manifests as one that kubectl takes."""
    whole: dict[str, Any] = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
    return render.text([whole], render.Format.JSON)
