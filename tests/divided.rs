//! A model whose weights are divided among several buffers computes the same as in one: losses, gradient norms,
//! weights, text and files, on both engines.

use futures_lite::future::block_on;
use lorito::{
    config::{Limits, LoraConfig, ModelConfig, TrainConfig, Variant},
    device::Engine,
    generate::{Generation, Sampling},
    model::{Gpt, Layout},
    ops::Device,
    session::Session,
    tokenizer::Kind,
    train::{Dataset, Trainer, mix},
    warm_up::is_divided,
};

/// More than 256 tokens: with the largest buffer below, their rows are in three segments.
const CONFIG: ModelConfig =
    ModelConfig { vocabulary: 301, context: 16, layers: 2, heads: 2, width: 24, dropout: 0.1, variant: Variant::GPT2 };
const UNTIED: ModelConfig = ModelConfig { variant: Variant { tied: false, ..Variant::GPT2 }, ..CONFIG };
/// 128 rows of the token embedding, and a little more than the largest matrix.
const LARGEST: u64 = 4 * 128 * 24;

fn engines() -> [Device; 2] {
    [Device::cpu(), Device::driver_gpu()]
}

fn data() -> Dataset {
    let mut train: Vec<u32> = (0..3000).map(|at| (mix(3, at / 2) % 301) as u32).collect();
    let validation = train.split_off(2600);
    Dataset { train: train.into(), validation: validation.into(), validation_bytes: 400, answers: None }
}

struct Done {
    losses: Vec<f32>,
    norms: Vec<f32>,
    validation: f32,
    weights: Vec<f32>,
    text: Vec<u32>,
    segments: usize,
}

/// Trains a model, and generates text with it.
fn run(config: ModelConfig, run: TrainConfig, device: &Device) -> Done {
    let mut gpt = Gpt::new(config, 5, device);
    if let Some(lora) = run.lora {
        gpt.adapt(lora, 7);
    }
    let mut trainer = Trainer::new(&gpt);
    trainer.begin(run.clone()).unwrap();
    (0..run.steps).for_each(|_| trainer.step(&mut gpt, &data()).unwrap());
    let records = block_on(trainer.read()).unwrap();
    (0..trainer.validation_batches(&gpt, &data()))
        .for_each(|index| trainer.evaluate_batch(&gpt, &data(), index).unwrap());
    let validation = block_on(trainer.finish_evaluation(&data())).unwrap().validation_loss.unwrap();
    // A checkpoint and back: the moments return to the same positions.
    let state = block_on(trainer.state(&gpt)).unwrap();
    let mut trainer = Trainer::restore(&gpt, state);
    trainer.step(&mut gpt, &data()).unwrap();
    let last = block_on(trainer.read()).unwrap();
    let records = records.iter().chain(&last);
    let greedy = Sampling { temperature: 0.0, repetition_penalty: 1.2, ..Sampling::default() };
    let mut generation = Generation::new(&gpt, &[5, 300, 129], greedy, 24, 24, &[], true).unwrap();
    let mut text = Vec::new();
    while let Some(id) = block_on(generation.next(&gpt)).unwrap() {
        text.push(id);
    }
    Done {
        losses: records.clone().map(|record| record.loss).collect(),
        norms: records.map(|record| record.gradient_norm).collect(),
        validation,
        weights: block_on(gpt.merged()).unwrap(),
        text,
        segments: gpt.layout.segments.ranges().len(),
    }
}

fn assert_near(got: &[f32], right: &[f32], relative: f32, what: &str) {
    assert_eq!(got.len(), right.len(), "{what}");
    for (at, (got, right)) in got.iter().zip(right).enumerate() {
        assert!((got - right).abs() <= relative * right.abs(), "{what} {at}: {got} instead of {right}");
    }
}

#[test]
fn a_divided_model_has_the_same_losses_weights_and_text_as_a_whole_one() {
    let whole = TrainConfig {
        steps: 5,
        batch_size: 5,
        learning_rate: 3e-3,
        warmup_steps: 1,
        eval_every: 5,
        gradient_accumulation: 2,
        ..TrainConfig::default()
    };
    let adapter = TrainConfig { lora: Some(LoraConfig::default()), learning_rate: 3e-2, ..whole.clone() };
    for device in engines() {
        for (config, train, what) in
            [(CONFIG, &whole, "tied"), (UNTIED, &whole, "untied"), (CONFIG, &adapter, "adapter")]
        {
            let right = run(config, train.clone(), &device);
            let got = run(config, train.clone(), &device.clone().with_largest_buffer(LARGEST));
            let what = format!("{what} on {device:?}");
            assert_eq!(right.segments, 1);
            assert!(got.segments > 8, "{} segments", got.segments);
            assert_near(&got.losses, &right.losses, 1e-5, &format!("loss of {what}"));
            assert_near(&got.norms, &right.norms, 1e-4, &format!("norm of {what}"));
            assert_near(&[got.validation], &[right.validation], 1e-5, &format!("validation of {what}"));
            for (at, (got, right)) in got.weights.iter().zip(&right.weights).enumerate() {
                assert!((got - right).abs() < 2e-4, "weight {at} of {what}: {got} instead of {right}");
            }
            assert_eq!(got.text, right.text, "{what}");
        }
    }
}

#[test]
fn only_the_token_embedding_and_the_head_are_split_among_segments() {
    let layout = Layout::new(&UNTIED).divided(LARGEST as usize / 4);
    let ranges = layout.segments.ranges();
    for parameter in &layout.parameters {
        let pieces =
            ranges.iter().filter(|range| range.start < parameter.range().end && parameter.offset < range.end).count();
        let cut = parameter.name.ends_with("wte.weight") || parameter.name == "lm_head.weight";
        assert_eq!(pieces > 1, cut, "{} in {pieces}", parameter.name);
    }
    assert!(ranges.iter().all(|range| 4 * range.len() as u64 <= LARGEST));
}

/// Opened, trained and exported with buffers of little more than the size of a window.
#[test]
fn files_of_a_divided_model_equal_those_of_a_whole_one() {
    let files = |engine: Engine, device: &Device, largest_buffer: u64| {
        let mut session = Session::new(device.clone(), engine, Limits { largest_buffer, total: 1 << 30 });
        session.open_file("text.txt", 4000, None);
        let text: String = (0..2000).map(|at| char::from_u32(0x4e00 + (mix(1, at) % 300) as u32).unwrap()).collect();
        session.push_bytes(text.as_bytes()).unwrap();
        session.close_file().unwrap();
        session.train_tokenizer(Kind::Char, None).unwrap();
        session.create_model(CONFIG, 3).unwrap();
        let vocabulary = session.model_summary().unwrap().vocabulary;
        assert!(vocabulary > 256, "{vocabulary} tokens");
        let config = ModelConfig { vocabulary, ..CONFIG };
        let first = block_on(session.export_safetensors("model")).unwrap();
        session
            .begin_training(TrainConfig { steps: 2, batch_size: 1, eval_every: 2, ..TrainConfig::default() })
            .unwrap();
        session.step().unwrap();
        let checkpoint = block_on(session.checkpoint()).unwrap();
        let tokens = session.corpus_tokens().unwrap();
        session.import_model(&first).unwrap();
        assert_eq!(block_on(session.export_safetensors("model")).unwrap().len(), first.len());
        session.restore_run(&checkpoint, &tokens).unwrap();
        assert_eq!(block_on(session.checkpoint()).unwrap(), checkpoint);
        (is_divided(&config, session.device()), first, checkpoint.len())
    };
    let [cpu, gpu] = engines();
    let (divided, right, checkpoint) = files(Engine::Cpu, &cpu, 1 << 30);
    assert!(!divided);
    let (divided, got, divided_checkpoint) = files(Engine::WebGpu, &gpu, 20 << 10);
    assert!(divided);
    assert_eq!(got, right);
    assert_eq!(divided_checkpoint, checkpoint);
}
