"""NNSmith's generator, run by the interpreter of an environment of its own: answers requests, a JSON line each.

A request has `method`, `nodes`, `seed` and either `seconds` (generate until they are over) or `graphs` (so many). The
answer has the `seconds` taken and one record a graph: its operators in order, who feeds whom, its dtypes and ranks.
"""

import json
import logging
import sys
import time
import warnings
from typing import Any


def main() -> None:
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    from nnsmith.abstract.op import FULL_OPERATOR_SETS
    from nnsmith.graph_gen import model_gen

    operators = list(FULL_OPERATOR_SETS["core"])
    for line in sys.stdin:
        request = json.loads(line)
        made: list[Any] = []
        started = time.perf_counter()
        while len(made) < request.get("graphs", 1 << 30) and time.perf_counter() - started < request.get(
            "seconds", 1e9
        ):
            generator = model_gen(
                opset=operators,
                method=request["method"],
                seed=request["seed"] + len(made),
                max_nodes=request["nodes"],
                timeout_ms=60_000,
            )
            made.append(generator.make_concrete())
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "graphs": [described(ir) for ir in made]}), flush=True)


def described(ir: Any) -> dict[str, Any]:
    """What a graph consists of."""
    operators = [(inst, inst.iexpr.op) for inst in ir.insts if type(inst.iexpr.op).__name__ not in SOURCES]
    made_by = {value: type(op).__name__ for inst, op in operators for value in inst.retvals()}
    return {
        "operators": [type(op).__name__ for _, op in operators],
        "pairs": [
            [made_by[value], type(op).__name__]
            for inst, op in operators
            for value in inst.iexpr.args
            if value in made_by
        ],
        "dtypes": sorted({str(ir.vars[v].dtype.value) for inst, _ in operators for v in inst.retvals()}),
        "ranks": sorted({len(ir.vars[v].shape) for inst, _ in operators for v in inst.retvals()}),
    }


SOURCES = ("Input", "Constant", "Placeholder")

if __name__ == "__main__":
    main()
