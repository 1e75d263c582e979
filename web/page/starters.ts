// Lists the pretrained models that the page offers to begin from: small ones with a free licence. The numbers are those of
// their repositories on the hub; `config` has the fields of config.json that determine what a model takes.
export interface Starter {
  /** The repository on the hub. */
  repository: string;
  name: string;
  /** Codes of the languages that it writes best. */
  languages: string[];
  /** Whether it writes further languages. */
  more?: boolean;
  /** Whether it was taught to chat. */
  chats: boolean;
  licence: string;
  /** Bytes of its weights. */
  download: number;
  config: Record<string, unknown>;
}

const smol = { model_type: "llama", vocab_size: 49_152, max_position_embeddings: 8192, tie_word_embeddings: true };
const qwen = { vocab_size: 151_936, max_position_embeddings: 32_768, tie_word_embeddings: true };

export const STARTERS: readonly Starter[] = [
  {
    repository: "HuggingFaceTB/SmolLM2-135M-Instruct",
    name: "SmolLM2 135M",
    languages: ["en"],
    chats: true,
    licence: "Apache 2.0",
    download: 269_000_000,
    config: {
      ...smol,
      hidden_size: 576,
      intermediate_size: 1536,
      num_hidden_layers: 30,
      num_attention_heads: 9,
      num_key_value_heads: 3,
    },
  },
  {
    repository: "HuggingFaceTB/SmolLM2-360M-Instruct",
    name: "SmolLM2 360M",
    languages: ["en"],
    chats: true,
    licence: "Apache 2.0",
    download: 724_000_000,
    config: {
      ...smol,
      hidden_size: 960,
      intermediate_size: 2560,
      num_hidden_layers: 32,
      num_attention_heads: 15,
      num_key_value_heads: 5,
    },
  },
  {
    repository: "Qwen/Qwen3-0.6B",
    name: "Qwen3 0.6B",
    languages: ["es", "en", "zh"],
    more: true,
    chats: true,
    licence: "Apache 2.0",
    download: 1_503_000_000,
    config: {
      ...qwen,
      model_type: "qwen3",
      hidden_size: 1024,
      intermediate_size: 3072,
      num_hidden_layers: 28,
      num_attention_heads: 16,
      num_key_value_heads: 8,
      head_dim: 128,
    },
  },
  {
    repository: "Qwen/Qwen2.5-0.5B-Instruct",
    name: "Qwen2.5 0.5B",
    languages: ["es", "en", "zh"],
    more: true,
    chats: true,
    licence: "Apache 2.0",
    download: 988_000_000,
    config: {
      ...qwen,
      model_type: "qwen2",
      hidden_size: 896,
      intermediate_size: 4864,
      num_hidden_layers: 24,
      num_attention_heads: 14,
      num_key_value_heads: 2,
    },
  },
  {
    repository: "datificate/gpt2-small-spanish",
    name: "GPT-2 small Spanish",
    languages: ["es"],
    chats: false,
    licence: "Apache 2.0",
    download: 510_000_000,
    config: { model_type: "gpt2" },
  },
  {
    repository: "openai-community/gpt2",
    name: "GPT-2",
    languages: ["en"],
    chats: false,
    licence: "MIT",
    download: 548_000_000,
    config: { model_type: "gpt2" },
  },
];
