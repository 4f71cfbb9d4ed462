"""The official harness of SWE-bench: whether a patch resolves its issue, in the instance's own container.

Knows Docker, and the command line, the predictions file and the reports of the package `swebench`. Refuses to know
models and prompts.
"""

import importlib.util
import json
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

DATASET = "SWE-bench/SWE-bench_Verified"
MODULE = "swebench.harness.run_evaluation"
NAME = "redraft"
SECONDS = 1800  # for an instance's tests, the harness's own default
BUILDING = 3600  # and for its image


def lacking() -> str | None:
    """Why the harness cannot run here; None where it can."""
    if importlib.util.find_spec("swebench") is None:
        return "the official harness is not installed (pip install swebench)"
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, timeout=60, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return "there is no Docker here that answers"
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return None if done.returncode == 0 else f"Docker does not answer: {said[-1] if said else done.returncode}"


def prediction(instance_id: str, patch: str, model: str = NAME) -> dict[str, str]:
    """A line of the predictions file."""
    return {"instance_id": instance_id, "model_name_or_path": model, "model_patch": patch}


def command(predictions: Path, run_id: str, *, instance_id: str | None = None, workers: int = 1) -> list[str]:
    """How the harness is started on a predictions file."""
    only = [] if instance_id is None else ["--instance_ids", instance_id]
    return [
        sys.executable, "-m", MODULE, "--dataset_name", DATASET, "--split", "test",
        "--predictions_path", str(predictions), "--max_workers", str(workers), "--timeout", str(SECONDS),
        "--run_id", run_id, *only,
    ]  # fmt: skip


def resolves(instance_id: str, patch: str) -> tuple[bool, str]:
    """Whether a patch resolves an instance, and why not. Raises ValueError where the harness itself failed."""
    run_id = f"redraft-{secrets.token_hex(6)}"
    with tempfile.TemporaryDirectory(prefix="redraft-swebench-") as name:
        folder = Path(name)
        file = folder / "predictions.jsonl"
        file.write_text(json.dumps(prediction(instance_id, patch)) + "\n", encoding="utf-8")
        asked = command(file, run_id, instance_id=instance_id)
        try:
            done = subprocess.run(asked, cwd=folder, capture_output=True, timeout=SECONDS + BUILDING, check=False)
        except subprocess.TimeoutExpired:
            raise ValueError(f"the official harness took more than {SECONDS + BUILDING} s on {instance_id}") from None
        report = folder / "logs" / "run_evaluation" / run_id / NAME / instance_id / "report.json"
        if not report.is_file():
            return _unreported(folder, instance_id, done)
        return verdict(json.loads(report.read_text()), instance_id)


def _unreported(folder: Path, instance_id: str, done: subprocess.CompletedProcess) -> tuple[bool, str]:
    """No report: a patch that did not apply or tests that took too long are wrong, anything else is a failure."""
    log = next(folder.rglob("run_instance.log"), None)
    told = log.read_text("utf-8", "replace") if log else ""
    for mark, why in (("Patch Apply Failed", "the patch does not apply"), ("Tests Timed Out", "its tests timed out")):
        if mark in told:
            return False, why
    lines = (told or (done.stderr or done.stdout).decode("utf-8", "replace")).strip().splitlines()
    raise ValueError(f"the official harness said nothing of {instance_id}: {lines[-1] if lines else done.returncode}")


def verdict(report: Mapping[str, Mapping[str, object]], instance_id: str) -> tuple[bool, str]:
    """What a report says of an instance."""
    said = report[instance_id]
    if said["resolved"]:
        return True, ""
    if said.get("infra_failure"):
        raise ValueError(f"the official harness could not judge {instance_id}: {said.get('infra_failure_reason')}")
    return False, "its tests fail" if said.get("patch_successfully_applied") else "the patch does not apply"
