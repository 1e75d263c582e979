//! Compares training with PyTorch: the same weights and batches give the same losses.
//! `tests/fixtures/training/make_losses.py` makes the files.

use std::{fs, path::Path};

use futures_lite::future::block_on;
use lorito::{
    config::{ModelConfig, TrainConfig, Variant},
    formats,
    model::{Gpt, Ids, Layout, Targets},
    ops::Device,
    train::{Batch, StepRecord, Trainer, mix},
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Expected {
    run: TrainConfig,
    first_window: Vec<u32>,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Step {
    loss: f32,
    gradient_norm: f32,
    learning_rate: f64,
}

fn fixture(path: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path)).unwrap()
}

/// One token more than a context. Three of four tokens follow from the previous one.
fn window(step: u64, window: u64, vocabulary: u64, context: usize) -> Vec<u32> {
    let mut token = 0;
    let next = |place| {
        let chance = mix(step * 1000 + window, place);
        token = if chance.is_multiple_of(4) { chance / 4 % vocabulary } else { (token * 5 + 3) % vocabulary };
        token as u32
    };
    (0..=context as u64).map(next).collect()
}

fn batch(step: u64, windows: usize, config: &ModelConfig) -> Batch {
    let all: Vec<_> =
        (0..windows as u64).map(|index| window(step, index, config.vocabulary as u64, config.context)).collect();
    let ids =
        |shift: usize| all.iter().flat_map(|window| &window[shift..][..config.context]).copied().collect::<Vec<u32>>();
    Batch {
        inputs: Ids::new(ids(0), windows, config.vocabulary).unwrap(),
        targets: Targets::new(ids(1), config.vocabulary).unwrap(),
    }
}

/// Trains a model as the fixture says, and compares the losses. They have to fall by `learned`, as the comparison is only
/// meaningful if the model learns.
pub fn compare(fixture_name: &str, mut gpt: Gpt, learned: f32) {
    let config = gpt.config;
    let Expected { run, first_window, steps } = serde_json::from_slice(&fixture(fixture_name)).unwrap();
    assert_eq!(window(0, 0, config.vocabulary as u64, config.context), first_window);

    let mut trainer = Trainer::new(&gpt);
    let (windows, clip) = (run.batch_size, run.grad_clip);
    trainer.begin(run).unwrap();
    for step in 0..steps.len() as u64 {
        trainer.step_on(&mut gpt, &[batch(step, windows, &config)]);
    }
    let records = block_on(trainer.read()).unwrap();
    assert_eq!(records.len(), 20);
    for (StepRecord { step, loss, gradient_norm, learning_rate }, expected) in records.into_iter().zip(&steps) {
        assert!((loss - expected.loss).abs() < 1e-4, "step {step}: loss {loss}, PyTorch's {}", expected.loss);
        let norm = expected.gradient_norm;
        assert!((gradient_norm - norm).abs() < 1e-3 * norm, "step {step}: norm {gradient_norm}, PyTorch's {norm}");
        assert!((learning_rate - expected.learning_rate).abs() < 1e-15);
    }
    assert!(steps[19].loss < steps[0].loss - learned, "{fixture_name}");
    assert!(learned < 0.5 || steps.iter().any(|step| f64::from(step.gradient_norm) > clip), "{fixture_name}");
}

#[test]
fn twenty_steps_have_the_same_losses_as_in_pytorch() {
    let model = formats::read(&fixture("models/small.safetensors")).unwrap();
    let config = ModelConfig { dropout: 0.0, ..model.config };
    compare("training/losses.json", Gpt::from_flat(config, model.weights, &Device::cpu()), 0.5);
}

#[test]
fn twenty_steps_without_biases_have_the_same_losses_as_in_pytorch() {
    let model = formats::read(&fixture("models/small.safetensors")).unwrap();
    let variant = Variant { bias: false, ..model.config.variant };
    let config = ModelConfig { dropout: 0.0, variant, ..model.config };
    let weights = Layout::new(&model.config).moved(&model.weights, &Layout::new(&config));
    compare("training/losses_without_biases.json", Gpt::from_flat(config, weights, &Device::cpu()), 0.5);
}
