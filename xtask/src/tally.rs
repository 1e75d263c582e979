//! Counts passed, failed and skipped tests, from the reports of the test programs.

use std::collections::BTreeMap;
use std::fs;
use std::mem::take;
use std::ops::AddAssign;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde_json::Value;

/// The results of checks. A check that is not a test suite counts as one test.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Tally {
    passed: usize,
    failed: usize,
    /// The names of skipped tests, with the reasons.
    skipped: Vec<String>,
    /// Tests of the running program that have skipped themselves. Its summary will count them as passed.
    ended_early: usize,
}

/// Prefixes of the reasons of ignored tests that are run elsewhere: those that write a fixture, or run in another
/// check.
const NOT_FOR_THIS_RUN: [&str; 2] = ["writes ", "run by "];

impl Tally {
    pub fn failed() -> Self {
        Self { failed: 1, ..Self::default() }
    }

    pub fn one(result: Result<()>) -> Self {
        match result {
            Ok(()) => Self { passed: 1, ..Self::default() },
            Err(error) => {
                println!("    {error:#}");
                Self::failed()
            }
        }
    }

    /// A check that cannot be made here. `what` is its name and the reason.
    pub fn skipped(what: impl Into<String>) -> Self {
        Self { skipped: vec![what.into()], ..Self::default() }
    }

    pub fn has_failed(&self) -> bool {
        self.failed > 0
    }

    /// Parses a line from `cargo test`:
    ///
    /// - `test result: ok. 5 passed; 0 failed; 1 ignored; …` ends one program of tests;
    /// - `test NAME ... ignored, REASON` names a test that was not run;
    /// - `skipped: NAME: REASON` comes from a test that returns early as it cannot test anything here.
    pub fn add_line(&mut self, line: &str) {
        if let Some((passed, failed)) = test_result(line) {
            self.passed += passed.saturating_sub(take(&mut self.ended_early));
            self.failed += failed;
        } else if let Some((_, name_and_reason)) = line.split_once("skipped: ") {
            self.ended_early += 1;
            self.skipped.push(name_and_reason.trim().to_owned());
        } else if let Some((name, reason)) = ignored_test(line)
            && !NOT_FOR_THIS_RUN.iter().any(|words| reason.starts_with(words))
        {
            self.skipped.push(format!("{name}: {reason}"));
        }
    }

    /// A suite that fails without a failed test, or that runs no test, has failed.
    pub fn of_suite(self, succeeded: bool) -> Self {
        if self.failed == 0 && (!succeeded || self.passed == 0) { Self { failed: 1, ..self } } else { self }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped);
    }
}

fn test_result(line: &str) -> Option<(usize, usize)> {
    let mut counts = line.trim().strip_prefix("test result: ")?.split_once(". ")?.1.split("; ");
    let passed = counts.next()?.strip_suffix(" passed")?.parse().ok()?;
    let failed = counts.next()?.strip_suffix(" failed")?.parse().ok()?;
    Some((passed, failed))
}

/// The name of an ignored test, and the reason in its `#[ignore]`.
fn ignored_test(line: &str) -> Option<(&str, &str)> {
    let (name, outcome) = line.trim().strip_prefix("test ")?.split_once(" ... ")?;
    let reason = outcome.strip_prefix("ignored")?;
    Some((name, reason.strip_prefix(", ").unwrap_or("no reason is given")))
}

/// Reads Playwright's JSON report.
///
/// A test that runs in only one of several projects does not count as skipped.
pub fn of_browser_tests(report: &Path) -> Result<Tally> {
    let report = fs::read(report).context("the browser tests left no report")?;
    let report: Value = serde_json::from_slice(&report).context("the browser tests' report")?;
    let count = |name: &str| report["stats"][name].as_u64().map(|count| count as usize);
    let count = |name: &str| count(name).with_context(|| format!("the browser tests' report lacks `{name}`"));
    let mut reasons = BTreeMap::new();
    collect_skipped(&report, "", &mut reasons);
    let skipped = reasons.into_iter().filter_map(|(name, reason)| Some(format!("{name}: {}", reason?)));
    Ok(Tally {
        passed: count("expected")?,
        failed: count("unexpected")? + count("flaky")?,
        skipped: skipped.collect(),
        ended_early: 0,
    })
}

/// Fills `reasons` with the tests of a suite and its nested suites: by name, the reason if it was skipped in every
/// project, or none if it ran in one.
fn collect_skipped(suite: &Value, path: &str, reasons: &mut BTreeMap<String, Option<String>>) {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let inside = |value: &Value| {
        let title = value["title"].as_str().unwrap_or_default();
        if path.is_empty() { title.to_owned() } else { format!("{path} › {title}") }
    };
    for spec in list(&suite["specs"]) {
        let tests = list(&spec["tests"]);
        let skipped = tests.iter().all(|test| test["status"] == "skipped");
        let because = tests.iter().flat_map(|test| list(&test["annotations"])).find_map(|annotation| {
            annotation["description"].as_str().filter(|_| annotation["type"] == "skip").map(str::to_owned)
        });
        let reason = skipped.then(|| because.unwrap_or_else(|| "no reason is given".into()));
        // Each project has its own entry for a test.
        let ran = |known: &Option<String>| known.is_none() || reason.is_none();
        let known = reasons.entry(inside(&spec)).or_insert_with(|| reason.clone());
        if ran(known) {
            *known = None;
        }
    }
    for inner in list(&suite["suites"]) {
        collect_skipped(&inner, &inside(&inner), reasons);
    }
}

/// The tally of all checks so far.
#[derive(Default)]
pub struct Sum {
    tally: Tally,
    failed: Vec<&'static str>,
}

impl Sum {
    /// Prints the result of one check; returns whether it passed.
    pub fn add(&mut self, name: &'static str, tally: Tally) -> bool {
        println!("    {name}: {}", counts(&tally));
        let passed = tally.failed == 0;
        if !passed {
            self.failed.push(name);
        }
        let skipped = tally.skipped.iter().map(|what| format!("{name}: {what}")).collect();
        self.tally += Tally { skipped, ..tally };
        passed
    }

    /// Prints the lines that end every run, and returns the exit code.
    pub fn print(&self) -> ExitCode {
        if !self.tally.skipped.is_empty() {
            println!("\nSkipped:");
            for what in &self.tally.skipped {
                println!("    {what}");
            }
        }
        if !self.failed.is_empty() {
            println!("\nFailed: {}", self.failed.join(", "));
        }
        println!("\n{}", counts(&self.tally));
        if self.tally.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn counts(tally: &Tally) -> String {
    format!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tally of one program's `cargo test` output.
    fn of(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for line in lines {
            tally.add_line(line);
        }
        tally
    }

    fn passed(passed: usize) -> Tally {
        Tally { passed, ..Tally::default() }
    }

    #[test]
    fn cargo_test_lines_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        assert_eq!(of(&[line]), Tally { failed: 3, ..passed(12) });
        assert_eq!(of(&["test result", "running 2 tests", "test a::b ... ok"]), Tally::default());
    }

    #[test]
    fn ignored_tests_are_named_unless_another_check_runs_them_or_they_write_fixtures() {
        let tally = of(&[
            "test a ... ignored, needs a disk of 1 TB",
            "test b ... ignored",
            "test c ... ignored, writes the fixture",
            "test d ... ignored, run by the check carry-on",
            "test result: ok. 2 passed; 0 failed; 4 ignored; 0 measured; 0 filtered out; finished in 0.01s",
        ]);
        let skipped = vec!["a: needs a disk of 1 TB".into(), "b: no reason is given".into()];
        assert_eq!(tally, Tally { skipped, ..passed(2) });
    }

    #[test]
    fn a_test_that_skips_itself_does_not_count_as_passed() {
        let result = "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        // With one thread, the test's own line follows its name.
        let lines = ["skipped: half: no shader-f16", "test two ... skipped: two: no shader-f16", "ok", result, result];
        let skipped = vec!["half: no shader-f16".into(), "two: no shader-f16".into()];
        assert_eq!(of(&lines), Tally { skipped, ..passed(8) });
    }

    #[test]
    fn a_suite_without_tests_fails() {
        assert_eq!(passed(0).of_suite(true), Tally::failed());
        assert_eq!(passed(2).of_suite(true), passed(2));
        // The program crashed after two passed tests.
        assert_eq!(passed(2).of_suite(false), Tally { failed: 1, ..passed(2) });
        let failed = Tally { failed: 3, ..passed(2) };
        assert_eq!(failed.clone().of_suite(false), failed);
    }

    #[test]
    fn a_browser_test_counts_as_skipped_if_no_project_runs_it() {
        let test = |project: &str, status: &str| {
            let annotations = serde_json::json!([{"type": "skip", "description": format!("not with {project}")}]);
            serde_json::json!({"projectName": project, "status": status, "annotations": annotations})
        };
        let spec = |title: &str, test: Value| serde_json::json!({"title": title, "tests": [test]});
        let specs = serde_json::json!([
            spec("left to the other", test("cpu", "skipped")),
            spec("nowhere", test("cpu", "skipped")),
            spec("left to the other", test("webgpu", "expected")),
            spec("nowhere", test("webgpu", "skipped")),
        ]);
        let report = serde_json::json!({
            "stats": {"expected": 1, "skipped": 3, "unexpected": 0, "flaky": 0},
            "suites": [{"title": "a.spec.ts", "specs": [], "suites": [{"title": "group", "specs": specs}]}],
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("report.json");
        fs::write(&file, report.to_string()).unwrap();
        let skipped = vec!["a.spec.ts › group › nowhere: not with cpu".into()];
        assert_eq!(of_browser_tests(&file).unwrap(), Tally { skipped, ..passed(1) });
    }

    #[test]
    fn the_last_line_counts_passed_failed_and_skipped_tests() {
        let tally = Tally { failed: 1, skipped: vec!["a".into(), "b".into()], ..passed(3) };
        assert_eq!(counts(&tally), "3 passed, 1 failed, 2 skipped");
    }
}
