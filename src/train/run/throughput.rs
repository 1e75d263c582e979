//! Measures training throughput, and the share of time spent on other work. Times are in seconds.

use std::collections::VecDeque;

/// The speed shown is that of the last seconds: the first step compiles shaders, and machines get busy.
const WINDOW: f64 = 5.0;

/// What the time of a run goes to.
#[derive(Clone, Copy)]
pub enum Kind {
    Training,
    Evaluation,
    Sample,
    Saving,
}

pub struct Throughput {
    /// By [`Kind`].
    spent: [f64; 4],
    /// Times and tokens of the last readings.
    recent: VecDeque<(f64, u64)>,
    tokens: u64,
    unrecorded: f64,
    /// Of the run before it was taken up.
    before: f64,
}

impl Throughput {
    pub fn new(before: f64) -> Self {
        Self { spent: [0.0; 4], recent: VecDeque::new(), tokens: 0, unrecorded: 0.0, before }
    }

    pub fn spent(&mut self, kind: Kind, time: f64) {
        self.spent[kind as usize] += time;
        self.unrecorded += time;
    }

    pub fn trained(&mut self, tokens: u64, time: f64) {
        self.tokens += tokens;
        self.recent.push_back((time, tokens));
        while self.recent.len() > 1 && self.recent_time() > WINDOW {
            self.recent.pop_front();
        }
    }

    /// The time spent since the last call of this.
    pub fn take_unrecorded(&mut self) -> f64 {
        std::mem::take(&mut self.unrecorded)
    }

    /// The run's time in all.
    pub fn elapsed_seconds(&self) -> f64 {
        self.before + self.all()
    }

    /// Time of evaluations by time of training.
    pub fn evaluation_share(&self) -> f64 {
        let training = self.spent[Kind::Training as usize];
        if training > 0.0 { self.spent[Kind::Evaluation as usize] / training } else { 0.0 }
    }

    /// Of the last seconds.
    pub fn tokens_per_second(&self) -> f64 {
        let time = self.recent_time();
        if time > 0.0 { self.recent.iter().map(|(_, tokens)| *tokens as f64).sum::<f64>() / time } else { 0.0 }
    }

    /// What `tokens` take at that speed.
    pub fn seconds_for(&self, tokens: u64) -> f64 {
        let speed = self.tokens_per_second();
        if speed > 0.0 { tokens as f64 / speed } else { 0.0 }
    }

    /// What `tokens` more take, with evaluations and the rest in the proportion seen so far.
    pub fn seconds_left(&self, tokens: u64) -> f64 {
        let training = self.spent[Kind::Training as usize];
        // The evaluation before the first step would make the first guesses absurd.
        let whole = if training > WINDOW { self.all() / training } else { 1.0 };
        self.seconds_for(tokens) * whole
    }

    /// Since the run was taken up, without evaluations, samples and saving.
    pub fn mean_tokens_per_second(&self) -> f64 {
        let training = self.spent[Kind::Training as usize];
        if training > 0.0 { self.tokens as f64 / training } else { 0.0 }
    }

    fn recent_time(&self) -> f64 {
        self.recent.iter().map(|(time, _)| time).sum()
    }

    fn all(&self) -> f64 {
        self.spent.iter().sum()
    }
}
