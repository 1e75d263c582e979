//! Models in the forms that other programs save: the same weights under other names, transposed, with an untied head,
//! or in other containers. Their logits equal those of transformers, or they are refused with a precise error.

use std::collections::BTreeMap;

use crate::hugging_face::{Files, files, folder, open, tensors};
use futures_lite::future::block_on;
use lorito::{
    config::Limits,
    device::{CPU_LIMITS, Engine},
    error::Error,
    ops::Device,
    session::{ModelSummary, Session},
};
use serde_json::{Value, json};

const WEIGHTS: &str = "model.safetensors";
const EMBEDDING: &str = "transformer.wte.weight";
const HEAD: &str = "lm_head.weight";

/// Shapes and numbers of tensors, by name.
type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// The model in `tests/fixtures/pretrained/prefixed`, with its weights.
fn model() -> (Files, Tensors) {
    let files = files("prefixed");
    let numbers = |bytes: &[u8]| bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let all = tensors(&files[WEIGHTS]).into_iter();
    let all = all.map(|(name, (shape, bytes))| (name, (serde_json::from_value(shape).unwrap(), numbers(&bytes))));
    (files, all.collect())
}

fn safetensors(tensors: &Tensors) -> Vec<u8> {
    let (mut header, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, (shape, numbers)) in tensors {
        let from = data.len();
        numbers.iter().for_each(|number| data.extend(number.to_le_bytes()));
        header.insert(name.clone(), json!({"dtype": "F32", "shape": shape, "data_offsets": [from, data.len()]}));
    }
    let header = Value::Object(header).to_string();
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat()
}

fn expected() -> (Vec<u32>, Vec<f32>) {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/pretrained/expected.json");
    let mut all: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let expected = &mut all["prefixed"];
    (
        serde_json::from_value(expected["ids"].take()).unwrap(),
        serde_json::from_value(expected["logits"][1].take()).unwrap(),
    )
}

/// Opens the model with changed weights, and computes its logits.
fn opened(files: &Files, tensors: &Tensors) -> Result<(ModelSummary, Vec<f32>), Error> {
    let mut files = files.clone();
    files.insert(WEIGHTS.into(), safetensors(tensors));
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    let summary = open(&mut session, &files)?;
    Ok((summary, block_on(session.logits(&expected().0)).unwrap()))
}

fn assert_near(got: &[f32], right: &[f32]) {
    assert_eq!(got.len(), right.len());
    for (got, right) in got.iter().zip(right) {
        assert!((got - right).abs() < 1e-4, "{got} instead of {right}");
    }
}

fn renamed(tensors: &Tensors, rename: impl Fn(&str) -> String) -> Tensors {
    tensors.iter().map(|(name, tensor)| (rename(name), tensor.clone())).collect()
}

#[test]
fn common_prefixes_of_tensor_names_are_ignored() {
    let (files, mut tensors) = model();
    let (_, right) = expected();
    tensors.insert(HEAD.into(), tensors[EMBEDDING].clone());
    for prefix in ["_orig_mod.", "module.", "model.", "module._orig_mod.", "a.b."] {
        let (_, got) = opened(&files, &renamed(&tensors, |name| format!("{prefix}{name}"))).unwrap();
        assert_near(&got, &right);
    }
    // A prefix within the names, and weights that do not belong to the model.
    let inner = |name: &str| name.replace("transformer.", "transformer._fsdp_wrapped_module.");
    let mut wrapped = renamed(&tensors, inner);
    wrapped.insert("v_head.summary.weight".into(), (vec![1], vec![0.5]));
    assert_near(&opened(&files, &wrapped).unwrap().1, &right);
    // A second model in the file is not mistaken for the first.
    let mut two = tensors.clone();
    two.extend(renamed(&tensors, |name| format!("reference.{name}")).into_iter().map(
        |(name, (shape, mut numbers))| {
            numbers.fill(0.25);
            (name, (shape, numbers))
        },
    ));
    assert_near(&opened(&files, &two).unwrap().1, &right);
    // A file with other names is refused, with its names in the error.
    tensors.remove(HEAD);
    let other = renamed(&tensors, |name| name.replace("wpe", "positions").replace("transformer.", "gpt."));
    let error = opened(&files, &other).unwrap_err();
    let found = vec!["gpt.wte.weight".into()];
    assert_eq!(error, Error::TensorMissing { tensor: EMBEDDING.into(), found });
}

/// The transposes of the chosen matrices.
fn turned(tensors: &Tensors, chosen: impl Fn(&str) -> bool) -> Tensors {
    let turn = |(name, (shape, numbers)): (&String, &(Vec<usize>, Vec<f32>))| {
        if !chosen(name) {
            return (name.clone(), (shape.clone(), numbers.clone()));
        }
        let (rows, columns) = (shape[0], shape[1]);
        let numbers = (0..columns).flat_map(|column| (0..rows).map(move |row| numbers[row * columns + column]));
        (name.clone(), (vec![columns, rows], numbers.collect()))
    };
    tensors.iter().map(turn).collect()
}

#[test]
fn matrices_in_the_layout_of_pytorch_linear_layers_are_transposed() {
    let (files, tensors) = model();
    let is_matrix = |name: &str| name.contains(".h.") && name.contains(".c_") && name.ends_with(".weight");
    let (_, got) = opened(&files, &turned(&tensors, is_matrix)).unwrap();
    assert_near(&got, &expected().1);
    // Mixed layouts are refused: square matrices would be ambiguous.
    let some = turned(&tensors, |name| is_matrix(name) && !name.contains("mlp"));
    let error = opened(&files, &some).unwrap_err();
    let tensor = "transformer.h.0.mlp.c_fc.weight".into();
    assert_eq!(error, Error::TensorShape { tensor, found: vec![16, 64], expected: vec![64, 16] });
}

#[test]
fn large_matrices_are_transposed_as_a_whole_on_both_engines() {
    let (mut files, _) = model();
    let mut config: Value = serde_json::from_slice(&files["config.json"]).unwrap();
    // Its matrices are larger than a piece.
    let width = 520;
    for (setting, value) in [("n_embd", width), ("n_layer", 1), ("n_head", 2), ("n_positions", 8)] {
        config[setting] = value.into();
    }
    let vocabulary = config["vocab_size"].as_u64().unwrap() as usize;
    files.insert("config.json".into(), config.to_string().into_bytes());
    let mut tensors = Tensors::new();
    for (index, (name, shape)) in [
        ("wte.weight", vec![vocabulary, width]),
        ("wpe.weight", vec![8, width]),
        ("h.0.ln_1.weight", vec![width]),
        ("h.0.ln_1.bias", vec![width]),
        ("h.0.attn.c_attn.weight", vec![width, 3 * width]),
        ("h.0.attn.c_attn.bias", vec![3 * width]),
        ("h.0.attn.c_proj.weight", vec![width, width]),
        ("h.0.attn.c_proj.bias", vec![width]),
        ("h.0.ln_2.weight", vec![width]),
        ("h.0.ln_2.bias", vec![width]),
        ("h.0.mlp.c_fc.weight", vec![width, 4 * width]),
        ("h.0.mlp.c_fc.bias", vec![4 * width]),
        ("h.0.mlp.c_proj.weight", vec![4 * width, width]),
        ("h.0.mlp.c_proj.bias", vec![width]),
        ("ln_f.weight", vec![width]),
        ("ln_f.bias", vec![width]),
    ]
    .into_iter()
    .enumerate()
    {
        let number = |place: u64| (lorito::train::mix(index as u64, place) % 2001) as f32 / 2000.0 - 0.5;
        let numbers = (0..shape.iter().product::<usize>() as u64).map(number).collect();
        tensors.insert(format!("transformer.{name}"), (shape, numbers));
    }
    let logits = |session: &mut Session, tensors: &Tensors| {
        let mut files = files.clone();
        files.insert(WEIGHTS.into(), safetensors(tensors));
        open(session, &files).unwrap();
        block_on(session.logits(&expected().0[..8])).unwrap()
    };
    let is_matrix = |name: &str| name.contains(".h.") && name.contains(".c_") && name.ends_with(".weight");
    let turned = turned(&tensors, is_matrix);
    let limits = Limits { largest_buffer: 1 << 27, total: 1 << 30 };
    for mut session in [
        Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS),
        Session::new(Device::driver_gpu(), Engine::WebGpu, limits),
    ] {
        let right = logits(&mut session, &tensors);
        assert!(right.iter().any(|logit| logit.abs() > 0.1));
        assert_eq!(logits(&mut session, &turned), right);
    }
}

#[test]
fn a_head_in_the_file_is_used_whatever_the_configuration_says() {
    let (files, mut tensors) = model();
    let (_, right) = expected();
    // A copy of the embedding, as older programs write it.
    let (shape, numbers) = tensors[EMBEDDING].clone();
    tensors.insert(HEAD.into(), (shape.clone(), numbers.clone()));
    let (summary, got) = opened(&files, &tensors).unwrap();
    assert!(summary.config.variant.tied);
    assert_near(&got, &right);
    // Rows in another order give logits in that order, as in transformers 5.24 ("we will NOT tie them").
    let rows: Vec<f32> = numbers.chunks(shape[1]).rev().flatten().copied().collect();
    tensors.insert(HEAD.into(), (shape.clone(), rows));
    let (summary, got) = opened(&files, &tensors).unwrap();
    assert!(!summary.config.variant.tied);
    assert_near(&got.into_iter().rev().collect::<Vec<_>>(), &right);
    // A difference in the last number counts.
    let mut almost = numbers.clone();
    *almost.last_mut().unwrap() += 1.0;
    tensors.insert(HEAD.into(), (shape.clone(), almost));
    assert!(!opened(&files, &tensors).unwrap().0.config.variant.tied);
    // Tied weights may be stored under the head's name only.
    tensors.remove(EMBEDDING);
    tensors.insert(HEAD.into(), (shape, numbers));
    let (summary, got) = opened(&files, &tensors).unwrap();
    assert!(summary.config.variant.tied);
    assert_near(&got, &right);
}

#[test]
fn a_missing_untied_head_is_an_error() {
    let (mut files, tensors) = model();
    let mut config: Value = serde_json::from_slice(&files["config.json"]).unwrap();
    config["tie_word_embeddings"] = false.into();
    files.insert("config.json".into(), config.to_string().into_bytes());
    let error = opened(&files, &tensors).unwrap_err();
    assert!(matches!(&error, Error::TensorMissing { tensor, .. } if tensor == HEAD), "{error:?}");
}

#[test]
fn an_untied_head_that_does_not_fit_is_refused_before_it_is_allocated() {
    let (mut files, mut tensors) = model();
    let (shape, mut numbers) = tensors[EMBEDDING].clone();
    numbers[0] += 1.0;
    tensors.insert(HEAD.into(), (shape, numbers));
    files.insert(WEIGHTS.into(), safetensors(&tensors));
    let begin = |total: u64| {
        let limits = Limits { total, ..CPU_LIMITS };
        Session::new(Device::cpu(), Engine::Cpu, limits).begin_pretrained(&folder(&files).unwrap()).is_ok()
    };
    // The smallest budget for the tied model.
    let (mut low, mut high) = (0, CPU_LIMITS.total);
    while low + 1 < high {
        let middle = low.midpoint(high);
        if begin(middle) { high = middle } else { low = middle }
    }
    let mut session = Session::new(Device::cpu(), Engine::Cpu, Limits { total: high, ..CPU_LIMITS });
    assert_eq!(open(&mut session, &files).unwrap_err().code(), "model-too-large");
}

#[test]
fn git_lfs_pointers_are_reported_as_such() {
    const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935\nsize 1234\n";
    for (from, name) in [
        ("prefixed", WEIGHTS),
        ("prefixed", "tokenizer.json"),
        ("prefixed", "config.json"),
        ("plain", "vocab.json"),
        ("plain", "merges.txt"),
        ("sharded", "model-00002-of-00002.safetensors"),
        ("sharded", "model.safetensors.index.json"),
    ] {
        let mut files = files(from);
        files.insert(name.into(), POINTER.to_vec());
        let error = open(&mut Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS), &files).unwrap_err();
        assert_eq!(error, Error::GitLfsPointer { name: name.into() });
    }
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    assert_eq!(session.import_model(POINTER).unwrap_err().code(), "git-lfs-pointer");
}
