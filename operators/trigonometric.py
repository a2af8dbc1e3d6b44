"""Circular and hyperbolic functions of each element, their inverses, and the measures of angles."""

from collections.abc import Sequence

import numpy as np

from graphfuzz.spec import FLOATS, FRAMEWORKS, INTEGERS, Operator, binary, spelled
from operators.forms import all_dtypes, floating
from operators.precision import wide
from operators.special import KERAS_INTEGERS

sin = floating(
    "sin",
    "The sine of each element.",
    domain=(-20, 20),
    reference=lambda x: np.sin(wide(x)),
    torch="torch.sin({x})",
    keras="ops.sin({x})",
    keras_integers=KERAS_INTEGERS,
)
cos = floating(
    "cos",
    "The cosine of each element.",
    domain=(-20, 20),
    reference=lambda x: np.cos(wide(x)),
    torch="torch.cos({x})",
    keras="ops.cos({x})",
    keras_integers=KERAS_INTEGERS,
)
# Up to its first pole.
tan = floating(
    "tan",
    "The tangent of each element.",
    domain=(-1.4, 1.4),
    reference=lambda x: np.tan(wide(x)),
    torch="torch.tan({x})",
    keras="ops.tan({x})",
    keras_integers=KERAS_INTEGERS,
)
arcsin = floating(
    "arcsin",
    "The angle whose sine each element is.",
    domain=(-1, 1),
    reference=lambda x: np.arcsin(wide(x)),
    torch="torch.asin({x})",
    keras="ops.arcsin({x})",
    keras_integers=KERAS_INTEGERS,
)
arccos = floating(
    "arccos",
    "The angle whose cosine each element is.",
    domain=(-1, 1),
    reference=lambda x: np.arccos(wide(x)),
    torch="torch.acos({x})",
    keras="ops.arccos({x})",
    keras_integers=KERAS_INTEGERS,
)
arctan = floating(
    "arctan",
    "The angle whose tangent each element is.",
    domain=(-50, 50),
    reference=lambda x: np.arctan(wide(x)),
    torch="torch.atan({x})",
    keras="ops.arctan({x})",
    keras_integers=KERAS_INTEGERS,
)
sinh = floating(
    "sinh",
    "The hyperbolic sine of each element.",
    domain=(-7, 7),
    reference=lambda x: np.sinh(wide(x)),
    torch="torch.sinh({x})",
    keras="ops.sinh({x})",
    keras_integers=KERAS_INTEGERS,
)
cosh = floating(
    "cosh",
    "The hyperbolic cosine of each element.",
    domain=(-7, 7),
    reference=lambda x: np.cosh(wide(x)),
    torch="torch.cosh({x})",
    keras="ops.cosh({x})",
    keras_integers=KERAS_INTEGERS,
)
arcsinh = floating(
    "arcsinh",
    "The number whose hyperbolic sine each element is.",
    domain=(-50, 50),
    reference=lambda x: np.arcsinh(wide(x)),
    torch="torch.asinh({x})",
    keras="ops.arcsinh({x})",
    keras_integers=KERAS_INTEGERS,
)
arccosh = floating(
    "arccosh",
    "The number whose hyperbolic cosine each element is.",
    domain=(1, 100),
    reference=lambda x: np.arccosh(wide(x)),
    torch="torch.acosh({x})",
    keras="ops.arccosh({x})",
    keras_integers=KERAS_INTEGERS,
)
arctanh = floating(
    "arctanh",
    "The number whose hyperbolic tangent each element is.",
    domain=(-0.9, 0.9),
    reference=lambda x: np.arctanh(wide(x)),
    torch="torch.atanh({x})",
    keras="ops.arctanh({x})",
)
radians = floating(
    "radians",
    "Each element, an angle in degrees, in radians.",
    domain=(-360, 360),
    reference=lambda x: np.deg2rad(wide(x)),
    torch="torch.deg2rad({x})",
    keras="ops.deg2rad({x})",
)
degrees = floating(
    "degrees",
    "Each element, an angle in radians, in degrees.",
    domain=(-8, 8),
    reference=lambda x: np.rad2deg(wide(x)),
    torch="torch.rad2deg({x})",
    keras="ops.rad2deg({x})",
)
arctan2 = binary(
    "arctan2",
    FLOATS,
    divisor=(0.1, 8.0),
    reference=lambda x, y: np.arctan2(wide(x), wide(y)),
    torch="torch.atan2({x}, {y})",
    keras="ops.arctan2({x}, {y})",
    doc="The angle of the point (y, x), broadcast; y is positive, which keeps away from the cut.",
    special=FRAMEWORKS,
)
arctan2_whole = binary(
    "arctan2_whole",
    INTEGERS,
    divisor=(1, 8),
    returns="float32",
    reference=lambda x, y: np.arctan2(wide(x), wide(y)),
    torch=all_dtypes("torch.atan2({x}, {y})", INTEGERS),
    keras="ops.arctan2({x}, {y})",
    doc="The angle of the point (y, x), whose coordinates are integers, broadcast.",
)

arcsin_alias = spelled(arcsin, "arcsin_alias", torch="torch.arcsin({x})")
arctan2_alias = spelled(arctan2, "arctan2_alias", torch="torch.arctan2({x}, {y})")

OPERATORS: Sequence[Operator] = [op for op in globals().values() if isinstance(op, Operator)]
