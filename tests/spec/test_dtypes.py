"""Promotion as PyTorch and Keras do it."""

import itertools

import keras
import pytest
import torch

from graphfuzz.spec.dtypes import ANY, COMPLEX, UNCOMMON, epsilon, promoted, smallest_normal

COMMON = [d for d in ANY if d not in UNCOMMON["torch"]]


@pytest.mark.parametrize(("a", "b"), list(itertools.combinations_with_replacement(COMMON, 2)))
def test_both_frameworks_promote_so(a: str, b: str) -> None:
    made = torch.promote_types(getattr(torch, a), getattr(torch, b))
    assert f"torch.{promoted(a, b)}" == str(made)
    assert promoted(a, b) == promoted(b, a) == keras.backend.result_type(a, b)


@pytest.mark.parametrize(("a", "b"), list(itertools.product(COMPLEX, [*COMMON, *COMPLEX])))
def test_complex_numbers_keep_the_precision_that_they_meet(a: str, b: str) -> None:
    assert f"torch.{promoted(a, b)}" == str(torch.promote_types(getattr(torch, a), getattr(torch, b)))


def test_formats() -> None:
    assert epsilon("bfloat16") == 2**-7
    assert epsilon("complex64") == epsilon("float32")
    assert smallest_normal("float16") == 2**-14
