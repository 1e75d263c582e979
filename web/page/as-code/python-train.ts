// Generates the Train step in Python: a plain loop with the page's schedule, optimizer and evaluations.
import { t } from "../i18n";
import { TARGET_NAMES, type Target } from "../settings";
import type { CodeSettings } from "./settings";
import { comment, lines } from "./source";

const remark = (words: string) => comment("#", words);

/** The names in transformers of the matrices that an adapter can be added to. */
const MATRICES: Record<"gpt2" | "llama", Record<Target, string[]>> = {
  gpt2: { attention: ["attn.c_attn"], attentionOut: ["attn.c_proj"], mlp: ["mlp.c_fc"], mlpOut: ["mlp.c_proj"] },
  llama: {
    attention: ["q_proj", "k_proj", "v_proj"],
    attentionOut: ["o_proj"],
    mlp: ["gate_proj", "up_proj"],
    mlpOut: ["down_proj"],
  },
};

export function trainModel(settings: CodeSettings): string {
  const { train } = settings;
  return lines(
    "import math",
    train.lora && "from peft import LoraConfig, get_peft_model",
    "",
    `device = "cuda" if torch.cuda.is_available() else "cpu"`,
    "model.to(device)",
    train.lora && adapter(train.lora, settings.llama ? "llama" : "gpt2"),
    `steps, warmup_steps, peak = ${train.steps}, ${train.warmupSteps}, ${train.learningRate}`,
    `batch_size, window = ${train.batchSize}, ${train.windowLength || settings.model.context}`,
    "",
    "",
    parts(train),
    "",
    "",
    loop(train),
  );
}

function adapter(
  { rank, alpha, targets }: NonNullable<CodeSettings["train"]["lora"]>,
  family: keyof typeof MATRICES,
): string {
  const chosen = TARGET_NAMES.filter((name) => targets?.[name]);
  const names = chosen.flatMap((name) => MATRICES[family][name]).map((name) => `"${name}"`);
  return lines(
    remark(t("asCode.train.lora")),
    "adapter = LoraConfig(",
    `    r=${rank},`,
    `    lora_alpha=${alpha},`,
    `    target_modules=[${names.join(", ")}],`,
    family === "gpt2" && "    fan_in_fan_out=True,",
    ")",
    "model = get_peft_model(model, adapter)",
  );
}

/** The functions that the loop calls. */
function parts({ halfPrecision: half, decay }: CodeSettings["train"]): string {
  const linear = decay === "linear";
  return lines(
    remark(t("asCode.train.windows")),
    "def windows(ids, starts, length):",
    "    picked = ids[starts[:, None] + torch.arange(length + 1)].to(device)",
    "    return picked[:, :-1], picked[:, 1:]",
    "",
    "",
    remark(t("asCode.train.loss")),
    "def loss_of(inputs, targets):",
    half && "    with torch.autocast(device, torch.bfloat16):",
    `${half ? "    " : ""}    logits = model(input_ids=inputs).logits`,
    "    return torch.nn.functional.cross_entropy(logits.flatten(0, 1).float(), targets.flatten())",
    "",
    "",
    remark(t("asCode.train.evaluate")),
    "@torch.no_grad()",
    "def evaluate():",
    "    model.eval()",
    "    length = min(window, len(validation_ids) - 1)",
    "    starts = torch.arange(0, len(validation_ids) - length, length)",
    "    starts = starts[:: math.ceil(len(starts) / 100)]",
    "    batches = starts.split(batch_size)",
    "    total = sum(len(batch) * loss_of(*windows(validation_ids, batch, length)) for batch in batches)",
    "    model.train()",
    "    return total.item() / len(starts)",
    "",
    "",
    remark(linear ? t("asCode.train.linear") : t("asCode.train.schedule")),
    "def learning_rate(step):",
    "    if step < warmup_steps:",
    "        return peak * (step + 1) / (warmup_steps + 1)",
    "    share = (step - warmup_steps) / max(1, steps - warmup_steps)",
    linear
      ? "    return peak * max(1 - share, 1 / (steps - warmup_steps + 1))"
      : "    return peak / 10 + 0.5 * (1 + math.cos(math.pi * share)) * (peak - peak / 10)",
  );
}

function loop(train: CodeSettings["train"]): string {
  const { weightDecay, beta1, beta2, gradClip, gradientAccumulation: passes, evalEvery, seed } = train;
  const said = t("asCode.train.said", {
    step: "{step + 1}",
    train: "{loss.item():.3f}",
    validation: "{evaluate():.3f}",
  });
  const deep = passes > 1 ? "        " : "    ";
  return lines(
    remark(t("asCode.train.decay")),
    "weights = [weight for weight in model.parameters() if weight.requires_grad]",
    "optimizer = torch.optim.AdamW(",
    "    [",
    `        {"params": [weight for weight in weights if weight.ndim >= 2], "weight_decay": ${weightDecay}},`,
    `        {"params": [weight for weight in weights if weight.ndim < 2], "weight_decay": 0.0},`,
    "    ],",
    "    lr=peak,",
    `    betas=(${beta1}, ${beta2}),`,
    ")",
    "",
    `torch.manual_seed(${seed})`,
    "model.train()",
    "for step in range(steps):",
    "    for group in optimizer.param_groups:",
    `        group["lr"] = learning_rate(step)`,
    passes > 1 && remark(t("asCode.train.passes")).replaceAll(/^/gm, "    "),
    passes > 1 && `    for _ in range(${passes}):`,
    `${deep}starts = torch.randint(len(train_ids) - window, (batch_size,))`,
    `${deep}loss = loss_of(*windows(train_ids, starts, window))`,
    `${deep}${passes > 1 ? `(loss / ${passes})` : "loss"}.backward()`,
    gradClip > 0 && `    torch.nn.utils.clip_grad_norm_(weights, ${gradClip})`,
    "    optimizer.step()",
    "    optimizer.zero_grad()",
    `    if (step + 1) % ${evalEvery} == 0 or step + 1 == steps:`,
    `        print(f${JSON.stringify(said)})`,
  );
}
