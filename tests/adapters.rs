//! Low-rank adaptation on both engines: an adapter learns, and leaves the other weights unchanged.

use crate::hugging_face::{files, open, tensors};
use futures_lite::future::block_on;
use lorito::{
    config::{Activation, LoraConfig, ModelConfig, Targets, TrainConfig, Variant},
    device::{CPU_LIMITS, Engine},
    model::Gpt,
    ops::{Device, read},
    session::Session,
    tokenizer::TokenIds,
    train::{Dataset, Trainer},
};

const CONFIG: ModelConfig = ModelConfig {
    vocabulary: 29,
    context: 24,
    layers: 2,
    heads: 2,
    width: 20,
    dropout: 0.0,
    variant: Variant { activation: Activation::Gelu, tied: false, ..Variant::GPT2 },
};

fn engines() -> [Device; 2] {
    [Device::cpu(), Device::driver_gpu()]
}

fn targets(attention: bool, attention_out: bool, mlp: bool, mlp_out: bool) -> Targets {
    Targets { attention, attention_out, mlp, mlp_out }
}

fn data() -> Dataset {
    let mut id = 0;
    let walk = (0..2000u64).map(|step| {
        let noise = lorito::train::mix(3, step);
        id = if noise.is_multiple_of(7) { noise % 29 } else { (id * 5 + 3) % 29 };
        id as u32
    });
    Dataset { train: walk.collect(), validation: TokenIds::default(), validation_bytes: 0, answers: None }
}

fn logits(gpt: &Gpt) -> Vec<f32> {
    let ids = gpt.ids((0..20).map(|index| index * 3 % 29).collect()).unwrap();
    block_on(read(gpt.logits(&ids))).unwrap()
}

pub fn assert_near(got: &[f32], right: &[f32], relative: f32) {
    let largest = right.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    for (got, right) in got.iter().zip(right) {
        assert!((got - right).abs() <= relative * largest, "{got} instead of {right}");
    }
}

/// The losses of several steps with an adapter.
fn train(gpt: &mut Gpt, steps: u64) -> Vec<f32> {
    let mut trainer = Trainer::new(gpt);
    let config = TrainConfig {
        steps,
        batch_size: 4,
        gradient_accumulation: 2,
        learning_rate: 3e-2,
        warmup_steps: 2,
        ..TrainConfig::default()
    };
    trainer.begin(config).unwrap();
    (0..steps).for_each(|_| trainer.step(gpt, &data()).unwrap());
    block_on(trainer.read()).unwrap().iter().map(|record| record.loss).collect()
}

#[test]
fn a_new_adapter_leaves_the_logits_unchanged() {
    for device in engines() {
        let mut gpt = Gpt::new(CONFIG, 5, &device);
        let before = logits(&gpt);
        gpt.adapt(LoraConfig::default(), 7);
        assert_eq!(logits(&gpt), before);
    }
}

#[test]
fn only_the_adapter_learns_and_merging_it_keeps_the_logits() {
    let mut both = Vec::new();
    for device in engines() {
        let mut gpt = Gpt::new(CONFIG, 5, &device);
        let (weights, before) = (block_on(gpt.flat.read()).unwrap(), logits(&gpt));
        gpt.adapt(LoraConfig { rank: 4, alpha: 8.0, ..LoraConfig::default() }, 7);
        let losses = train(&mut gpt, 60);
        assert!(losses[59] < losses[0] - 0.15, "{} to {}", losses[0], losses[59]);
        assert_eq!(block_on(gpt.flat.read()).unwrap(), weights, "the model's own weights changed");
        let learned = logits(&gpt);
        assert!(learned.iter().zip(&before).any(|(learned, before)| (learned - before).abs() > 0.1));
        gpt.merge();
        assert!(gpt.adapter().is_none());
        assert_near(&logits(&gpt), &learned, 1e-5);
        assert_ne!(block_on(gpt.flat.read()).unwrap(), weights);
        both.push((losses, learned));
    }
    assert_near(&both[1].0, &both[0].0, 1e-3);
    assert_near(&both[1].1, &both[0].1, 1e-2);
}

#[test]
fn matrices_without_an_adapter_are_not_changed() {
    let mut gpt = Gpt::new(CONFIG, 5, &Device::cpu());
    let before = block_on(gpt.flat.read()).unwrap();
    gpt.adapt(LoraConfig { targets: targets(true, false, false, true), ..LoraConfig::default() }, 7);
    train(&mut gpt, 5);
    gpt.merge();
    let after = block_on(gpt.flat.read()).unwrap();
    for parameter in &gpt.layout.parameters {
        let adapted = parameter.name.ends_with("c_attn.weight") || parameter.name.ends_with("mlp.c_proj.weight");
        assert_eq!(before[parameter.range()] != after[parameter.range()], adapted, "{}", parameter.name);
    }
}

#[test]
fn an_adapter_has_as_many_parameters_as_its_configuration_predicts() {
    for targets in [Targets::default(), targets(true, false, false, false), targets(false, true, true, false)] {
        let config = LoraConfig { rank: 3, targets, ..LoraConfig::default() };
        let mut gpt = Gpt::new(CONFIG, 5, &Device::cpu());
        gpt.adapt(config, 7);
        let trained: usize = gpt.trained().parameters.iter().map(|parameter| parameter.len()).sum();
        assert_eq!(trained as u64, config.parameters(&CONFIG).0);
    }
}

/// A file of `tests/fixtures`, which also has the scripts that make the files.
pub fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)).unwrap()
}

/// What a clone without Git LFS has in place of a file.
const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 1234\n";

/// A session with the base model of the adapter in `tests/fixtures/peft`.
pub fn session_with_base() -> Session {
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    open(&mut session, &files("prefixed")).unwrap();
    session
}

fn peft_files() -> (Vec<u8>, Vec<u8>) {
    (fixture("peft/adapter_config.json"), fixture("peft/adapter_model.safetensors"))
}

#[test]
fn a_peft_adapter_is_imported_and_exported_with_the_same_bytes() {
    let mut session = session_with_base();
    let base = block_on(session.logits(&expected_ids())).unwrap();
    let (config, weights) = peft_files();
    let summary = session.import_adapter(&config, &weights).unwrap();
    assert_eq!(summary.adapter.unwrap().rank, 4);
    let got = block_on(session.logits(&expected_ids())).unwrap();
    let right: Vec<f32> = serde_json::from_value(
        serde_json::from_slice::<serde_json::Value>(&fixture("peft/expected.json")).unwrap()["logits"].take(),
    )
    .unwrap();
    assert_near(&got, &right, 1e-4);
    assert!(got.iter().zip(&base).any(|(got, base)| (got - base).abs() > 0.5));
    let zip = block_on(session.export_adapter("prefixed")).unwrap();
    // The second file of an uncompressed archive: its content follows its name.
    let name = b"adapter_model.safetensors";
    let start = zip.windows(name.len()).position(|window| window == name).unwrap() + name.len();
    assert_eq!(tensors(&zip[start..]), tensors(&weights));
    if let Ok(path) = std::env::var("LORITO_WRITE_ADAPTER") {
        std::fs::write(path, &zip).unwrap();
    }
    // Lorito's own file keeps model and adapter apart; merged, they have the same logits.
    let own = block_on(session.export_safetensors("own")).unwrap();
    let mut again = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    assert_eq!(again.import_model(&own).unwrap().adapter, summary.adapter);
    assert_eq!(block_on(again.logits(&expected_ids())).unwrap(), got);
    assert_eq!(again.merge_adapter().unwrap().adapter, None);
    assert_near(&block_on(again.logits(&expected_ids())).unwrap(), &got, 1e-5);
    assert_eq!(again.merge_adapter().unwrap_err().code(), "no-adapter");
}

pub fn expected_ids() -> Vec<u32> {
    let mut all: serde_json::Value = serde_json::from_slice(&fixture("pretrained/expected.json")).unwrap();
    serde_json::from_value(all["prefixed"]["ids"].take()).unwrap()
}

#[test]
fn adapters_that_do_not_fit_are_refused_and_the_model_stays_unchanged() {
    let (config, weights) = peft_files();
    let header = |change: &dyn Fn(&mut serde_json::Value)| {
        let length = u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
        let mut header: serde_json::Value = serde_json::from_slice(&weights[8..8 + length]).unwrap();
        change(&mut header);
        let header = serde_json::to_vec(&header).unwrap();
        [&(header.len() as u64).to_le_bytes()[..], &header, &weights[8 + length..]].concat()
    };
    let first = "base_model.model.transformer.h.0.attn.c_attn.lora_A.weight";
    let with = |key: &str, value: serde_json::Value| {
        let mut changed: serde_json::Value = serde_json::from_slice(&config).unwrap();
        changed[key] = value;
        changed.to_string().into_bytes()
    };
    let nan = {
        let mut weights = weights.clone();
        let end = weights.len();
        weights[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        weights
    };
    let cases: Vec<(&str, Vec<u8>, Vec<u8>)> = vec![
        ("tensor-shape", with("r", 8.into()), weights.clone()),
        ("tensor-unknown", with("target_modules", vec!["attn.c_attn"].into()), weights.clone()),
        ("tensor-missing", with("target_modules", vec!["c_attn", "c_proj", "c_fc"].into()), weights.clone()),
        ("configuration-invalid", with("r", 100_000.into()), weights.clone()),
        ("configuration-invalid", b"[]".to_vec(), weights.clone()),
        ("configuration-invalid", Vec::new(), weights.clone()),
        ("file-truncated", config.clone(), weights[..weights.len() - 1].to_vec()),
        ("file-truncated", config.clone(), Vec::new()),
        ("header-too-large", config.clone(), vec![255; 100]),
        ("tensor-type", config.clone(), header(&|it| it[first]["dtype"] = "I32".into())),
        ("safetensors-invalid", config.clone(), header(&|it| it[first]["shape"] = vec![4, u64::MAX].into())),
        ("safetensors-invalid", config.clone(), header(&|it| it[first]["data_offsets"] = vec![0, 1u64 << 40].into())),
        ("weights-not-finite", config.clone(), nan),
        (
            "tensor-missing",
            config.clone(),
            header(&|it| it["else"] = it.as_object_mut().unwrap().remove(first).unwrap()),
        ),
        ("git-lfs-pointer", config.clone(), POINTER.to_vec()),
        ("git-lfs-pointer", POINTER.to_vec(), weights.clone()),
    ];
    let mut session = session_with_base();
    let before = block_on(session.logits(&expected_ids())).unwrap();
    for (code, config, weights) in cases {
        let error = session.import_adapter(&config, &weights).unwrap_err();
        assert_eq!(error.code(), code, "{error:?}");
        assert_eq!(block_on(session.logits(&expected_ids())).unwrap(), before);
    }
}

#[test]
fn a_run_with_an_adapter_resumes_and_its_best_weights_can_be_restored() {
    let text = "El gato y la lluvia. The cat and the rain. ".repeat(60);
    let lora = LoraConfig { rank: 2, ..LoraConfig::default() };
    let run = TrainConfig {
        steps: 40,
        batch_size: 2,
        warmup_steps: 2,
        learning_rate: 5e-2,
        lora: Some(lora),
        ..TrainConfig::default()
    };
    let mut session = session_with_base();
    session.open_file("a.txt", 0, None);
    session.push_bytes(text.as_bytes()).unwrap();
    session.close_file().unwrap();
    session.begin_training(run.clone()).unwrap();
    let evaluate = |session: &mut Session| {
        (0..session.status().unwrap().evaluation_batches).for_each(|index| session.evaluate_batch(index).unwrap());
        block_on(session.finish_evaluation()).unwrap().validation_loss.unwrap()
    };
    (0..10).for_each(|_| session.step().unwrap());
    block_on(session.read_losses()).unwrap();
    let best = evaluate(&mut session);
    let at_best = block_on(session.logits(&expected_ids())).unwrap();
    // A learning rate that ruins the weights.
    let checkpoint = block_on(session.checkpoint()).unwrap();
    let mut restored = session_with_base();
    restored.restore_run(&checkpoint, &session.corpus_tokens().unwrap()).unwrap();
    for session in [&mut session, &mut restored] {
        (0..20).for_each(|_| session.step().unwrap());
    }
    let losses = [&mut session, &mut restored].map(|session| block_on(session.read_losses()).unwrap());
    assert_eq!(losses[0], losses[1]);
    for mut session in [session, restored] {
        let status = session.status().unwrap();
        assert_eq!((status.best.unwrap().step, status.best.unwrap().validation_loss), (10, best));
        assert_ne!(block_on(session.logits(&expected_ids())).unwrap(), at_best);
        // A run that continues from there keeps the best weights; reading the same text again does not change it.
        session.begin_training(run.clone()).unwrap();
        session.step().unwrap();
        block_on(session.read_losses()).unwrap();
        assert_eq!(session.status().unwrap().best.unwrap().step, 10);
        session.return_to_best().unwrap();
        assert_eq!(block_on(session.logits(&expected_ids())).unwrap(), at_best);
        // A new adapter must not replace the existing one silently.
        let other = TrainConfig { lora: Some(LoraConfig { rank: 3, ..lora }), ..run.clone() };
        assert_eq!(session.begin_training(other).unwrap_err().code(), "adapter-present");
        session.begin_training(run.clone()).unwrap();
    }
}
