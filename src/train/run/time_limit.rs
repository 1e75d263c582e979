//! Finds out how many steps fit into the time of a run, from the first ones.

use super::{save_schedule::SaveSchedule, throughput::Kind};

/// Number of steps that are measured, and how long they take together at least, in seconds.
const STEPS: u64 = 20;
const SECONDS: f64 = 0.5;
/// The share of the run's time that they take at least: a machine that does other work, too, changes its speed.
const SHARE: f64 = 0.03;
/// Seconds of steps before those that are measured: the first ones compile kernels, and the browser optimises the
/// WebAssembly while they run.
const SETTLING: f64 = 0.5;
/// Share of the time after which fewer steps are enough.
const LATEST: f64 = 0.1;
/// Seconds between two readings of losses in which nothing was computed, and how often as long as what was: more is a pause.
const PAUSE: f64 = 0.25;
const PAUSE_TIMES: f64 = 3.0;

/// What a run has measured of itself. Times are in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// The time that is left for everything.
    pub left: f64,
    /// The time of one step, with what the caller does in between.
    pub step: f64,
    /// The time of one evaluation, without its sample; `None` if there was none.
    pub evaluation: Option<f64>,
    /// The time of one sample.
    pub sample: f64,
    /// The time of all checkpoints that are still to come.
    pub saving: f64,
}

/// The time limit of a run whose number of steps has not been adapted to it.
pub struct TimeLimit {
    seconds: f64,
    /// The step from which on steps are measured at the latest.
    half_of_warmup: u64,
    /// The last step by which it has to be done.
    end_of_warmup: u64,
    began: f64,
    /// Step, time, and seconds of work by kind when the measuring began.
    first: Option<(u64, f64, [f64; 4])>,
    /// Time and seconds of all work at the last reading.
    last: (f64, f64),
    /// The seconds of all pauses since the measuring began.
    paused: f64,
}

impl TimeLimit {
    /// The limit of a run that begins at `start` and warms up for `warmup_steps`.
    pub fn new(seconds: f64, start: u64, warmup_steps: u64, began: f64) -> Self {
        let (half_of_warmup, end_of_warmup) = (start + warmup_steps / 2, start + warmup_steps);
        Self { seconds, half_of_warmup, end_of_warmup, began, first: None, last: (began, 0.0), paused: 0.0 }
    }

    /// Whether losses should be read at this step, because measuring begins or ends here at the latest.
    pub fn wants_reading(&self, step: u64) -> bool {
        step >= self.end_of_warmup || self.first.is_none() && step >= self.half_of_warmup
    }

    /// Reports that losses were read at this step; `spent` are all seconds of work by kind.
    pub fn read(&mut self, step: u64, now: f64, spent: [f64; 4]) {
        let (before, work_before) = self.last;
        let work: f64 = spent.iter().sum();
        self.last = (now, work);
        let idle = now - before - (work - work_before);
        if idle > PAUSE.max(PAUSE_TIMES * (work - work_before)) {
            self.paused += idle;
        }
        let has_settled = spent[Kind::Training as usize] >= SETTLING || step >= self.half_of_warmup;
        if self.first.is_none() && has_settled {
            self.first = Some((step, now, spent));
            self.paused = 0.0;
        }
    }

    /// Drops what was measured: another number of workers computes from now on.
    pub fn measure_anew(&mut self) {
        self.first = None;
    }

    /// Whether enough steps have been measured.
    pub fn is_due(&self, step: u64, now: f64) -> bool {
        let Some((first, since, _)) = self.first else { return false };
        let (steps, time) = (step - first, now - since);
        let are_enough =
            steps >= STEPS && time >= SECONDS.max(SHARE * self.seconds) || now - self.began >= LATEST * self.seconds;
        steps > 0 && (are_enough || step >= self.end_of_warmup)
    }

    pub fn pace(&self, step: u64, now: f64, spent: [f64; 4], saves: &SaveSchedule) -> Option<Pace> {
        let (first, since, before) = self.first?;
        let steps = (step - first) as f64;
        let of = |kind: Kind| spent[kind as usize];
        let training = of(Kind::Training) - before[Kind::Training as usize];
        let others = spent.iter().sum::<f64>() - before.iter().sum::<f64>() - training;
        let step = (now - since - others - self.paused) / steps;
        let (evaluation, sample) = (of(Kind::Evaluation), of(Kind::Sample));
        let left = self.seconds - (now - self.began);
        Some(Pace {
            left,
            step,
            evaluation: (evaluation > 0.0).then_some(evaluation),
            sample,
            saving: saves.seconds_within(left),
        })
    }
}
