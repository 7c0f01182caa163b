"""The methods that are compared."""

from dataclasses import replace

import pytest
import torch
from samples import copying

from leed import LEED
from leed.evaluation.paper.methods import PlainArithmetic, Request


def test_methods_are_asked_for_what_they_understand() -> None:
    request = Request(
        torch.zeros(3, 3, 4, 4), torch.ones(3, 3, 4, 4), torch.tensor([1, -1, 2]), torch.full((3, 17), 0.5)
    )
    request.action_units[2] = torch.nan
    understood = {
        needs: replace(copying(), needs=needs).understands(request.expression, request.action_units).tolist()
        for needs in ("picture", "expression", "action units")
    }
    assert understood == {
        "picture": [True, True, True],
        "expression": [True, False, True],
        "action units": [True, True, False],
    }
    with pytest.raises(ValueError, match="copy needs the action units of every reference"):
        replace(copying(), needs="action units")(request)
    assert torch.equal(replace(copying(), needs="picture")(request), request.reference)


@torch.no_grad()
def test_plain_arithmetic_gives_a_perfect_reference_its_own_face(lively_leed: LEED) -> None:
    """C_N + (C_B - C_N) is C_B; at alpha 0 it is C_N."""
    plain = PlainArithmetic(lively_leed)
    face = torch.rand(2, 3, 32, 32) * 2 - 1
    prepared = plain.prepare(face, face)
    assert torch.allclose(prepared(1.0), plain.decode(plain.encode(face)).clamp(-1, 1), atol=1e-5)
    neutral = plain.neutral(face).image
    assert torch.allclose(prepared(0.0), plain.decode(plain.encode(neutral)).clamp(-1, 1), atol=1e-5)
