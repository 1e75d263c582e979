//! GGUF files, parsed by a small reader. tests/browser/gguf.spec.ts tests that llama.cpp itself opens them.

use std::collections::HashMap;

use half::f16;
use lorito::{
    chat,
    config::{Activation, ModelConfig, Variant},
    formats::{GgufPrecision, ModelFile, llama_cpp},
    model::{Layout, Parameter},
    tokenizer::{TokenRoles, Tokenizer},
};

use super::sample;

#[derive(Debug, Clone, PartialEq)]
enum Value {
    U32(u32),
    I32(i32),
    F32(f32),
    Bool(bool),
    String(String),
    Array(Vec<Value>),
}

struct Tensor {
    shape: Vec<usize>,
    kind: u32,
    bytes: Vec<u8>,
}

struct Gguf {
    metadata: HashMap<String, Value>,
    tensors: HashMap<String, Tensor>,
}

const F32: u32 = 0;
const F16: u32 = 1;
const Q8_0: u32 = 8;

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (bytes, rest) = self.0.split_first_chunk().expect("the file goes on");
        self.0 = rest;
        *bytes
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }

    fn length(&mut self) -> usize {
        u64::from_le_bytes(self.take()) as usize
    }

    fn string(&mut self) -> String {
        let length = self.length();
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8(text.to_vec()).expect("strings are UTF-8")
    }

    fn value(&mut self, kind: u32) -> Value {
        match kind {
            4 => Value::U32(self.u32()),
            5 => Value::I32(self.u32() as i32),
            6 => Value::F32(f32::from_le_bytes(self.take())),
            7 => Value::Bool(self.take() == [1]),
            8 => Value::String(self.string()),
            9 => {
                let (kind, length) = (self.u32(), self.length());
                Value::Array((0..length).map(|_| self.value(kind)).collect())
            }
            _ => panic!("no value has type {kind}"),
        }
    }
}

fn bytes_of(kind: u32, numbers: usize) -> usize {
    match kind {
        F32 => 4 * numbers,
        F16 => 2 * numbers,
        Q8_0 => numbers / 32 * 34,
        _ => panic!("no tensor has type {kind}"),
    }
}

fn read(file: &[u8]) -> Gguf {
    let mut reader = Reader(file);
    assert_eq!(&reader.take(), b"GGUF");
    assert_eq!(reader.u32(), 3);
    let (tensors, values) = (reader.length(), reader.length());
    let mut metadata = HashMap::new();
    for _ in 0..values {
        let (key, kind) = (reader.string(), reader.u32());
        let value = reader.value(kind);
        assert!(metadata.insert(key, value).is_none());
    }
    let described: Vec<_> = (0..tensors)
        .map(|_| {
            let name = reader.string();
            let shape: Vec<_> = (0..reader.u32()).map(|_| reader.length()).collect();
            (name, shape, reader.u32(), reader.length())
        })
        .collect();
    let start = (file.len() - reader.0.len()).next_multiple_of(32);
    let mut end = start;
    let mut read = HashMap::new();
    for (name, shape, kind, offset) in described {
        // Contiguous, each at a multiple of 32.
        assert_eq!(start + offset, end, "{name}");
        let length = bytes_of(kind, shape.iter().product());
        let bytes = file[end..][..length].to_vec();
        end = (end + length).next_multiple_of(32);
        assert!(read.insert(name, Tensor { shape, kind, bytes }).is_none());
    }
    assert_eq!(end, file.len());
    Gguf { metadata, tensors: read }
}

fn gguf(model: &ModelFile, precision: GgufPrecision) -> Gguf {
    read(&llama_cpp(model, precision).unwrap())
}

fn with_width(width: usize) -> ModelFile {
    let model = sample::model();
    let config = ModelConfig { width, ..model.config };
    ModelFile { config, weights: sample::weights(&Layout::new(&config), 7, 0.3), ..model }
}

fn halves(bytes: &[u8]) -> Vec<f16> {
    bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes)).collect()
}

fn text(value: &str) -> Value {
    Value::String(value.to_owned())
}

#[test]
fn the_metadata_contain_what_llama_cpp_requires() {
    let model = sample::model();
    let Gguf { metadata, .. } = gguf(&model, GgufPrecision::F16);
    let tokenizer = Tokenizer::from_json(model.tokenizer.as_bytes()).unwrap();
    let end = Value::U32(tokenizer.end_of_text().unwrap());
    for (key, value) in [
        ("general.architecture", text("gpt2")),
        ("general.name", text("Small: a model | for *tests*")),
        ("general.file_type", Value::U32(1)),
        ("general.quantization_version", Value::U32(2)),
        ("gpt2.context_length", Value::U32(24)),
        ("gpt2.embedding_length", Value::U32(16)),
        ("gpt2.feed_forward_length", Value::U32(64)),
        ("gpt2.block_count", Value::U32(2)),
        ("gpt2.attention.head_count", Value::U32(2)),
        ("gpt2.attention.layer_norm_epsilon", Value::F32(1e-5)),
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text("gpt-2")),
        ("tokenizer.ggml.bos_token_id", end.clone()),
        ("tokenizer.ggml.eos_token_id", end),
        ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
    ] {
        assert_eq!(metadata.get(key), Some(&value), "{key}");
    }
    let array = |key: &str| match &metadata[key] {
        Value::Array(values) => values.clone(),
        other => panic!("{key} is {other:?}"),
    };
    let tokens = array("tokenizer.ggml.tokens");
    assert_eq!(tokens.len(), model.config.vocabulary);
    assert_eq!(tokens.last(), Some(&text("<|endoftext|>")));
    let types = array("tokenizer.ggml.token_type");
    assert_eq!(types.len(), tokens.len());
    assert_eq!(types.split_last(), Some((&Value::I32(3), &vec![Value::I32(1); tokens.len() - 1][..])));
    // é is C3 A9.
    assert!(array("tokenizer.ggml.merges").contains(&text("Ã ©")));
    assert!(!metadata.contains_key("tokenizer.chat_template"));
}

#[test]
fn models_of_conversations_have_a_chat_template() {
    let model = sample::model();
    let tokenizer =
        Tokenizer::from_json(model.tokenizer.as_bytes()).unwrap().with_special_tokens(&chat::TOKENS).unwrap();
    let config = ModelConfig { vocabulary: tokenizer.vocabulary(), ..model.config };
    let weights = vec![0.5; Layout::new(&config).len];
    let Gguf { metadata, .. } =
        gguf(&ModelFile { config, weights, tokenizer: tokenizer.to_json(), ..model }, GgufPrecision::F16);
    assert_eq!(metadata["tokenizer.chat_template"], text(chat::JINJA));
    assert_eq!(metadata["tokenizer.ggml.eot_token_id"], Value::U32(tokenizer.special_token("<|end|>").unwrap()));
}

#[test]
fn tokens_of_a_pretrained_model_keep_their_roles() {
    let model = sample::model();
    let tokenizer = Tokenizer::from_json(model.tokenizer.as_bytes()).unwrap();
    let tokenizer = tokenizer.with_special_tokens(&["<s>", "<pad>", "<unk>", "<|im_end|>"]).unwrap();
    let id = |token: &str| tokenizer.special_token(token).unwrap();
    let roles = TokenRoles {
        named: [("pad_token".into(), id("<pad>")), ("unk_token".into(), id("<unk>"))].into(),
        start: Some(id("<s>")),
        ends: vec![id("<|im_end|>"), id("<|endoftext|>")],
        chat_template: Some("{{ messages }}".into()),
        turns: None,
    };
    let config = ModelConfig { vocabulary: tokenizer.vocabulary(), ..model.config };
    let weights = vec![0.5; Layout::new(&config).len];
    let (tokenizer, roles) = (tokenizer.to_json(), Some(roles));
    let model = ModelFile { config, weights, tokenizer, roles, ..model };
    let Gguf { metadata, .. } = gguf(&model, GgufPrecision::F16);
    let tokenizer = model.tokenizer().unwrap();
    for (key, token) in
        [("bos", "<s>"), ("eos", "<|im_end|>"), ("eot", "<|endoftext|>"), ("padding", "<pad>"), ("unknown", "<unk>")]
    {
        let id = Value::U32(tokenizer.special_token(token).unwrap());
        assert_eq!(metadata[&format!("tokenizer.ggml.{key}_token_id")], id, "{key}");
    }
    assert_eq!(metadata["tokenizer.chat_template"], text("{{ messages }}"));
}

#[test]
fn every_tensor_is_written_once_with_all_rows() {
    let model = with_width(32);
    let layout = Layout::new(&model.config);
    let Gguf { tensors, .. } = gguf(&model, GgufPrecision::F16);
    assert_eq!(tensors.len(), layout.parameters.len());
    let parameter = |name: &str| layout.parameters.iter().find(|parameter| parameter.name == name).unwrap();
    let singles =
        |bytes: &[u8]| -> Vec<f32> { bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect() };
    for (ours, theirs) in [
        ("transformer.h.1.attn.c_attn.weight", "blk.1.attn_qkv.weight"),
        ("transformer.h.0.attn.c_proj.weight", "blk.0.attn_output.weight"),
        ("transformer.h.1.mlp.c_fc.weight", "blk.1.ffn_up.weight"),
        ("transformer.h.0.mlp.c_proj.weight", "blk.0.ffn_down.weight"),
    ] {
        let (Parameter { shape, .. }, tensor) = (parameter(ours), &tensors[theirs]);
        let [inputs, outputs] = shape[..] else { panic!("{ours} is a matrix") };
        assert_eq!((&tensor.shape, tensor.kind), (&vec![inputs, outputs], F16), "{theirs}");
        let (values, written) = (&model.weights[parameter(ours).range()], halves(&tensor.bytes));
        for (at, value) in written.into_iter().enumerate() {
            let (output, input) = (at / inputs, at % inputs);
            assert_eq!(value, f16::from_f32(values[input * outputs + output]), "{theirs} {output} {input}");
        }
    }
    let embedding = &tensors["token_embd.weight"];
    assert_eq!((&embedding.shape[..], embedding.kind), (&[32, model.config.vocabulary][..], F16));
    let values = &model.weights[parameter("transformer.wte.weight").range()];
    assert!(halves(&embedding.bytes).into_iter().eq(values.iter().map(|&value| f16::from_f32(value))));
    for (ours, theirs, shape) in [
        ("transformer.wpe.weight", "position_embd.weight", vec![32, 24]),
        ("transformer.h.1.ln_1.weight", "blk.1.attn_norm.weight", vec![32]),
        ("transformer.h.0.attn.c_attn.bias", "blk.0.attn_qkv.bias", vec![96]),
        ("transformer.h.0.attn.c_proj.bias", "blk.0.attn_output.bias", vec![32]),
        ("transformer.h.0.ln_2.bias", "blk.0.ffn_norm.bias", vec![32]),
        ("transformer.h.1.mlp.c_fc.bias", "blk.1.ffn_up.bias", vec![128]),
        ("transformer.h.1.mlp.c_proj.bias", "blk.1.ffn_down.bias", vec![32]),
        ("transformer.ln_f.weight", "output_norm.weight", vec![32]),
        ("transformer.ln_f.bias", "output_norm.bias", vec![32]),
    ] {
        let tensor = &tensors[theirs];
        assert_eq!((&tensor.shape, tensor.kind), (&shape, F32), "{theirs}");
        assert_eq!(singles(&tensor.bytes), &model.weights[parameter(ours).range()], "{theirs}");
    }
}

#[test]
fn rows_without_a_token_are_left_out() {
    let model = sample::model();
    let tokens = model.config.vocabulary;
    let config = ModelConfig { vocabulary: tokens + 3, ..model.config };
    let weights = sample::weights(&Layout::new(&config), 7, 0.3);
    let Gguf { metadata, tensors } = gguf(&ModelFile { config, weights, ..model }, GgufPrecision::F16);
    assert_eq!(tensors["token_embd.weight"].shape, [16, tokens]);
    assert!(matches!(&metadata["tokenizer.ggml.tokens"], Value::Array(texts) if texts.len() == tokens));
}

#[test]
fn an_untied_head_is_the_output_tensor() {
    let model = sample::model();
    let config = ModelConfig { variant: Variant { tied: false, ..Variant::GPT2 }, ..model.config };
    let layout = Layout::new(&config);
    let weights = sample::weights(&layout, 7, 0.3);
    let head = layout.parameters.iter().find(|parameter| parameter.name == "lm_head.weight");
    let Gguf { tensors, .. } = gguf(&ModelFile { config, weights: weights.clone(), ..model }, GgufPrecision::F16);
    assert_eq!(tensors.len(), layout.parameters.len());
    let written = tensors.get("output.weight").map(|tensor| (tensor.kind, tensor.shape.clone(), halves(&tensor.bytes)));
    let expected = head.map(|head| {
        let values = weights[head.range()].iter().map(|&value| f16::from_f32(value));
        (F16, vec![16, config.vocabulary], values.collect())
    });
    assert_eq!(written, expected);
}

#[test]
fn missing_biases_are_written_as_zeros() {
    let published = with_width(32);
    let config = ModelConfig { variant: Variant { bias: false, ..Variant::GPT2 }, ..published.config };
    let weights = Layout::new(&published.config).moved(&published.weights, &Layout::new(&config));
    let (right, got) =
        (gguf(&published, GgufPrecision::F16), gguf(&ModelFile { config, weights, ..published }, GgufPrecision::F16));
    assert_eq!(got.metadata, right.metadata);
    assert_eq!(got.tensors.len(), right.tensors.len());
    for (name, right) in right.tensors {
        let got = &got.tensors[&name];
        assert_eq!((&got.shape, got.kind), (&right.shape, right.kind), "{name}");
        match name.ends_with(".bias") {
            true => assert!(got.bytes.iter().all(|&byte| byte == 0) && right.bytes.iter().any(|&byte| byte != 0)),
            false => assert_eq!(got.bytes, right.bytes, "{name}"),
        }
    }
}

#[test]
fn only_rows_of_whole_blocks_are_quantized_to_eight_bits() {
    let kinds = |width| {
        let Gguf { metadata, tensors } = gguf(&with_width(width), GgufPrecision::Q8);
        assert_eq!(metadata["general.file_type"], Value::U32(7));
        ["token_embd", "position_embd", "blk.0.attn_qkv", "blk.1.ffn_down", "output_norm"]
            .map(|name| tensors[&format!("{name}.weight")].kind)
    };
    assert_eq!(kinds(32), [Q8_0, F32, Q8_0, Q8_0, F32]);
    // Rows of 16, and of 64 in the second layer of the MLP.
    assert_eq!(kinds(16), [F16, F32, F16, Q8_0, F32]);
    assert_eq!(kinds(6), [F16, F32, F16, F16, F32]);
}

#[test]
fn eight_bit_values_differ_from_the_weights_by_about_half_a_step_at_most() {
    let model = with_width(32);
    let layout = Layout::new(&model.config);
    let Gguf { tensors, .. } = gguf(&model, GgufPrecision::Q8);
    let ours = layout.parameters.iter().find(|parameter| parameter.name == "transformer.h.0.mlp.c_fc.weight").unwrap();
    let values = &model.weights[ours.range()];
    for (at, block) in tensors["blk.0.ffn_up.weight"].bytes.as_chunks::<34>().0.iter().enumerate() {
        let scale = f16::from_le_bytes([block[0], block[1]]).to_f32();
        for (input, &byte) in block[2..].iter().enumerate() {
            // Rows of 32 are one block each, and `at` is the output's index.
            let value = values[input * 128 + at];
            // Half a step, and the scale's rounding to 11 bits, 127 steps away.
            let error = (f32::from(byte as i8) * scale - value).abs();
            assert!(error <= (0.5 + 127.0 / 2048.0) * scale, "{at} {input}");
        }
    }
}

#[test]
fn models_that_llama_cpp_cannot_compute_are_refused() {
    let code = |change: &dyn Fn(&mut ModelConfig)| {
        let mut model = sample::model();
        change(&mut model.config);
        model.weights = vec![0.0; Layout::new(&model.config).len];
        llama_cpp(&model, GgufPrecision::F16).map_err(|error| error.code())
    };
    for activation in [Activation::Gelu, Activation::Relu, Activation::Silu, Activation::Tanh] {
        let refused = code(&|config| config.variant = Variant { activation, ..Variant::GPT2 });
        assert_eq!(refused.unwrap_err(), "activation-not-in-llama-cpp");
    }
    assert_eq!(code(&|config| config.vocabulary -= 1).unwrap_err(), "vocabulary-mismatch");
    assert!(code(&|config| config.variant.epsilon = 1e-6).is_ok());
}
