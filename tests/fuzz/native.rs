//! The native fuzz test. `LORITO_FUZZ_SECONDS` sets its duration, `LORITO_FUZZ_SEED` the seed of the damaged files.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    str::FromStr,
    time::{Duration, Instant},
};

use super::{
    random::{Random, broken},
    targets::{Target, targets},
};

/// Time limit of a case. On an idle machine the slowest takes a hundredth of it.
const LONGEST: Duration = Duration::from_secs(20);

fn variable<T: FromStr>(name: &str, otherwise: T) -> T {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn damaged_files_never_make_a_reader_panic_or_hang() {
    let seconds: f64 = variable("LORITO_FUZZ_SECONDS", 8.0);
    let seed: u64 = variable("LORITO_FUZZ_SEED", 1);
    let targets = targets();
    assert!(targets.len() > 15);
    let share = Duration::from_secs_f64(seconds / targets.len() as f64);
    let faults: Vec<String> = targets.iter().filter_map(|target| look(target, seed, share)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Fuzzes a target for this time; returns the first failure.
fn look(target: &Target, seed: u64, time: Duration) -> Option<String> {
    let Target { name, whole, read } = target;
    for file in whole {
        read(file, &mut Random::of_case(seed, 0));
    }
    let (began, mut case, mut slowest) = (Instant::now(), 0, Duration::ZERO);
    while began.elapsed() < time {
        case += 1;
        let mut random = Random::of_case(seed, case);
        let bytes = broken(&mut random, whole);
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| read(&bytes, &mut random)));
        let took = start.elapsed();
        slowest = slowest.max(took);
        if result.is_err() || took > LONGEST {
            let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{}", name.replace([' ', '.'], "-")));
            fs::write(&file, &bytes).expect("the temporary folder takes a file");
            let how = if result.is_err() { "panics".into() } else { format!("takes {took:?}") };
            return Some(format!("{name}: case {case} of seed {seed} {how}; the file is {}", file.display()));
        }
    }
    println!("{name}: {case} files, the slowest in {slowest:?}");
    None
}
