//! When a run saves its checkpoint: first after a second, then less and less often, so that a run makes progress even
//! if the GPU is lost again and again.

/// Seconds until the first checkpoint; the time from each to the next doubles.
const FIRST: f64 = 1.0;
/// The longest interval between checkpoints. At most 60 s are promised, and a step, or a batch of an evaluation, may
/// come in between.
const LONGEST: f64 = 45.0;
/// Largest share of the time that saving may take, as far as [`LONGEST`] allows.
const SHARE: f64 = 0.05;

pub struct SaveSchedule {
    last: f64,
    interval: f64,
    has_stepped: bool,
}

impl SaveSchedule {
    /// Makes the schedule of a run that has just been saved.
    pub fn new(now: f64) -> Self {
        Self { last: now, interval: FIRST, has_stepped: false }
    }

    /// Starts the interval anew: work before the first step, such as compiling shaders, may have taken longer than it.
    pub fn first_step(&mut self, now: f64) {
        self.last = now;
        self.has_stepped = true;
    }

    /// Whether a checkpoint is due. Before the first step there is little to lose.
    pub fn is_due(&self, now: f64) -> bool {
        now - self.last >= if self.has_stepped { self.interval } else { LONGEST }
    }

    pub fn requested(&mut self, now: f64) {
        self.last = now;
    }

    pub fn saved(&mut self, took: f64, now: f64) {
        self.last = now;
        self.interval = (2.0 * self.interval).max(took / SHARE).min(LONGEST);
    }
}
