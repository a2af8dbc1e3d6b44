"""A test in the shape of those of PyTorch's exporters (test/onnx/exporter in its repository).

The default exporter's uses `torch.onnx.testing.assert_onnx_program`, which runs the exported program and the ONNX
model. The TorchScript exporter has no such function outside of PyTorch's own repository: its test compares by
`torch.testing.assert_close`.
"""

from __future__ import annotations

import inspect
import textwrap

from graphfuzz.corpus.entry import Entry
from graphfuzz.corpus.export.source import (
    Parts,
    arguments,
    assignments,
    export_options,
    file_name,
    import_block,
    parts,
    rates,
    test_name,
    torch_text,
    torchscript_call,
    weights_text,
)
from graphfuzz.corpus.export.wording import docstring
from graphfuzz.errors import UsageError
from graphfuzz.oracle.attribution.evidence import CAPTURE
from graphfuzz.oracle.declared import misdeclared
from graphfuzz.oracle.twins import TWINS
from graphfuzz.oracle.verdict import INVALID_MODEL
from graphfuzz.spec.registry import Registry

IMPORTS = (
    "import base64",
    "import io",
    "import unittest",
    "import zlib",
    "import onnx",
    "import onnxruntime",
    "from torch.onnx.testing import assert_onnx_program",
    "from typing import Any",
)


def torch_pytest(entry: Entry, registry: Registry) -> dict[str, bytes]:
    """One test file. Raises UsageError for an entry of another converter."""
    written = {"torch-dynamo-ort": _dynamo, "torch-script-ort": _torchscript}.get(entry.finding.route)
    if written is None:
        raise UsageError(
            f"{entry.slug}: torch-pytest is for PyTorch's exporters, and the entry is of {entry.finding.route}"
        )
    found = parts(entry, registry)
    body = _prepared(found) + written(entry, found)
    method = f"def test_{test_name(entry)}(self):\n{textwrap.indent(body, '    ')}"
    names = [word.capitalize() for word in test_name(entry).split("_")]
    test = f"class {''.join(names)}Test(unittest.TestCase):\n{textwrap.indent(method, '    ')}"
    code = [found.model.rstrip() + "\n", weights_text(found.weights), _helper(entry), test, _MAIN]
    text = "\n\n".join(part for part in code if part)
    imports = import_block(text, *IMPORTS, *found.imports)
    head = f'# Owner(s): ["module: onnx"]\n{docstring(entry, found.expression)}\nfrom __future__ import annotations\n'
    return {f"test_{file_name(entry)}.py": f"{head}\n{imports}\n\n\n{text}".encode()}


_MAIN = 'if __name__ == "__main__":\n    unittest.main()\n'


def _prepared(found: Parts) -> str:
    """The lines that make the model and what it is exported for."""
    weights = "weights" if found.weights else ""
    return f"{assignments(found.inputs, torch_text)}model = Model({weights}).eval()\n"


def _helper(entry: Entry) -> str:
    mismatch = entry.finding.mismatch
    declared = mismatch is not None and mismatch.what == "declared"
    return (
        inspect.getsource(misdeclared).replace("dict[str, Array]", "dict").replace("list[Array]", "list")
        if declared
        else ""
    )


def _near(entry: Entry) -> str:
    rtol, atol = rates(entry)
    return f"rtol={rtol!r}, atol={atol!r}"


def _dynamo(entry: Entry, found: Parts) -> str:
    mismatch = entry.finding.mismatch
    names = list(found.inputs)
    lines = [
        f"program = torch.onnx.export(model, {arguments(names)}, dynamo=True, verbose=False{export_options(found)})"
    ]
    if entry.finding.verdict == INVALID_MODEL:
        lines.append("onnx.checker.check_model(program.model_proto, full_check=True)")
    others = found.given is not found.inputs
    given = assignments(found.given, torch_text) if others else ""
    known = entry.finding.attribution
    if mismatch is not None and mismatch.what == TWINS:
        one, other = _twins(entry)
        lines += [f"outputs = program{arguments(names)}"]
        lines += [f"torch.testing.assert_close(outputs[{other}], outputs[{one}], {_near(entry)})"]
    elif mismatch is not None and mismatch.what == "declared":
        inputs = f"{{value.name: array for value, array in zip(program.model_proto.graph.input, {arguments(names)})}}"
        lines += [f"outputs = program{arguments(names)}"]
        lines += [f"self.assertIsNone(misdeclared(program.model_proto, {inputs}, outputs))"]
    elif mismatch is not None and known is not None and known.stage == CAPTURE:
        lines += [f"expected = model{arguments(names)}", f"actual = program{arguments(names)}"]
        lines += ["expected = expected if isinstance(expected, tuple) else (expected,)"]
        lines += [f"torch.testing.assert_close(tuple(actual), expected, {_near(entry)}, equal_nan=True)"]
    else:
        passed = f", args={arguments(names)}" if others else ""
        lines.append(f"assert_onnx_program(program{passed}, {_near(entry)})")
    return "\n".join([lines[0], *([given.rstrip()] if given else []), *lines[1:]]) + "\n"


def _twins(entry: Entry) -> tuple[int, int]:
    """The positions of the outputs that should equal each other: the form that is right, and the one told wrong."""
    mismatch, outputs = entry.finding.mismatch, entry.case.graph.outputs
    ((one, other),) = [pair for pair in entry.case.twins if mismatch is not None and pair[1] == mismatch.output]
    return outputs.index(one), outputs.index(other)


def _torchscript(entry: Entry, found: Parts) -> str:
    mismatch, names = entry.finding.mismatch, list(found.inputs)
    lines = ["buffer = io.BytesIO()", torchscript_call(entry, found)]
    proto = "onnx.load_from_string(buffer.getvalue())"
    if entry.finding.verdict == INVALID_MODEL:
        lines.append(f"onnx.checker.check_model({proto}, full_check=True)")
    lines += assignments(found.given, torch_text).splitlines() if found.given is not found.inputs else []
    lines += ['session = onnxruntime.InferenceSession(buffer.getvalue(), providers=["CPUExecutionProvider"])']
    lines += [f"arrays = dict(zip({names!r}, {arguments(f'{name}.numpy()' for name in names)}))".replace("'", '"')]
    lines += ["feeds = {value.name: arrays[value.name] for value in session.get_inputs()}"]
    lines += ["actual = tuple(map(torch.as_tensor, session.run(None, feeds)))"]
    if mismatch is not None and mismatch.what == TWINS:
        one, other = _twins(entry)
        lines += [f"torch.testing.assert_close(actual[{other}], actual[{one}], {_near(entry)})"]
    elif mismatch is not None and mismatch.what == "declared":
        lines += [f"self.assertIsNone(misdeclared({proto}, arrays, actual))"]
    else:
        expected = f"model{arguments(names)}".replace(",)", ")")
        expected = expected if len(entry.case.graph.outputs) > 1 else f"({expected},)"
        lines += [f"torch.testing.assert_close(actual, {expected}, {_near(entry)}, equal_nan=True)"]
    return "\n".join(lines) + "\n"
