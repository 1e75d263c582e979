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
    /// Seconds that the last checkpoint took.
    took: f64,
}

impl SaveSchedule {
    /// Makes the schedule of a run that has just been saved.
    pub fn new(now: f64) -> Self {
        Self { last: now, interval: FIRST, has_stepped: false, took: 0.0 }
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
        self.took = took;
        self.interval = next_interval(self.interval, took);
    }

    /// The seconds that all checkpoints take within `left` seconds, if each takes as long as the last one.
    pub fn seconds_within(&self, left: f64) -> f64 {
        let (mut interval, mut passed, mut saving) = (self.interval, 0.0, 0.0);
        while passed + interval < left {
            passed += interval + self.took;
            saving += self.took;
            interval = next_interval(interval, self.took);
        }
        saving + self.took
    }
}

fn next_interval(interval: f64, took: f64) -> f64 {
    (2.0 * interval).max(took / SHARE).min(LONGEST)
}
