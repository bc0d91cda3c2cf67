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
from trainer.launch.packaging.build import Builder
from trainer.launch.packaging.problem_files import PackedProblem
from trainer.launch.study import search_space, study_file
from trainer.launch.study.study import Study
from trainer.launch.vertex import images

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
      folder: in a bucket, for the package, or for what Cloud Build builds of.
      image: what is built and pushed before; None where it is there.
      image_files: what it is built from.
      build_project: whose Cloud Build builds it.
    """

    manifests: list[Manifest]
    namespace: str = "default"
    context: str | None = None
    notes: tuple[Finding, ...] = ()
    package: Archive | None = None
    folder: str = ""
    image: str | None = None
    image_files: Mapping[str, bytes] = dataclasses.field(default_factory=dict)
    build_project: str = ""


def prepare(
    what: KubernetesOptions,
    task_argv: Sequence[str],
    environ: Mapping[str, str] = os.environ,
    *,
    builder: Builder | None = None,
) -> Submission:
    """Builds the manifests and checks them.

    Args:
      what: the job.
      task_argv: flags of the task.
      environ: SOURCE_DATE_EPOCH is the time of the files of a package.
      builder: what builds the image from this source; None where it is there.

    Raises:
      FindingsError: with everything that is wrong with them.
    """
    if what.manifest is not None:
        return _of_file(what, what.manifest, task_argv)
    if what.python_image is not None:
        return _of_source(what, task_argv, environ)
    if builder is not None:
        return _of_built_image(what, task_argv, environ, builder)
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
    folder = _staging(what, "--python_image with a package")
    problem = problem_files.named_in(task_argv)
    built = archive.build(archive.source_root(), environ, problem.files if problem else None)
    alone = dataclasses.replace(what, image=what.python_image, python_image=None, staging=None)
    documents, notes = _checked(alone, task_argv, (), problem)
    return Submission(
        manifests=source_install.installing(documents, built.path_below(folder)),
        namespace=what.namespace,
        context=what.context,
        notes=notes,
        package=built,
        folder=folder,
    )


def _of_built_image(
    what: KubernetesOptions, task_argv: Sequence[str], environ: Mapping[str, str], builder: Builder
) -> Submission:
    """The job in an image of this source, with the person's problem in it."""
    folder, project = "", ""
    if builder is Builder.CLOUD:
        folder, project = _staging(what, "--build=cloud with its files"), images.project_of(str(what.image)) or ""
    if builder is Builder.CLOUD and not project:
        accept = "an image of Artifact Registry, REGION-docker.pkg.dev/PROJECT/REPOSITORY/NAME:TAG"
        raise UsageError(f"--build=cloud with --image={what.image}", accept, "Change it, or use --build=docker")
    problem = problem_files.named_in(task_argv)
    documents, notes = _checked(what, task_argv, (), problem)
    return Submission(
        manifests=documents,
        namespace=what.namespace,
        context=what.context,
        notes=notes,
        folder=folder,
        image=what.image,
        image_files=build.context(environ, problem, gpu=bool(what.gpu)),
        build_project=project,
    )


def _staging(what: KubernetesOptions, whose: str) -> str:
    """The folder for what is uploaded before. Raises UsageError where that is in no bucket."""
    folder = what.staging or f"{(what.output_dir or '').rstrip('/')}/packages"
    if not layout.is_remote(folder):
        do = "Name one for it: --staging=gs://bucket/packages"
        raise UsageError(f"{whose} in {folder}", "gs://bucket/folder", do)
    return folder


def with_image(submission: Submission, image: str) -> Submission:
    """The same with that image, which is there, in the place of the one that was to be built."""
    documents = _replaced(submission.manifests, submission.image, image)
    return dataclasses.replace(submission, manifests=documents, image=None, image_files={})


def _replaced(value: Any, image: str | None, other: str) -> Any:
    """A copy of manifests, or of a part of them, whose containers run `other` in the place of `image`."""
    if isinstance(value, Mapping):
        named = {name: other if name == "image" and part == image else part for name, part in value.items()}
        return {name: _replaced(part, image, other) for name, part in named.items()}
    return [_replaced(part, image, other) for part in value] if isinstance(value, list) else value


def _checked(
    what: KubernetesOptions,
    task_argv: Sequence[str],
    more: Iterable[Finding],
    problem: PackedProblem | None = None,
) -> tuple[list[Manifest], tuple[Finding, ...]]:
    """Manifests, and notes about them.

    Args:
      what: the job.
      task_argv: flags of the task.
      more: findings from elsewhere.
      problem: the person's own, which processes find under another name than this machine, where the checks are made.

    Raises:
      FindingsError: with everything that is wrong with them.
    """
    study = _study(what, task_argv)
    documents = _documents(what, task_argv, study)
    findings = [finding for document in documents for finding in kubernetes_rules.document(document)]
    notes = errors.refuse([*findings, *_gpus(what), *more], _REFUSED)
    return (_documents(what, problem.flags(task_argv), study) if problem else documents), notes


def _study(what: KubernetesOptions, task_argv: Sequence[str]) -> Study | None:
    """What is to be searched; None where nothing is."""
    if what.config is None:
        return None
    study = study_file.read(what.config, search_space.of_task(task_argv))
    for difference in katib.differences(study):
        print(difference, file=sys.stderr)
    return study


def _documents(what: KubernetesOptions, task_argv: Sequence[str], study: Study | None) -> list[Manifest]:
    if study is None:
        return kubernetes.manifests(what, task_argv)
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
