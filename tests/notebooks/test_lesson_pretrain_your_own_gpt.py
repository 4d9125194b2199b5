"""Tests of the network that lesson 08 writes out, taken from the notebook itself.

The second implementation is course_utils.models.gpt, which uses torch's own attention.
"""

from pathlib import Path

import pytest
import torch
from lesson import Lesson, definitions
from text_toys import tiny_gpt
from toys import one_thread  # noqa: F401, a fixture that works by being there

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "08_pretrain_your_own_gpt.ipynb"
SIZES = {"num_tokens": 300, "width": 16, "depth": 2, "heads": 2, "context": 24}


@pytest.fixture(scope="module")
def lesson():
    """Return what the notebook defines, by name."""
    return definitions(Lesson.read(NOTEBOOK))


@pytest.fixture(scope="module")
def pair(lesson):
    """Return the network of the package and that of the notebook, with the same weights."""
    theirs, ours = tiny_gpt(**SIZES), lesson["SmallGPT"](**SIZES)
    generator = torch.Generator().manual_seed(1)
    for weight in theirs.parameters():  # large, so that each layer, bias and norm matters
        weight.data += 0.3 * torch.randn(weight.shape, generator=generator)
    ours.load_state_dict(theirs.state_dict())
    return theirs, ours


@pytest.fixture(scope="module")
def tokens():
    return torch.randint(0, 300, (3, 24), generator=torch.Generator().manual_seed(0))


class TestSmallGPT:
    def test_logits_are_those_of_the_package(self, pair, tokens):
        with torch.no_grad():
            theirs, ours = (network(tokens) for network in pair)
        assert theirs.std() > 1
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)

    def test_gradients_are_those_of_the_package(self, pair, tokens):
        found = []
        for network in pair:
            network.zero_grad()
            network(tokens).logsumexp(-1).sum().backward()
            found.append(network.blocks[0].attention.qkv.weight.grad)
        torch.testing.assert_close(found[1], found[0], atol=1e-3, rtol=1e-3)

    @pytest.mark.parametrize("place", [1, 11, 23])
    def test_later_token_never_changes_an_earlier_logit(self, pair, tokens, place):
        changed = tokens.clone()
        changed[:, place] = (changed[:, place] + 7) % 300
        with torch.no_grad():
            moved = (pair[1](changed) - pair[1](tokens)).abs().amax((0, 2))
        assert (moved[:place] < 1e-5).all()
        assert (moved[place:] > 1e-3).all()


class TestAttention:
    def test_without_the_mask_each_token_sees_all_others(self, lesson):
        torch.manual_seed(0)
        attention = lesson["Attention"](8, heads=2, causal=False)
        x = torch.randn(1, 5, 8, requires_grad=True)
        attention(x)[:, 0].sum().backward()
        assert (x.grad.abs().sum(2) > 0).all()
