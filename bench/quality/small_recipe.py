"""Trains nanoGPT's small recipe in PyTorch for so many minutes, on all processors, for `bench --only quality`.

The recipe is that of nanoGPT's README for a laptop: 4 layers, 4 heads, width 128, windows of 64 characters, batches of 12, a
learning rate of 1e-3 that falls to a tenth on a cosine, no dropout. Two things favour it: the clock starts once PyTorch
is imported, and the cosine ends with the time, whereas the recipe has 2,000 steps. Prints one line of JSON.
"""

import argparse
import json
import math
import os
import time

import torch
from torch import nn
from torch.nn import functional as F

LAYERS, HEADS, WIDTH, WINDOW, BATCH = 4, 4, 128, 64, 12
RATE, LEAST_RATE, WARM_UP, DECAY, BETAS, CLIP = 1e-3, 1e-4, 100, 0.1, (0.9, 0.99), 1.0
EVALUATE_EVERY, EVALUATION_BATCHES, MEASURED = 250, 20, 20


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm_1, self.norm_2 = nn.LayerNorm(WIDTH, bias=False), nn.LayerNorm(WIDTH, bias=False)
        self.attention, self.attention_out = nn.Linear(WIDTH, 3 * WIDTH, bias=False), nn.Linear(WIDTH, WIDTH, bias=False)
        self.mlp, self.mlp_out = nn.Linear(WIDTH, 4 * WIDTH, bias=False), nn.Linear(4 * WIDTH, WIDTH, bias=False)

    def forward(self, x):
        batch, length, _ = x.shape
        heads = self.attention(self.norm_1(x)).view(batch, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(*heads, is_causal=True)
        x = x + self.attention_out(mixed.transpose(1, 2).reshape(batch, length, WIDTH))
        return x + self.mlp_out(F.gelu(self.mlp(self.norm_2(x))))


class Gpt(nn.Module):
    def __init__(self, vocabulary):
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, WIDTH), nn.Embedding(WINDOW, WIDTH)
        self.blocks = nn.Sequential(*[Block() for _ in range(LAYERS)])
        self.norm = nn.LayerNorm(WIDTH, bias=False)
        for name, weights in self.named_parameters():
            if weights.dim() == 2:
                into_residual = name.endswith("_out.weight")
                nn.init.normal_(weights, std=0.02 / math.sqrt(2 * LAYERS) if into_residual else 0.02)

    def forward(self, inputs):
        x = self.tokens(inputs) + self.places(torch.arange(inputs.shape[1]))
        return self.norm(self.blocks(x)) @ self.tokens.weight.T


def loss_of(model, inputs, targets):
    return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())


def drawn(ids):
    starts = torch.randint(len(ids) - WINDOW, (BATCH,))
    windows = torch.stack([ids[start : start + WINDOW + 1] for start in starts])
    return windows[:, :-1], windows[:, 1:]


@torch.no_grad()
def evaluated(model, splits):
    model.eval()
    losses = [sum(loss_of(model, *drawn(ids)).item() for _ in range(EVALUATION_BATCHES)) for ids in splits]
    model.train()
    return losses


@torch.no_grad()
def bits_per_byte(model, ids, size):
    """As src/train/held_back.rs: windows that slide by half; each token but the first counts once."""
    model.eval()
    nats, last, start, counts_from = 0.0, len(ids) - WINDOW - 1, 0, 1
    while True:
        window = ids[start : start + WINDOW + 1]
        losses = F.cross_entropy(model(window[None, :-1])[0], window[1:], reduction="none")
        nats += losses[counts_from - start - 1 :].sum().item()
        if start >= last:
            return nats / math.log(2) / size
        counts_from = start + WINDOW + 1
        start = min(start + math.ceil(WINDOW / 2), last)


def rate_at(step, steps):
    if step < WARM_UP:
        return RATE * (step + 1) / (WARM_UP + 1)
    share = min((step - WARM_UP) / max(steps - WARM_UP, 1), 1.0)
    return LEAST_RATE + 0.5 * (1 + math.cos(math.pi * share)) * (RATE - LEAST_RATE)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--text", required=True)
    parser.add_argument("--held-back", type=int, required=True, help="characters at the end that are not trained on")
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    began = time.monotonic()
    torch.manual_seed(options.seed)
    torch.set_num_threads(os.cpu_count())
    with open(options.text, encoding="utf-8") as file:
        text = file.read()
    characters = sorted(set(text))
    number = {character: index for index, character in enumerate(characters)}
    ids = torch.tensor([number[character] for character in text])
    train, held_back = ids[: -options.held_back], ids[-options.held_back :]
    model = Gpt(len(characters))
    decayed = [weights for weights in model.parameters() if weights.dim() == 2]
    others = [weights for weights in model.parameters() if weights.dim() != 2]
    groups = [{"params": decayed, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE, betas=BETAS)
    seconds, steps, step = 60 * options.minutes, math.inf, 0
    while step < steps and time.monotonic() - began < seconds:
        if step % EVALUATE_EVERY == 0:
            evaluated(model, (train, held_back))
        if step == MEASURED:
            started = time.monotonic()
        # Evaluations are so seldom that the rest of the time is divided by steps alone.
        if step == 4 * MEASURED:
            each = (time.monotonic() - started) / (3 * MEASURED)
            steps = step + int((seconds - (time.monotonic() - began)) / each / 1.03)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step, steps if steps < math.inf else 10 * WARM_UP)
        optimizer.zero_grad()
        loss_of(model, *drawn(train)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        step += 1
    took = time.monotonic() - began
    size = len(text[-options.held_back :].encode())
    print(json.dumps({"seconds": took, "steps": step, "bitsPerByte": bits_per_byte(model, held_back, size)}))


main()
