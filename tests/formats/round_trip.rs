//! Models and checkpoints survive a round trip through a file, bit for bit.

use futures_lite::future::block_on;
use lorito::{
    config::{LoraConfig, ModelConfig, Targets, Variant},
    device::{CPU_LIMITS, Engine},
    error::Error,
    formats::{AdapterWeights, ModelFile, check_header, hugging_face, read, write, write_in_8_bits},
    model::{Gpt, Layout},
    ops::{self, Device},
    session::Session,
    train::{Best, Evaluation, History, OptimizerKind, OptimizerState, Progress, Sample, TrainingState},
};

use super::sample;
use crate::hugging_face::{open, unzip};

/// Requires equal bits, which distinguishes -0 from 0.
fn assert_same(left: &[f32], right: &[f32]) {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(left), bits(right));
}

#[test]
fn a_model_survives_a_round_trip() {
    let model = sample::model();
    let bytes = write(&model).unwrap();
    assert_eq!(read(&bytes).unwrap(), model);
    assert_eq!(write(&read(&bytes).unwrap()).unwrap(), bytes);
}

#[test]
fn a_checkpoint_survives_a_round_trip_bit_for_bit() {
    let mut checkpoint = sample::checkpoint();
    // Numbers that a careless format would change.
    checkpoint.weights[..4].copy_from_slice(&[-0.0, f32::MIN_POSITIVE / 2.0, f32::MAX, f32::MIN]);
    checkpoint.optimizer.as_mut().unwrap().tensors[1][0] = 1e-45;
    checkpoint.progress.config.learning_rate = 0.1 + 0.2;
    checkpoint.progress.config.seed = u64::MAX;
    checkpoint.history.steps[0].learning_rate = 1.0 / 3.0;
    checkpoint.history.seconds = 1e9 / 7.0;
    let mut back = read(&write(&checkpoint).unwrap()).unwrap();
    assert_same(&back.weights, &checkpoint.weights);
    let optimizer = checkpoint.optimizer.clone().unwrap();
    assert_eq!(back.progress, checkpoint.progress);
    assert_eq!(back.history, checkpoint.history);
    let TrainingState { progress, optimizer: read, history, best } = back.take_training().unwrap();
    assert_eq!(read.kind, optimizer.kind);
    read.tensors.iter().zip(&optimizer.tensors).for_each(|(read, written)| assert_same(read, written));
    assert_eq!(best, None);
    assert_eq!((progress, history), (checkpoint.progress, checkpoint.history));
}

#[test]
fn a_model_without_biases_survives_a_round_trip_and_is_exported_as_gpt2() {
    let published = sample::model();
    let config = ModelConfig { variant: Variant { bias: false, ..Variant::GPT2 }, ..published.config };
    let weights = Layout::new(&published.config).moved(&published.weights, &Layout::new(&config));
    let model = ModelFile { config, weights, ..published };
    let bytes = write(&model).unwrap();
    assert_eq!(read(&bytes).unwrap(), model);
    // Older versions of the page report that they are too old, not that tensors are missing.
    assert!(String::from_utf8_lossy(&bytes).contains(r#"{\"version\":3,"#));

    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    let summary = open(&mut session, &unzip(&hugging_face(&model, "2026-11-29").unwrap())).unwrap();
    assert_eq!(summary.config, ModelConfig { variant: Variant::GPT2, ..config });
    let ids = [3, 1, 4, 1, 5];
    let got = block_on(session.logits(&ids)).unwrap();
    let gpt = Gpt::from_flat(config, model.weights, &Device::cpu());
    let right = gpt.last_logits(&gpt.ids(ids.to_vec()).unwrap());
    assert_eq!(got, block_on(ops::read(right)).unwrap());
}

#[test]
fn an_adapter_and_the_best_weights_survive_a_round_trip() {
    let model = sample::model();
    let config = LoraConfig { rank: 3, targets: Targets { mlp: false, ..Targets::default() }, ..LoraConfig::default() };
    let layout = Layout::adapter(&model.config, &config);
    let weights = |seed| sample::weights(&layout, seed, 0.5);
    let checkpoint = ModelFile {
        adapter: Some(AdapterWeights { config, weights: weights(1) }),
        optimizer: Some(OptimizerState { kind: OptimizerKind::AdamW, tensors: vec![weights(2), weights(3)] }),
        best: Some(Best { step: 2, validation_loss: 4.05, weights: weights(4) }),
        ..model
    };
    let bytes = write(&checkpoint).unwrap();
    assert_eq!(check_header(&bytes, Some(bytes.len() as u64)).unwrap(), bytes.len() as u64);
    assert_eq!(read(&bytes).unwrap(), checkpoint);
}

#[test]
fn a_model_in_8_bits_opens_with_rounded_matrices_and_an_exact_adapter() {
    let published = sample::model();
    let shapes = [
        published.config,
        // With a vocabulary of odd length, and without biases.
        ModelConfig { vocabulary: 33, width: 36, heads: 2, ..published.config },
        ModelConfig { width: 32, heads: 2, ..published.config }.as_llama(),
    ];
    for config in shapes {
        let lora = LoraConfig::default();
        let model = ModelFile {
            config,
            weights: sample::weights(&Layout::new(&config), 3, 0.3),
            adapter: Some(AdapterWeights {
                config: lora,
                weights: sample::weights(&Layout::adapter(&config, &lora), 4, 0.1),
            }),
            ..published.clone()
        };
        let bytes = write_in_8_bits(&model).unwrap();
        assert_eq!(check_header(&bytes, Some(bytes.len() as u64)).unwrap(), bytes.len() as u64);
        assert!(String::from_utf8_lossy(&bytes).contains(r#"{\"version\":5,"#));
        let back = read(&bytes).unwrap();
        let mut rounded = 0;
        for parameter in &Layout::new(&config).parameters {
            let [read, right] = [&back.weights, &model.weights].map(|weights| &weights[parameter.range()]);
            for (read, right) in read.chunks(32).zip(right.chunks(32)) {
                let largest = right.iter().fold(0.0f32, |largest, value| largest.max(value.abs()));
                // Half a step of 127, and a scale of 16 bits.
                let most = if parameter.shape.len() == 2 { largest * (0.5 / 127.0 + 1.0 / 2048.0) } else { 0.0 };
                for (read, right) in read.iter().zip(right) {
                    assert!((read - right).abs() <= most, "{}: {read} {right}", parameter.name);
                    rounded += usize::from(read != right);
                }
            }
        }
        assert!(rounded > model.weights.len() / 4);
        assert_eq!(ModelFile { weights: model.weights.clone(), ..back.clone() }, model);
        // What is written of it in 32 bits is the same model again.
        assert_eq!(read(&write(&back).unwrap()).unwrap(), back);
    }
}

#[test]
fn decimal_fractions_survive_a_round_trip_exactly() {
    let mut model = sample::model();
    for index in 0..2000 {
        // 53 random bits: the shortest decimal form has up to 17 digits.
        let random = lorito::train::mix(5, index);
        model.history.seconds = (random >> 11) as f64 * 1e-12;
        model.progress.config.learning_rate = ((random >> 11) + 1) as f64 * 1e-18;
        let back = read(&write(&model).unwrap()).unwrap();
        assert_eq!(back.history.seconds.to_bits(), model.history.seconds.to_bits());
        assert_eq!(back.progress.config.learning_rate.to_bits(), model.progress.config.learning_rate.to_bits());
    }
}

#[test]
fn a_checkpoint_opens_as_a_model() {
    let checkpoint = read(&write(&sample::checkpoint()).unwrap()).unwrap();
    assert_eq!(ModelFile { optimizer: None, ..checkpoint }, sample::model());
    assert_eq!(sample::model().take_training(), None);
}

#[test]
fn an_untrained_model_survives_a_round_trip() {
    let mut model = sample::model();
    model.history = History::default();
    let config = lorito::config::TrainConfig { steps: 0, ..Default::default() };
    model.progress = Progress { config, start_step: 0, step: 0, updates: 0 };
    assert_eq!(read(&write(&model).unwrap()).unwrap(), model);
}

#[test]
fn a_header_is_checked_as_soon_as_it_is_downloaded() {
    for model in [sample::model(), sample::checkpoint()] {
        let bytes = write(&model).unwrap();
        let length = bytes.len() as u64;
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        for beginning in [header, header + 100, bytes.len()] {
            assert_eq!(check_header(&bytes[..beginning], Some(length)), Ok(length));
            assert_eq!(check_header(&bytes[..beginning], None), Ok(length));
        }
    }
}

/// A history of `count` evaluations, each with a sample if `text` is given.
fn long_history(count: u64, text: Option<&str>) -> History {
    let evaluation = |step| Evaluation {
        step,
        train_loss: (step > 0).then_some(1.0 / (step + 1) as f32),
        validation_loss: Some(f32::INFINITY),
        perplexity: Some(1.1),
        bits_per_byte: None,
    };
    let share = |step: u64| (step > 0).then_some(1.0 / step as f64);
    let sample =
        |step| text.map(|text| Sample { step, text: format!("{step} \"ñ\n🦜\u{0} {text}"), copied: share(step) });
    History {
        evaluations: (0..count).map(evaluation).collect(),
        samples: (0..count).filter_map(sample).collect(),
        ..sample::model().history
    }
}

#[test]
fn a_history_of_any_length_survives_a_round_trip() {
    // Fits into the manifest, with and without copied shares.
    let short = History { samples: long_history(3, Some("word")).samples, ..sample::model().history };
    let checkpoint = ModelFile { history: short, ..sample::checkpoint() };
    assert_eq!(read(&write(&checkpoint).unwrap()).unwrap(), checkpoint);
    // Samples as long as those of word-level models; they alone would be four times the largest header.
    for history in [long_history(110_000, Some(&"word ".repeat(100))), long_history(1_000_000, None)] {
        let checkpoint = ModelFile { history, ..sample::checkpoint() };
        let bytes = write(&checkpoint).unwrap();
        assert_eq!(check_header(&bytes, Some(bytes.len() as u64)), Ok(bytes.len() as u64));
        let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
        assert!(header < 1 << 16, "the header has {header} bytes");
        // Not `assert_eq`, which would print a million of them.
        assert!(read(&bytes).unwrap() == checkpoint);
    }
}

#[test]
fn a_long_history_that_is_damaged_is_refused() {
    let long = ModelFile { history: long_history(20_000, Some("")), ..sample::model() };
    let good = write(&long).unwrap();
    assert!(read(&good).unwrap() == long);
    // A bit of the samples, which are last, and one of the evaluations, which follow the few steps.
    for at in [good.len() - 1, good.len() / 2] {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        assert_eq!(read(&bytes).unwrap_err().code(), "checkpoint-damaged");
    }
}

#[test]
fn models_that_version_1_can_represent_are_written_in_it() {
    let bytes = write(&ModelFile { history: long_history(5_000, None), ..sample::model() }).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&bytes[8..8 + header]).unwrap();
    assert!(header.contains(r#"{\"version\":1,"#) && !header.contains("lorito.evaluations"));
}

#[test]
fn non_finite_weights_are_neither_written_nor_read() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut model = sample::model();
        model.weights[5] = bad;
        let tensor = "transformer.wte.weight".to_owned();
        assert!(write(&model) == Err(Error::WeightsNotFinite { tensor }));
        let mut checkpoint = sample::checkpoint();
        let layout = Layout::new(&checkpoint.config);
        let last = layout.parameters.last().unwrap();
        checkpoint.optimizer.as_mut().unwrap().tensors[1][last.offset] = bad;
        let tensor = format!("optimizer.second_moment.{}", last.name);
        assert!(write(&checkpoint) == Err(Error::WeightsNotFinite { tensor }));
    }
}
