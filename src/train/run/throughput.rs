//! Measures training throughput, and the share of time spent on other work. Times are in seconds.

use std::collections::VecDeque;

/// Length in seconds of the window over which the displayed speed is averaged: the first step compiles shaders, and
/// machines get busy.
const WINDOW: f64 = 5.0;

/// Kinds of work that a run's time is spent on.
#[derive(Clone, Copy)]
pub enum Kind {
    Training,
    Evaluation,
    Sample,
    Saving,
}

pub struct Throughput {
    /// Seconds by [`Kind`].
    spent: [f64; 4],
    /// Times and token counts of the last read-backs.
    recent: VecDeque<(f64, u64)>,
    tokens: u64,
    unrecorded: f64,
    /// Seconds of the run before it was resumed.
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

    /// Returns the seconds spent since the last call.
    pub fn take_unrecorded(&mut self) -> f64 {
        std::mem::take(&mut self.unrecorded)
    }

    /// Returns the seconds since the run was begun or resumed, by [`Kind`].
    pub fn by_kind(&self) -> [f64; 4] {
        self.spent
    }

    /// Returns the run's time in all.
    pub fn elapsed_seconds(&self) -> f64 {
        self.before + self.all()
    }

    /// Returns the time of evaluations divided by the time of training.
    pub fn evaluation_share(&self) -> f64 {
        let training = self.spent[Kind::Training as usize];
        if training > 0.0 { self.spent[Kind::Evaluation as usize] / training } else { 0.0 }
    }

    /// Returns the throughput of the last seconds.
    pub fn tokens_per_second(&self) -> f64 {
        let time = self.recent_time();
        if time > 0.0 { self.recent.iter().map(|(_, tokens)| *tokens as f64).sum::<f64>() / time } else { 0.0 }
    }

    /// Returns the seconds for `tokens` at that throughput.
    pub fn seconds_for(&self, tokens: u64) -> f64 {
        let speed = self.tokens_per_second();
        if speed > 0.0 { tokens as f64 / speed } else { 0.0 }
    }

    /// Returns the seconds for `tokens` more, with evaluations and other work in the proportion so far.
    pub fn seconds_left(&self, tokens: u64) -> f64 {
        let training = self.spent[Kind::Training as usize];
        // The evaluation before the first step would distort the first estimates.
        let whole = if training > WINDOW { self.all() / training } else { 1.0 };
        self.seconds_for(tokens) * whole
    }

    /// Returns the mean throughput since the run was begun or resumed, without evaluations, samples and saving.
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
