"""Faults planted in converters and in what the runtime is given, to see whether they are found and told right.

They speak of torchlib's functions, symbolic functions, tf2onnx's handlers and ONNX's nodes; of the operators that cases
are made of they know nothing.
"""

from benchmarks.faults import alike, dynamo, script, tf2onnx
from benchmarks.faults.fault import KINDS, Altered, Fault

FAULTS = {fault.name: fault for module in (dynamo, script, tf2onnx, alike) for fault in module.FAULTS}
"""Every fault by its name."""

__all__ = ["FAULTS", "KINDS", "Altered", "Fault"]
