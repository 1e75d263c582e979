//! Properties of the model and its training.

use futures_lite::future::block_on;
use lorito::{
    architecture::ParameterGroup,
    config::{ModelConfig, TrainConfig, Variant},
    error::Error,
    model::{Gpt, Ids, Targets},
    ops::{Device, Flat, Scalars, Tensor, read},
    train::{Batch, Dataset, Trainer, TrainingState},
};

const CONFIG: ModelConfig =
    ModelConfig { vocabulary: 23, context: 16, layers: 2, heads: 2, width: 16, dropout: 0.0, variant: Variant::GPT2 };

fn numbers(count: usize, seed: u64) -> Vec<u32> {
    (0..count as u64).map(|index| (lorito::train::mix(seed, index) % CONFIG.vocabulary as u64) as u32).collect()
}

fn batch(windows: usize, time: usize, seed: u64) -> Batch {
    Batch {
        inputs: Ids::new(numbers(windows * time, seed), windows, CONFIG.vocabulary).unwrap(),
        targets: Targets::new(numbers(windows * time, seed + 1), CONFIG.vocabulary).unwrap(),
    }
}

fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    block_on(read(tensor.clone())).unwrap()
}

fn loss(gpt: &Gpt, batch: &Batch) -> f32 {
    let mut scalars = Scalars::new(&gpt.device());
    let figure = scalars.add();
    gpt.loss(&batch.inputs, &batch.targets, &mut scalars, figure);
    block_on(scalars.take()).unwrap()[0]
}

/// The loss and its gradient as a flat array.
fn loss_and_gradient(gpt: &Gpt, batch: &Batch) -> (f32, Vec<f32>) {
    let mut scalars = Scalars::new(&gpt.device());
    let figure = scalars.add();
    let mut gradients = gpt.gradients();
    gpt.loss_and_gradient(&batch.inputs, &batch.targets, None, &mut scalars, figure, &mut gradients);
    (block_on(scalars.take()).unwrap()[0], block_on(gradients.values()).unwrap())
}

fn dataset() -> Dataset {
    // A text with structure: every token follows from the previous one, with some noise.
    let ids = numbers(3000, 9);
    let mut id = 0;
    let walk = ids.iter().map(|noise| {
        id = if noise.is_multiple_of(7) { *noise } else { (id * 5 + 3) % CONFIG.vocabulary as u32 };
        id
    });
    let mut train: Vec<u32> = walk.collect();
    let validation = train.split_off(2600);
    Dataset { train: train.into(), validation: validation.into(), validation_bytes: 400, answers: None }
}

/// Trains `steps` steps of a run of 12, and returns their losses.
fn train(gpt: &mut Gpt, trainer: &mut Trainer, steps: usize) -> Vec<f32> {
    let data = dataset();
    for _ in 0..steps {
        trainer.step(gpt, &data).unwrap();
    }
    block_on(trainer.read()).unwrap().iter().map(|record| record.loss).collect()
}

fn run(dropout: f32) -> (Gpt, Trainer) {
    let gpt = Gpt::new(ModelConfig { dropout, ..CONFIG }, 5, &Device::cpu());
    let mut trainer = Trainer::new(&gpt);
    let config = TrainConfig { steps: 12, batch_size: 3, warmup_steps: 2, ..TrainConfig::default() };
    trainer.begin(TrainConfig { gradient_accumulation: 2, ..config }).unwrap();
    (gpt, trainer)
}

/// A model with larger matrices than initially, so that every part of it affects the loss.
fn lively(seed: u64) -> Gpt {
    let mut gpt = Gpt::new(CONFIG, seed, &Device::cpu());
    let mut weights = block_on(gpt.flat.read()).unwrap();
    gpt.layout
        .ranges_of(ParameterGroup::Matrix)
        .for_each(|range| weights[range].iter_mut().for_each(|weight| *weight *= 8.0));
    gpt.flat = Flat::new(weights, gpt.layout.len, &Device::cpu());
    gpt
}

#[test]
fn gradients_match_finite_differences_for_the_whole_model() {
    let mut gpt = lively(1);
    let batch = batch(2, 7, 1);
    let (value, gradient) = loss_and_gradient(&gpt, &batch);
    assert!((value - loss(&gpt, &batch)).abs() < 1e-6);
    let weights = block_on(gpt.flat.read()).unwrap();
    const STEP: f32 = 4e-3;
    for parameter in &gpt.layout.parameters.clone() {
        let row = &gradient[parameter.range()];
        // The largest entry and two others of every tensor.
        let largest = (0..row.len()).max_by(|&a, &b| row[a].abs().total_cmp(&row[b].abs())).unwrap();
        for index in [largest, row.len() / 3, row.len() - 1] {
            let mut shifted = |by: f32| {
                let mut moved = weights.clone();
                moved[parameter.offset + index] += by;
                gpt.flat = Flat::new(moved, weights.len(), &Device::cpu());
                f64::from(loss(&gpt, &batch))
            };
            let slope = (shifted(STEP) - shifted(-STEP)) / f64::from(2.0 * STEP);
            let error = (slope - f64::from(row[index])).abs();
            assert!(
                error < 0.02 * slope.abs() + 5e-4,
                "{}[{index}]: slope {slope}, gradient {}",
                parameter.name,
                row[index]
            );
        }
    }
}

#[test]
fn a_new_models_loss_is_the_logarithm_of_its_vocabulary_size() {
    let config = ModelConfig {
        vocabulary: 65,
        context: 64,
        layers: 4,
        heads: 4,
        width: 128,
        dropout: 0.0,
        variant: Variant::GPT2,
    };
    let gpt = Gpt::new(config, 3, &Device::cpu());
    let batch = batch(4, 64, 3);
    let expected = 65f32.ln();
    assert!((loss(&gpt, &batch) - expected).abs() < 0.05 * expected);
}

#[test]
fn a_token_does_not_change_the_logits_before_it() {
    let gpt = lively(2);
    let ids = numbers(CONFIG.context, 4);
    let logits = |ids: Vec<u32>| values(&gpt.logits(&gpt.ids(ids).unwrap()));
    let before = logits(ids.clone());
    for later in 1..CONFIG.context {
        let mut changed = ids.clone();
        changed[later] = (changed[later] + 1) % CONFIG.vocabulary as u32;
        let after = logits(changed);
        let seen = later * CONFIG.vocabulary;
        assert_eq!(before[..seen], after[..seen], "token {later}");
        assert_ne!(before[seen..], after[seen..], "token {later} is not seen at all");
    }
}

#[test]
fn one_batch_can_be_overfitted() {
    let mut gpt = Gpt::new(CONFIG, 1, &Device::cpu());
    let mut trainer = Trainer::new(&gpt);
    let config = TrainConfig { steps: 400, learning_rate: 1e-2, warmup_steps: 10, ..TrainConfig::default() };
    trainer.begin(config).unwrap();
    let batches = [batch(2, 16, 1)];
    for _ in 0..400 {
        trainer.step_on(&mut gpt, &batches);
    }
    let records = block_on(trainer.read()).unwrap();
    assert!(records[399].loss < 0.1, "{:?}", records[399]);
    assert!(loss(&gpt, &batches[0]) < 0.1);
}

#[test]
fn training_lowers_the_training_and_the_validation_loss() {
    let mut gpt = Gpt::new(CONFIG, 1, &Device::cpu());
    let mut trainer = Trainer::new(&gpt);
    let config = TrainConfig { steps: 200, learning_rate: 5e-3, eval_every: 100, ..TrainConfig::default() };
    trainer.begin(config).unwrap();
    let data = dataset();
    let evaluate = |trainer: &mut Trainer, gpt: &Gpt| {
        for index in 0..trainer.validation_batches(gpt, &data) {
            trainer.evaluate_batch(gpt, &data, index).unwrap();
        }
        block_on(trainer.finish_evaluation(&data)).unwrap()
    };
    let before = evaluate(&mut trainer, &gpt);
    assert_eq!((before.step, before.train_loss), (0, None));
    train(&mut gpt, &mut trainer, 200);
    let after = evaluate(&mut trainer, &gpt);
    assert!(after.validation_loss < before.validation_loss.map(|loss| loss - 1.0), "{before:?} {after:?}");
    assert_eq!(after.perplexity, after.validation_loss.map(f32::exp));
    // As many tokens as bytes: bits per byte equal bits per token.
    let bits = after.validation_loss.unwrap() / std::f32::consts::LN_2;
    assert!((after.bits_per_byte.unwrap() - bits).abs() < 1e-4);
    assert_eq!(trainer.history().steps.len(), 200);
    assert_eq!(trainer.history().tokens, 200 * 12 * 16);
}

#[test]
fn the_same_seed_gives_the_same_losses_and_another_gives_others() {
    let losses = |seed| {
        let (mut gpt, mut trainer) = run(0.0);
        trainer.begin(TrainConfig { seed, ..trainer.progress().config.clone() }).unwrap();
        train(&mut gpt, &mut trainer, 12)
    };
    assert_eq!(losses(1), losses(1));
    assert_ne!(losses(1), losses(2));
}

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() {
    let (mut gpt, mut trainer) = run(0.0);
    let whole = train(&mut gpt, &mut trainer, 12);

    let (mut gpt, mut trainer) = run(0.0);
    let mut halves = train(&mut gpt, &mut trainer, 5);
    let state: TrainingState = block_on(trainer.state(&gpt)).unwrap();
    let flat = block_on(gpt.flat.read()).unwrap();
    let mut gpt = Gpt::from_flat(CONFIG, flat, &Device::cpu());
    let mut trainer = Trainer::restore(&gpt, state);
    halves.extend(train(&mut gpt, &mut trainer, 7));
    assert_eq!(whole, halves);
    assert_eq!(trainer.progress().step, trainer.progress().end_step());
}

#[test]
fn dropout_changes_the_training_loss_but_not_the_evaluation() {
    let losses = || {
        let (mut gpt, mut trainer) = run(0.5);
        train(&mut gpt, &mut trainer, 12)
    };
    let dropped = losses();
    let (mut gpt, mut trainer) = run(0.0);
    assert_ne!(dropped, train(&mut gpt, &mut trainer, 12));
    assert_eq!(dropped, losses());
    let batch = batch(2, 16, 1);
    let gpt = Gpt::new(ModelConfig { dropout: 0.5, ..CONFIG }, 5, &Device::cpu());
    assert_eq!(loss(&gpt, &batch), loss(&gpt, &batch));
}

#[test]
fn accumulated_passes_equal_one_large_batch() {
    let step = |split: bool| {
        let mut gpt = Gpt::new(CONFIG, 8, &Device::cpu());
        let mut trainer = Trainer::new(&gpt);
        trainer.begin(TrainConfig::default()).unwrap();
        let whole = batch(4, 8, 2);
        let part = |windows: std::ops::Range<usize>| {
            let cut = |ids: &[u32]| ids[windows.start * 8..windows.end * 8].to_vec();
            Batch {
                inputs: Ids::new(cut(whole.inputs.as_slice()), windows.len(), CONFIG.vocabulary).unwrap(),
                targets: Targets::new(cut(whole.targets.as_slice()), CONFIG.vocabulary).unwrap(),
            }
        };
        let batches = if split { vec![part(0..2), part(2..4)] } else { vec![part(0..4)] };
        trainer.step_on(&mut gpt, &batches);
        let record = block_on(trainer.read()).unwrap()[0];
        (record.loss, record.gradient_norm)
    };
    let ((loss, norm), (split_loss, split_norm)) = (step(false), step(true));
    assert!((loss - split_loss).abs() < 1e-5 && (norm - split_norm).abs() < 1e-4);
}

#[test]
fn a_run_that_diverges_reports_it() {
    let (mut gpt, mut trainer) = run(0.0);
    gpt.flat = Flat::new(vec![f32::NAN; gpt.layout.len], gpt.layout.len, &Device::cpu());
    trainer.step(&mut gpt, &dataset()).unwrap();
    assert!(matches!(block_on(trainer.read()), Err(Error::Diverged { step: 1, .. })));
}

#[test]
fn token_ids_outside_the_models_vocabulary_are_refused() {
    let (mut gpt, mut trainer) = run(0.0);
    let ids = || vec![23; 100].into();
    let unknown = Dataset { train: ids(), validation: ids(), ..dataset() };
    let refused = Err(Error::TokenOutOfRange { id: 23, vocabulary: 23 });
    assert_eq!(trainer.step(&mut gpt, &unknown), refused);
    assert_eq!(trainer.evaluate_batch(&gpt, &unknown, 0), refused);
    assert_eq!(gpt.ids(vec![0, 23]).err(), refused.err());
}
