"""A test on tf2onnx's own harness, `Tf2OnnxBackendTestBase` (tests/backend_test_base.py of its repository)."""

from __future__ import annotations

import textwrap

from graphfuzz.corpus.entry import Entry
from graphfuzz.corpus.export.source import (
    Parts,
    assignments,
    file_name,
    import_block,
    numpy_text,
    parts,
    rates,
    test_name,
    weights_text,
)
from graphfuzz.corpus.export.wording import docstring
from graphfuzz.errors import UsageError
from graphfuzz.oracle.verdict import WRONG_OUTPUT
from graphfuzz.spec.registry import Registry

OPSET = 18
"""The opset for which the route converts, tf2onnx's newest; its tests' default is older."""

IMPORTS = (
    "import base64",
    "import copy",
    "import os",
    "import zlib",
    "import tensorflow as tf",
    "from backend_test_base import Tf2OnnxBackendTestBase",
    "from common import unittest_main",
)

_CLASS = """\
class {name}Tests(Tf2OnnxBackendTestBase):
    def setUp(self):
        super().setUp()
        self.config = copy.copy(self.config)
        self.config.opset = {opset}
        self.config.skip_tflite_tests = self.config.skip_tfjs_tests = True  # this is of the way through tf.function

    def _run_test_case(self, func, output_names_with_port, feed_dict, **kwargs):
        kwargs["convert_var_to_const"] = False
        return self.run_test_case(func, feed_dict, [], output_names_with_port, **kwargs)

    def test_{test}(self):
{body}
"""


def tf2onnx_test(entry: Entry, registry: Registry) -> dict[str, bytes]:
    """One test file, for the folder `tests` of tf2onnx.

    Raises UsageError for an entry of another converter, and for what the harness cannot show: a wrong set of inputs,
    which it names to the converter itself, and dynamic shapes, for it converts a function for the very shapes that it
    then runs.
    """
    if entry.finding.route != "tf2onnx-ort":
        raise UsageError(f"{entry.slug}: tf2onnx-test is for tf2onnx, and the entry is of {entry.finding.route}")
    if entry.finding.error == "WrongInputs":
        raise UsageError(f"{entry.slug}: tf2onnx's harness says itself what a model's inputs are; export a script")
    found = parts(entry, registry)
    if found.axes:
        raise UsageError(
            f"{entry.slug}: tf2onnx's harness knows no dynamic shapes, which the finding is of; export a script"
        )
    name = test_name(entry)
    words = "".join(word.capitalize() for word in name.split("_"))
    test = _CLASS.format(name=words, test=name, opset=OPSET, body=textwrap.indent(_body(entry, found), "        "))
    kernels = 'os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"  # without, CPUs have no channels-first convolution\n'
    code = [found.model, weights_text(found.weights), test.rstrip() + "\n", _MAIN]
    text = "\n\n".join(part for part in code if part)
    imports = import_block(text, *IMPORTS, *found.imports)
    if "channels_first" in text:
        imports = f"import os\n\n{kernels}\n{imports}"
    head = f"# SPDX-License-Identifier: Apache-2.0\n\n\n{docstring(entry, found.expression)}"
    return {f"test_{file_name(entry)}.py": f"{head}\n{imports}\n\n\n{text}".encode()}


_MAIN = 'if __name__ == "__main__":\n    unittest_main()\n'


def _body(entry: Entry, found: Parts) -> str:
    names, outputs = list(found.inputs), entry.case.graph.outputs
    lines = [assignments(found.inputs, numpy_text).rstrip()]
    lines += [f"model = build({'weights' if found.weights else '{}'})", ""]
    lines += [f"def func({', '.join(names)}):"]
    call = f"model([{', '.join(names)}], training=False)"
    if len(outputs) == 1:
        lines += [f'    return tf.identity({call}, name="{outputs[0]}")']
    else:
        named = [f'tf.identity(made[{i}], name="{name}")' for i, name in enumerate(outputs)]
        lines += [f"    made = {call}", f"    return {', '.join(named)}"]
    feeds = "{" + ", ".join(f'"{name}:0": {name}' for name in names) + "}"
    wanted = "[" + ", ".join(f'"{name}:0"' for name in outputs) + "]"
    rtol, atol = rates(entry)
    near = f", rtol={rtol!r}, atol={atol!r}" if entry.finding.verdict == WRONG_OUTPUT else ""
    lines += ["", f"self._run_test_case(func, {wanted}, {feeds}{near})"]
    return "\n".join(lines)
