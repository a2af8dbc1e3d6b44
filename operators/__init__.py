"""The operator-spec library, one module a family."""

import numpy as np

from graphfuzz.spec import REAL, unary

relu = unary("relu", REAL, reference=lambda x: np.maximum(x, 0), torch="torch.relu({x})", keras="ops.relu({x})")
OPERATORS = [relu]
