//! The GPU engine computes the same as the CPU engine: whole training runs on both, natively on any Vulkan driver.

use std::io::{Write, stdout};

use futures_lite::future::block_on;
use lorito::{
    config::{Activation, ModelConfig, TrainConfig, Variant},
    device::Engine,
    generate::{Generation, Sampling},
    model::{Gpt, Ids},
    ops::{Device, read},
    train::{Dataset, HalfPrecision, Trainer, check_half_precision},
};

fn gpu() -> Device {
    Device::driver_gpu()
}

fn dataset() -> Dataset {
    let mut id = 0;
    let walk = (0..4000u64).map(|step| {
        let noise = lorito::train::mix(3, step);
        id = if noise.is_multiple_of(7) { noise % 29 } else { (id * 5 + 3) % 29 };
        id as u32
    });
    let mut train: Vec<u32> = walk.collect();
    let validation = train.split_off(3600);
    Dataset { train: train.into(), validation: validation.into(), validation_bytes: 400, answers: None }
}

/// Losses and gradient norms of a run, its validation loss, and its final weights.
fn run(config: ModelConfig, train: TrainConfig, device: &Device) -> (Vec<[f32; 2]>, f32, Vec<f32>) {
    let mut gpt = Gpt::new(config, 5, device);
    let mut trainer = Trainer::new(&gpt);
    trainer.begin(train.clone()).unwrap();
    let data = dataset();
    for _ in 0..train.steps {
        trainer.step(&mut gpt, &data).unwrap();
    }
    let records = block_on(trainer.read()).unwrap();
    for index in 0..trainer.validation_batches(&gpt, &data) {
        trainer.evaluate_batch(&gpt, &data, index).unwrap();
    }
    let evaluation = block_on(trainer.finish_evaluation(&data)).unwrap();
    let figures = records.iter().map(|record| [record.loss, record.gradient_norm]).collect();
    (figures, evaluation.validation_loss.unwrap(), block_on(gpt.flat.read()).unwrap())
}

#[test]
fn runs_with_short_windows_have_the_same_results_on_both_engines() {
    let config = ModelConfig {
        vocabulary: 29,
        context: 24,
        layers: 1,
        heads: 2,
        width: 16,
        dropout: 0.0,
        variant: Variant { activation: Activation::Gelu, epsilon: 1e-3, tied: false, ..Variant::GPT2 },
    };
    let figures = [Device::cpu(), gpu()].map(|device| {
        let mut gpt = Gpt::new(config, 5, &device);
        let mut trainer = Trainer::new(&gpt);
        // Positions beyond the second run's shorter windows must not keep the first run's gradients.
        for window_length in [24, 10] {
            let run = TrainConfig {
                steps: 6,
                batch_size: 3,
                warmup_steps: 1,
                window_length,
                weight_decay: 0.0,
                ..TrainConfig::default()
            };
            trainer.begin(run).unwrap();
            (0..6).for_each(|_| trainer.step(&mut gpt, &dataset()).unwrap());
        }
        let records = block_on(trainer.read()).unwrap();
        let norms: Vec<f32> = records.iter().map(|record| record.gradient_norm).collect();
        (norms, block_on(gpt.flat.read()).unwrap())
    });
    for (one, other) in figures[0].0.iter().zip(&figures[1].0) {
        assert!((one - other).abs() < 1e-3 * one, "{one} and {other}");
    }
    for (one, other) in figures[0].1.iter().zip(&figures[1].1) {
        assert!((one - other).abs() < 2e-4, "{one} and {other}");
    }
}

#[test]
fn a_run_has_the_same_losses_and_weights_on_both_engines() {
    let recipes = [
        // Even sizes, dropout, two passes per step.
        (
            ModelConfig {
                vocabulary: 29,
                context: 24,
                layers: 2,
                heads: 2,
                width: 32,
                dropout: 0.2,
                variant: Variant::GPT2,
            },
            2,
        ),
        // Sizes that are multiples of nothing.
        (
            ModelConfig {
                vocabulary: 30,
                context: 13,
                layers: 1,
                heads: 3,
                width: 15,
                dropout: 0.0,
                variant: Variant::GPT2,
            },
            1,
        ),
        // Without biases, with dropout, two passes per step.
        (
            ModelConfig {
                vocabulary: 29,
                context: 16,
                layers: 2,
                heads: 2,
                width: 24,
                dropout: 0.1,
                variant: Variant { bias: false, ..Variant::GPT2 },
            },
            2,
        ),
    ];
    for (config, gradient_accumulation) in recipes {
        let train = TrainConfig {
            steps: 12,
            batch_size: 5,
            learning_rate: 3e-3,
            warmup_steps: 3,
            eval_every: 12,
            gradient_accumulation,
            seed: 11,
            ..TrainConfig::default()
        };
        let (right, right_validation, right_weights) = run(config, train.clone(), &Device::cpu());
        let (figures, validation, weights) = run(config, train, &gpu());
        for (step, (got, right)) in figures.iter().zip(&right).enumerate() {
            for (got, right) in got.iter().zip(right) {
                assert!((got - right).abs() < 1e-4 * right, "step {step}: {got} instead of {right}");
            }
        }
        assert!((validation - right_validation).abs() < 1e-4 * right_validation);
        for (got, right) in weights.iter().zip(&right_weights) {
            assert!((got - right).abs() < 2e-4, "{got} instead of {right}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_losses_on_the_gpu() {
    let config = ModelConfig {
        vocabulary: 29,
        context: 16,
        layers: 1,
        heads: 2,
        width: 16,
        dropout: 0.1,
        variant: Variant::GPT2,
    };
    let train = TrainConfig { steps: 6, batch_size: 4, eval_every: 6, ..TrainConfig::default() };
    let (device, again) = (gpu(), train.clone());
    assert_eq!(run(config, train, &device), run(config, again, &device));
}

#[test]
fn greedy_text_is_the_same_on_both_engines_with_and_without_the_cache() {
    let config = ModelConfig {
        vocabulary: 31,
        context: 12,
        layers: 2,
        heads: 2,
        width: 16,
        dropout: 0.0,
        variant: Variant::GPT2,
    };
    let large = block_on(Gpt::new(config, 3, &Device::cpu()).flat.read()).unwrap();
    let large: Vec<f32> = large.into_iter().map(|weight| weight * 12.0).collect();
    let write = |device: &Device, cached| {
        let gpt = Gpt::from_flat(config, large.clone(), device);
        let greedy = Sampling { temperature: 0.0, repetition_penalty: 1.3, ..Sampling::default() };
        let mut generation = Generation::new(&gpt, &[5, 6, 7, 8], greedy, 30, 30, &[30], cached).unwrap();
        let mut ids = Vec::new();
        while let Some(id) = block_on(generation.next(&gpt)).unwrap() {
            ids.push(id);
        }
        ids
    };
    let right = write(&Device::cpu(), true);
    assert!(right.iter().any(|id| *id != right[0]), "a text of one token shows nothing");
    assert_eq!(write(&gpu(), true), right);
    assert_eq!(write(&gpu(), false), right);
}

#[test]
fn logits_of_every_position_are_the_same_on_both_engines() {
    let config = ModelConfig {
        vocabulary: 37,
        context: 20,
        layers: 2,
        heads: 4,
        width: 24,
        dropout: 0.0,
        variant: Variant::GPT2,
    };
    let logits = |device: &Device| {
        let gpt = Gpt::new(config, 2, device);
        block_on(read(gpt.logits(&Ids::new((0..40).map(|id| id * 7 % 37).collect(), 2, 37).unwrap()))).unwrap()
    };
    for (got, right) in logits(&gpu()).iter().zip(logits(&Device::cpu())) {
        assert!((got - right).abs() < 1e-4, "{got} instead of {right}");
    }
}

#[test]
fn a_run_with_half_precision_has_nearly_the_same_losses() {
    let device = gpu();
    assert_eq!(block_on(check_half_precision(&Device::cpu())).unwrap(), HalfPrecision::Missing);
    if !device.supports_half() {
        // Bypasses the capture of test output, so that `cargo xtask test` counts this test as skipped.
        let test = "engines::a_run_with_half_precision_has_nearly_the_same_losses";
        writeln!(stdout(), "skipped: {test}: this GPU has no half precision (shader-f16)").unwrap();
        return;
    }
    assert_eq!(block_on(check_half_precision(&device)).unwrap(), HalfPrecision::Works);
    let config = ModelConfig {
        vocabulary: 29,
        context: 24,
        layers: 2,
        heads: 2,
        width: 32,
        dropout: 0.2,
        variant: Variant::GPT2,
    };
    let train = |half_precision| TrainConfig {
        steps: 30,
        batch_size: 5,
        learning_rate: 3e-3,
        warmup_steps: 3,
        eval_every: 30,
        half_precision,
        ..TrainConfig::default()
    };
    let (right, right_validation, _) = run(config, train(false), &device);
    let (figures, validation, weights) = run(config, train(true), &device);
    assert_ne!(figures, right, "half precision is in use");
    for ([got, _], [right, _]) in figures.iter().zip(&right) {
        assert!((got - right).abs() < 5e-3 * right, "{got} instead of {right}");
    }
    assert!((validation - right_validation).abs() < 5e-3 * right_validation);
    assert!(
        weights.iter().any(|weight| half::f16::from_f32(*weight).to_f32() != *weight),
        "the trained weights are f32"
    );
}

/// GPT-2's vocabulary: the logits of all rows would take 51 MB here, and are never materialized at once.
#[test]
fn a_vocabulary_of_50257_trains_alike_on_both_engines() {
    let config = ModelConfig {
        vocabulary: 50_257,
        context: 64,
        layers: 1,
        heads: 2,
        width: 16,
        dropout: 0.0,
        variant: Variant::GPT2,
    };
    let buffers =
        config.memory(&TrainConfig { batch_size: 4, ..TrainConfig::default() }, Engine::WebGpu).largest_buffer;
    assert!(buffers <= 128 << 20, "{buffers} bytes in a binding");
    let train = TrainConfig { steps: 2, batch_size: 4, eval_every: 2, warmup_steps: 0, ..TrainConfig::default() };
    let (right, right_validation, right_weights) = run(config, train.clone(), &Device::cpu());
    let (figures, validation, weights) = run(config, train, &gpu());
    for (got, right) in figures.as_flattened().iter().zip(right.as_flattened()) {
        assert!((got - right).abs() < 1e-4 * right, "{got} instead of {right}");
    }
    assert!((validation - right_validation).abs() < 1e-4 * right_validation);
    for (got, right) in weights.iter().zip(&right_weights) {
        // AdamW's first steps are as long as the learning rate, whatever the gradient's size.
        assert!((got - right).abs() < 2e-4, "{got} instead of {right}");
    }
}
