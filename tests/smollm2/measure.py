"""Measures how fast an adapter learns in the crate's CPU engine and in PEFT, on one thread, and the most memory of each process.

After `cargo xtask test --only pretrained` has failed, or its first two commands (see prove.py), which leave the model there:

    python tests/smollm2/measure.py FOLDER [ROUNDS [WINDOWS [STEPS]]]

SmolLM2-135M-Instruct in f32, rank 8 on the four matrices of attention, windows of 128 tokens. Both are run in turn. A rate counts
the processor's time, which other programs on the machine change less than the clock's.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

root = Path(__file__).resolve().parents[2]


def in_peft(folder, windows, steps):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(1)
    reference = folder / "reference"
    model = AutoModelForCausalLM.from_pretrained(reference, dtype=torch.float32)
    opened = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    targets = ["q_proj", "k_proj", "v_proj", "o_proj"]
    model = get_peft_model(model, LoraConfig(r=8, lora_alpha=16, target_modules=targets)).train()
    parameters = [it for it in model.parameters() if it.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3)
    lesson = json.loads((folder / "asked.json").read_text())["lesson"]
    ids = torch.tensor(AutoTokenizer.from_pretrained(reference)(lesson).input_ids)
    generator = torch.Generator().manual_seed(1)

    def step():
        starts = torch.randint(len(ids) - 129, (windows,), generator=generator).tolist()
        batch = torch.stack([ids[start : start + 129] for start in starts])
        loss = torch.nn.functional.cross_entropy(model(batch[:, :-1]).logits.flatten(0, 1), batch[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        return loss.item()

    step()
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(steps - 1):
        loss = step()
    tokens = windows * 128 * (steps - 1)
    cpu, wall = tokens / (time.process_time() - cpu), tokens / (time.perf_counter() - wall)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print("measured", json.dumps({"cpu": cpu, "wall": wall, "opened": opened, "memory": memory, "loss": loss}))


def measured(command, environment):
    done = subprocess.run(command, cwd=root, env=os.environ | environment, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("measured ")]
    assert done.returncode == 0 and lines, done.stdout + done.stderr
    return json.loads(lines[0].removeprefix("measured "))


def main():
    folder = Path(sys.argv[1]).resolve()
    rounds, windows, steps = (int(it) for it in (sys.argv[2:] + ["3", "4", "6"][len(sys.argv) - 2 :]))
    cargo = ["cargo", "test", "--locked", "--config", "profile.dev.package.lorito.opt-level=3", "--test", "promises"]
    cargo += ["--", "--ignored", "--nocapture", "smollm2::measure"]
    one_thread = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    for _ in range(rounds):
        for name, command, environment in [
            ("crate", cargo, {"LORITO_WINDOWS": str(windows), "LORITO_STEPS": str(steps)}),
            ("PEFT", [sys.executable, __file__, "--peft", folder, str(windows), str(steps)], one_thread),
        ]:
            it = measured(command, environment)
            print(
                f"{time.strftime('%H:%M:%S')} {name:5}: {it['cpu']:6.1f} tokens/s of the processor, {it['wall']:6.1f} by the "
                f"clock, {it['memory']} MiB at most ({it['opened']} MiB to open it), loss {it['loss']:.3f}",
                flush=True,
            )


if sys.argv[1] == "--peft":
    in_peft(Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
else:
    main()
