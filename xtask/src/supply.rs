//! What the page is made of: whether it may be handed on (deny.toml), whether anything is known against it, and whether
//! its notices go along (licences.txt, which web/build/licences.mjs makes).

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::checks::Tally;
use crate::shell::{command, output, run, says_yes};
use crate::{Project, tools};

/// The folders whose lockfiles say what the page, its tools and its tests are made of.
const NPM: [&str; 3] = ["web", "tests/browser", "bench"];

/// The packages whose lockfiles say what the page and its tools are made of.
const MANIFESTS: [&str; 2] = ["Cargo.toml", "xtask/wasm-bindgen/Cargo.toml"];

pub fn check(project: &Project) -> Tally {
    let mut tally = Tally::one(licences(project));
    tally += deny(project).unwrap_or_else(|error| Tally::one(Err(error)));
    for folder in NPM {
        tally += npm_advisories(&project.root.join(folder));
    }
    tally
}

/// Every crate that the wasm is made of stands in licences.txt, with a text of more than its name.
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

/// `crates`: a line each, such as `serde v1.0.0`. A title stands in the list at the beginning, and above its text.
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
    let deny = |manifest: &str, arguments: &[&str]| {
        let mut deny = command(&program);
        deny.args(["--locked", "--config", "deny.toml", "--manifest-path", manifest]).args(arguments);
        deny.current_dir(&project.root);
        deny
    };
    let mut tally = Tally::default();
    let mut check = |arguments: &[&str]| {
        for manifest in MANIFESTS {
            tally += Tally::one(run(&mut deny(manifest, arguments)));
        }
    };
    check(&["check", "--hide-inclusion-graph", "bans", "licenses", "sources"]);
    if says_yes(&mut deny(MANIFESTS[0], &["fetch", "db"])) {
        check(&["check", "--disable-fetch", "advisories"]);
    } else {
        println!("    not checked: the database of known faults (RustSec) cannot be had from here");
    }
    Ok(tally)
}

/// Grave faults that the npm registry knows of. Not every registry answers that question; then nothing is counted.
fn npm_advisories(folder: &Path) -> Tally {
    let answer = command("npm").args(["audit", "--json", "--package-lock-only"]).current_dir(folder).output();
    let report: Option<Value> = answer.ok().and_then(|answer| serde_json::from_slice(&answer.stdout).ok());
    let Some(counts) = report.as_ref().and_then(|report| report["metadata"]["vulnerabilities"].as_object()) else {
        println!("    not checked: the registry says nothing of known faults in the packages of {}", folder.display());
        return Tally::default();
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
    fn a_crate_without_its_notice_is_named() {
        let crates = "lorito v0.1.0 (/here)\nserde v1.0.0\nserde_core v1.0.0\nserde v1.0.0 (*)\n";
        let notices = "serde 1.0.0 (MIT)\n----\nserde 1.0.0 (MIT)\n\nPermission\n";
        assert_eq!(without_notice(crates, notices), ["serde_core 1.0.0"]);
        assert_eq!(without_notice(crates, &notices.replace("serde 1.0.0", "serde 1.0.1")).len(), 2);
    }
}
