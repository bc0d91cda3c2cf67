"""Options become checked manifests, ready to be created: of a job, a study or a file."""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from trainer.job import early_flags, errors, flags, layout
from trainer.job.errors import UsageError
from trainer.job.findings import Finding, Level
from trainer.launch.kubernetes import katib, manifest_file, source_install
from trainer.launch.kubernetes import manifests as kubernetes
from trainer.launch.kubernetes import rules as kubernetes_rules
from trainer.launch.kubernetes import study as kubernetes_study
from trainer.launch.kubernetes.options import KubernetesOptions, Workload
from trainer.launch.kubernetes.pods import Manifest
from trainer.launch.packaging import archive, build, problem_files
from trainer.launch.packaging.archive import Archive
from trainer.launch.study import search_space, study_file

_REFUSED = "The manifests are not accepted; nothing was sent:"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Submission:
    """Checked manifests, and what they need to be created.

    Attributes:
      manifests: in the order in which they are created; the job itself is the last.
      namespace: where.
      context: kubectl's; None for the current one.
      notes: what is not known here, and left to the cluster.
      package: what has to be uploaded before; None where nothing has.
      folder: in a bucket, for the package.
      image: what is built and pushed before; None where it is there.
      image_files: what it is built from.
    """

    manifests: list[Manifest]
    namespace: str = "default"
    context: str | None = None
    notes: tuple[Finding, ...] = ()
    package: Archive | None = None
    folder: str = ""
    image: str | None = None
    image_files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)


def prepare(
    what: KubernetesOptions,
    task_argv: Sequence[str],
    environ: Mapping[str, str] = os.environ,
    *,
    built_here: bool = False,
) -> Submission:
    """Builds the manifests and checks them.

    Args:
      what: the job.
      task_argv: flags of the task.
      environ: SOURCE_DATE_EPOCH is the time of the files of a package.
      built_here: whether the image is built from this source.

    Raises:
      FindingsError: with everything that is wrong with them.
    """
    if what.manifest is not None:
        return _of_file(what, what.manifest, task_argv)
    if what.python_image is not None:
        return _of_source(what, task_argv, environ)
    if built_here:
        return _of_built_image(what, task_argv, environ)
    about_problem = [*problem_files.elsewhere(task_argv, "image"), *_problem_of_trials(what, task_argv)]
    documents, notes = _checked(what, task_argv, about_problem)
    return Submission(manifests=documents, namespace=what.namespace, context=what.context, notes=notes)


def _of_file(what: KubernetesOptions, path: str, task_argv: Sequence[str]) -> Submission:
    """The manifests of a file, unchanged."""
    alone = ("--manifest=", "--context=", "--namespace=")
    beside = [flag for flag in flags.to_argv(what) if not flag.startswith(alone)]
    if beside or task_argv:
        got = f"{' '.join([*beside, *task_argv])} together with --manifest"
        raise UsageError(got, "--context and --namespace with it", "Write it into the file")
    documents, notes = manifest_file.read(path)
    namespace = str(documents[-1]["metadata"].get("namespace", what.namespace))
    return Submission(manifests=documents, namespace=namespace, context=what.context, notes=notes)


def _of_source(what: KubernetesOptions, task_argv: Sequence[str], environ: Mapping[str, str]) -> Submission:
    """The job in a plain Python image, whose processes install this source, with the person's problem in it."""
    folder = what.staging or f"{(what.output_dir or '').rstrip('/')}/packages"
    if not layout.is_remote(folder):
        got = f"--python_image with a package in {folder}"
        raise UsageError(got, "gs://bucket/folder", "Name one for it: --staging=gs://bucket/packages")
    problem = problem_files.named_in(task_argv)
    built = archive.build(archive.source_root(), environ, problem.files if problem else None)
    alone = dataclasses.replace(what, image=what.python_image, python_image=None, staging=None)
    documents, notes = _checked(alone, task_argv, ())
    if problem:  # which the processes find under another name than this machine, whose name was good for the checks
        documents = _documents(alone, problem.flags(task_argv))
    return Submission(
        manifests=source_install.installing(documents, built.path_below(folder)),
        namespace=what.namespace,
        context=what.context,
        notes=notes,
        package=built,
        folder=folder,
    )


def _of_built_image(what: KubernetesOptions, task_argv: Sequence[str], environ: Mapping[str, str]) -> Submission:
    """The job in an image of this source, with the person's problem in it."""
    problem = problem_files.named_in(task_argv)
    documents, notes = _checked(what, task_argv, ())
    return Submission(
        manifests=_documents(what, problem.flags(task_argv)) if problem else documents,
        namespace=what.namespace,
        context=what.context,
        notes=notes,
        image=what.image,
        image_files=build.context(environ, problem, gpu=bool(what.gpu)),
    )


def with_image(value: Any, image: str, other: str) -> Any:
    """A copy of manifests whose containers run another image in the place of `image`.

    Args:
      value: manifests, or a part of them.
      image: as they name it.
      other: what takes its place.
    """
    if isinstance(value, Mapping):
        named = {name: other if name == "image" and part == image else part for name, part in value.items()}
        return {name: with_image(part, image, other) for name, part in named.items()}
    return [with_image(part, image, other) for part in value] if isinstance(value, list) else value


def _checked(
    what: KubernetesOptions, task_argv: Sequence[str], more: Iterable[Finding]
) -> tuple[list[Manifest], tuple[Finding, ...]]:
    documents = _documents(what, task_argv)
    findings = [finding for document in documents for finding in kubernetes_rules.document(document)]
    notes = errors.refuse([*findings, *_gpus(what), *more], _REFUSED)
    return documents, notes


def _documents(what: KubernetesOptions, task_argv: Sequence[str]) -> list[Manifest]:
    if what.config is None:
        return kubernetes.manifests(what, task_argv)
    study = study_file.read(what.config, search_space.of_task(task_argv))
    for difference in katib.differences(study):
        print(difference, file=sys.stderr)
    return kubernetes_study.manifests(what, task_argv, study)


def _problem_of_trials(what: KubernetesOptions, task_argv: Sequence[str]) -> list[Finding]:
    """Katib's shell runs the command of the manifest, and not the image's, which may name a problem."""
    if what.config is None or early_flags.value(task_argv, "problem") is not None:
        return []
    got = "the trials run python -m trainer.task, which trains trainer.model whatever problem the image has"
    do = "Write -- --problem=MODULE where it has another"
    return [Finding(where="image", got=got, do=do, level=Level.NOTE)]


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
