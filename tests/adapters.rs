//! Low-rank adaptation: what it must leave as it is, and that it learns. On both engines.

use burn::tensor::{Device, DeviceKind};
use futures_lite::future::block_on;
use lorito::{
    config::{Activation, LoraConfig, ModelConfig, Targets, TrainConfig, Variant},
    model::{Gpt, Ids},
    ops::read,
    train::{Dataset, Trainer},
};

const CONFIG: ModelConfig = ModelConfig {
    vocabulary: 29,
    context: 24,
    layers: 2,
    heads: 2,
    width: 20,
    dropout: 0.0,
    variant: Variant { activation: Activation::Gelu, epsilon: 1e-5, tied: false },
};

fn engines() -> [Device; 2] {
    [Device::flex(), Device::wgpu(DeviceKind::DefaultDevice)]
}

fn targets(attention: bool, attention_out: bool, mlp: bool, mlp_out: bool) -> Targets {
    Targets { attention, attention_out, mlp, mlp_out }
}

fn data() -> Dataset {
    let mut id = 0;
    let walk = (0..2000u64).map(|step| {
        let noise = lorito::train::mix(3, step);
        id = if noise.is_multiple_of(7) { noise % 29 } else { (id * 5 + 3) % 29 };
        id as u16
    });
    Dataset { train: walk.collect(), validation: Vec::new(), validation_bytes: 0 }
}

fn logits(gpt: &Gpt) -> Vec<f32> {
    let ids = Ids::new((0..20).map(|index| index * 3 % 29).collect(), 1, &gpt.device());
    block_on(read(gpt.logits(&ids))).unwrap()
}

fn assert_near(got: &[f32], right: &[f32], relative: f32) {
    let largest = right.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
    for (got, right) in got.iter().zip(right) {
        assert!((got - right).abs() <= relative * largest, "{got} instead of {right}");
    }
}

/// The losses of some steps with an adapter.
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
fn a_fresh_adapter_changes_nothing() {
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
        let (weights, before) = (block_on(read(gpt.flat.clone())).unwrap(), logits(&gpt));
        gpt.adapt(LoraConfig { rank: 4, alpha: 8.0, ..LoraConfig::default() }, 7);
        let losses = train(&mut gpt, 60);
        assert!(losses[59] < losses[0] - 0.15, "{} to {}", losses[0], losses[59]);
        assert_eq!(block_on(read(gpt.flat.clone())).unwrap(), weights, "the model's own weights changed");
        let learned = logits(&gpt);
        assert!(learned.iter().zip(&before).any(|(learned, before)| (learned - before).abs() > 0.1));
        gpt.merge();
        assert!(gpt.adapter().is_none());
        assert_near(&logits(&gpt), &learned, 1e-5);
        assert_ne!(block_on(read(gpt.flat.clone())).unwrap(), weights);
        both.push((losses, learned));
    }
    assert_near(&both[1].0, &both[0].0, 1e-3);
    assert_near(&both[1].1, &both[0].1, 1e-2);
}

#[test]
fn matrices_without_an_adapter_stay() {
    let mut gpt = Gpt::new(CONFIG, 5, &Device::flex());
    let before = block_on(read(gpt.flat.clone())).unwrap();
    gpt.adapt(LoraConfig { targets: targets(true, false, false, true), ..LoraConfig::default() }, 7);
    train(&mut gpt, 5);
    gpt.merge();
    let after = block_on(read(gpt.flat.clone())).unwrap();
    for parameter in &gpt.layout.parameters {
        let adapted = parameter.name.ends_with("c_attn.weight") || parameter.name.ends_with("mlp.c_proj.weight");
        assert_eq!(before[parameter.range()] != after[parameter.range()], adapted, "{}", parameter.name);
    }
}

#[test]
fn an_adapter_has_the_parameters_it_says() {
    for targets in [Targets::default(), targets(true, false, false, false), targets(false, true, true, false)] {
        let config = LoraConfig { rank: 3, targets, ..LoraConfig::default() };
        let mut gpt = Gpt::new(CONFIG, 5, &Device::flex());
        gpt.adapt(config, 7);
        let trained: usize = gpt.trained().parameters.iter().map(|parameter| parameter.len()).sum();
        assert_eq!(trained as u64, config.parameters(&CONFIG).0);
    }
}
