"""Measures GPT-2's training step in PyTorch, f32 without TF32: python3 torch_step.py CONFIGURATION SECONDS, the configuration
as JSON. Prints tokens per second and the first and last loss as one JSON line."""

import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F

torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)

    def forward(self, x):
        batch, context, width = x.shape
        parts = self.qkv(self.norm1(x)).view(batch, context, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, context, width))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class GPT(nn.Module):
    def __init__(self, vocabulary, context, layers, heads, width):
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02)
            elif name.endswith("bias"):
                nn.init.zeros_(parameter)

    def forward(self, inputs, targets):
        x = self.tokens(inputs) + self.positions.weight
        for block in self.blocks:
            x = block(x)
        logits = F.linear(self.norm(x), self.tokens.weight)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


def main():
    config, seconds = json.loads(sys.argv[1]), float(sys.argv[2])
    batch, context, vocabulary = (config.pop(key) for key in ("batch", "context", "vocabulary"))
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(1)
    model = GPT(vocabulary, context, **config).to(device)
    matrices = [parameter for parameter in model.parameters() if parameter.dim() == 2]
    vectors = [parameter for parameter in model.parameters() if parameter.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
        lr=1e-3,
        betas=(0.9, 0.99),
        fused=device == "cuda",
    )

    def step():
        inputs = torch.randint(vocabulary, (batch, context), device=device)
        loss = model(inputs, (inputs * 7 + 3) % vocabulary)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    first = step().item()
    # Losses are read about every 150 ms, as in Lorito.
    unread, steps, last = 1, 0, first
    warm = time.perf_counter() + seconds / 10
    began = None
    while True:
        now = time.perf_counter()
        if began is None and now >= warm:
            began, steps = now, 0
        if began is not None and steps > 0 and now >= began + seconds:
            break
        for _ in range(unread):
            loss = step()
        last = loss.item()
        steps += unread
        unread = max(1, min(32, round(0.15 * unread / (time.perf_counter() - now))))
    if device == "cuda":
        torch.cuda.synchronize()
    rate = steps * batch * context / (time.perf_counter() - began)
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    assert math.isfinite(last)
    result = {"tokensPerSecond": rate, "steps": steps, "firstLoss": first, "lastLoss": last}
    print(json.dumps({**result, "about": f"torch {torch.__version__}, {name}"}))


if __name__ == "__main__":
    main()
