// Generates the steps as a Python script with transformers and tokenizers. Each step uses the variables of those before
// it.
import { t } from "../i18n";
import type { Step } from "../state";
import { readText } from "./python-text";
import { trainModel } from "./python-train";
import { type CodeSettings, KIND_WORDS } from "./settings";
import { comment, lines } from "./source";

/** Folders of the open model that the code loads, and of the model that it saves. */
const OPENED = "opened-model";
const FOLDER = "lorito";

const remark = (words: string) => comment("#", words);

const writers: Record<Step, (settings: CodeSettings) => string> = {
  text: readText,
  tokens,
  model,
  train: trainModel,
  write,
  share,
};

/** Generates a step in Python. */
export function python(step: Step, settings: CodeSettings): string {
  return writers[step](settings);
}

/** The packages to install. */
export function packages({ train: { lora } }: CodeSettings): string {
  return `pip install torch transformers${lora ? " peft" : ""}`;
}

function tokens({ opened, tokenizer: { kind, vocabulary } }: CodeSettings): string {
  const made = opened
    ? lines(
        "from transformers import AutoTokenizer",
        "",
        remark(t("asCode.tokens.opened", { folder: OPENED })),
        `tokenizer = AutoTokenizer.from_pretrained("${OPENED}")`,
      )
    : lines(
        "from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers",
        "from transformers import PreTrainedTokenizerFast",
        "",
        remark(t(KIND_WORDS[kind])),
        kind === "char" ? characters() : bytes(kind === "bpe" ? vocabulary : 257),
        remark(t("asCode.tokens.end")),
        `tokenizer.add_special_tokens(["<|endoftext|>"])`,
        `tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|endoftext|>")`,
      );
  return lines(
    "import torch",
    made,
    "",
    "",
    remark(t("asCode.tokens.ids")),
    "def to_ids(texts):",
    "    return torch.tensor([id for text in texts for id in [*tokenizer.encode(text), tokenizer.eos_token_id]])",
    "",
    "",
    "train_ids, validation_ids = to_ids(train_texts), to_ids(validation_texts)",
    `print(${quoted(t("tokens.figure.vocabulary"))}, len(tokenizer))`,
    `print(${quoted(t("tokens.figure.train"))}, len(train_ids))`,
  );
}

function characters(): string {
  return lines(
    "normalizer = normalizers.NFC()",
    `characters = sorted(set(normalizer.normalize_str("".join(documents))))`,
    "tokenizer = Tokenizer(models.BPE(vocab={character: id for id, character in enumerate(characters)}, merges=[]))",
    "tokenizer.normalizer = normalizer",
    "tokenizer.decoder = decoders.Fuse()",
  );
}

/** A byte-level tokenizer, or BPE up to the vocabulary size. Both get the end-of-text token. */
function bytes(vocabulary: number): string {
  return lines(
    "tokenizer = Tokenizer(models.BPE())",
    "tokenizer.normalizer = normalizers.NFC()",
    "tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)",
    "tokenizer.decoder = decoders.ByteLevel()",
    "trainer = trainers.BpeTrainer(",
    `    vocab_size=${vocabulary - 1},`,
    "    min_frequency=2,",
    "    initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),",
    ")",
    "tokenizer.train_from_iterator(train_texts, trainer)",
  );
}

function model({ opened, model: shape, llama, train: { seed } }: CodeSettings): string {
  const made = opened
    ? lines(
        "from transformers import AutoModelForCausalLM",
        "",
        `torch.manual_seed(${seed})`,
        remark(t("asCode.model.opened")),
        `model = AutoModelForCausalLM.from_pretrained("${OPENED}").float()`,
      )
    : lines(
        `from transformers import ${llama ? "LlamaConfig, LlamaForCausalLM" : "GPT2Config, GPT2LMHeadModel"}`,
        "",
        `torch.manual_seed(${seed})`,
        remark(t("asCode.model.new")),
        `config = ${llama ? "LlamaConfig" : "GPT2Config"}(`,
        "    vocab_size=len(tokenizer),",
        ...(llama ? llamaFields(shape, llama) : gpt2Fields(shape)),
        "    bos_token_id=tokenizer.eos_token_id,",
        "    eos_token_id=tokenizer.eos_token_id,",
        ")",
        `model = ${llama ? "LlamaForCausalLM" : "GPT2LMHeadModel"}(config)`,
      );
  return lines(made, `print(${quoted(t("model.figure.parameters"))}, model.num_parameters())`);
}

function gpt2Fields({ layers, heads, width, context, dropout }: CodeSettings["model"]): string[] {
  return [
    `    n_positions=${context},`,
    `    n_embd=${width},`,
    `    n_layer=${layers},`,
    `    n_head=${heads},`,
    ...["embd", "attn", "resid"].map((place) => `    ${place}_pdrop=${decimal(dropout)},`),
  ];
}

function llamaFields(
  { layers, heads, width, context, dropout }: CodeSettings["model"],
  llama: NonNullable<CodeSettings["llama"]>,
): string[] {
  return [
    `    max_position_embeddings=${context},`,
    `    hidden_size=${width},`,
    `    intermediate_size=${llama.mlpWidth},`,
    `    num_hidden_layers=${layers},`,
    `    num_attention_heads=${heads},`,
    `    num_key_value_heads=${llama.keyValueHeads},`,
    `    head_dim=${llama.headWidth},`,
    `    attention_dropout=${decimal(dropout)},`,
    "    tie_word_embeddings=True,",
  ];
}

function write({ model: { context }, sampling, prompt }: CodeSettings): string {
  const { maxTokens, temperature, topK, topP, repetitionPenalty, seed } = sampling;
  const drawn = temperature > 0;
  return lines(
    `torch.manual_seed(${seed})`,
    remark(t("asCode.write.prompt")),
    `prompt = ${JSON.stringify(prompt)}`,
    `ids = tokenizer(prompt or tokenizer.eos_token, return_tensors="pt").input_ids.to(model.device)`,
    `end = ids.shape[1] + ${maxTokens}`,
    "model.eval()",
    remark(t("asCode.write.window", { context })),
    "while ids.shape[1] < end:",
    `    seen = ids[:, -${Math.max(1, Math.floor(context / 2))} :]`,
    "    written = model.generate(",
    "        input_ids=seen,",
    "        attention_mask=torch.ones_like(seen),",
    `        max_new_tokens=min(end - ids.shape[1], ${Math.max(2, context)} - seen.shape[1]),`,
    drawn ? "        do_sample=True," : "        do_sample=False,",
    drawn && `        temperature=${decimal(temperature)},`,
    drawn && `        top_k=${topK},`,
    drawn && `        top_p=${decimal(topP)},`,
    `        repetition_penalty=${decimal(repetitionPenalty)},`,
    "        pad_token_id=tokenizer.eos_token_id,",
    "    )",
    "    ids = torch.cat([ids, written[:, seen.shape[1] :]], dim=1)",
    "    if ids[0, -1] == tokenizer.eos_token_id:",
    "        break",
    "print(tokenizer.decode(ids[0], skip_special_tokens=True))",
  );
}

function share({ train: { lora } }: CodeSettings): string {
  return lines(
    lora && remark(t("asCode.share.adapter")),
    lora && `model.save_pretrained("${FOLDER}-adapter")`,
    lora && "model = model.merge_and_unload()",
    remark(t("asCode.share.folder")),
    `model.save_pretrained("${FOLDER}")`,
    `tokenizer.save_pretrained("${FOLDER}")`,
  );
}

/** Formats a number that transformers accepts only as a float. */
function decimal(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}

/** Quotes a string: a JSON string is also a Python literal. */
function quoted(words: string): string {
  return JSON.stringify(`${words}:`);
}
