"""Boxes of detected objects, the best of those that overlap kept: TensorFlow's operators, which Keras has no word for.

Where as many are kept as happen to remain, zeros fill up what is missing, so that shapes are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphfuzz.spec import Operator, Require, Shape, Size, Tensor, choice, either, flag, number, size, tensor
from operators.precision import Array, wide
from operators.spatial import declared
from operators.spelling import in_layer

MARGIN = 1e-3
"""How far scores and overlaps must be from each other and from thresholds, so that rounding decides nothing."""


def overlaps(boxes: Array) -> Array:
    """The intersection of each two boxes (two opposite corners) over their union; zero where one has no area."""
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
    area = (high - low).prod(1)
    sides = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    shared = np.maximum(sides, 0).prod(2)
    union = area[:, None] + area - shared
    positive = (area[:, None] > 0) & (area > 0)
    return np.where(positive, shared / np.where(union > 0, union, 1.0), 0.0)


def kept(boxes: Array, scores: Array, most: int, overlap: float, least: float) -> list[int]:
    """The best boxes first, none that overlaps a better one by more than it may, none of a lower score."""
    shared = overlaps(wide(boxes))
    chosen: list[int] = []
    for i in np.argsort(-wide(scores), kind="stable"):
        if len(chosen) < most and scores[i] > least and all(shared[i, j] <= overlap for j in chosen):
            chosen.append(int(i))
    return chosen


def _is_sure(boxes: Array, scores: Array, overlap: float, least: float) -> bool:
    """Nothing is a matter of ties or rounding, and every box has an area."""
    ordered = np.sort(wide(scores))
    found = overlaps(wide(boxes))
    sides = np.abs(wide(boxes)[:, 2:] - wide(boxes)[:, :2])
    return bool(
        np.all(np.diff(ordered) > MARGIN)
        and np.all(np.abs(ordered - least) > MARGIN)
        and np.all(np.abs(found - overlap) > MARGIN)
        and np.all(sides > MARGIN)
    )


def _filled(values: Any, most: int) -> Array:
    return np.asarray([*values, *[0] * (most - len(values))])


def _boxes(require: Require, boxes: Tensor, scores: Tensor) -> None:
    require(boxes.shape[1] == 4, "a box has four sides")
    require(boxes.shape[0] == scores.shape[0], "each box has a score")


_OPERANDS = (tensor("boxes", rank=2, domain=(0.0, 1.0)), tensor("scores", rank=1, domain=(0.0, 1.0)))


def _plain(version: int) -> Operator:
    """Versions 2 and 3, which return as many indices as remain."""

    def rule(require: Require, boxes: Tensor, scores: Tensor, *, most: Size, overlap: float, least: float) -> Shape:
        _boxes(require, boxes, scores)
        return (most,)

    def reference(boxes: Any, scores: Any, most: int, overlap: float, least: float) -> Any:
        return _filled(kept(boxes, scores, most, overlap, least), most)

    threshold = ", score_threshold={least}" if version == 3 else ""
    found = (
        f"tf.raw_ops.NonMaxSuppressionV{version}(boxes=boxes, scores=scores, max_output_size={{most}}, "
        f"iou_threshold={{overlap}}{threshold})"
    )
    call = f"tf.ensure_shape(tf.concat([{found}, tf.zeros([{{most}}], tf.int32)], 0)[: {{most}}], [{{most}}])"
    name = f"tf_non_max_suppression_v{version}"
    return declared(
        name,
        "The indices of the best boxes that do not overlap too much, zeros behind them.",
        rule,
        *_OPERANDS,
        attrs={
            "most": size(1, 8),
            "overlap": number(0.1, 0.9),
            "least": number(0, 0.5) if version == 3 else choice(-1.0),
        },
        dtypes=("float32",),
        returns="int32",
        defined=lambda boxes, scores, most, overlap, least: _is_sure(boxes, scores, overlap, least),
        reference=reference,
        keras=in_layer("boxes, scores", call),
    )


def _counted() -> Operator:
    """Version 4; TensorFlow's public function of it is another program, which wants corners in a certain order."""

    def rule(
        require: Require, boxes: Tensor, scores: Tensor, *, most: Size, overlap: float, least: float
    ) -> list[Shape]:
        _boxes(require, boxes, scores)
        return [(most,), ()]

    def reference(boxes: Any, scores: Any, most: int, overlap: float, least: float) -> Any:
        chosen = kept(boxes, scores, most, overlap, least)
        return _filled(chosen, most), np.asarray(len(chosen))

    call = (
        "tuple(tf.raw_ops.NonMaxSuppressionV4(boxes=boxes, scores=scores, max_output_size={most}, "
        "iou_threshold={overlap}, score_threshold={least}, pad_to_max_output_size=True))"
    )
    return declared(
        "tf_non_max_suppression_v4",
        "The indices of the best boxes that do not overlap too much, zeros behind them; and how many they are.",
        rule,
        *_OPERANDS,
        attrs={"most": size(1, 8), "overlap": number(0.1, 0.9), "least": number(0, 0.5)},
        dtypes=("float32",),
        returns="int32",
        defined=lambda boxes, scores, most, overlap, least: _is_sure(boxes, scores, overlap, least),
        reference=reference,
        keras=in_layer("boxes, scores", call),
    )


def _scored() -> Operator:
    """Version 5, with hard suppression."""

    def rule(
        require: Require, boxes: Tensor, scores: Tensor, *, most: Size, overlap: float, least: float
    ) -> list[Shape]:
        _boxes(require, boxes, scores)
        return [(most,), (most,), ()]

    def reference(boxes: Any, scores: Any, most: int, overlap: float, least: float) -> Any:
        chosen = kept(boxes, scores, most, overlap, least)
        return _filled(chosen, most), _filled(scores[chosen], most), np.asarray(len(chosen))

    call = (
        "tuple(tf.raw_ops.NonMaxSuppressionV5(boxes=boxes, scores=scores, max_output_size={most}, "
        "iou_threshold={overlap}, score_threshold={least}, soft_nms_sigma=0.0, pad_to_max_output_size=True))"
    )
    return declared(
        "tf_non_max_suppression_v5",
        "The indices and scores of the best boxes that do not overlap too much, and how many they are.",
        rule,
        *_OPERANDS,
        attrs={"most": size(1, 8), "overlap": number(0.1, 0.9), "least": number(0, 0.5)},
        dtypes=("float32",),
        returns=("int32", "T", "int32"),
        defined=lambda boxes, scores, most, overlap, least: _is_sure(boxes, scores, overlap, least),
        reference=reference,
        keras=in_layer("boxes, scores", call),
    )


def _combined() -> Operator:
    """Each class by itself, then the best of all."""

    def rule(
        require: Require,
        boxes: Tensor,
        scores: Tensor,
        *,
        each: Size,
        most: Size,
        overlap: float,
        least: float,
        clipped: bool,
    ) -> list[Shape]:
        batch, count, own, sides = boxes.shape
        require(sides == 4, "a box has four sides")
        require(either(own == 1, own == scores.shape[2]), "classes have the same boxes, or each its own")
        require(scores.shape[0] == batch, "there are scores for each image")
        require(scores.shape[1] == count, "there are scores for each box")
        return [(batch, most, 4), (batch, most), (batch, most), (batch,)]

    def one(
        boxes: Any, scores: Any, each: int, most: int, overlap: float, least: float
    ) -> list[tuple[float, int, int]]:
        found = [
            (float(scores[i, c]), c, i)
            for c in range(scores.shape[1])
            for i in kept(boxes[:, c % boxes.shape[1]], scores[:, c], each, overlap, least)
        ]
        return sorted(found, reverse=True)[:most]

    def reference(boxes: Any, scores: Any, each: int, most: int, overlap: float, least: float, clipped: bool) -> Any:
        made = [one(b, s, each, most, overlap, least) for b, s in zip(boxes, scores, strict=True)]
        places = np.zeros((len(made), most, 4))
        for b, found in enumerate(made):
            for k, (_, c, i) in enumerate(found):
                box = boxes[b, i, c % boxes.shape[2]]
                places[b, k] = np.clip(box, 0, 1) if clipped else box
        values = np.stack([_filled([score for score, _, _ in found], most) for found in made])
        classes = np.stack([_filled([c for _, c, _ in found], most) for found in made])
        return places, values, classes, np.asarray([len(found) for found in made])

    def defined(boxes: Any, scores: Any, overlap: float, least: float, **_: Any) -> bool:
        pairs = list(zip(boxes, scores, strict=True))
        alone = all(np.all(np.diff(np.sort(wide(s).reshape(-1))) > MARGIN) for _, s in pairs)
        return alone and all(
            _is_sure(b[:, c % b.shape[1]], s[:, c], overlap, least) for b, s in pairs for c in range(s.shape[1])
        )

    call = (
        "tuple(tf.image.combined_non_max_suppression(boxes, scores, {each}, {most}, {overlap}, {least}, "
        "clip_boxes={clipped}))"
    )
    return declared(
        "tf_combined_non_max_suppression",
        "The best boxes of each image over all classes: boxes, scores, classes, and how many they are.",
        rule,
        tensor("boxes", rank=4, domain=(-0.2, 1.2)),
        tensor("scores", rank=3, domain=(0.0, 1.0)),
        attrs={
            "each": size(1, 4),
            "most": size(1, 8),
            "overlap": number(0.1, 0.9),
            "least": number(0, 0.5),
            "clipped": flag(),
        },
        dtypes=("float32",),
        returns=("T", "T", "T", "int32"),
        defined=defined,
        reference=reference,
        keras=in_layer("boxes, scores", call),
    )


OPERATORS: Sequence[Operator] = [_plain(2), _plain(3), _counted(), _scored(), _combined()]
