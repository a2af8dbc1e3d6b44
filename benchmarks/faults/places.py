"""Where faults are planted: in what a converter hands out, in its translations, in its capture, and in the runtime.

Surgery on models is done where each converter serializes, so that the fault is there with its optimizer and without;
a fault of an optimizer is there only if the optimizer ran in that conversion.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any

from benchmarks.faults.fault import Altered, Fault, Surgery
from graphfuzz.oracle.attribution.evidence import (
    CAPTURE,
    CONVERTER_OPTIMIZATION,
    MODEL_VALIDITY,
    NODE_CONVERSION,
    RUNTIME_KERNEL,
    RUNTIME_LOAD,
    RUNTIME_OPTIMIZATION,
)
from graphfuzz.oracle.ledger import replaced

DYNAMO, SCRIPT, TF2ONNX = "torch-dynamo-ort", "torch-script-ort", "tf2onnx-ort"

Translation = Callable[..., Any]
Note = Callable[[], None]
"""What is to be called when something is altered."""
Exchange = Callable[[Translation, Note], Translation]
"""An entry's translation to the faulty one."""


def converted(name: str, route: str, kind: str, surgery: Surgery, stage: str = NODE_CONVERSION) -> Fault:
    """What the converter makes of some ONNX nodes is wrong, whether it optimizes or not."""
    return Fault(name, route, kind, stage, lambda altered: _serialized(route, surgery, altered), surgery)


def invalid(name: str, route: str, surgery: Surgery) -> Fault:
    """The converter makes a model that is against ONNX's rules."""
    return converted(name, route, "invalid model", surgery, MODEL_VALIDITY)


def unloadable(name: str, route: str, surgery: Surgery) -> Fault:
    """The converter makes a model that keeps to the rules as far as they can be checked, and cannot be loaded."""
    return converted(name, route, "unloadable model", surgery, RUNTIME_LOAD)


def optimized(name: str, route: str, kind: str, surgery: Surgery) -> Fault:
    """The converter's own optimizer (for TorchScript, its folding of constants) is wrong."""

    def patch(altered: Altered) -> AbstractContextManager[None]:
        return _serialized(route, surgery, altered, _OPTIMIZERS[route])

    return Fault(name, route, kind, CONVERTER_OPTIMIZATION, patch, surgery)


def optimized_by_runtime(name: str, route: str, kind: str, surgery: Surgery, optimizer: str) -> Fault:
    """The runtime's graph optimization is wrong, in the optimizer of that name."""

    def patch(altered: Altered) -> AbstractContextManager[None]:
        return _loaded(surgery, altered, optimizer)

    return Fault(name, route, kind, RUNTIME_OPTIMIZATION, patch, surgery)


def kernel(name: str, route: str, kind: str, surgery: Surgery) -> Fault:
    """A kernel of the runtime is wrong, whether it optimizes or not."""
    return Fault(name, route, kind, RUNTIME_KERNEL, lambda altered: _loaded(surgery, altered), surgery)


def unloaded(name: str, route: str, surgery: Surgery, message: str) -> Fault:
    """The runtime refuses models in which the surgery would alter something."""

    def patch(altered: Altered) -> AbstractContextManager[None]:
        return _loaded(surgery, altered, message=message)

    return Fault(name, route, "crash", RUNTIME_LOAD, patch, surgery)


def translated(name: str, route: str, kind: str, entry: str, exchange: Exchange) -> Fault:
    """The converter's translation of one entry of its ledger is exchanged."""

    def patch(altered: Altered) -> AbstractContextManager[None]:
        return translating(route, entry, lambda plain: exchange(plain, lambda: altered.append(entry)))

    return Fault(name, route, kind, NODE_CONVERSION, patch, entry=entry)


def translating(route: str, entry: str, make: Callable[[Translation], Translation]) -> AbstractContextManager[None]:
    """While in effect, the translation of one entry of a route's ledger is what `make` makes of it."""
    return _TRANSLATIONS[route](entry, make)


def captured(name: str, kind: str, entry: str, change: Callable[[Any], bool]) -> Fault:
    """`torch.export` captures another program. change: alters a node of that target (`torch.fx.Node`), if it can."""

    def patch(altered: Altered) -> AbstractContextManager[None]:
        return _captured(entry, change, altered)

    return Fault(name, DYNAMO, kind, CAPTURE, patch, entry=entry)


@contextmanager
def _serialized(
    route: str, surgery: Surgery, altered: Altered, optimizer: Callable[[], tuple[Any, str]] | None = None
) -> Iterator[None]:
    """While in effect, every model is operated on as it leaves the converter; where an optimizer is given (its owner
    and name), only if that has run since the model before."""
    ran: list[bool] = []

    def noting(plain: Any) -> Any:
        def run(*arguments: Any, **options: Any) -> Any:
            ran.append(True)
            return plain(*arguments, **options)

        return run

    def operate(proto: Any) -> Any:
        if ran or optimizer is None:
            altered.extend(surgery(proto))
        ran.clear()
        return proto

    with ExitStack() as stack:
        if optimizer is not None:
            stack.enter_context(replaced(*optimizer(), noting))
        stack.enter_context(_SERIALIZERS[route](operate))
        yield


def _dynamo_serializer(operate: Callable[[Any], Any]) -> AbstractContextManager[None]:
    from torch.onnx._internal.exporter._onnx_program import ONNXProgram

    return replaced(ONNXProgram, "model_proto", lambda plain: property(lambda self: operate(plain.fget(self))))


def _script_serializer(operate: Callable[[Any], Any]) -> AbstractContextManager[None]:
    import onnx
    from torch.onnx._internal.torchscript_exporter import onnx_proto_utils

    def wrapped(plain: Callable[..., bytes]) -> Callable[..., bytes]:
        def add(*arguments: Any) -> bytes:
            made: bytes = operate(onnx.load_from_string(plain(*arguments))).SerializeToString()
            return made

        return add

    return replaced(onnx_proto_utils, "_add_onnxscript_fn", wrapped)


def _tf2onnx_serializer(operate: Callable[[Any], Any]) -> AbstractContextManager[None]:
    from tf2onnx.graph import Graph

    return replaced(Graph, "make_model", lambda plain: lambda *given, **options: operate(plain(*given, **options)))


_SERIALIZERS = {DYNAMO: _dynamo_serializer, SCRIPT: _script_serializer, TF2ONNX: _tf2onnx_serializer}


def _dynamo_optimizer() -> tuple[Any, str]:
    from torch.onnx._internal.exporter import _onnx_program

    found = vars(_onnx_program)["onnxscript_apis"]  # imported only when it is first used
    return importlib.import_module(found._name), "optimize"


def _script_optimizer() -> tuple[Any, str]:
    import torch

    return torch._C, "_jit_pass_onnx_constant_fold"


def _tf2onnx_optimizer() -> tuple[Any, str]:
    from tf2onnx.optimizer.const_fold_optimizer import ConstFoldOptimizer

    return ConstFoldOptimizer, "_optimize"


_OPTIMIZERS: dict[str, Callable[[], tuple[Any, str]]] = {
    DYNAMO: _dynamo_optimizer,
    SCRIPT: _script_optimizer,
    TF2ONNX: _tf2onnx_optimizer,
}


@contextmanager
def _loaded(surgery: Surgery, altered: Altered, optimizer: str = "", message: str = "") -> Iterator[None]:
    """While in effect, ONNX Runtime operates on every model that it loads.

    optimizer: only where its graph optimization is on and the optimizer of that name is not disabled. message: it
    raises an error with it, where it would alter something.
    """
    import onnx
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import Fail

    off = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL

    def wrapped(plain: Any) -> Any:
        def session(model: Any, sess_options: Any = None, *rest: Any, **options: Any) -> Any:
            disabled = options.get("disabled_optimizers") or ()
            unoptimized = sess_options is not None and sess_options.graph_optimization_level == off
            if not (optimizer and (unoptimized or optimizer in disabled)):
                proto = onnx.load_from_string(model) if isinstance(model, bytes) else onnx.load(model)
                done = surgery(proto)
                altered.extend(done)
                if done and message:
                    raise Fail(message)
                model = proto.SerializeToString() if done else model
            return plain(model, sess_options, *rest, **options)

        return session

    with replaced(onnxruntime, "InferenceSession", wrapped):
        yield


@contextmanager
def _torchlib(entry: str, make: Callable[[Translation], Translation]) -> Iterator[None]:
    """The function that torchlib has for an operator's overload is exchanged as it is looked up: the exporter, and
    workers, remember registries."""
    from torch.onnx._internal.exporter import _dispatching

    def wrapped(plain: Any) -> Any:
        def dispatch(node: Any, registry: Any) -> Any:
            function, message = plain(node, registry)
            name = getattr(node.target, "name", None)
            if function is None or not callable(name) or name() != entry:
                return function, message
            return make(function), message

        return dispatch

    with replaced(_dispatching, "dispatch", wrapped):
        yield


@contextmanager
def _symbolic(entry: str, make: Callable[[Translation], Translation]) -> Iterator[None]:
    """The symbolic function of a TorchScript operator is exchanged."""
    importlib.import_module("torch.onnx")
    from torch.onnx._internal.torchscript_exporter import registration

    group = registration.registry.get_function_group(entry)
    assert group is not None, entry
    plain = group.get

    def get(opset: int) -> Any:
        function = plain(opset)
        return function if function is None else make(function)

    group.get = get  # type: ignore[method-assign]
    try:
        yield
    finally:
        del group.get


@contextmanager
def _handler(entry: str, make: Callable[[Translation], Translation]) -> Iterator[None]:
    """tf2onnx's handler of a TensorFlow operator (one of its `version_*`) is exchanged."""
    from tf2onnx.handler import tf_op

    def wrapped(plain: Any) -> Any:
        def create_mapping(*arguments: Any) -> Any:
            mapping = plain.__func__(*arguments)
            function, options = mapping[entry]
            tf_op._MAPPING = {**mapping, entry: (make(function), options)}
            return tf_op._MAPPING

        return staticmethod(create_mapping)

    with replaced(tf_op, "create_mapping", wrapped):
        yield


_TRANSLATIONS: dict[str, Callable[..., AbstractContextManager[None]]] = {
    DYNAMO: _torchlib,
    SCRIPT: _symbolic,
    TF2ONNX: _handler,
}


@contextmanager
def _captured(entry: str, change: Callable[[Any], bool], altered: Altered) -> Iterator[None]:
    import torch

    def wrapped(plain: Any) -> Any:
        def export(*arguments: Any, **options: Any) -> Any:
            program = plain(*arguments, **options)
            for node in program.graph.nodes:
                name = getattr(node.target, "name", None)
                if callable(name) and name() == entry and change(node):
                    altered.append(entry)
            program.graph_module.recompile()
            return program

        return export

    with replaced(torch.export, "export", wrapped):
        yield
