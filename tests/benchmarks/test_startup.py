"""The benchmark of start-up runs on a random model, in processes of its own."""

import json
from pathlib import Path

from benchmarks import startup


def test_startup_times_a_process_of_its_own(checkpoint: Path, tmp_path: Path) -> None:
    path = startup.main(["--model", str(checkpoint), "--threads", "1", "--repeats", "2", "--out", str(tmp_path)])
    for found in json.loads(path.read_text())["results"]["settings"]:
        assert 0 < found["import_s"] < found["total_s"]
        assert len(found["forward_processor_s"]) == len(startup.CANVASES)
        assert min(found["forward_processor_s"]) > 0
