"""Tests of the attention that lesson 08 writes out, taken from the notebook itself.

The second implementation is course_utils.models.gpt, which uses torch's own attention.
"""

from pathlib import Path

import pytest
import torch
from lesson import Lesson, definitions
from toys import one_thread  # noqa: F401, a fixture that works by being there

from course_utils.models.gpt import Attention

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "08_pretrain_your_own_gpt.ipynb"


@pytest.fixture(scope="module")
def attend():
    """Return the function that the notebook defines."""
    return definitions(Lesson.read(NOTEBOOK))["attend"]


@pytest.fixture
def vectors():
    """Return queries, keys and values of seven tokens."""
    return torch.randn(3, 7, 6, generator=torch.Generator().manual_seed(0)).unbind(0)


class TestAttend:
    def test_takes_what_each_look_of_the_package_takes(self, attend):
        torch.manual_seed(0)
        attention = Attention(width=8, heads=2)
        x = torch.randn(5, 8)
        query, key, value = attention.qkv(x).chunk(3, dim=-1)
        looks = [attend(query[:, k], key[:, k], value[:, k])[1] for k in (slice(0, 4), slice(4, 8))]
        found = attention.out(torch.cat(looks, dim=1))
        torch.testing.assert_close(found, attention(x[None])[0], atol=1e-6, rtol=1e-5)

    def test_shares_sum_to_one_and_none_is_later(self, attend, vectors):
        shares, _ = attend(*vectors)
        torch.testing.assert_close(shares.sum(1), torch.ones(7))
        assert shares.triu(1).eq(0).all()
        assert shares.tril().sum() == pytest.approx(7)

    @pytest.mark.parametrize("place", [1, 3, 6])
    def test_later_token_never_changes_what_an_earlier_one_takes(self, attend, vectors, place):
        before = attend(*vectors)[1]
        changed = [each.clone() for each in vectors]
        for each in changed:
            each[place] += 1
        after = attend(*changed)[1]
        assert after[:place].equal(before[:place])
        assert ((after - before)[place:].abs().amax(1) > 1e-3).all()
