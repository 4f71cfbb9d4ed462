"""Schema: requests generated from the served OpenAPI document (schemathesis), to a server of its own. No 5xx.

Bodies are what the document allows, and what it does not; every operation is asked `--examples` times of each kind.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.wire import serving


def hold(url: str, examples: int, seed: int) -> dict[str, Any]:
    """Statuses by operation. Raises AssertionError at the first 5xx, with the request that hypothesis shrank it to."""
    import schemathesis

    document = schemathesis.openapi.from_url(f"{url}/openapi.json")
    codes: dict[str, Counter[str]] = {}
    for operation in document.get_all_operations():
        case = operation.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            strategy = case.as_strategy(generation_mode=mode)
            _hold(url, strategy, codes.setdefault(f"{case.method.upper()} {case.path}", Counter()), examples, seed)
    return {name: dict(sorted(found.items())) for name, found in sorted(codes.items())}


def _hold(url: str, strategy: Any, codes: Counter[str], examples: int, seed: int) -> None:
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded
    from hypothesis.errors import Unsatisfiable

    @seeded(seed)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=strategy)
    def ask(case: Any) -> None:
        if isinstance(case.body, dict) and "model" in case.body:  # as drawn it hardly ever names a model that is here
            case.body["model"] = "tiny"
            if case.path.endswith("/completions"):
                case.body["max_tokens"] = min(_whole(case.body.get("max_tokens")), 16)
        response = case.call(base_url=url, timeout=120)
        codes[str(response.status_code)] += 1
        assert response.status_code < 500, (case.as_curl_command(), response.text)

    try:
        ask()
    except Unsatisfiable:  # an operation without parameters has no request that breaks its document
        return


def _whole(value: Any) -> int:
    return value if isinstance(value, int) else 16


def parser() -> argparse.ArgumentParser:
    options = record.parser("schema", __doc__)
    options.add_argument("--examples", type=int, default=500, help="of each operation, allowed and not")
    return options


def main(arguments: Sequence[str] | None = None) -> Path:
    run = record.start("schema", parser(), arguments)
    with serving("--model", f"tiny={run.options.model or ''}") as server:
        found = hold(f"http://127.0.0.1:{server.port}", run.options.examples, run.options.seed)
        status = server.end()
    table = [[name, sum(codes.values()), *map(codes.get, ("200", "400", "404"))] for name, codes in found.items()]
    record.show("Generated from the OpenAPI document", ("operation", "asked", "200", "400", "404"), table)
    return run.write({"operations": found, "examples": run.options.examples, "exit_status": status})


if __name__ == "__main__":
    main()
