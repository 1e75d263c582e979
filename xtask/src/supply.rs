//! Checks the dependencies: their licences (deny.toml), security advisories, and that their notices are included
//! (licences.txt, which web/build/licences.mjs writes).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::shell::{command, output, run, says_yes};
use crate::tally::Tally;
use crate::{Project, tools};

/// The folders with the npm lockfiles of the page, its tools and its tests.
const NPM: [&str; 4] = ["web", "packages/lorito", "tests/browser", "bench"];

/// The packages with the Cargo lockfiles of the page and its tools, and levels for some of cargo-deny's lints. A reason
/// in deny.toml that no longer holds is an error. wasm-bindgen's program depends on a web server for a test runner that
/// this project never starts, and parts of that server are unmaintained.
const MANIFESTS: [(&str, &[&str]); 2] = [
    ("Cargo.toml", &["-Dunmatched-skip", "-Dadvisory-not-detected"]),
    (
        "xtask/wasm-bindgen/Cargo.toml",
        &["-Aduplicate", "-Aunmaintained", "-Aunmatched-skip", "-Aadvisory-not-detected"],
    ),
];

pub fn check(project: &Project) -> Tally {
    let mut tally = Tally::one(licences(project));
    tally += deny(project).unwrap_or_else(|error| Tally::one(Err(error)));
    for folder in NPM {
        tally += npm_advisories(&project.root.join(folder));
    }
    tally
}

/// Checks that every crate in the wasm is listed in licences.txt, with a text of more than its name.
fn licences(project: &Project) -> Result<()> {
    let tree = ["tree", "--locked", "-p", "lorito", "--target", "wasm32-unknown-unknown", "--prefix", "none"];
    let which = ["--edges", "normal,no-proc-macro", "--format", "{p}"];
    let crates = output(command("cargo").args(tree).args(which).current_dir(&project.root))?;
    let file = project.dist().join("licences.txt");
    let notices = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let missing = without_notice(&crates, &notices);
    ensure!(missing.is_empty(), "{} lacks the notices of {}", file.display(), missing.join(", "));
    Ok(())
}

/// `crates`: one per line, such as `serde v1.0.0`. Each title must occur in the list at the beginning and above its
/// text.
fn without_notice(crates: &str, notices: &str) -> Vec<String> {
    let lines = crates.lines().filter_map(|line| line.split_once(" v"));
    let mut titles: Vec<_> = lines.map(|(name, rest)| [name, rest.split(' ').next().unwrap_or("")].join(" ")).collect();
    titles.sort_unstable();
    titles.dedup();
    titles.retain(|title| !title.starts_with("lorito "));
    titles.retain(|title| notices.lines().filter(|line| line.starts_with(&format!("{title} ("))).count() < 2);
    titles
}

fn deny(project: &Project) -> Result<Tally> {
    let program = tools::cargo_deny(project)?;
    let deny = |manifest: &str, offline: &[&str]| {
        let mut deny = command(&program);
        deny.args(["--locked", "--config", "deny.toml", "--manifest-path", manifest]).args(offline);
        deny.current_dir(&project.root);
        deny
    };
    let mut tally = Tally::default();
    let mut check = |offline: &[&str], what: &[&str]| {
        for (manifest, levels) in MANIFESTS {
            let arguments = [&["check", "--hide-inclusion-graph"], levels, what].concat();
            tally += Tally::one(run(deny(manifest, offline).args(arguments)));
        }
    };
    check(&[], &["bans", "licenses", "sources"]);
    // A machine that cannot reach the database may have an older copy of it.
    if says_yes(deny("Cargo.toml", &[]).args(["fetch", "db"])) || has_advisories() {
        check(&["--offline"], &["advisories"]);
    } else {
        tally += Tally::skipped("advisories: RustSec's database cannot be reached, and there is no copy of it");
    }
    Ok(tally)
}

/// Whether cargo-deny has an earlier copy of RustSec's advisory database.
fn has_advisories() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let copies = home.and_then(|home| fs::read_dir(home.join("advisory-dbs")).ok());
    copies.into_iter().flatten().flatten().any(|copy| copy.path().join(".git").is_dir())
}

/// Severe advisories of the npm registry. Not every registry has them; without them nothing is counted.
fn npm_advisories(folder: &Path) -> Tally {
    let answer = command("npm").args(["audit", "--json", "--package-lock-only"]).current_dir(folder).output();
    let report: Option<Value> = answer.ok().and_then(|answer| serde_json::from_slice(&answer.stdout).ok());
    let Some(counts) = report.as_ref().and_then(|report| report["metadata"]["vulnerabilities"].as_object()) else {
        let folder = folder.file_name().unwrap_or_default().display();
        return Tally::skipped(format!("advisories of {folder}/: the registry of npm packages gives none"));
    };
    let grave: u64 = ["high", "critical"].iter().filter_map(|kind| counts.get(*kind)?.as_u64()).sum();
    Tally::one(if grave == 0 {
        Ok(())
    } else {
        Err(anyhow::anyhow!("{grave} packages of {} have grave faults: `npm audit` there names them", folder.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::without_notice;

    #[test]
    fn the_error_names_crates_without_a_notice() {
        let crates = "lorito v0.1.0 (/here)\nserde v1.0.0\nserde_core v1.0.0\nserde v1.0.0 (*)\n";
        let notices = "serde 1.0.0 (MIT)\n----\nserde 1.0.0 (MIT)\n\nPermission\n";
        assert_eq!(without_notice(crates, notices), ["serde_core 1.0.0"]);
        assert_eq!(without_notice(crates, &notices.replace("serde 1.0.0", "serde 1.0.1")).len(), 2);
    }
}
