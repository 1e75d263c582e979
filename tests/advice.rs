//! Advice on recorded runs: each rule speaks of the run that it is for, and of no other.

use lorito::{
    config::{ModelConfig, TrainConfig, Variant},
    device::{CPU_LIMITS, Engine},
    ops::Device,
    session::Session,
    tokenizer::{Kind, Tokenizer},
    train::{Advice, BestSoFar, Dataset, Evaluation, History, RunStatus, StepRecord, TokenCounts, advice},
};
use serde::Deserialize;

/// A run as `tests/fixtures/advice/make.mjs` records it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Recorded {
    name: String,
    steps: u64,
    warmup_steps: u64,
    learning_rate: f64,
    /// How often each character of the training text occurs.
    occurrences: Vec<usize>,
    tokens_per_step: u64,
    losses: Vec<f32>,
    /// Step, training loss and validation loss.
    evaluations: Vec<(u64, Option<f32>, Option<f32>)>,
}

impl Recorded {
    fn counts(&self) -> TokenCounts {
        let characters = ('一'..).zip(&self.occurrences);
        let text: String = characters.flat_map(|(character, &count)| std::iter::repeat_n(character, count)).collect();
        let tokenizer = Tokenizer::train(Kind::Char, None, &[&text]).unwrap();
        let train = tokenizer.encode_documents(&[&text]);
        TokenCounts::of(&Dataset { train, ..Dataset::default() }, &tokenizer)
    }

    /// The advice after so many steps.
    fn advice_at(&self, step: u64) -> Vec<Advice> {
        let steps = (1..=step).zip(&self.losses);
        let steps = steps.map(|(step, &loss)| StepRecord { step, loss, gradient_norm: 1.0, learning_rate: 1e-3 });
        let evaluations =
            self.evaluations.iter().filter(|(at, ..)| *at <= step).map(|&(step, train_loss, validation_loss)| {
                Evaluation { step, train_loss, validation_loss, perplexity: None, bits_per_byte: None }
            });
        let history = History { steps: steps.collect(), evaluations: evaluations.collect(), ..History::default() };
        let losses = || history.evaluations.iter().filter_map(|it| Some((it.step, it.validation_loss?)));
        let best = losses()
            .min_by(|a, b| a.1.total_cmp(&b.1))
            .map(|(step, loss)| BestSoFar::new(step, loss, losses().filter(|(later, _)| *later > step).count()));
        let (steps, learning_rate, warmup_steps) = (self.steps, self.learning_rate, self.warmup_steps);
        let config = TrainConfig { steps, learning_rate, warmup_steps, ..TrainConfig::default() };
        let status = RunStatus {
            step,
            start_step: 0,
            end_step: steps,
            eval_every: steps / 10,
            tokens_per_step: self.tokens_per_step,
            evaluation_batches: 1,
            seconds: 1.0,
            best,
        };
        advice(&history, &config, &status, &self.counts())
    }
}

fn recorded() -> Vec<Recorded> {
    serde_json::from_str(include_str!("fixtures/advice/curves.json")).unwrap()
}

fn names(advice: &[Advice]) -> Vec<String> {
    advice.iter().map(|advice| serde_json::to_value(advice).unwrap()["advice"].as_str().unwrap().into()).collect()
}

#[test]
fn each_recorded_run_gets_its_own_advice() {
    let expected: [(&str, &[&str]); 9] = [
        ("long enough", &[]),
        ("cut short", &["still-falling"]),
        ("far too high", &["learning-rate-too-high"]),
        ("too high", &["learning-rate-too-high"]),
        ("rather low", &["still-falling"]),
        ("too low", &["learning-rate-too-low"]),
        ("much too low", &["learning-rate-too-low"]),
        ("by heart", &["learned-by-heart"]),
        ("another language held back", &["validation-differs"]),
    ];
    let runs = recorded();
    assert_eq!(runs.len(), expected.len());
    for (run, (name, right)) in runs.iter().zip(expected) {
        assert_eq!(run.name, name);
        assert_eq!(names(&run.advice_at(run.steps)), right, "{name}: {:?}", run.advice_at(run.steps));
    }
}

/// Loads a text, trains a little, and returns the advice.
fn advice_on(text: &str, kind: Kind, vocabulary: Option<usize>) -> Vec<Advice> {
    let mut session = Session::new(Device::cpu(), Engine::Cpu, CPU_LIMITS);
    session.open_file("text.txt", 0, None);
    session.push_bytes(text.as_bytes()).unwrap();
    session.close_file().unwrap();
    session.train_tokenizer(kind, vocabulary).unwrap();
    let variant = Variant::GPT2;
    let model = ModelConfig { vocabulary: 0, context: 16, layers: 1, heads: 1, width: 8, dropout: 0.0, variant };
    session.create_model(model, 1).unwrap();
    session.begin_training(TrainConfig { steps: 1, ..TrainConfig::default() }).unwrap();
    session.step().unwrap();
    session.advice().unwrap()
}

#[test]
fn seldom_characters_are_named_the_most_seldom_first() {
    let text = format!("{}{}Q", "the parrot said it again. ".repeat(100), "ñ".repeat(4));
    let found = advice_on(&text.chars().rev().collect::<String>(), Kind::Char, None);
    let characters = vec!["Q".to_owned(), "ñ".to_owned()];
    assert_eq!(found, [Advice::SeldomCharacters { count: 2, characters, times: 10 }]);
    assert_eq!(advice_on(&"the parrot said it again. ".repeat(100), Kind::Char, None), []);
}

#[test]
fn a_vocabulary_that_a_text_cannot_teach_is_named() {
    let story = include_str!("../web/public/samples/harbour.txt");
    let found = advice_on(story, Kind::Bpe, Some(2000));
    let [Advice::VocabularyTooLarge { vocabulary, seldom, tokens, times: 10 }] = found[..] else { panic!("{found:?}") };
    assert!(vocabulary > 1000 && seldom > vocabulary / 2 && tokens < story.len() / 3, "{found:?}");
    assert_eq!(advice_on(&story.repeat(20), Kind::Bpe, Some(300)), []);
}

#[test]
fn a_run_under_way_is_not_told_that_it_was_too_short() {
    for run in recorded() {
        let early = names(&run.advice_at(30));
        assert!(early.is_empty(), "{}: {early:?}", run.name);
        let half = names(&run.advice_at(run.steps / 2));
        assert!(!half.iter().any(|name| name == "still-falling" || name == "learning-rate-too-low"), "{}", run.name);
    }
}
