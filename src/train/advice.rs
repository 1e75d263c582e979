//! Advice on a run: rules over its curves and its text, each with the numbers that it rests on. The thresholds were
//! chosen on the recorded runs of `tests/fixtures/advice`, so that each rule speaks of its own run and of no other.

use std::ops::Range;

use serde::Serialize;

use super::{BestSoFar, Dataset, Evaluation, History, RunStatus, StepRecord};
use crate::{
    config::TrainConfig,
    tokenizer::{Kind, Tokenizer},
};

/// A run with fewer steps says too little.
const LEAST_STEPS: usize = 40;
/// Share of a validation loss by which it must fall in the second half of the steps to be still falling: twice the steps
/// would bring nearly as much once more.
const STILL_FALLING: f32 = 0.04;
/// Steps whose mean a step's loss is compared with, and how far above it a spike is: in standard deviations, and in nats.
const BEFORE_SPIKE: usize = 20;
const SPIKE: (f32, f32) = (6.0, 0.3);
/// A loss that ends so far above the lowest mean of as many steps, in nats, was thrown back.
const THROWN_BACK: f32 = 0.3;
/// A loss is stuck where a model knows only how often each token occurs: it came so near to the entropy of that, in nats,
/// in a quarter of the steps, and so little below until half of them, and fell less than the third number between.
const STUCK: (f32, f32, f32) = (0.2, 0.1, 0.15);
/// Nats by which the validation loss is above the training loss of a text that was not read once.
const DIFFERENT: f32 = 0.35;
/// Occurrences below which a token can hardly be learned.
const SELDOM: usize = 10;
/// Seldom characters that are named.
const SHOWN: usize = 12;
/// Share of the vocabulary that may be seldom.
const MOST_SELDOM: f64 = 0.3;

/// What a person may want to do about a run, and why.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "advice", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[cfg_attr(target_arch = "wasm32", derive(tsify::Tsify))]
pub enum Advice {
    /// The validation loss was still falling when the steps were over: more of them would help.
    StillFalling {
        /// The step of an evaluation in the middle of the run.
        step: u64,
        /// The validation loss there, in nats per token.
        earlier: f32,
        /// The validation loss at the end.
        loss: f32,
    },
    /// The validation loss has been rising: stop earlier, take a smaller model or more text.
    LearnedByHeart {
        /// The step with the lowest validation loss.
        step: u64,
        /// The validation loss there, in nats per token.
        best: f32,
        /// The last validation loss.
        loss: f32,
        /// How often the text has been read since the run began.
        readings: f64,
    },
    /// Training losses leap up and stay there, or are stuck where a model knows only how often each token occurs: the
    /// learning rate is too high.
    LearningRateTooHigh {
        /// The learning rate of the run.
        learning_rate: f64,
        /// The step of the first leap, or from which on the loss did not fall.
        step: u64,
        /// The mean loss there, in nats per token.
        before: f32,
        /// The loss that leapt up, or the mean loss later.
        after: f32,
    },
    /// The model has not even learned how often each token occurs: the learning rate is too low, or the steps too few.
    LearningRateTooLow {
        /// The learning rate of the run.
        learning_rate: f64,
        /// The mean training loss at the end, in nats per token.
        last: f32,
        /// The loss of who knows only how often each token occurs.
        entropy: f32,
    },
    /// The held-back text is unlike the rest: its loss is higher although nothing has been read twice.
    ValidationDiffers {
        /// The step of the evaluation.
        step: u64,
        /// The training loss there, in nats per token.
        train_loss: f32,
        /// The validation loss there.
        validation_loss: f32,
    },
    /// Much of the vocabulary is hardly ever in the text: a smaller one would suit it.
    VocabularyTooLarge {
        /// The size of the vocabulary that the text was tokenized with.
        vocabulary: usize,
        /// How many of its tokens occur, but too seldom to be learned.
        seldom: usize,
        /// The tokens of the training text.
        tokens: usize,
        /// They occur fewer times than this.
        times: usize,
    },
    /// Characters that occur too seldom to be learned.
    SeldomCharacters {
        /// How many there are.
        count: usize,
        /// The most seldom ones, at most 12.
        characters: Vec<String>,
        /// They occur fewer times than this.
        times: usize,
    },
}

/// How often the tokens of a training text occur.
pub struct TokenCounts {
    /// The texts of the seldom ones, the most seldom first.
    seldom: Vec<String>,
    /// Whether they are characters.
    characters: bool,
    /// The size of the vocabulary.
    vocabulary: usize,
    /// The number of tokens of the training text.
    tokens: usize,
    /// The entropy of the counts in nats, unless a loss mask leaves targets out.
    entropy: Option<f32>,
}

impl TokenCounts {
    /// Counts the tokens of the training split. Special tokens are not looked at.
    pub fn of(data: &Dataset, tokenizer: &Tokenizer) -> Self {
        let mut counts = vec![0; tokenizer.vocabulary()];
        for id in data.train.iter() {
            if let Some(count) = counts.get_mut(id as usize) {
                *count += 1;
            }
        }
        let counts = &counts[..];
        let ids: Vec<u32> = (0..counts.len() as u32).filter(|&id| !tokenizer.is_special(id)).collect();
        let of_count = |wanted: usize| ids.iter().filter(move |&&id| counts[id as usize] == wanted);
        let seldom = (1..SELDOM).flat_map(of_count).map(|&id| tokenizer.token_text(id)).collect();
        let of_all = |count: usize| count as f64 / data.train.len() as f64;
        let entropy: f64 =
            counts.iter().filter(|&&count| count > 0).map(|&count| -of_all(count) * of_all(count).ln()).sum();
        Self {
            seldom,
            characters: tokenizer.kind() == Kind::Char,
            vocabulary: counts.len(),
            tokens: data.train.len(),
            entropy: data.answers.is_none().then_some(entropy as f32),
        }
    }

    fn advice(&self) -> Option<Advice> {
        let Self { seldom, vocabulary, tokens, .. } = self;
        let (count, vocabulary, tokens) = (seldom.len(), *vocabulary, *tokens);
        if self.characters {
            let characters = seldom.iter().take(SHOWN).cloned().collect();
            return (count > 0).then_some(Advice::SeldomCharacters { count, characters, times: SELDOM });
        }
        let too_large = count as f64 > MOST_SELDOM * vocabulary as f64;
        too_large.then_some(Advice::VocabularyTooLarge { vocabulary, seldom: count, tokens, times: SELDOM })
    }
}

/// The curves of one run.
struct Curves<'a> {
    config: &'a TrainConfig,
    status: &'a RunStatus,
    steps: &'a [StepRecord],
    evaluations: &'a [Evaluation],
    /// Tokens of the training text.
    tokens: usize,
    /// The loss of who knows only how often each token occurs, in nats per token.
    entropy: Option<f32>,
}

impl Curves<'_> {
    fn mean(&self, steps: Range<usize>) -> f32 {
        let steps = &self.steps[steps];
        steps.iter().map(|record| record.loss).sum::<f32>() / steps.len() as f32
    }

    /// How often the text had been read when the run was at a step.
    fn readings(&self, step: u64) -> f64 {
        let steps = step.saturating_sub(self.status.start_step);
        (steps * self.status.tokens_per_step) as f64 / self.tokens.max(1) as f64
    }

    /// The validation losses with their steps, after the first step of the run.
    fn validation(&self) -> Vec<(u64, f32)> {
        let after = |evaluation: &&Evaluation| evaluation.step > self.status.start_step;
        let losses = self.evaluations.iter().filter(after);
        losses.filter_map(|evaluation| Some((evaluation.step, evaluation.validation_loss?))).collect()
    }

    fn still_falling(&self) -> Option<Advice> {
        if self.status.step < self.status.end_step {
            return None;
        }
        let validation = self.validation();
        let &(last, loss) = validation.last()?;
        let half = self.status.start_step + (last - self.status.start_step) / 2;
        let &(step, earlier) = validation.iter().rfind(|&&(step, _)| step <= half)?;
        (earlier - loss > STILL_FALLING * earlier).then_some(Advice::StillFalling { step, earlier, loss })
    }

    fn learned_by_heart(&self) -> Option<Advice> {
        let BestSoFar { step, validation_loss, overfitting, .. } = self.status.best?;
        let &(last, loss) = self.validation().last()?;
        let readings = self.readings(last);
        // What was read once cannot be known by heart.
        (overfitting && readings > 1.0).then_some(Advice::LearnedByHeart {
            step,
            best: validation_loss,
            loss,
            readings,
        })
    }

    fn learning_rate_too_high(&self) -> Option<Advice> {
        let learning_rate = self.config.learning_rate;
        let first = (self.config.warmup_steps as usize).max(BEFORE_SPIKE);
        let advice = |at: usize, before, after| Advice::LearningRateTooHigh {
            learning_rate,
            step: self.steps[at].step,
            before,
            after,
        };
        for at in first..self.steps.len() {
            let before = at - BEFORE_SPIKE..at;
            let mean = self.mean(before.clone());
            let variance = self.steps[before].iter().map(|record| (record.loss - mean).powi(2)).sum::<f32>();
            let deviation = (variance / BEFORE_SPIKE as f32).sqrt();
            let loss = self.steps[at].loss;
            // A batch may be harder than others; a spike lasts.
            let lasts = self.steps.get(at + 1).is_none_or(|next| next.loss > mean + SPIKE.1);
            if lasts && loss > mean + (SPIKE.0 * deviation).max(SPIKE.1) {
                return Some(advice(at, mean, loss));
            }
        }
        let means = |at: usize| self.mean(at..at + BEFORE_SPIKE);
        let last = self.steps.len() - BEFORE_SPIKE;
        let lowest = (0..last).min_by(|&a, &b| means(a).total_cmp(&means(b)))?;
        if means(last) - means(lowest) > THROWN_BACK {
            return Some(advice(lowest, means(lowest), means(last)));
        }
        let (quarter, half) = (self.steps.len() / 4, self.steps.len() / 2);
        let (near, below, fell) = STUCK;
        let is_stuck = self.entropy.is_some_and(|entropy| {
            means(quarter) < entropy + near && means(half) > entropy - below && means(quarter) - means(half) < fell
        });
        is_stuck.then(|| advice(quarter, means(quarter), means(half)))
    }

    fn learning_rate_too_low(&self) -> Option<Advice> {
        if self.status.step < self.status.end_step {
            return None;
        }
        let (learning_rate, entropy) = (self.config.learning_rate, self.entropy?);
        let last = self.mean(self.steps.len() - BEFORE_SPIKE..self.steps.len());
        (last > entropy).then_some(Advice::LearningRateTooLow { learning_rate, last, entropy })
    }

    fn validation_differs(&self) -> Option<Advice> {
        let unread = |evaluation: &&Evaluation| self.readings(evaluation.step) <= 1.0;
        let Evaluation { step, train_loss, validation_loss, .. } = *self.evaluations.iter().rfind(unread)?;
        let (train_loss, validation_loss) = (train_loss?, validation_loss?);
        // The mean of the training loss reaches back to the evaluation before, when the model knew less.
        (validation_loss - train_loss > DIFFERENT).then_some(Advice::ValidationDiffers {
            step,
            train_loss,
            validation_loss,
        })
    }
}

/// Returns what the curves of the last run and its text suggest.
pub fn advice(history: &History, config: &TrainConfig, status: &RunStatus, counts: &TokenCounts) -> Vec<Advice> {
    let first = history.steps.partition_point(|record| record.step <= status.start_step);
    let first_evaluation = history.evaluations.partition_point(|evaluation| evaluation.step < status.start_step);
    let curves = Curves {
        config,
        status,
        steps: &history.steps[first..],
        evaluations: &history.evaluations[first_evaluation..],
        tokens: counts.tokens,
        entropy: counts.entropy,
    };
    let mut all = vec![counts.advice()];
    if curves.steps.len() >= LEAST_STEPS {
        let too_high = curves.learning_rate_too_high();
        // The end of a run that was thrown back says nothing else.
        let steady = too_high.is_none();
        all.splice(
            0..0,
            [
                too_high,
                curves.learning_rate_too_low().filter(|_| steady),
                curves.learned_by_heart(),
                curves.still_falling().filter(|_| steady),
                curves.validation_differs(),
            ],
        );
    }
    all.into_iter().flatten().collect()
}
