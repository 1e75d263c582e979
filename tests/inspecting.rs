//! Tests the inspection: the plain forward pass agrees with the model's own and with transformers; an inspected text
//! agrees with the model's logits; a slow step is the run's next step, and changes nothing.

use std::{fs, path::PathBuf};

use crate::hugging_face::{files, open};
use futures_lite::future::block_on;
use lorito::{
    architecture::Projection,
    config::{Activation, LoraConfig, ModelConfig, Targets, TrainConfig, Variant},
    device::{CPU_LIMITS, Engine},
    error::Error,
    formats,
    inspect::Site,
    model::{Gpt, Ids},
    ops::{self, Device},
    session::{GenerateOptions, Session},
    tokenizer::Kind,
};
use serde::Deserialize;
use serde_json::Value;

const VOCABULARY: usize = 37;

fn config(variant: Variant) -> ModelConfig {
    ModelConfig { vocabulary: VOCABULARY, context: 24, layers: 3, heads: 4, width: 32, dropout: 0.1, variant }
}

/// A model with weights so large that every part affects the result.
fn model(variant: Variant, device: &Device) -> Gpt {
    let config = config(variant);
    let weights = block_on(Gpt::new(config, 5, &Device::cpu()).flat.read()).unwrap();
    let numbered = weights.iter().enumerate().map(|(at, weight)| weight * 4.0 + 0.02 * (at as f32 * 0.37).sin());
    Gpt::from_flat(config, numbered.collect(), device)
}

fn ids(length: usize) -> Ids {
    Ids::new((0..length as u32).map(|at| at * 11 % VOCABULARY as u32).collect(), 1, VOCABULARY).unwrap()
}

fn assert_near(got: &[f32], right: &[f32], what: &str) {
    assert_eq!(got.len(), right.len(), "{what}");
    let largest = right.iter().fold(1.0f32, |largest, value| largest.max(value.abs()));
    for (at, (got, right)) in got.iter().zip(right).enumerate() {
        assert!((got - right).abs() < 1e-4 * largest, "{what}: {got} instead of {right} at {at}");
    }
}

fn assert_traces_as_it_computes(gpt: &Gpt, what: &str) {
    for length in [1, 7, 24] {
        let ids = ids(length);
        let trace = block_on(gpt.trace(&ids)).unwrap();
        let right = block_on(ops::read(gpt.logits(&ids))).unwrap();
        assert_near(&trace.logits(), &right, what);
        for position in [0, length - 1] {
            let row = &right[position * VOCABULARY..][..VOCABULARY];
            assert_near(&trace.lens(Site::Block(2), position), row, what);
            assert_near(&trace.lens(Site::Normed, position), row, what);
            let sum: f32 = trace.attention_of(1, 3, position).iter().sum();
            assert!((sum - 1.0).abs() < 1e-5, "{what}: attention sums to {sum}");
        }
        let later = trace.attention.chunks(length).enumerate().flat_map(|(row, shares)| &shares[row % length + 1..]);
        assert!(later.copied().all(|share| share == 0.0), "{what}: a token sees what comes after it");
    }
}

fn variants() -> Vec<Variant> {
    let all = [Activation::GeluTanh, Activation::Gelu, Activation::Relu, Activation::Silu, Activation::Tanh];
    let mut variants: Vec<Variant> = all.map(|activation| Variant { activation, ..Variant::GPT2 }).to_vec();
    variants.push(Variant { bias: false, ..Variant::GPT2 });
    variants.push(Variant { tied: false, epsilon: 1e-3, ..Variant::GPT2 });
    variants
}

fn adapted(mut gpt: Gpt) -> Gpt {
    let targets = Targets::NONE.with(Projection::Attention).with(Projection::MlpOut);
    let lora = LoraConfig { rank: 4, targets, ..LoraConfig::default() };
    gpt.adapt(lora, 3);
    let weights = vec![0.1; gpt.trained().len];
    gpt.put_adapter(lora, weights);
    gpt
}

#[test]
fn a_trace_agrees_with_the_model_on_the_cpu() {
    for variant in variants() {
        assert_traces_as_it_computes(&model(variant, &Device::cpu()), &format!("{variant:?}"));
    }
    assert_traces_as_it_computes(&adapted(model(Variant::GPT2, &Device::cpu())), "with an adapter");
}

#[test]
fn a_trace_agrees_with_the_model_on_the_gpu() {
    let device = Device::driver_gpu();
    for variant in [Variant::GPT2, Variant { bias: false, ..Variant::GPT2 }] {
        assert_traces_as_it_computes(&model(variant, &device), &format!("{variant:?}"));
    }
    assert_traces_as_it_computes(&adapted(model(Variant::GPT2, &device)), "with an adapter");
    // Buffers so small that the token table is split over several.
    assert_traces_as_it_computes(&model(Variant::GPT2, &device.with_largest_buffer(1 << 14)), "divided");
}

#[derive(Deserialize)]
struct Expected {
    hidden: Vec<Vec<f32>>,
    attention: Vec<Vec<f32>>,
    logits: Vec<f32>,
}

/// Made by `tests/fixtures/inspecting/make.py`.
#[test]
fn hidden_states_and_attentions_agree_with_transformers() {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/inspecting/expected.json");
    let mut all: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let ids: Vec<u32> = serde_json::from_value(all["ids"].take()).unwrap();
    for name in ["prefixed", "plain", "sharded"] {
        let Expected { hidden, attention, logits } = serde_json::from_value(all[name].take()).unwrap();
        let mut session = session();
        open(&mut session, &files(name)).unwrap();
        let file = formats::read(&block_on(session.export_safetensors("model")).unwrap()).unwrap();
        let gpt = match file.frozen {
            Some(frozen) => Gpt::of_frozen(file.config, file.weights, frozen),
            None => Gpt::from_flat(file.config, file.weights, &Device::cpu()),
        };
        let trace = block_on(gpt.trace(&gpt.ids(ids.clone()).unwrap())).unwrap();
        let (last, before) = hidden.split_last().unwrap();
        assert_near(trace.at(Site::Embedding), &before[0], name);
        for (layer, right) in before[1..].iter().enumerate() {
            assert_near(trace.at(Site::Block(layer)), right, name);
        }
        assert_near(trace.at(Site::Normed), last, name);
        assert_near(&trace.attention, &attention.concat(), name);
        assert_near(&trace.lens(Site::Normed, ids.len() - 1), &logits, name);
    }
}

fn session() -> Session {
    Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS)
}

const TEXT: &str = "Un loro verde contaba cuentos. La niña preguntaba; el loro respondía: «¡otra vez!»\n";

fn with_model(kind: Kind, dropout: f32) -> Session {
    let mut session = session();
    session.open_file("cuento.txt", 0, None);
    session.push_bytes(TEXT.repeat(40).as_bytes()).unwrap();
    session.close_file().unwrap();
    session.train_tokenizer(kind, (kind == Kind::Bpe).then_some(300)).unwrap();
    let variant = Variant::GPT2;
    let config = ModelConfig { vocabulary: 0, context: 16, layers: 2, heads: 2, width: 32, dropout, variant };
    session.create_model(config, 7).unwrap();
    session
}

fn run() -> TrainConfig {
    TrainConfig { steps: 12, batch_size: 4, warmup_steps: 2, learning_rate: 3e-3, ..TrainConfig::default() }
}

fn trained(kind: Kind) -> Session {
    let mut session = with_model(kind, 0.0);
    session.begin_training(run()).unwrap();
    (0..6).for_each(|_| session.step().unwrap());
    block_on(session.read_losses()).unwrap();
    session
}

#[test]
fn an_inspected_text_agrees_with_the_models_logits() {
    for kind in [Kind::Char, Kind::Byte, Kind::Bpe] {
        let mut session = trained(kind);
        let inspection = block_on(session.inspect("Un loro", " señ")).unwrap();
        let texts: String = inspection.tokens.iter().map(|token| token.adds.as_str()).collect();
        assert_eq!(inspection.before + &texts, "Un loro señ");
        let first = inspection.ids.len() - inspection.tokens.len();
        let given = session.encode("Un loro").unwrap().len();
        for (at, token) in inspection.tokens.iter().enumerate() {
            assert_eq!(token.id, inspection.ids[first + at]);
            assert_eq!(token.given, first + at < given);
            if at == 0 {
                assert!(token.probability.is_none() && token.choices.is_empty());
                continue;
            }
            let logits = block_on(session.logits(&inspection.ids[first..first + at])).unwrap();
            let total: f64 = logits.iter().map(|logit| f64::from(*logit).exp()).sum();
            let right = f64::from(logits[token.id as usize]).exp() / total;
            let (got, bits) = (f64::from(token.probability.unwrap()), f64::from(token.surprise.unwrap()));
            assert!((got - right).abs() < 1e-5 && (bits + right.log2()).abs() < 1e-3, "{got} instead of {right}");
            assert_eq!(token.choices.len(), 10);
            assert!(token.choices.is_sorted_by(|a, b| a.probability >= b.probability));
            let rank = token.choices.iter().position(|choice| choice.id == token.id);
            assert!(rank.is_none_or(|rank| rank + 1 == token.rank.unwrap()));
        }
        // The last layer of the lens agrees with the model's output.
        let lens = block_on(async { session.lens(2) }).unwrap();
        let third = &inspection.tokens[3];
        assert_eq!(lens.iter().map(|row| row.layers).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(lens[2].choices[0].id, third.choices[0].id);
        assert!((lens[2].following.unwrap() - third.probability.unwrap()).abs() < 1e-6);
        let tokens = inspection.tokens.len();
        assert_eq!(session.inspected_attention().unwrap().len(), 2 * 2 * tokens * tokens);
        assert!(session.lens(tokens).unwrap().is_empty());
        session.forget_inspection();
        assert!(session.inspected_attention().unwrap().is_empty());
    }
}

#[test]
fn a_long_text_is_inspected_at_its_end_and_an_empty_prompt_begins_like_generation() {
    let mut session = trained(Kind::Char);
    let long = TEXT.repeat(3);
    let inspection = block_on(session.inspect(&long[..3], &long[3..])).unwrap();
    assert_eq!((inspection.most, inspection.tokens.len()), (16, 16));
    assert_eq!(inspection.ids, session.encode(&long).unwrap());
    let shown: String = inspection.tokens.iter().map(|token| token.adds.as_str()).collect();
    assert_eq!(inspection.before + &shown, long);
    let inspection = block_on(session.inspect("", "Un")).unwrap();
    assert_eq!(inspection.tokens.iter().map(|token| token.given).collect::<Vec<_>>(), [true, false, false]);
    let logits = block_on(session.logits(&[])).unwrap();
    let total: f32 = logits.iter().map(|logit| logit.exp()).sum();
    let right = logits[inspection.tokens[1].id as usize].exp() / total;
    assert!((inspection.tokens[1].probability.unwrap() - right).abs() < 1e-5);
    assert_eq!(block_on(self::session().inspect("a", "b")).unwrap_err(), Error::NoModel);
}

fn written(session: &mut Session) -> String {
    let mut text = String::new();
    while let Some(piece) = block_on(session.next_token()).unwrap() {
        text += &piece;
    }
    text + &session.end_generation()
}

#[test]
fn generation_continues_ids_that_end_within_a_character() {
    let mut session = trained(Kind::Byte);
    let options = GenerateOptions { max_tokens: 12, ..GenerateOptions::default() };
    session.begin_generation("La niñ", options).unwrap();
    let right = written(&mut session);
    let ids = session.encode("La niñ").unwrap();
    session.begin_generation_after(&ids, options).unwrap();
    assert_eq!(written(&mut session), right);
    // The first half of "ñ" belongs to the generated text.
    session.begin_generation_after(&ids[..ids.len() - 1], options).unwrap();
    assert!(!written(&mut session).is_empty());
    let inspection = block_on(session.inspect("La ni", "ñ")).unwrap();
    let [.., half, whole] = &inspection.tokens[..] else { unreachable!() };
    assert_eq!((half.adds.as_str(), half.text.as_str(), whole.adds.as_str()), ("", "<0xC3>", "ñ"));
    assert_eq!(session.begin_generation_after(&[9999], options).unwrap_err().code(), "token-out-of-range");
}

#[test]
fn the_map_has_every_token_and_nearest_tokens_are_listed() {
    let session = trained(Kind::Char);
    let map = block_on(session.token_map()).unwrap();
    assert_eq!((map.points.len(), map.vocabulary), (session.vocabulary().unwrap(), session.vocabulary().unwrap()));
    assert!(map.shares[0] >= map.shares[1] && map.shares[1] > 0.0);
    let nearest = block_on(session.nearest_tokens(map.points[3].id)).unwrap();
    assert_eq!(nearest.len(), 10);
    assert!(nearest.iter().all(|near| near.id != map.points[3].id && !near.text.is_empty()));
    assert_eq!(block_on(session.nearest_tokens(9999)).unwrap_err().code(), "token-out-of-range");
}

/// A session with a run of one window per step, so that slow motion shows the whole step.
fn with_one_window(lora: Option<LoraConfig>) -> Session {
    let mut session = with_model(Kind::Char, 0.0);
    session.begin_training(TrainConfig { batch_size: 1, lora, ..run() }).unwrap();
    (0..4).for_each(|_| session.step().unwrap());
    block_on(session.read_losses()).unwrap();
    session
}

#[test]
fn a_slow_step_equals_the_runs_next_step() {
    for lora in [None, Some(LoraConfig::default())] {
        let mut session = with_one_window(lora);
        let slow = block_on(session.slow_motion()).unwrap();
        assert_eq!((slow.step, slow.positions.len(), slow.windows, slow.window), (5, 16, 1, 16));
        session.step().unwrap();
        let record = block_on(session.read_losses()).unwrap()[0];
        assert!((slow.losses[0] - record.loss).abs() < 1e-6, "{} instead of {}", slow.losses[0], record.loss);
        assert!((slow.gradient_norm - record.gradient_norm).abs() < 1e-5 * record.gradient_norm);
        assert_eq!(slow.learning_rate, record.learning_rate);
        assert!(slow.losses[1] < slow.losses[0], "a step on a window makes it likelier: {:?}", slow.losses);
        // The parts sum up to the whole gradient.
        let squares = |norm: fn(&lorito::inspect::PartUpdate) -> f32| {
            slow.parts.iter().map(|part| f64::from(norm(part)).powi(2)).sum::<f64>().sqrt() as f32
        };
        assert!((squares(|part| part.gradient_norm) - slow.gradient_norm).abs() < 1e-4 * slow.gradient_norm);
        assert!(squares(|part| part.update_norm) > 0.0);
        // After the step the model's predictions are those of the slow step.
        let ids: Vec<u32> = slow.positions.iter().map(|position| position.id).collect();
        let logits = block_on(session.logits(&ids)).unwrap();
        let total: f32 = logits.iter().map(|logit| logit.exp()).sum();
        let last = slow.positions.last().unwrap();
        let target = session.encode(last.target.as_ref().unwrap()).unwrap()[0];
        assert!((logits[target as usize].exp() / total - last.after.unwrap()).abs() < 1e-5);
        let mean = slow.positions.iter().map(|position| -position.before.unwrap().ln()).sum::<f32>() / 16.0;
        assert!((mean - slow.losses[0]).abs() < 1e-4);
    }
}

#[test]
fn inspection_does_not_change_a_run() {
    let finish = |look: bool| {
        let mut session = with_model(Kind::Char, 0.1);
        session.begin_training(run()).unwrap();
        let mut losses = Vec::new();
        for _ in 0..12 {
            if look {
                block_on(session.slow_motion()).unwrap();
                block_on(session.inspect("Un", " loro")).unwrap();
                block_on(session.token_map()).unwrap();
            }
            session.step().unwrap();
            losses.extend(block_on(session.read_losses()).unwrap().iter().map(|record| record.loss));
        }
        (losses, block_on(session.checkpoint()).unwrap())
    };
    assert!(finish(true) == finish(false));
}

#[test]
fn slow_motion_needs_a_run() {
    assert_eq!(block_on(session().slow_motion()).unwrap_err(), Error::NoModel);
    assert_eq!(block_on(with_model(Kind::Char, 0.0).slow_motion()).unwrap_err(), Error::NoRun);
}
