"""Schema: requests generated from the served OpenAPI document (schemathesis), to a server of its own. No 5xx.

Bodies are what the document allows, and what it does not; every operation is asked `--examples` times of each kind.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx

from benchmarks import record
from benchmarks.wire import serving


def hold(url: str, examples: int, seed: int) -> dict[str, Any]:
    """Statuses by operation. Raises AssertionError at the first 5xx, with the request that hypothesis shrank it to."""
    import schemathesis

    client = httpx.Client(base_url=url, timeout=120)
    document = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    codes: dict[str, Counter[str]] = {}
    for operation in document.get_all_operations():
        case = operation.ok()
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            strategy = case.as_strategy(generation_mode=mode)
            _hold(client, strategy, codes.setdefault(f"{case.method.upper()} {case.path}", Counter()), examples, seed)
    return {name: dict(sorted(found.items())) for name, found in sorted(codes.items())}


def _hold(client: httpx.Client, strategy: Any, codes: Counter[str], examples: int, seed: int) -> None:
    from hypothesis import HealthCheck, given, settings
    from hypothesis import seed as seeded
    from hypothesis.errors import Unsatisfiable

    @seeded(seed)
    @settings(max_examples=examples, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=strategy)
    def ask(case: Any) -> None:
        body = case.body if isinstance(case.body, (dict, list, str, int, float, bool, type(None))) else None
        response = client.request(case.method, case.formatted_path, json=body)
        codes[str(response.status_code)] += 1
        assert response.status_code < 500, (case.method, case.path, body, response.text)

    try:
        ask()
    except Unsatisfiable:  # an operation without parameters has no request that breaks its document
        return


def parser() -> argparse.ArgumentParser:
    options = record.parser("schema", __doc__)
    options.add_argument("--examples", type=int, default=500, help="of each operation, allowed and not")
    return options


def main(arguments: Sequence[str] | None = None) -> Path:
    run = record.start("schema", parser(), arguments)
    with serving("--model", f"tiny={run.options.model or ''}") as server:
        found = hold(f"http://127.0.0.1:{server.port}", run.options.examples, run.options.seed)
        status = server.end()
    table = [[name, sum(codes.values()), *map(codes.get, ("200", "400", "422"))] for name, codes in found.items()]
    record.show("Generated from the OpenAPI document", ("operation", "asked", "200", "400", "422"), table)
    return run.write({"operations": found, "examples": run.options.examples, "exit_status": status})


if __name__ == "__main__":
    main()
