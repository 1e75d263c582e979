"""Carries on training a model that Lorito exported, with Hugging Face's transformers and accelerate.

It lies in the exported folder and needs, besides it, only the text:

    pip install torch transformers accelerate

    python continue_training.py --text my-text.txt                                           # one GPU, or none
    accelerate launch --multi_gpu --num_processes 4 continue_training.py --text my-text.txt  # four GPUs

Two processes without a GPU, which accelerate calls --multi_gpu all the same:

    ACCELERATE_USE_CPU=1 accelerate launch --multi_gpu --num_processes 2 continue_training.py --text my-text.txt

For several machines, run `accelerate config` on each, then `accelerate launch continue_training.py --text ...` with the
same arguments on each. Every machine needs this folder and the text; --output should be on a disk that they share.

Where nothing else is said, the run has the settings of the last one in the browser. It begins with the loss before any
training: with the same text, that is the loss at which the page stopped. What comes out is in `continued/`:

    best/            the model with the lowest validation loss, a folder like this one
    last/            the model after the last step
    log.jsonl        the losses, one evaluation a line
    checkpoint-N/    where --resume goes on, should the run be cut off

best/ and last/ open in transformers, in Lorito's page, and with the script that is in them.
"""

import argparse
import json
import logging
import math
import os
import shutil
import sys
import time
import zlib
from pathlib import Path

try:
    import numpy as np
    import torch
    from accelerate import Accelerator, PartialState
    from accelerate.utils import set_seed
    from torch.nn import functional
    from training_text import NOT_LEARNED, Mistake, Tokens, read_documents, split_documents
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.logging import disable_progress_bar
except ModuleNotFoundError as error:
    if error.name == "training_text":
        sys.exit("training_text.py is missing. It lies in the exported folder, beside this script.")
    sys.exit(f"{error}. This installs what is missing: pip install torch transformers accelerate")


# --- Settings ---------------------------------------------------------------------------------------------------------


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add(
        "--text",
        nargs="+",
        required=True,
        type=Path,
        metavar="PATH",
        help="files, or folders of them: .txt and .md are a document each; .jsonl, .json and .csv have one in each row",
    )
    add("--field", help="field or column with the text (default: text, content or body, otherwise the fullest)")
    add(
        "--folder",
        type=Path,
        default=Path(__file__).resolve().parent,
        help="the exported model (default: where this script lies)",
    )
    add("--output", type=Path, help="where the new models go (default: continued/ in the model's folder)")
    add("--resume", action="store_true", help="go on from the last checkpoint in --output, with its settings")
    add(
        "--precision",
        choices=["no", "fp16", "bf16"],
        help="16-bit numbers on a GPU; bf16 needs a newer one (default: as `accelerate config` has it, otherwise no)",
    )
    run = parser.add_argument_group("the run", "What is not given is as in the last run in the browser.")
    run.add_argument("--steps", type=int, help="updates of the weights in this run")
    run.add_argument("--batch-size", type=int, help="windows of text that each process reads in one pass")
    run.add_argument("--gradient-accumulation", type=int, help="passes that make one update")
    run.add_argument("--learning-rate", type=float, help="highest learning rate; the run ends at a tenth of it")
    run.add_argument("--warmup-steps", type=int, help="steps until it is reached")
    run.add_argument("--weight-decay", type=float, help="pull of the weights towards zero")
    run.add_argument("--beta1", type=float, help="AdamW's memory of the gradient's direction")
    run.add_argument("--beta2", type=float, help="AdamW's memory of the gradient's size")
    run.add_argument("--grad-clip", type=float, help="longest gradient that counts in full; 0: any")
    run.add_argument("--eval-every", type=int, help="steps between two evaluations; each ends in a checkpoint")
    run.add_argument("--seed", type=int, help="the same seed draws the same windows")
    return parser.parse_args()


# For folders that say nothing of a last run.
DEFAULTS = {
    "steps": 1000, "batch_size": 12, "gradient_accumulation": 1, "learning_rate": 1e-3, "warmup_steps": 100,
    "weight_decay": 0.1, "beta1": 0.9, "beta2": 0.99, "grad_clip": 1.0, "eval_every": 100, "seed": 1337,
}  # fmt: skip


def choose_settings(arguments, last_run, checkpoint):
    """What is said now counts before what a resumed run began with, and that before the run in the browser."""
    settings = DEFAULTS | last_run.get("training", {})
    if checkpoint:
        settings |= read_json(checkpoint / "progress.json")["settings"]
    settings = {name: settings[name] for name in DEFAULTS}
    # A model that was never trained had a run of no steps.
    settings["steps"] = settings["steps"] or DEFAULTS["steps"]
    for name in DEFAULTS:
        if getattr(arguments, name) is not None:
            settings[name] = getattr(arguments, name)
    for name, value in settings.items():
        zero_will_do = name in ["warmup_steps", "weight_decay", "beta1", "beta2", "grad_clip", "seed"]
        below = 1 if name.startswith("beta") else math.inf
        if not 0 <= value < below or (value == 0 and not zero_will_do):
            raise Mistake(f"--{name.replace('_', '-')} cannot be {value}.")
    settings["eval_every"] = min(settings["eval_every"], settings["steps"])
    return settings


def find_checkpoint(output, resume):
    """The last checkpoint, if the run is to go on. One that was cut off while being saved has no progress.json."""
    found = [path.parent for path in output.glob("checkpoint-*/progress.json")]
    if resume and not found:
        raise Mistake(f"{output} has no checkpoint to go on from. Leave --resume out to begin.")
    if not resume and (found or (output / "last").exists()):
        raise Mistake(f"{output} holds an earlier run. Go on with --resume, or name another --output.")
    return max(found, key=lambda path: int(path.name.split("-")[1])) if resume else None


def check_folder(folder):
    for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]:
        if not (folder / name).is_file():
            hint = "Unpack the zip that Lorito gave, and name its folder with --folder."
            raise Mistake(f"{folder} is no exported model, as it has no {name}. {hint}")


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def say(message):
    """Once, however many processes there are."""
    if PartialState().is_main_process:
        print(message, flush=True)


# --- Windows: what each process reads ---------------------------------------------------------------------------------


class Windows:
    """Stretches of the text, as long as the model's context."""

    def __init__(self, train, validation, context, settings, most_validation_windows, accelerator):
        if len(train) < context + 1:
            needed = f"one window needs {context + 1}"
            raise Mistake(f"The text is too short: it has {len(train)} tokens to train on, and {needed}.")
        self.train, self.validation, self.context = train, validation, context
        self.batch_size, self.seed = settings["batch_size"], settings["seed"]
        self.process, self.processes = accelerator.process_index, accelerator.num_processes
        self.device = accelerator.device
        # The page's validation windows, as many and as evenly spread, so that the losses can be compared.
        self.length = min(context, len(validation) - 1)
        available = (len(validation) - 1) // self.length if self.length > 0 else 0
        count = min(most_validation_windows, available)
        self.starts = [index * available // count * self.length for index in range(count)]

    def to_train_on(self, step, number):
        """Inputs and targets of one pass, from random places. These follow from seed, step, pass and process alone: a
        resumed run reads what it would have read, and no two processes read the same."""
        generator = np.random.default_rng([self.seed, step, number, self.process])
        starts = generator.integers(0, len(self.train) - self.context, self.batch_size)
        return self.train.windows(starts, self.context, self.device)

    def to_validate_on(self):
        """This process's share: inputs, targets, and whether they count. All get the same number of batches, as some
        ways of sharing a model need every process in every pass; one without a window left reads the first again."""
        mine = self.starts[self.process :: self.processes]
        most = math.ceil(len(self.starts) / self.processes)
        for begin in range(0, most, self.batch_size):
            starts = mine[begin : begin + self.batch_size]
            yield *self.validation.windows(starts or self.starts[:1], self.length, self.device), bool(starts)


# --- Training ---------------------------------------------------------------------------------------------------------


def learning_rate(step, settings):
    """Linear warm-up, then a cosine down to a tenth, as on the page. `step` counts from 0."""
    peak, warmup, steps = settings["learning_rate"], settings["warmup_steps"], settings["steps"]
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    share = (step - warmup) / (steps - warmup)
    return peak / 10 + 0.5 * (1 + math.cos(math.pi * share)) * (peak - peak / 10)


def make_optimizer(model, settings):
    """AdamW. Only matrices decay: biases and the gains of layer norms have no reason to be small."""
    weights = list(model.parameters())
    groups = [
        {"params": [weight for weight in weights if weight.ndim >= 2], "weight_decay": settings["weight_decay"]},
        {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings["learning_rate"], betas=(settings["beta1"], settings["beta2"]))


def summed_loss(model, inputs, targets):
    """Cross-entropy summed over the tokens that are learned, and how many they are."""
    logits = model(input_ids=inputs).logits.float()
    loss = functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=NOT_LEARNED, reduction="sum")
    return loss, (targets != NOT_LEARNED).sum()


@torch.no_grad()
def evaluate(accelerator, model, windows):
    """Mean loss of a token over the validation windows of all processes; None if there is nothing to validate on."""
    model.eval()
    sums = torch.zeros(2, device=accelerator.device)
    for inputs, targets, counts in windows.to_validate_on():
        loss, tokens = summed_loss(model, inputs, targets)
        if counts:
            sums += torch.stack([loss, tokens.to(loss)])
    model.train()
    # Sums are added up and divided once: processes with fewer windows would weigh too much in a mean of their means.
    loss, tokens = accelerator.reduce(sums, reduction="sum").tolist()
    return loss / tokens if tokens else None


def train_step(accelerator, model, optimizer, windows, step, settings):
    """One update of the weights. Gives this process's mean loss."""
    # Set by hand, as a scheduler that accelerate has prepared counts a step for each process.
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, settings)
    passes = accelerator.gradient_accumulation_steps
    mean = torch.zeros((), device=accelerator.device)
    for number in range(passes):
        inputs, targets = windows.to_train_on(step, number)
        # In here accelerate lets the gradients add up, averages them over all processes in the last pass, and has the
        # optimizer do nothing in the others.
        with accelerator.accumulate(model):
            loss, tokens = summed_loss(model, inputs, targets)
            loss = loss / tokens.clamp(min=1)
            accelerator.backward(loss)
            if accelerator.sync_gradients and settings["grad_clip"] > 0:
                accelerator.clip_grad_norm_(model.parameters(), settings["grad_clip"])
            optimizer.step()
            optimizer.zero_grad()
        mean += loss.detach() / passes
    return mean


class Run:
    """The steps, and what is said and saved between them."""

    def __init__(self, arguments):
        self.folder, self.output = arguments.folder, arguments.output or arguments.folder / "continued"
        check_folder(self.folder)
        last_run = self.folder / "lorito_training.json"
        self.last_run = read_json(last_run) if last_run.is_file() else {}
        checkpoint = find_checkpoint(self.output, arguments.resume)
        self.settings = settings = choose_settings(arguments, self.last_run, checkpoint)

        tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
        documents = read_documents(arguments.text, arguments.field, tokenizer, say)
        held_back = self.last_run.get("text", {}).get("held_back", "documents")
        train, validation = (Tokens(part, tokenizer) for part in split_documents(documents, held_back))
        # In single precision whatever the file has: 16 bits would lose small updates.
        model = AutoModelForCausalLM.from_pretrained(self.folder, local_files_only=True).float()
        if max(train.largest, validation.largest) >= model.config.vocab_size:
            raise Mistake(f"The tokenizer in {self.folder} has more tokens than the model: they do not fit.")

        try:
            self.accelerator = accelerator = Accelerator(
                mixed_precision=arguments.precision, gradient_accumulation_steps=settings["gradient_accumulation"]
            )
        except ValueError as error:
            raise Mistake(f"--precision {arguments.precision} does not work here: {error}") from None
        started = int(os.environ.get("WORLD_SIZE", 1))
        if started != accelerator.num_processes:
            hint = "Without a GPU, set ACCELERATE_USE_CPU=1 before accelerate launch."
            raise Mistake(f"{started} processes were started, and they do not find each other. {hint}")
        # Dropout must differ between processes, or they would all leave out the same.
        set_seed(settings["seed"], device_specific=True)
        self.most_windows = (self.last_run.get("evaluation") or {}).get("most_windows") or 4 * settings["batch_size"]
        # A model that was opened on the page may have been trained on shorter windows than it can read.
        self.context = self.last_run.get("context", model.config.max_position_embeddings)
        self.windows = Windows(train, validation, self.context, settings, self.most_windows, accelerator)
        self.text = {
            "documents": len(documents),
            "characters": sum(len(text) for pieces in documents for text, _ in pieces),
            "train_tokens": len(train),
            "validation_tokens": len(validation),
            "held_back": held_back,
        }
        self.model, self.optimizer = accelerator.prepare(model, make_optimizer(model, settings))
        # All that a checkpoint says of the run besides weights, moments and random numbers.
        self.progress = {"step": 0, "start_loss": None, "best_loss": None, "seconds": 0.0}
        self.progress |= {"settings": settings, "text": zlib.crc32(train.ids.tobytes())}
        if checkpoint:
            self.load(checkpoint)

    def load(self, checkpoint):
        saved = read_json(checkpoint / "progress.json")
        if saved["text"] != self.progress["text"]:
            raise Mistake(f"The run in {self.output} learns from another text. Give that, or another --output.")
        if saved["step"] >= self.settings["steps"]:
            raise Mistake(f"The run in {self.output} is complete with {saved['step']} steps. For more, say --steps.")
        self.progress = saved | {"settings": self.settings}
        self.accelerator.load_state(str(checkpoint))
        say(f"Going on from {checkpoint}.")

    def go(self):
        accelerator, settings, progress = self.accelerator, self.settings, self.progress
        self.introduce()
        if progress["step"] == 0:
            progress["start_loss"] = evaluate(accelerator, self.model, self.windows)
            self.compare_with_page(progress["start_loss"])
            self.log(None, progress["start_loss"])
        losses, begun = [], time.time() - progress["seconds"]
        for step in range(progress["step"], settings["steps"]):
            losses.append(train_step(accelerator, self.model, self.optimizer, self.windows, step, settings))
            progress["step"], progress["seconds"] = step + 1, time.time() - begun
            if (step + 1) % settings["eval_every"] == 0 or step + 1 == settings["steps"]:
                # The mean since the last evaluation, of all processes.
                self.pause(accelerator.reduce(torch.stack(losses).mean(), reduction="mean").item())
                losses.clear()
            elif (step + 1) % math.ceil(settings["eval_every"] / 5) == 0:
                say(f"step {step + 1}/{settings['steps']}  training loss {losses[-1].item():.4f}")

    def pause(self, train_loss):
        """Between two steps: evaluates, tells, and saves."""
        progress, settings = self.progress, self.settings
        validation_loss = evaluate(self.accelerator, self.model, self.windows)
        if not math.isfinite(train_loss) or not math.isfinite(validation_loss or 0.0):
            message = f"The loss became {train_loss} by step {progress['step']}; what was saved before is good."
            raise Mistake(f"{message} A smaller --learning-rate than {settings['learning_rate']} helps.")
        losses = f"training loss {train_loss:.4f}  validation loss {shown(validation_loss)}"
        say(f"step {progress['step']}/{settings['steps']}  {losses}  {progress['seconds']:.0f} s")
        self.log(train_loss, validation_loss)
        if validation_loss is None or progress["best_loss"] is None or validation_loss < progress["best_loss"]:
            progress["best_loss"] = validation_loss
            self.save_model(self.output / "best", validation_loss)
        if progress["step"] == settings["steps"]:
            self.save_model(self.output / "last", validation_loss)
            self.save_checkpoint()
            self.conclude()
        else:
            self.save_checkpoint()

    # What is said

    @property
    def windows_in_a_step(self):
        accelerator = self.accelerator
        return self.settings["batch_size"] * accelerator.gradient_accumulation_steps * accelerator.num_processes

    def introduce(self):
        accelerator, text = self.accelerator, self.text
        say(f"Documents: {text['documents']:,}")
        say(f"Tokens: {text['train_tokens']:,} to train on, {text['validation_tokens']:,} to validate on")
        say(f"Processes: {accelerator.num_processes} on {accelerator.device.type}")
        say(f"Mixed precision: {accelerator.mixed_precision}")
        say(f"Windows in a step: {self.windows_in_a_step} of {self.windows.context} tokens")

    def compare_with_page(self, loss):
        gives = "this text leaves no loss to measure" if loss is None else f"this text gives {loss:.4f}"
        there, text = self.last_run.get("evaluation") or {}, self.last_run.get("text", {})
        if there.get("validation_loss") is None:
            say(f"Before any training, {gives}.")
            return
        who = "The page" if self.last_run["created_with"].startswith("Lorito") else "The last run"
        say(f"{who} stopped at a validation loss of {there['validation_loss']:.4f}; {gives} before any training.")
        if there["step"] != self.last_run["step"]:
            say(f"{who} measured its loss at step {there['step']}; the model is of step {self.last_run['step']}.")
        if any(text.get(name) != self.text[name] for name in ["train_tokens", "validation_tokens"]):
            say("It was measured on another text, so the two losses cannot be compared.")

    def conclude(self):
        start, best = self.progress["start_loss"], self.progress["best_loss"]
        if start is not None and best is not None:
            say(f"The validation loss went from {start:.4f} to {best:.4f} at best.")
            if best >= start:
                say("It did not fall: a smaller --learning-rate or more text may help.")
        say(f"The models are in {self.output / 'best'} and {self.output / 'last'}.")

    def log(self, train_loss, validation_loss):
        """Adds a line for those who want to draw the curve."""
        if self.accelerator.is_main_process:
            step = self.progress["step"]
            line = {"step": step, "train_loss": train_loss, "validation_loss": validation_loss}
            line |= {"learning_rate": self.optimizer.param_groups[0]["lr"] if step else None}
            self.output.mkdir(parents=True, exist_ok=True)
            with open(self.output / "log.jsonl", "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")

    # What is saved

    def save_checkpoint(self):
        checkpoint = self.output / f"checkpoint-{self.progress['step']}"
        self.accelerator.save_state(str(checkpoint))
        self.accelerator.wait_for_everyone()
        if self.accelerator.is_main_process:
            # Written last, as it says that the checkpoint is whole. Only then may older ones go.
            write_json(checkpoint / "progress.json", self.progress)
            for other in self.output.glob("checkpoint-*"):
                if other != checkpoint:
                    shutil.rmtree(other)

    def save_model(self, target, validation_loss):
        """A folder like the exported one."""
        # Asked of every process, as some ways of sharing a model leave each with a part of the weights.
        weights = self.accelerator.get_state_dict(self.model)
        if not self.accelerator.is_main_process:
            return
        new = target.with_name(target.name + ".new")
        shutil.rmtree(new, ignore_errors=True)
        self.accelerator.unwrap_model(self.model).save_pretrained(new, state_dict=weights)
        # Copied, not written anew: the tokenizer stays the very same.
        for pattern in ["*token*.json", "chat_template.jinja", "continue_training.*", "training_text.py"]:
            for file in self.folder.glob(pattern):
                shutil.copy(file, new)
        step = self.last_run.get("step", 0) + self.progress["step"]
        evaluation = {"step": step, "validation_loss": validation_loss, "most_windows": self.most_windows}
        this_run = {"step": step, "context": self.context, "evaluation": evaluation, "text": self.text}
        this_run |= {"training": self.settings}
        write_json(new / "lorito_training.json", {"created_with": "continue_training.py"} | this_run)
        card = self.folder / "README.md"
        if card.is_file():
            text = card.read_text(encoding="utf-8") + self.addition_to_card(validation_loss)
            (new / "README.md").write_text(text, encoding="utf-8")
        # The one before goes only now that the new one is whole.
        shutil.rmtree(target, ignore_errors=True)
        new.rename(target)

    def addition_to_card(self, validation_loss):
        return (
            "\n## Carried on\n\nWith `continue_training.py`, after all of the above.\n\n| | |\n|---|---|\n"
            f"| Steps | {self.progress['step']:,} |\n"
            f"| Windows in a step | {self.windows_in_a_step} |\n"
            f"| Learning rate | {self.settings['learning_rate']} |\n"
            f"| Training tokens | {self.text['train_tokens']:,} |\n"
            f"| Validation loss before | {shown(self.progress['start_loss'])} |\n"
            f"| Validation loss after | {shown(validation_loss)} |\n"
        )


def shown(loss):
    return "not measured" if loss is None else f"{loss:.4f}"


def main():
    arguments = parse_arguments()
    disable_progress_bar()
    # With each checkpoint, accelerate would warn that token embedding and head are one matrix, as GPT-2 has it.
    logging.getLogger("accelerate.utils.other").setLevel(logging.ERROR)
    try:
        run = Run(arguments)
        run.go()
        run.accelerator.end_training()
    except Mistake as mistake:
        # Each machine may have its own: a file that is missing there.
        if PartialState().is_local_main_process:
            print(f"error: {mistake}", file=sys.stderr, flush=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
