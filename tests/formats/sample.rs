//! A small model with a value in every part of its file.

use lorito::{
    config::{ModelConfig, TrainConfig, Variant},
    corpus::HeldBack,
    formats::ModelFile,
    model::Layout,
    tokenizer::{Kind, Tokenizer},
    train::{
        Evaluation, History, OptimizerKind, OptimizerState, Progress, Sample, StepRecord, TextFacts, learning_rate, mix,
    },
};

const TEXT: &str = "El veloz murciélago hindú comía feliz cardillo y kiwi. La cigüeña tocaba el saxofón detrás del palenque de paja. \
     Jackdaws love my big sphinx of quartz! ¿Verdad? 🦜 0123456789\n";

/// Maps an integer to a fraction between -1 and 1, the same on every machine.
fn fraction(seed: u64, index: usize) -> f32 {
    (mix(seed, index as u64) >> 40) as f32 / (1 << 23) as f32 - 1.0
}

/// Weights far from 0, gains around 1, so that each one affects the logits.
pub fn weights(layout: &Layout, seed: u64, scale: f32) -> Vec<f32> {
    let mut flat = vec![0.0; layout.len];
    // Values depend on the order of the tensors, not on the layout: the files stay the same if the layout changes.
    let mut first = 0;
    for parameter in &layout.parameters {
        let gain = parameter.name.contains("ln_") && parameter.name.ends_with("weight");
        for (index, value) in flat[parameter.range()].iter_mut().enumerate() {
            *value = scale * fraction(seed, first + index) + if gain { 1.0 } else { 0.0 };
        }
        first = (first + parameter.len()).next_multiple_of(64);
    }
    flat
}

/// A model after 3 of 20 steps.
pub fn model() -> ModelFile {
    let tokenizer = Tokenizer::train(Kind::Char, None, &[TEXT]).unwrap();
    let vocabulary = tokenizer.vocabulary();
    let config =
        ModelConfig { vocabulary, context: 24, layers: 2, heads: 2, width: 16, dropout: 0.1, variant: Variant::GPT2 };
    let run = TrainConfig { steps: 20, batch_size: 4, warmup_steps: 5, learning_rate: 3e-3, ..TrainConfig::default() };
    let record = |step| StepRecord {
        step,
        loss: 4.0 + fraction(1, step as usize),
        gradient_norm: 1.0 + fraction(2, step as usize),
        learning_rate: learning_rate(&run, step - 1),
    };
    let evaluation = Evaluation {
        step: 3,
        train_loss: Some(3.9),
        validation_loss: Some(4.1),
        perplexity: Some(60.340_29),
        bits_per_byte: Some(5.7),
    };
    ModelFile {
        name: "Small: a model | for *tests*".into(),
        config,
        tokenizer: tokenizer.to_json(),
        roles: None,
        weights: weights(&Layout::new(&config), 7, 0.3),
        frozen: None,
        facts: TextFacts {
            documents: 1,
            characters: TEXT.chars().count(),
            bytes: TEXT.len() as u64,
            train_tokens: 160,
            validation_tokens: 18,
            held_back: HeldBack::Documents,
        },
        history: History {
            steps: (1..=3).map(record).collect(),
            evaluations: vec![Evaluation { step: 0, train_loss: None, bits_per_byte: None, ..evaluation }, evaluation],
            samples: vec![Sample { step: 3, text: "\"á\\\n🦜\u{0}".into(), copied: None }],
            seconds: 0.1 + 0.2,
            tokens: 288,
        },
        progress: Progress { config: run, start_step: 0, step: 3, updates: 3 },
        adapter: None,
        optimizer: None,
        best: None,
    }
}

pub fn checkpoint() -> ModelFile {
    let model = model();
    let layout = Layout::new(&model.config);
    let second = weights(&layout, 9, 1e-3).iter().map(|value| value * value).collect();
    let tensors = vec![weights(&layout, 8, 0.1), second];
    ModelFile { optimizer: Some(OptimizerState { kind: OptimizerKind::AdamW, tensors }), ..model }
}
