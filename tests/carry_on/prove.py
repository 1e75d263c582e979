"""Continues training with the Python export like a user, and checks the results.

    cargo test --test promises -- --ignored carry_on::
    pip install torch transformers accelerate && python tests/carry_on/prove.py target/tmp/carry-on

or both at once: `cargo xtask test --only carry-on`. Takes three minutes on two cores. Run with transformers 5.23.0,
accelerate 1.15.0 and torch 2.15.0, and with transformers 4.46.3 and accelerate 1.0.1.
"""

import csv
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

given = Path(sys.argv[1]).resolve()
TWO_PROCESSES = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1"]
TWO_PROCESSES += ["--num_processes", "2", "--mixed_precision", "no", "--dynamo_backend", "no"]
# Without a GPU and with one thread per process, so that the results are the same on every machine.
ENVIRONMENT = os.environ | {"ACCELERATE_USE_CPU": "1", "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}


def unpack(name, work):
    folder = work / name
    with zipfile.ZipFile(given / name / "model.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(folder)
    return folder


def carry_on(folder, *arguments, launch=TWO_PROCESSES, environment=ENVIRONMENT):
    command = [*launch, str(folder / "continue_training.py"), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def carried_on(folder, *arguments, **options):
    """Runs to the end and returns the output."""
    done = carry_on(folder, *arguments, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def read_log(output):
    return [json.loads(line) for line in (output / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def the_text_becomes_the_same_tokens(work):
    for name, files in {
        "harbour": ["harbour.txt"],
        "llama": ["harbour.txt"],
        "rows": ["rows.jsonl", "plain.md"],
        "no-lines": ["short.txt"],
        "ends": ["one.txt", "other.txt"],
    }.items():
        folder = unpack(name, work)
        sys.path.insert(0, str(folder))
        from training_text import Tokens, read_documents, split_documents

        tokenizer = AutoTokenizer.from_pretrained(folder)
        documents = read_documents([given / name / file for file in files], None, tokenizer, lambda _: None)
        page = (given / name / "ids.bin").read_bytes()
        count, page = int(np.frombuffer(page[:8], "<u8")[0]), np.frombuffer(page[24:], "<u2")
        held_back = json.loads((folder / "lorito_training.json").read_text(encoding="utf-8"))["text"]["held_back"]
        for part, expected in zip(split_documents(documents, held_back), [page[:count], page[count:]], strict=True):
            assert len(expected) > 0 and np.array_equal(Tokens(part, tokenizer).ids, expected), name
        print(f"{name}: {len(documents)} documents, {count} and {len(page) - count} tokens, all as in the page")


def every_kind_of_file_is_read(work):
    """The same three documents in each file format with one document per row."""
    from training_text import read_documents

    texts = ['One, with a comma\nand a "second" line.', "Two añil 🦜", "Three"]
    folder = work / "harbour/texts"  # Inside a model's folder, whose own files must not be read as texts.
    folder.mkdir()
    rows = [{"id": "of no interest", "words": text} for text in texts]
    (folder / "a.json").write_text(json.dumps(rows), encoding="utf-8")
    (folder / "b.jsonl").write_text("\r\n".join(map(json.dumps, rows)), encoding="utf-16")
    for name, delimiter in [("c.csv", ","), ("d.csv", ";"), ("e.tsv", "\t")]:
        with open(folder / name, "w", encoding="utf-8-sig", newline="") as file:
            writer = csv.DictWriter(file, ["id", "words"], delimiter=delimiter)
            writer.writeheader()
            writer.writerows(rows)
    (folder / "f.md").write_bytes("añil".encode("cp1252"))
    (folder / "g.pdf").write_bytes(b"left aside")
    for field in [None, "words"]:
        documents = read_documents([folder], field, None, print)
        assert documents == [[(text, True)] for text in [*texts * 5, "añil"]], documents
    print("every kind of file is read")


def the_loss_goes_on_falling(work):
    folder, text = work / "harbour", given / "harbour/harbour.txt"
    begun = time.time()
    said = carried_on(folder, "--text", text, "--steps", 300, "--eval-every", 50)
    seconds = time.time() - begun
    output = folder / "continued"
    assert "Processes: 2 on cpu" in said, said
    # Each process has saved its own random numbers.
    assert len(list((output / "checkpoint-300").glob("random_states_*.pkl"))) == 2
    page = json.loads((folder / "lorito_training.json").read_text(encoding="utf-8"))["evaluation"]["validation_loss"]
    losses = [line["validation_loss"] for line in read_log(output)]
    print(
        f"validation loss: {page:.6f} in the page, {losses[0]:.6f} here before any training, then "
        + ", ".join(f"{loss:.4f}" for loss in losses[1:])
        + f"; {seconds:.0f} s with 2 processes"
    )
    assert f"The page stopped at a validation loss of {page:.4f}; this text gives {losses[0]:.4f}" in said, said
    assert abs(losses[0] - page) < 1e-4
    assert max(losses[1:]) < page and losses[-1] < page - 0.1 and losses[-1] == min(losses)
    return losses


def the_models_open_again(work, losses):
    folder, output = work / "harbour", work / "harbour/continued"
    before = load_file(folder / "model.safetensors")
    for model in [output / "best", output / "last"]:
        after = load_file(model / "model.safetensors")
        assert before.keys() == after.keys() and all(name.startswith("transformer.") for name in after)
        assert all(before[name].shape == after[name].shape and after[name].dtype == torch.float32 for name in after)
        assert all(not torch.equal(before[name], after[name]) for name in after), "weights that were not trained"
        for name in ["tokenizer.json", "tokenizer_config.json", "continue_training.py", "training_text.py"]:
            assert (folder / name).read_bytes() == (model / name).read_bytes(), name
        config = [json.loads((place / "config.json").read_text(encoding="utf-8")) for place in (folder, model)]
        for name in ["model_type", "vocab_size", "n_positions", "n_embd", "n_layer", "n_head", "activation_function"]:
            assert config[0][name] == config[1][name], name
        # Older versions omit the class's defaults.
        assert config[1].get("tie_word_embeddings", True) is True
        loaded, loading = AutoModelForCausalLM.from_pretrained(model, output_loading_info=True)
        assert not any(loading.values()), loading
        tokenizer = AutoTokenizer.from_pretrained(model)
        written = loaded.generate(**tokenizer("The ", return_tensors="pt"), max_length=48, do_sample=False)
        assert tokenizer.decode(written[0]).startswith("The ")
    run = json.loads((output / "last/lorito_training.json").read_text(encoding="utf-8"))
    assert run["step"] == 700 and run["evaluation"]["validation_loss"] == losses[-1]
    assert f"| Validation loss after | {losses[-1]:.4f} |" in (output / "last/README.md").read_text(encoding="utf-8")
    # Continues once more from there, with one process and the script in that folder.
    said = carried_on(output / "last", "--text", given / "harbour/harbour.txt", "--steps", 2, launch=[sys.executable])
    assert f"The last run stopped at a validation loss of {losses[-1]:.4f}; this text gives {losses[-1]:.4f}" in said, (
        said
    )
    print(f"both models open; {tokenizer.decode(written[0])!r}")


def a_llama_goes_on_learning(work):
    folder, text = work / "llama", given / "llama/harbour.txt"
    assert json.loads((folder / "config.json").read_text(encoding="utf-8"))["model_type"] == "llama"
    # The last run's windows count, not what the model could read.
    run = json.loads((folder / "lorito_training.json").read_text(encoding="utf-8"))
    assert run["context"] == 48
    (folder / "lorito_training.json").write_text(json.dumps(run | {"context": 32}), encoding="utf-8")
    shorter = carried_on(folder, "--text", text, "--steps", 1, "--output", work / "shorter", launch=[sys.executable])
    assert "of 32 tokens" in shorter, shorter
    (folder / "lorito_training.json").write_text(json.dumps(run), encoding="utf-8")
    said = carried_on(folder, "--text", text, "--steps", 60, "--eval-every", 20)
    assert "of 48 tokens" in said, said
    page, losses = run["evaluation"], [line["validation_loss"] for line in read_log(folder / "continued")]
    assert abs(losses[0] - page["validation_loss"]) < 1e-4 and losses[-1] < losses[0] - 0.05, (page, losses)
    model, loading = AutoModelForCausalLM.from_pretrained(folder / "continued/best", output_loading_info=True)
    assert type(model).__name__ == "LlamaForCausalLM" and not any(loading.values()), loading
    print(f"a Llama: validation loss {losses[0]:.6f} in the page and here, then {losses[-1]:.4f}")


def a_run_that_was_cut_off_goes_on(work):
    folder = work / "harbour"
    arguments = [
        "--text",
        given / "harbour/harbour.txt",
        "--steps",
        30,
        "--eval-every",
        10,
        "--gradient-accumulation",
        2,
    ]
    carried_on(folder, *arguments, "--output", work / "whole")
    output = work / "cut"
    command = [*TWO_PROCESSES, str(folder / "continue_training.py"), *map(str, arguments), "--output", str(output)]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    for line in process.stdout:
        if line.startswith("step 12/"):
            process.terminate()
    process.wait()
    assert [path.name for path in output.glob("checkpoint-*/progress.json")] and not (output / "last").exists()
    # The settings are those of the run: only the text must be given again.
    said = carried_on(folder, "--text", given / "harbour/harbour.txt", "--output", output, "--resume")
    assert re.search("Going on from .*checkpoint-[12]0", said), said
    whole, cut = (load_file(place / "last/model.safetensors") for place in (work / "whole", output))
    difference = max((whole[name] - cut[name]).abs().max().item() for name in whole)
    assert difference < 1e-6, difference
    print(f"a run that was cut off and resumed ends with the same weights, within {difference}")


def conversations_teach_the_answers_alone(work):
    folder = unpack("chat", work)
    config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    config["chat_template"] = (given / "chat/chat_template.jinja").read_text(encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    talks = [
        [
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": f"What is {number} and 1? <|end|>"},
            {"role": "assistant", "content": f"{number + 1}."},
            {"role": "user", "content": "Thanks"},
            {"role": "assistant", "content": "🦜"},
        ]
        for number in range(40)
    ]
    text = work / "talks.jsonl"
    text.write_text("\n".join(json.dumps({"messages": messages}) for messages in talks), encoding="utf-8")

    from training_text import Tokens, read_documents

    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = Tokens(read_documents([text], None, tokenizer, print), tokenizer)
    rendered = [tokenizer.apply_chat_template(messages, tokenize=False) for messages in talks]
    assert tokenizer.decode(tokens.ids.tolist()) == "".join(talk + "<|endoftext|>" for talk in rendered)
    answers = "".join(f"{number + 1}.<|end|>🦜<|end|>" for number in range(40))
    assert tokenizer.decode(tokens.ids[tokens.learned].tolist()) == answers
    said = carried_on(folder, "--text", text, "--steps", 60, "--eval-every", 20, "--warmup-steps", 10)
    losses = [line["validation_loss"] for line in read_log(folder / "continued")]
    assert "Before any training" in said and losses[-1] < losses[0] - 1, losses
    print(f"conversations: validation loss of the answers from {losses[0]:.4f} to {losses[-1]:.4f}")


def a_model_without_biases_computes_the_same(work):
    folder = unpack("without-biases", work)
    page = json.loads((given / "without-biases/page.json").read_text(encoding="utf-8"))
    model, loading = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(loading.values()), loading
    biases = [it for name, it in model.named_parameters() if name.endswith(".bias")]
    assert type(model).__name__ == "GPT2LMHeadModel" and len(biases) == 13 and not any(it.any() for it in biases)
    model.eval()
    prompt, ids = page["prompt"], page["ids"]
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0, len(prompt) - 1 : -1]
        written = model.generate(torch.tensor([prompt]), do_sample=False, max_length=len(ids))
    distance = (logits - torch.tensor(page["logits"])).abs().max().item()
    assert distance < 1e-4 and written[0].tolist() == ids, distance
    print(f"without biases: logits within {distance:.1e}, the same greedy text")


def mistakes_are_explained(work):
    folder, text = work / "harbour", given / "harbour/harbour.txt"
    short, talks, rows = work / "short.txt", work / "talks.jsonl", work / "rows.jsonl"
    short.write_text("Too short.", encoding="utf-8")
    rows.write_text('{"words": "some"}', encoding="utf-8")
    (work / "empty").mkdir()
    for arguments, message in [
        (["--text", work / "nothing.txt"], "There is no "),
        (["--text", work / "empty"], "There is no text in "),
        (["--text", folder], "There is no text in "),
        (["--text", short], "The text is too short"),
        (["--text", rows, "--field", "text"], "--field wants one of: words"),
        (["--text", talks], "no chat template"),
        (["--text", text, "--folder", work], "is no exported model, as it has no config.json"),
        (["--text", text, "--output", folder / "continued"], "holds an earlier run"),
        (["--text", text, "--resume"], "has no checkpoint"),
        (["--text", short, "--resume", "--output", folder / "continued"], "The text is too short"),
        (["--text", text, "--resume", "--output", folder / "continued"], "is complete with 300 steps"),
        (["--text", text, "--batch-size", 0], "--batch-size cannot be 0"),
        (["--text", text, "--learning-rate", 1e9, "--steps", 10, "--warmup-steps", 0], "smaller --learning-rate"),
    ]:
        if "--output" not in arguments:
            arguments += ["--output", work / f"mistake-{len(list(work.iterdir()))}"]
        done = carry_on(folder, *arguments, launch=[sys.executable])
        assert done.returncode == 1 and message in done.stderr, (arguments, message, done.stdout + done.stderr)
        assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr, done.stderr
    # Newer versions of accelerate do not connect such processes, which would overwrite each other's files.
    alone = {name: value for name, value in ENVIRONMENT.items() if name != "ACCELERATE_USE_CPU"}
    done = carry_on(folder, "--text", text, "--output", work / "alone", environment=alone)
    explained = done.returncode != 0 and "Without a GPU, set ACCELERATE_USE_CPU=1" in done.stderr
    assert explained or "Processes: 2 on cpu" in done.stdout, done.stdout + done.stderr
    print("mistakes are explained")


def the_notebook_runs(work):
    """Runs its code in one Python process, with a user's text and steps; the parts that need Colab are left out."""
    folder = unpack("harbour", work / "notebook")
    cells = json.loads((folder / "continue_training.ipynb").read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) + "\n" for cell in cells if cell["cell_type"] == "code")
    code = re.sub(r"^%pip .*$", "", code, flags=re.MULTILINE)
    code = re.sub(r"^!(.*)$", r'__import__("subprocess").run(f"\1", shell=True, check=True)', code, flags=re.MULTILINE)
    for line, instead in [
        ("texts = []", f"texts = [{str(given / 'harbour/harbour.txt')!r}]"),
        ("steps = 1000", "steps = 4"),
        ("import matplotlib.pyplot as plt", "from unittest.mock import MagicMock; plt = MagicMock()"),
    ]:
        assert line in code, line
        code = code.replace(line, instead)
    environment = ENVIRONMENT | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(folder / "carried-on.zip") as archive:
        assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} < set(archive.namelist())
    print("the notebook runs")


with tempfile.TemporaryDirectory() as place:
    work = Path(place)
    the_text_becomes_the_same_tokens(work)
    every_kind_of_file_is_read(work)
    losses = the_loss_goes_on_falling(work)
    the_models_open_again(work, losses)
    a_llama_goes_on_learning(work)
    a_run_that_was_cut_off_goes_on(work)
    conversations_teach_the_answers_alone(work)
    a_model_without_biases_computes_the_same(work)
    mistakes_are_explained(work)
    the_notebook_runs(work)
