"""What a job on Vertex AI says of itself: states, errors and trials as words, exit codes, and where its logs are."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from trainer.launch.submission import exit_codes
from trainer.launch.vertex.requests import TUNING_JOBS

_SHORTAGE = re.compile(r"insufficient|not enough resources|stock ?out|exhausted|out of capacity|preempted|quota", re.I)
_EXIT_CODES = {
    "JOB_STATE_SUCCEEDED": 0,
    "JOB_STATE_PARTIALLY_SUCCEEDED": 0,
    "JOB_STATE_FAILED": 1,
    "JOB_STATE_CANCELLED": 1,
    "JOB_STATE_EXPIRED": 1,
}
_RESOURCE_EXHAUSTED = 8  # google.rpc.Code
WAITS = {
    "queued": "it waits for its turn, or for quota of custom training (console, IAM & Admin, Quotas)",
    "pending": "machines are being provisioned; spot machines and large ones may take long",
}


def state(job: Mapping[str, Any]) -> str:
    """The state in one lower-case word or two."""
    return str(job.get("state", "JOB_STATE_UNSPECIFIED")).removeprefix("JOB_STATE_").lower().replace("_", " ")


def is_shortage(job: Mapping[str, Any]) -> bool:
    """Whether a job failed because there were no machines, and not through anything of its own."""
    error = job.get("error") or {}
    is_of_replica = "exited with a non-zero status" in str(error.get("message"))
    is_short = error.get("code") == _RESOURCE_EXHAUSTED or bool(_SHORTAGE.search(str(error.get("message") or "")))
    return job.get("state") == "JOB_STATE_FAILED" and is_short and not is_of_replica


def exit_code(job: Mapping[str, Any]) -> int | None:
    """0 or 1 of a job that has ended; None while it runs."""
    return _EXIT_CODES.get(str(job.get("state")))


def described(job: Mapping[str, Any]) -> str:
    """State, trials and error in one line."""
    parts = [state(job)]
    trials = Counter(str(trial.get("state", "")).lower() for trial in job.get("trials") or ())
    if trials:
        counted = ", ".join(f"{count} {name}" for name, count in sorted(trials.items()))
        parts.append(f"trials: {counted} of {job.get('maxTrialCount')}")
    if job.get("error"):
        parts.append(error_text(job["error"]))
    return "; ".join(parts)


def error_text(error: Mapping[str, Any]) -> str:
    """The service's words, and what an exit code of ours means."""
    message = " ".join(str(error.get("message") or "no message").split())
    if error.get("code") == _RESOURCE_EXHAUSTED:
        return f"{message} (no machines: --fallback=REGION,on_demand tries others, --provisioning=flex_start waits)"
    match = re.search(r"replica (\S+) exited with a non-zero status of (\d+)", message)
    if not match:
        return message
    return f"replica {match[1]} exited with {match[2]} ({exit_codes.meaning(int(match[2]))})"


def best_trial(job: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The succeeded trial with the best final measurement of the first metric; None without one."""
    metrics = (job.get("studySpec") or {}).get("metrics") or [{}]
    sign = -1.0 if metrics[0].get("goal") == "MAXIMIZE" else 1.0
    scored = []
    for trial in job.get("trials") or ():
        values = [
            entry.get("value")
            for entry in (trial.get("finalMeasurement") or {}).get("metrics") or ()
            if entry.get("metricId") == metrics[0].get("metricId")
        ]
        if trial.get("state") == "SUCCEEDED" and values and isinstance(values[0], int | float):
            scored.append((sign * values[0], str(trial.get("id")), trial))
    return min(scored, key=lambda entry: entry[:2])[2] if scored else None


def hints(name: str, *, project: str) -> list[str]:
    """Pages and commands for the job of a full name, which is `project`'s."""
    collection, _, number = name.rpartition("/")
    tuning = collection.endswith(TUNING_JOBS)
    console = "https://console.cloud.google.com"
    page = f"{console}/vertex-ai/training/{'hyperparameter-tuning-jobs' if tuning else 'custom-jobs'}"
    query = f"resource.labels.job_id%3D%22{number}%22"
    return [
        f"look:   {page}?project={project}",
        f"        {console}/logs/query;query={query}?project={project}",
        f"logs:   python -m trainer.launch logs vertex {name} --follow",
        f"status: python -m trainer.launch status vertex {name}",
        f"cancel: python -m trainer.launch cancel vertex {name}",
    ]
