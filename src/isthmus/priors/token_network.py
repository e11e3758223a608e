"""A small causal transformer over sequences of tokens."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.functional import dropout, gelu, pad, scaled_dot_product_attention

Past = tuple[Tensor, Tensor]


class TokenNetwork(nn.Module):
    """log P(token | tokens before it), for sequences of one length (after Vaswani et al., 2017).

    What the layers give is added to the logarithm of a table: how often each token is found at each place. At the start
    they give 0. So the network learns only what the table, which takes places to be independent, does not know.

    Parameters
    ----------
    n_places, n_codes : int
        Length of a sequence; tokens to choose from at each place.
    depth : int
        Kinds of tokens, which follow each other in turn: each is read and predicted with weights of its own.
    width, n_layers, n_heads : int
        Size of the transformer.
    dropout : float
        Share of the hidden values that is dropped while training.
    """

    table: Tensor

    def __init__(
        self,
        n_places: int,
        n_codes: int,
        *,
        depth: int = 1,
        width: int = 64,
        n_layers: int = 2,
        n_heads: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.n_places, self.n_codes, self.depth = n_places, n_codes, depth
        self.register_buffer("table", torch.zeros(n_places, n_codes))
        self.place = nn.Parameter(0.1 * torch.randn(n_places, width))
        self.token = nn.Parameter(0.1 * torch.randn(depth, n_codes, width))
        self.layers = nn.ModuleList(Layer(width, n_heads, dropout) for _ in range(n_layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Parameter(torch.zeros(depth, n_codes, width))

    def forward(self, tokens: Tensor) -> Tensor:
        """Log-probabilities (n, n_places, n_codes) at each place, given tokens (n, n_places) at the places before."""
        kinds = torch.arange(self.n_places, device=tokens.device) % self.depth
        x = self.place + pad(self.token[kinds, tokens][:, :-1], (0, 0, 1, 0))
        for layer in self._layers():
            x, _ = layer(x)
        h = self.norm(x).unflatten(1, (-1, self.depth))
        known = torch.einsum("nldw,dkw->nldk", h, self.head).flatten(1, 2)
        return (known + self.table).log_softmax(-1)

    def draw(self, n: int) -> Tensor:
        """Sequences (n, n_places) from the distribution, drawn place by place."""
        read, pasts = self.place.new_zeros(n, self.place.shape[1]), [None] * len(self.layers)
        drawn: list[Tensor] = []
        for place in range(self.n_places):
            x, kind = (self.place[place] + read)[:, None], place % self.depth
            for number, layer in enumerate(self._layers()):
                x, pasts[number] = layer(x, pasts[number])
            scores = self.norm(x[:, 0]) @ self.head[kind].T + self.table[place]
            drawn.append(scores.softmax(-1).multinomial(1)[:, 0])
            read = self.token[kind, drawn[-1]]
        return torch.stack(drawn, 1)

    def _layers(self) -> list[Layer]:
        return [cast(Layer, layer) for layer in self.layers]


class Layer(nn.Module):
    """Attention to what came before, then a layer of hidden units; each adds to what it reads, normalised."""

    def __init__(self, width: int, n_heads: int, dropout: float) -> None:
        super().__init__()
        self.n_heads, self.dropout = n_heads, dropout
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.attend, self.join = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.widen, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor, past: Past | None = None) -> tuple[Tensor, Past]:
        """What (n, places, width) becomes, and the keys and values that a single further place needs of the past."""
        heads = self.attend(self.norms[0](x)).unflatten(-1, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)
        query, key, value = heads.unbind(0)
        if past is not None:
            key, value = torch.cat([past[0], key], 2), torch.cat([past[1], value], 2)
        seen = scaled_dot_product_attention(query, key, value, is_causal=past is None)
        x = x + self._drop(self.join(seen.transpose(1, 2).flatten(2)))
        return x + self._drop(self.narrow(gelu(self.widen(self.norms[1](x))))), (key, value)

    def _drop(self, x: Tensor) -> Tensor:
        return dropout(x, self.dropout, self.training)
