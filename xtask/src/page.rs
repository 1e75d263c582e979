//! Builds the release page in dist/: Trunk compiles the crate and copies files, web/build/bundle.mjs bundles
//! TypeScript.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::Project;
use crate::shell::{Beside, command, run, step};
use crate::tools;

/// The argument of `cargo xtask build` that also builds the browser tests' module.
pub const FOR_TESTS: &str = "--for-tests";

pub fn build(project: &Project) -> Result<()> {
    tools::for_page(project)?;
    step("Building the page into dist/", "10 to 15 minutes the first time, seconds when nothing changed", || {
        let mut trunk = command(project.target.join("tools/bin/trunk"));
        trunk.args(["build", "--release", "--locked", "--skip-version-check"]);
        // web/build/shrink.mjs reads there what the linker noted.
        trunk.env("CARGO_TARGET_DIR", &project.target);
        trunk.env("PATH", tools::path(project)?); // Trunk looks there for wasm-bindgen before it tries to download it
        if std::env::var_os("NO_COLOR").is_some() {
            trunk.env("NO_COLOR", "true"); // Trunk accepts no other value
        }
        run(trunk.current_dir(&project.root))
    })
}

/// The folder of the browser tests' module, which compares single operations.
pub fn operations(project: &Project) -> PathBuf {
    project.target.join("operations")
}

/// Builds that module. It shares the compiled dependencies of the page's build.
pub fn build_operations(project: &Project) -> Result<()> {
    step("Building the operations' own module", "seconds", || {
        let package =
            ["rustc", "--release", "--locked", "-p", "lorito-operations", "--target", "wasm32-unknown-unknown"];
        // The module is not downloaded, and link-time optimisation takes a minute and a half.
        let unlinked = ["--", "-C", "lto=off"];
        run(command("cargo").args(package).args(unlinked).current_dir(&project.root))?;
        let module = project.target.join("wasm32-unknown-unknown/release/lorito_operations.wasm");
        let mut bindgen = command(project.target.join("tools/bin/wasm-bindgen"));
        bindgen.args(["--target", "web", "--no-typescript", "--out-dir"]);
        run(bindgen.arg(operations(project)).arg(module))
    })
}

/// Starts building the page and the browser tests' module in the background.
pub fn start_building(project: &Project) -> Result<Beside> {
    let mut build = Command::new(std::env::current_exe()?);
    build.args(["build", FOR_TESTS]).env("CARGO_MANIFEST_DIR", project.root.join("xtask"));
    Beside::start(&mut build, project.target.join("page.log"))
}
