"""Heads and hidden units of transformers' own networks, random weights."""

from __future__ import annotations

import copy

import pytest
import torch
from cutting import graph_of
from torch import Tensor, nn

from optkit.pruning.choosing import per_layer
from optkit.pruning.criteria import magnitude
from optkit.pruning.dependencies import analyse
from optkit.pruning.graph import tensor_at
from optkit.pruning.structure import Structure
from optkit.pruning.surgery import cut

SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
         "intermediate_size": 48}  # fmt: skip
TOKENS = torch.arange(14).reshape(2, 7)


class Bert(nn.Module):
    """Token ids (N, S) -> (N, 5)."""

    def __init__(self) -> None:
        from transformers import BertConfig, BertForSequenceClassification

        super().__init__()
        self.network = BertForSequenceClassification(
            BertConfig(**SMALL, vocab_size=50, num_labels=5)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        return self.network(tokens).logits


class Vit(nn.Module):
    """Images (N, 3, 16, 16) -> (N, 5)."""

    def __init__(self) -> None:
        from transformers import ViTConfig, ViTForImageClassification

        super().__init__()
        self.network = ViTForImageClassification(
            ViTConfig(**SMALL, image_size=16, patch_size=4, num_labels=5)
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.network(image).logits


class Gpt2(nn.Module):
    """Token ids (N, S) -> (N, S, 50); the embedding is the last layer's weight too."""

    def __init__(self) -> None:
        from transformers import GPT2Config, GPT2LMHeadModel

        super().__init__()
        self.network = GPT2LMHeadModel(
            GPT2Config(n_embd=32, n_layer=2, n_head=4, n_inner=48, vocab_size=50, n_positions=16)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        return self.network(tokens, use_cache=False).logits


CASES = {Bert: TOKENS, Vit: torch.randn(2, 3, 16, 16), Gpt2: TOKENS}


def analysed(kind: type[nn.Module]) -> Structure:
    torch.manual_seed(0)
    given = CASES[kind]
    network = kind()
    for weight in network.parameters():
        if weight.dim() > 1:
            nn.init.normal_(weight, std=0.3)
    return analyse(graph_of(network, given), (given,))


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_heads_and_hidden_units_go_and_the_rest_computes_the_same(kind):
    """Given 4 heads of 8 and 48 hidden units; Result: half of both, as if they were zero."""
    structure, given = analysed(kind), CASES[kind]
    inside = [one for one in structure.groups if len(one.units) in {4, 48}]
    assert sorted(len(one.units) for one in inside) == [4, 4, 48, 48]
    heads = [one for one in inside if len(one.units) == 4]
    assert {one.width for one in heads} <= {8, 24}
    ratios = {one.name: 0.5 for one in inside}
    gone = per_layer(inside, magnitude(structure), ratios, 1)
    small, whole = cut(structure, gone), copy.deepcopy(structure.network)
    for weight in structure.weights.values():
        for name in weight.names:
            for at, units in enumerate(weight.units):
                if units is not None:
                    out = torch.from_numpy((units >= 0) & gone[units])
                    tensor_at(whole, name).data[(slice(None),) * at + (out,)] = 0
    with torch.no_grad():
        (want,), (got,) = whole(given), small(given)
    assert float(want.std()) > 1e-3
    torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_all_that_may_go_can_go(kind):
    """Given half of everything taken, the residual's width too; Result: a network that runs."""
    structure, given = analysed(kind), CASES[kind]
    ratios = {one.name: 0.5 for one in structure.groups}
    gone = per_layer(structure.groups, magnitude(structure), ratios, 1)
    small = cut(structure, gone)
    with torch.no_grad():
        (want,), (got,) = structure.network(given), small(given)
    assert got.shape == want.shape
    assert got.isfinite().all()
    count = sum(weight.numel() for weight in small.parameters())
    assert count < 0.6 * sum(weight.numel() for weight in structure.network.parameters())


def test_a_tied_embedding_stays_one_weight():
    """Given an embedding that is the last layer too; Result: narrower in both, every word there."""
    structure = analysed(Gpt2)
    shapes = {name: tuple(tensor_at(structure.network, name).shape) for name in structure.weights}
    (table,) = (name for name, shape in shapes.items() if shape == (50, 32))
    ratios = {one.name: 0.5 for one in structure.groups}
    gone = per_layer(structure.groups, magnitude(structure), ratios, 1)
    small = cut(structure, gone)
    assert tensor_at(small, table).shape == (50, 16)
    users = {user.name for node in small.graph.nodes if node.target == table for user in node.users}
    assert len(users) == 2
    assert structure.weights[table].units[0] is None
