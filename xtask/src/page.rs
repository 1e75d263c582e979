//! The release page in dist/: Trunk compiles the crate and gathers the files, web/build/bundle.mjs bundles the TypeScript.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::Project;
use crate::shell::{Beside, command, run, step};
use crate::tools;

/// The argument of `cargo xtask build` with which it also makes what only the tests need.
pub const FOR_TESTS: &str = "--for-tests";

pub fn build(project: &Project) -> Result<()> {
    tools::for_page(project)?;
    step("Building the page into dist/", "10 to 15 minutes the first time, seconds when nothing changed", || {
        let mut trunk = command(project.target.join("tools/bin/trunk"));
        trunk.args(["build", "--release", "--locked", "--skip-version-check"]);
        trunk.env("PATH", tools::path(project)?); // Trunk looks there for wasm-bindgen, before it tries to download one
        if std::env::var_os("NO_COLOR").is_some() {
            trunk.env("NO_COLOR", "true"); // Trunk takes no other value
        }
        run(trunk.current_dir(&project.root))
    })
}

/// The folder of the module that compares the operations one by one in the browser.
pub fn operations(project: &Project) -> PathBuf {
    project.target.join("operations")
}

/// Makes that module. It uses what the page's build has compiled.
pub fn build_operations(project: &Project) -> Result<()> {
    step("Building the operations' own module", "seconds", || {
        let package =
            ["rustc", "--release", "--locked", "-p", "lorito-operations", "--target", "wasm32-unknown-unknown"];
        // Nobody downloads it, and optimising the whole at once takes a minute and a half.
        let unlinked = ["--", "-C", "lto=off"];
        run(command("cargo").args(package).args(unlinked).current_dir(&project.root))?;
        let module = project.target.join("wasm32-unknown-unknown/release/lorito_operations.wasm");
        let mut bindgen = command(project.target.join("tools/bin/wasm-bindgen"));
        bindgen.args(["--target", "web", "--no-typescript", "--out-dir"]);
        run(bindgen.arg(operations(project)).arg(module))
    })
}

/// Begins a build of the page and of the tests' module beside other work.
pub fn start_building(project: &Project) -> Result<Beside> {
    let mut build = Command::new(std::env::current_exe()?);
    build.args(["build", FOR_TESTS]).env("CARGO_MANIFEST_DIR", project.root.join("xtask"));
    Beside::start(&mut build, project.target.join("page.log"))
}
