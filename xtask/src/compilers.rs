//! What GPU vendors' compilers make of the kernels, without a GPU: bench/compilers.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::shell::{self, command, step};
use crate::tally::Tally;
use crate::{Project, page, tools};

/// Prints a line for each kernel, with the figures of all compilers that are here or can be installed.
pub fn bench(project: &Project, arguments: &[&str]) -> Result<ExitCode> {
    page::build(project)?;
    let mut node = program(project)?;
    // Without these the other compilers still have their say.
    match tools::naga(project) {
        Ok(naga) => _ = node.env("LORITO_NAGA", naga),
        Err(error) => println!("    {error:#}"),
    }
    match tools::nvidia_compilers(project) {
        Ok(folder) => _ = node.env("LORITO_NVIDIA", folder),
        Err(error) => println!("    {error:#}"),
    }
    step("Compiling the kernels for real GPUs", "3 minutes", || shell::run(node.args(arguments)))?;
    Ok(ExitCode::SUCCESS)
}

/// Holds what AMD's compiler makes of them against the bars in bench/compilers/bars.json.
pub fn check(project: &Project) -> Tally {
    checked(project).unwrap_or_else(|error| Tally::one(Err(error)))
}

fn checked(project: &Project) -> Result<Tally> {
    let mut tally = Tally::default();
    let mut node = program(project)?;
    let succeeded = shell::watch(node.args(["--check", "--compilers", "RDNA3"]), |line| tally.add_line(line))?;
    Ok(tally.of_suite(succeeded))
}

fn program(project: &Project) -> Result<Command> {
    tools::node_packages(project, "bench")?;
    let mut node = command("node");
    node.arg("bench/compilers/main.mjs").arg("--dist").arg(project.dist());
    node.arg("--folder").arg(project.target.join("compilers")).current_dir(&project.root);
    Ok(node)
}
