"""Dropout and noise in inference, where they leave everything as it is, and layers that always do."""

from collections.abc import Sequence

from graphfuzz.spec import (
    FLOATS,
    FRAMEWORKS,
    Emission,
    Operator,
    Require,
    Shape,
    Tensor,
    choice,
    emission,
    named,
    operator,
    tensor,
)

_RATE = choice(0.5, 0.0, 0.25, 0.9)


def noise(
    name: str,
    *,
    torch: str | None = None,
    keras: str | None = None,
    layer: bool = True,
    rank: Sequence[int] = range(7),
    dtypes: Sequence[str] = FLOATS,
    doc: str,
) -> Operator:
    """An operator that changes nothing in inference; `torch` and `keras` construct layers, or are calls."""

    def rule(require: Require, x: Tensor, *, rate: float) -> Shape:
        return x.shape

    def emitted(text: str | None) -> str | Emission | None:
        return emission("{layer}({x})", layer=text) if layer and text is not None else text

    declare = operator(
        tensor("x", rank=rank),
        attrs={"rate": _RATE},
        dtypes=dtypes,
        reference=lambda x, *, rate: x,
        empty=True,
        special=FRAMEWORKS,
        torch=emitted(torch),
        keras=emitted(keras),
    )
    return declare(named(name, doc, rule))


def _keras_layer(name: str) -> str:
    return f'layers.{name}({{rate}}, dtype="{{x.dtype}}")'


OPERATORS: Sequence[Operator] = [
    noise("dropout_function", torch="F.dropout({x}, {rate}, training=False)", layer=False, doc="Dropout in inference."),
    noise(
        "alpha_dropout_function",
        torch="F.alpha_dropout({x}, {rate}, training=False)",
        layer=False,
        doc="Dropout that keeps mean and variance, in inference.",
    ),
    noise(
        "feature_alpha_dropout_function",
        torch="F.feature_alpha_dropout({x}, {rate}, training=False)",
        layer=False,
        rank=range(2, 7),
        doc="Dropout of channels that keeps mean and variance, in inference.",
    ),
    noise(
        "native_dropout",
        torch="torch.native_dropout({x}, {rate}, False)[0]",
        layer=False,
        doc="Dropout in inference, by the name of PyTorch's kernel.",
    ),
    noise(
        "dropout", torch="nn.Dropout({rate})", keras=_keras_layer("Dropout"), doc="Dropout in inference, as a layer."
    ),
    noise(
        "alpha_dropout",
        torch="nn.AlphaDropout({rate})",
        keras=_keras_layer("AlphaDropout"),
        doc="Dropout that keeps mean and variance, in inference, as a layer.",
    ),
    noise(
        "spatial_dropout1d",
        torch="nn.Dropout1d({rate})",
        keras=_keras_layer("SpatialDropout1D"),
        rank=(3,),
        doc="Dropout of channels of sequences, in inference, as a layer.",
    ),
    noise(
        "spatial_dropout2d",
        torch="nn.Dropout2d({rate})",
        keras=_keras_layer("SpatialDropout2D"),
        rank=(4,),
        doc="Dropout of channels of images, in inference, as a layer.",
    ),
    noise(
        "spatial_dropout3d",
        torch="nn.Dropout3d({rate})",
        keras=_keras_layer("SpatialDropout3D"),
        rank=(5,),
        doc="Dropout of channels of volumes, in inference, as a layer.",
    ),
    noise(
        "feature_alpha_dropout",
        torch="nn.FeatureAlphaDropout({rate})",
        rank=range(2, 7),
        doc="Dropout of channels that keeps mean and variance, in inference, as a layer.",
    ),
    noise("gaussian_dropout", keras=_keras_layer("GaussianDropout"), doc="Noise to multiply by, in inference."),
    noise("gaussian_noise", keras=_keras_layer("GaussianNoise"), doc="Noise to add, in inference."),
    noise(
        "activity_regularization",
        keras='layers.ActivityRegularization(l1={rate}, dtype="{x.dtype}")',
        doc="A penalty in training, nothing in inference.",
    ),
]
