//! GGUF files open with the ids and logits of the programs that wrote them: a file of the `gguf` package with a tensor in
//! each number format, Lorito's own, and ones that lie. `tests/fixtures/gguf` has the scripts that make the files.

use std::{collections::HashMap, fs, path::PathBuf};

use futures_lite::future::block_on;
use lorito::{
    chat,
    config::{Activation, Llama, LlamaFamily, ModelConfig, Rope, RopeScaling, Variant},
    device::{CPU_LIMITS, Engine},
    error::{Error, Result},
    formats::{self, GgufPrecision, ModelFile, llama_cpp},
    model::Layout,
    ops::Device,
    session::Session,
    tokenizer::{Kind, Tokenizer},
};
use serde::Deserialize;

use crate::formats::sample;
use crate::hugging_face::{open, parts};

#[derive(Deserialize)]
struct Expected {
    text: String,
    ids: Vec<u32>,
    logits: Vec<f32>,
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/gguf").join(name)).unwrap()
}

/// Opens a file; returns the session with its model.
fn opened(bytes: &[u8]) -> Result<Session> {
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    open(&mut session, &HashMap::from([("model.gguf".to_owned(), bytes.to_vec())]))?;
    Ok(session)
}

#[test]
fn a_tensor_in_each_format_is_read_as_the_gguf_package_reads_it() {
    let Expected { text, ids, logits } = serde_json::from_slice(&fixture("mixed.json")).unwrap();
    let session = opened(&fixture("mixed.gguf")).unwrap();
    assert_eq!(session.encode(&text).unwrap(), ids);
    let got = block_on(session.logits(&ids)).unwrap();
    let largest = logits.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    assert_eq!(got.len(), logits.len());
    for (got, right) in got.iter().zip(&logits) {
        assert!((got - right).abs() < 1e-4 * largest, "{got} instead of {right}");
    }
    assert_eq!(session.model_summary().unwrap().config.variant.epsilon, 1e-4);
}

#[test]
fn version_2_opens_as_version_3_does() {
    let mut file = fixture("mixed.gguf");
    file[4] = 2;
    assert!(opened(&file).is_ok());
}

/// A model whose weights are exact in 16 bits.
fn exact(config: ModelConfig) -> ModelFile {
    let layout = Layout::new(&config);
    let weights = sample::weights(&layout, 7, 0.3).into_iter().map(|value| half::f16::from_f32(value).to_f32());
    ModelFile { config, weights: weights.collect(), ..sample::model() }
}

fn logits(session: &Session, ids: &[u32]) -> Vec<f32> {
    block_on(session.logits(ids)).unwrap()
}

#[test]
fn our_own_files_open_with_the_same_ids_and_logits() {
    let text = "abc année. \n";
    let published = sample::model().config;
    for variant in [Variant::GPT2, Variant { tied: false, ..Variant::GPT2 }] {
        let model = exact(ModelConfig { variant, ..published });
        let mut original = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
        let summary = original.import_model(&formats::write(&model).unwrap()).unwrap();
        let session = opened(&llama_cpp(&model, GgufPrecision::F16).unwrap()).unwrap();
        let ids = original.encode(text).unwrap();
        assert_eq!(session.encode(text).unwrap(), ids);
        assert_eq!(logits(&session, &ids), logits(&original, &ids));
        assert_eq!(session.model_summary().unwrap().config.variant, summary.config.variant);
    }
}

#[test]
fn models_of_the_llama_families_open_with_the_same_logits() {
    let text = "abc année. \n";
    for family in [LlamaFamily::Llama, LlamaFamily::Qwen2, LlamaFamily::Qwen3] {
        for tied in [true, false] {
            let llama = Some(Llama { family, ..Llama::like(16, 4) });
            let variant = Variant { activation: Activation::Silu, tied, bias: false, llama, ..Variant::GPT2 };
            let model = exact(ModelConfig { variant, heads: 4, ..sample::model().config });
            let mut original = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
            original.import_model(&formats::write(&model).unwrap()).unwrap();
            let session = opened(&llama_cpp(&model, GgufPrecision::F16).unwrap()).unwrap();
            let ids = original.encode(text).unwrap();
            assert_eq!(session.encode(text).unwrap(), ids);
            assert_eq!(logits(&session, &ids), logits(&original, &ids), "{family:?}");
            let config = session.model_summary().unwrap().config;
            assert_eq!(config, ModelConfig { dropout: config.dropout, ..model.config });
        }
    }
}

/// A Llama with heads of 32 numbers and rotary positions like those of Llama 3.
fn scaled(scaling: Option<RopeScaling>) -> ModelFile {
    let rope = Rope { theta: 500_000.0, scaling };
    let llama = Some(Llama { rope, ..Llama::like(64, 2) });
    let variant = Variant { activation: Activation::Silu, bias: false, llama, ..Variant::GPT2 };
    exact(ModelConfig { variant, heads: 2, width: 64, ..sample::model().config })
}

#[test]
fn scaled_rotary_positions_of_llama_3_are_found_by_their_factors() {
    for factor in [8.0, 32.0] {
        let model = scaled(Some(RopeScaling::llama_3(factor)));
        let mut original = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
        original.import_model(&formats::write(&model).unwrap()).unwrap();
        let session = opened(&llama_cpp(&model, GgufPrecision::F16).unwrap()).unwrap();
        let ids: Vec<u32> = (0..20).collect();
        assert_eq!(logits(&session, &ids), logits(&original, &ids));
        let llama = session.model_summary().unwrap().config.variant.llama.unwrap();
        assert_eq!(llama.rope, model.config.variant.llama.unwrap().rope);
    }
}

#[test]
fn other_factors_of_rotary_positions_are_refused() {
    let with = |change: &dyn Fn(&mut RopeScaling)| {
        let mut scaling = RopeScaling::llama_3(8.0);
        change(&mut scaling);
        opened(&llama_cpp(&scaled(Some(scaling)), GgufPrecision::F16).unwrap()).map(drop).unwrap_err()
    };
    for change in [
        (|it: &mut RopeScaling| it.original_context = 1024) as fn(&mut RopeScaling),
        |it| it.low_frequency_factor = 2.0,
        |it| it.high_frequency_factor = 8.0,
    ] {
        assert_eq!(with(&change).code(), "setting-unsupported");
    }
    // A Qwen has none, other numbers than half a head's neither, and NaN is none.
    let mut file = llama_cpp(&scaled(Some(RopeScaling::llama_3(8.0))), GgufPrecision::F16).unwrap();
    let at = file.windows(17).position(|bytes| bytes == b"rope_freqs.weight").unwrap();
    let offset = u64::from_le_bytes(file[at + 17 + 4 + 8 + 4..][..8].try_into().unwrap());
    let end = file.len() as u64;
    let data = end - 64 - offset;
    file[(data + offset) as usize..][..4].copy_from_slice(&f32::NAN.to_le_bytes());
    assert_eq!(opened(&file).map(drop).unwrap_err().code(), "weights-not-finite");
}

/// As older converters of GPT-2 write it.
#[test]
fn a_head_that_repeats_the_embedding_is_tied() {
    let variant = Variant { tied: false, ..Variant::GPT2 };
    let mut model = exact(ModelConfig { variant, ..sample::model().config });
    let layout = Layout::new(&model.config);
    let [embedding, head] = ["transformer.wte.weight", "lm_head.weight"]
        .map(|name| layout.parameters.iter().find(|parameter| parameter.name == name).unwrap().range());
    model.weights.copy_within(embedding, head.start);
    let session = opened(&llama_cpp(&model, GgufPrecision::F16).unwrap()).unwrap();
    assert!(session.model_summary().unwrap().config.variant.tied);
    model.weights[head.end - 1] = 0.5;
    let session = opened(&llama_cpp(&model, GgufPrecision::F16).unwrap()).unwrap();
    assert!(!session.model_summary().unwrap().config.variant.tied);
}

#[test]
fn tokenizers_of_all_kinds_come_back() {
    let documents = ["El ñandú 日本 corre, corre y corre. ".repeat(30)];
    let text = "El ñandú corre 日本 ¿qué?";
    let documents: Vec<&str> = documents.iter().map(String::as_str).collect();
    for kind in [Kind::Char, Kind::Byte, Kind::Bpe] {
        for turns in [false, true] {
            let mut tokenizer = Tokenizer::train(kind, Some(300), &documents).unwrap();
            if turns {
                tokenizer = tokenizer.with_special_tokens(&chat::TOKENS).unwrap();
            }
            let config = ModelConfig { vocabulary: tokenizer.vocabulary(), ..sample::model().config };
            let model = ModelFile { tokenizer: tokenizer.to_json(), ..exact(config) };
            let session = opened(&llama_cpp(&model, GgufPrecision::Q8).unwrap()).unwrap();
            let saved = block_on(session.export_safetensors("back")).unwrap();
            let back = formats::read(&saved).unwrap().tokenizer().unwrap();
            assert_eq!(back.kind(), kind);
            assert_eq!(back.encode(text), tokenizer.encode(text), "{kind:?}");
            assert_eq!(back.vocabulary(), tokenizer.vocabulary());
            assert_eq!(back.roles().ends, tokenizer.roles().ends);
            assert_eq!(back.turn_ids(), tokenizer.turn_ids());
            assert_eq!(back.roles().chat_template.is_some(), turns);
        }
    }
}

/// A GGUF file that is written byte by byte.
struct Written {
    version: u32,
    values: Vec<Vec<u8>>,
    tensors: Vec<Vec<u8>>,
    /// What is said of how many there are, if it is something else.
    counts: [Option<u64>; 2],
    data: Vec<u8>,
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

fn value(key: &str, kind: u32, bytes: &[u8]) -> Vec<u8> {
    [&string(key)[..], &kind.to_le_bytes(), bytes].concat()
}

fn text(key: &str, text: &str) -> Vec<u8> {
    value(key, 8, &string(text))
}

fn number(key: &str, number: u32) -> Vec<u8> {
    value(key, 4, &number.to_le_bytes())
}

fn array(key: &str, kind: u32, length: u64, bytes: &[u8]) -> Vec<u8> {
    value(key, 9, &[&kind.to_le_bytes()[..], &length.to_le_bytes(), bytes].concat())
}

fn tensor(name: &str, shape: &[u64], kind: u32, offset: u64) -> Vec<u8> {
    let shape_bytes: Vec<u8> = shape.iter().flat_map(|length| length.to_le_bytes()).collect();
    let axes = (shape.len() as u32).to_le_bytes();
    [&string(name)[..], &axes, &shape_bytes, &kind.to_le_bytes(), &offset.to_le_bytes()].concat()
}

impl Default for Written {
    /// A GPT-2 without a block's tensors.
    fn default() -> Self {
        let bytes: Vec<u8> = (0..=255).flat_map(|byte| string(&spelled(byte))).collect();
        let [context, width, inner, layers, heads] = [8, 4, 16, 1, 1];
        Self {
            version: 3,
            values: vec![
                text("general.architecture", "gpt2"),
                number("gpt2.context_length", context),
                number("gpt2.embedding_length", width),
                number("gpt2.feed_forward_length", inner),
                number("gpt2.block_count", layers),
                number("gpt2.attention.head_count", heads),
                value("gpt2.attention.layer_norm_epsilon", 6, &1e-5f32.to_le_bytes()),
                text("tokenizer.ggml.model", "gpt2"),
                array("tokenizer.ggml.tokens", 8, 256, &bytes),
                array("tokenizer.ggml.merges", 8, 0, &[]),
            ],
            tensors: vec![tensor("token_embd.weight", &[4, 256], 0, 0)],
            counts: [None; 2],
            data: vec![0; 4096],
        }
    }
}

/// A byte in GPT-2's alphabet.
fn spelled(byte: u8) -> String {
    let printable = |byte: u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    let before = (0..byte).filter(|&other| !printable(other)).count() as u32;
    let code = if printable(byte) { byte.into() } else { 256 + before };
    char::from_u32(code).unwrap().to_string()
}

impl Written {
    fn bytes(&self) -> Vec<u8> {
        let Self { version, values, tensors, counts, data } = self;
        let [tensor_count, value_count] =
            [counts[0].unwrap_or(tensors.len() as u64), counts[1].unwrap_or(values.len() as u64)];
        let mut out =
            [&b"GGUF"[..], &version.to_le_bytes(), &tensor_count.to_le_bytes(), &value_count.to_le_bytes()].concat();
        values.iter().chain(tensors).for_each(|bytes| out.extend(bytes));
        out.resize(out.len().next_multiple_of(32), 0);
        out.extend(data);
        out
    }

    fn with(change: impl FnOnce(&mut Self)) -> Error {
        let mut written = Self::default();
        change(&mut written);
        opened(&written.bytes()).map(drop).unwrap_err()
    }

    /// With another value of a key.
    fn set(key: &str, bytes: Vec<u8>) -> Error {
        let found = |other: &[u8]| other.starts_with(&string(key));
        Self::with(|it| {
            it.values.retain(|other| !found(other));
            it.values.push(bytes);
        })
    }
}

#[test]
fn files_that_lie_about_themselves_are_refused() {
    const HUGE: u64 = 1 << 60;
    let tensors = |all: Vec<Vec<u8>>| Written::with(|it| it.tensors = all);
    let one = |shape: &[u64], kind, offset| tensors(vec![tensor("token_embd.weight", shape, kind, offset)]);
    let add = |bytes: Vec<u8>| Written::with(|it| it.values.push(bytes));
    let count = |counts: [Option<u64>; 2]| Written::with(|it| it.counts = counts);
    let whole = Written::default().bytes();
    let cut = |length: usize| opened(&whole[..length]).map(drop).unwrap_err();
    let nested = |depth: usize| {
        let inner = [&9u32.to_le_bytes()[..], &1u64.to_le_bytes()].concat();
        array("a", 9, 1, &inner.repeat(depth))
    };
    let cases: Vec<(&str, &str, Error)> = vec![
        ("all but the blocks", "tensor-missing", Written::with(|_| {})),
        ("nothing", "file-truncated", cut(0)),
        ("only the magic number", "file-truncated", cut(4)),
        ("cut in the metadata", "file-truncated", cut(200)),
        ("cut in the tensor data", "file-truncated", cut(whole.len() - 1)),
        (
            "another magic number",
            "gguf-invalid",
            opened(b"GGML\x03\0\0\0abcdefghijklmnopqrstuvwxyz").map(drop).unwrap_err(),
        ),
        ("version 1", "gguf-invalid", Written::with(|it| it.version = 1)),
        ("version 4", "gguf-invalid", Written::with(|it| it.version = 4)),
        ("a big-endian file", "gguf-invalid", Written::with(|it| it.version = 3u32.swap_bytes())),
        ("2^60 tensors", "gguf-invalid", count([Some(HUGE), None])),
        ("2^60 values", "gguf-invalid", count([None, Some(HUGE)])),
        ("all values there can be", "gguf-invalid", count([None, Some(u64::MAX)])),
        ("a value less", "gguf-invalid", count([None, Some(9)])),
        ("a key twice", "gguf-invalid", add(number("gpt2.block_count", 2))),
        ("a value of an unknown type", "gguf-invalid", add(value("a", 13, &[0; 8]))),
        ("a text of 2^60 bytes", "file-truncated", add(value("a", 8, &HUGE.to_le_bytes()))),
        ("a text of all bytes there can be", "file-truncated", add(value("a", 8, &u64::MAX.to_le_bytes()))),
        ("a text that is none", "gguf-invalid", add(value("a", 8, &[&2u64.to_le_bytes()[..], b"\xff\xfe"].concat()))),
        ("an array of 2^60 bytes", "gguf-invalid", add(array("a", 0, HUGE, &[]))),
        ("an array of 2^60 texts", "gguf-invalid", add(array("a", 8, HUGE, &[]))),
        ("an array of 2^61 numbers", "gguf-invalid", add(array("a", 12, HUGE * 2, &[]))),
        ("an array of arrays", "gguf-invalid", add(nested(1))),
        ("arrays a thousand deep", "gguf-invalid", add(nested(1000))),
        ("a truth of 2", "gguf-invalid", add(value("a", 7, &[2]))),
        ("an alignment of 0", "gguf-invalid", add(number("general.alignment", 0))),
        ("an alignment of 24", "gguf-invalid", add(number("general.alignment", 24))),
        ("an alignment that is a text", "gguf-invalid", add(text("general.alignment", "32"))),
        ("an unaligned tensor", "gguf-invalid", one(&[4, 4], 0, 8)),
        ("a tensor beyond the file", "file-truncated", one(&[4, 256], 0, 32)),
        ("a tensor beyond all files", "gguf-invalid", one(&[4, 4], 0, u64::MAX - 31)),
        ("a tensor of 2^62 numbers", "gguf-invalid", one(&[1 << 31, 1 << 31], 0, 0)),
        ("a tensor whose size overflows", "gguf-invalid", one(&[HUGE, HUGE], 0, 0)),
        ("a tensor without axes", "gguf-invalid", one(&[], 0, 0)),
        ("a tensor of five axes", "gguf-invalid", one(&[1; 5], 0, 0)),
        ("a tensor of 2^32 axes", "gguf-invalid", {
            let bytes = [&string("a")[..], &u32::MAX.to_le_bytes(), &[0; 64]].concat();
            tensors(vec![bytes])
        }),
        ("a tensor twice", "gguf-invalid", tensors(vec![tensor("a", &[4], 0, 0), tensor("a", &[4], 0, 0)])),
        ("rows of no whole block", "gguf-invalid", one(&[4, 256], 8, 0)),
        ("a format of 2 bits", "tensor-type", one(&[256, 4], 10, 0)),
        ("an unknown format", "tensor-type", one(&[256, 4], 77, 0)),
        ("no embedding", "tensor-missing", tensors(vec![])),
        ("factors of rotary positions that GPT-2 has not", "tensor-unknown", {
            Written::with(|it| it.tensors.push(tensor("rope_freqs.weight", &[4], 0, 0)))
        }),
        (
            "another family",
            "architecture-unsupported",
            Written::set("general.architecture", text("general.architecture", "mamba")),
        ),
        ("no family", "architecture-unsupported", Written::set("general.architecture", text("a", "b"))),
        (
            "a family that is a number",
            "gguf-invalid",
            Written::set("general.architecture", number("general.architecture", 1)),
        ),
        ("no width", "gguf-invalid", Written::set("gpt2.embedding_length", text("a", "b"))),
        ("a width that is a text", "configuration-invalid", {
            Written::set("gpt2.embedding_length", text("gpt2.embedding_length", "4"))
        }),
        ("a width of an array", "gguf-setting-unknown", {
            Written::set("gpt2.embedding_length", array("gpt2.embedding_length", 4, 0, &[]))
        }),
        ("no layers", "configuration-invalid", Written::set("gpt2.block_count", number("gpt2.block_count", 0))),
        ("more layers than can be", "configuration-invalid", {
            Written::set("gpt2.block_count", number("gpt2.block_count", u32::MAX))
        }),
        ("a setting that is not known", "gguf-setting-unknown", add(number("gpt2.rope.scaling.factor", 2))),
        ("one of several files, of which it does not say which", "gguf-invalid", add(number("split.count", 3))),
        ("no tokenizer", "file-missing", Written::set("tokenizer.ggml.model", text("a", "b"))),
        ("another kind of tokenizer", "tokenizer-unsupported", {
            Written::set("tokenizer.ggml.model", text("tokenizer.ggml.model", "bert"))
        }),
        ("SentencePiece without scores", "tokenizer-invalid", {
            Written::set("tokenizer.ggml.model", text("tokenizer.ggml.model", "llama"))
        }),
        ("a chat template that is a number", "gguf-invalid", add(number("tokenizer.chat_template", 1))),
        ("another pre-tokenizer", "tokenizer-unsupported", add(text("tokenizer.ggml.pre", "tekken"))),
        ("texts that begin with no token", "tokenizer-invalid", add(value("tokenizer.ggml.add_bos_token", 7, &[1]))),
        ("texts that begin with a token that is none", "tokenizer-invalid", {
            Written::with(|it| {
                it.values.push(value("tokenizer.ggml.add_bos_token", 7, &[1]));
                it.values.push(number("tokenizer.ggml.bos_token_id", 256));
            })
        }),
        ("a space before each text", "tokenizer-unsupported", add(value("tokenizer.ggml.add_space_prefix", 7, &[1]))),
        ("tokens that are numbers", "gguf-invalid", {
            Written::set("tokenizer.ggml.tokens", array("tokenizer.ggml.tokens", 4, 1, &[0; 4]))
        }),
        ("more tokens than rows", "vocabulary-mismatch", one(&[4, 255], 0, 0)),
        ("fewer types than tokens", "tokenizer-invalid", add(array("tokenizer.ggml.token_type", 5, 1, &[1, 0, 0, 0]))),
        ("a merge of one", "tokenizer-invalid", {
            Written::set("tokenizer.ggml.merges", array("tokenizer.ggml.merges", 8, 1, &string("ab")))
        }),
        ("a merge of tokens that are missing", "tokenizer-invalid", {
            Written::set("tokenizer.ggml.merges", array("tokenizer.ggml.merges", 8, 1, &string("a b")))
        }),
    ];
    for (what, code, error) in cases {
        assert_eq!(error.code(), code, "{what}: {error:?}");
    }
}

#[test]
fn a_tensor_that_no_part_of_the_model_has_is_refused() {
    let mut file = fixture("mixed.gguf");
    let (at, length) = (find(&file, "blk.2.ffn_norm.bias"), "blk.2.ffn_norm.bias".len());
    file[at..at + length].copy_from_slice(b"blk.2.ffn_gate.bias");
    let error = opened(&file).map(drop).unwrap_err();
    assert!(matches!(error, Error::TensorMissing { .. }), "{error:?}");
    // The whole model, and a tensor more. The space before the tensors' numbers may have to grow, too.
    let model = exact(sample::model().config);
    let mut file = llama_cpp(&model, GgufPrecision::F16).unwrap();
    let more = tensor("blk.0.attn_rot_embd.weight", &[4], 0, 0);
    let (first, last) = (find(&file, "token_embd.weight") - 8, find(&file, "output_norm.bias"));
    // After the name of the last tensor: how many axes, an axis, a format, an offset.
    let end = last + "output_norm.bias".len() + 4 + 8 + 4 + 8;
    let (start, grown) = (end.next_multiple_of(32), (end + more.len()).next_multiple_of(32));
    file.splice(end..start, vec![0; grown - end - more.len()]);
    file.splice(first..first, more);
    file[8] += 1;
    let error = opened(&file).map(drop).unwrap_err();
    assert_eq!(error, Error::TensorUnknown { tensor: "blk.0.attn_rot_embd.weight".into() });
}

fn find(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap()
}

#[test]
fn only_the_header_is_read_before_a_model_is_known_good() {
    let written = Written { data: vec![0; 4 << 20], ..Written::default() };
    let held = parts("model.gguf", &written.bytes()).unwrap().held();
    assert!(held <= 1 << 16, "{held}");
}
