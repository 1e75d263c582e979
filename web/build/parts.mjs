// The parts of the wasm that are downloaded once they are needed: the names of the functions in each.
// split.mjs moves them, and with them what nothing else refers to.

/**
 * What not every run needs: models of the Llama family, adapters, other programs' models, exports, tables, chats, BPE, plans for a time. The
 * worker loads it on the first call that needs it.
 */
const deferred = {
  name: "deferred",
  loader: "loadDeferred",
  /** Beginnings of names. */
  beginnings: [
    "lorito::architecture::gpt2::config::",
    "lorito::architecture::llama::",
    "lorito::chat::",
    "lorito::config::llama::",
    "lorito::copied::nearest::",
    "lorito::copied::passage::",
    "lorito::corpus::census::",
    "lorito::corpus::fields::",
    "lorito::corpus::header::",
    "lorito::corpus::json::",
    "lorito::corpus::jsonlines::",
    "lorito::corpus::pick::",
    "lorito::corpus::table::",
    "lorito::formats::ggml::dequantize::",
    "lorito::formats::ggml::pack::",
    "lorito::formats::gguf::",
    "lorito::formats::history::read",
    "lorito::formats::hugging_face::",
    "lorito::formats::llama_cpp::",
    "lorito::formats::model_card::",
    "lorito::formats::model_file::Content::check",
    "lorito::formats::model_file::read",
    "lorito::formats::ollama::",
    "lorito::formats::parts::",
    "lorito::formats::peft::",
    "lorito::formats::pretrained::",
    "lorito::formats::safetensors::Header",
    "lorito::formats::torch::",
    "lorito::formats::words::",
    "lorito::formats::zip::",
    "lorito::inspect::",
    "lorito::json::",
    "lorito::model::frozen::",
    "lorito::ops::adapter::",
    "lorito::ops::gate::",
    "lorito::ops::gpu::columns::",
    "lorito::ops::gpu::gate::",
    "lorito::ops::gpu::head_norm::",
    "lorito::ops::gpu::rotary::",
    "lorito::ops::head_norm::",
    "lorito::ops::packed::",
    "lorito::ops::rotary::",
    "lorito::session::documents::",
    "lorito::session::embedding::",
    "lorito::session::slow_motion::",
    "lorito::tokenizer::bpe::",
    "lorito::tokenizer::byte_level::",
    "lorito::tokenizer::folder::",
    "lorito::tokenizer::gguf::",
    "lorito::tokenizer::file::_::<impl serde_core::de",
    "lorito::tokenizer::file::Component::pattern",
    "lorito::tokenizer::file::File::check",
    "lorito::tokenizer::file::File::keep",
    "lorito::tokenizer::file::File::read",
    "lorito::tokenizer::open::merges",
    "lorito::tokenizer::sentence_piece::",
    "lorito::tokenizer::templates::",
    "lorito::tokenizer::unicode::",
    "lorito::tokenizer::vocabulary::",
    "lorito::web::inspecting::",
    "lorito::web::model::<impl lorito::web::Session>::plan_for_time",
    "lorito::web::pretrained::",
    "combine::",
    "csv_core::",
    "minijinja::",
    "minijinja_contrib::",
    "miniz_oxide::",
    "nom::",
    "rawzip::",
    "rayon_core::",
    "serde_json::de::",
    "serde_json::lexical::",
    "serde_json::read::",
    "tokenizers::",
  ],
  /**
   * Traits whose implementations are moved: they read and write CubeCL's intermediate representation as text, which no run
   * does.
   */
  mentions: [" as pliron::parsable::Parsable>::", " as pliron::printable::Printable>::"],
  /** Exceptions: functions that every plain text and every run needs. */
  always: [
    "lorito::chat::template::is_chatml",
    "lorito::chat::template::shown_turns",
    "lorito::chat::template::template",
    "lorito::chat::whatsapp::date::",
    "lorito::chat::whatsapp::head::",
    "lorito::chat::whatsapp::layout::",
    "lorito::chat::whatsapp::resembles::",
  ],
};

/** What only the GPU's engine needs: its kernels, and the compiler that makes WGSL of them. */
const gpu = {
  name: "gpu",
  loader: "loadGpu",
  beginnings: ["__wasm_call_ctors", "cubecl_", "lorito::ops::gpu::", "pliron::", "wgpu::"],
  mentions: ["cubecl_", "pliron::", "wgpu::", "lorito::ops::gpu::"],
  always: [],
};

/** In the order in which they are moved. */
export const parts = [deferred, gpu];
