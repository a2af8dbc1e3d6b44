"""What we measure: `python -m benchmarks NAME [--quick] [--json] [--record]`.

A benchmark is a module of this package with `run(quick) -> dict` (JSON data) and `render(result) -> rich renderable`.
Speeds are comparable only within one run: machines differ and are noisy.
"""
