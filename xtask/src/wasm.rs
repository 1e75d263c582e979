//! Detects a linker problem in the compiled module that makes calls a hundred times slower.
//!
//! Burn registers things before `main` through constructors. Unless the crate itself refers to `__wasm_call_ctors`, the
//! linker wraps every export, wasm-bindgen's allocation helpers included, in a function named `NAME.command_export`
//! that runs all constructors on each call.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

/// An error if calls into the module run the constructors, or if this cannot be determined.
pub fn check_exports(file: &Path) -> Result<()> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let names = Names::of(&bytes).with_context(|| format!("cannot parse {}", file.display()))?;
    ensure!(!names.exports.is_empty(), "{} exports nothing", file.display());
    ensure!(!names.functions.is_empty(), "{} has no function names: keep `strip` off", file.display());
    let is_wrapper = |name: &&String| name.contains("command_export");
    let wrappers: Vec<_> = names.exports.iter().chain(&names.functions).filter(is_wrapper).collect();
    if let Some(first) = wrappers.first() {
        bail!(
            "{} exports run all constructors on every call, the first of them {first}: \
             call `__wasm_call_ctors` once from the crate",
            wrappers.len()
        );
    }
    println!("    {} exports, {} named functions, no wrappers", names.exports.len(), names.functions.len());
    Ok(())
}

/// The names of a module's exports and functions.
#[derive(Default)]
struct Names {
    exports: Vec<String>,
    functions: Vec<String>,
}

impl Names {
    fn of(module: &[u8]) -> Result<Self> {
        let mut rest = Reader(module.strip_prefix(b"\0asm\x01\0\0\0").context("not a WebAssembly 1 module")?);
        let mut names = Self::default();
        while !rest.0.is_empty() {
            let id = rest.byte()?;
            let mut section = rest.block()?;
            match id {
                7 => names.read_exports(&mut section)?,
                0 if section.string()? == "name" => names.read_names(&mut section)?,
                _ => {}
            }
        }
        Ok(names)
    }

    fn read_exports(&mut self, section: &mut Reader) -> Result<()> {
        for _ in 0..section.number()? {
            self.exports.push(section.string()?);
            section.byte()?; // function, table, memory or global
            section.number()?; // its index
        }
        Ok(())
    }

    fn read_names(&mut self, section: &mut Reader) -> Result<()> {
        while !section.0.is_empty() {
            let of_functions = section.byte()? == 1;
            let mut names = section.block()?;
            if of_functions {
                for _ in 0..names.number()? {
                    names.number()?; // the function's index
                    self.functions.push(names.string()?);
                }
            }
        }
        Ok(())
    }
}

/// Parses the rest of a module from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8> {
        let (first, rest) = self.0.split_first().context("it ends too early")?;
        self.0 = rest;
        Ok(*first)
    }

    /// Reads an unsigned LEB128 number: seven bits per byte, the lowest first.
    fn number(&mut self) -> Result<usize> {
        let mut number = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            number |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        bail!("a number is too long")
    }

    /// Reads a length, and that many bytes.
    fn block(&mut self) -> Result<Reader<'a>> {
        let length = self.number()?;
        let (block, rest) = self.0.split_at_checked(length).context("it ends too early")?;
        self.0 = rest;
        Ok(Reader(block))
    }

    fn string(&mut self) -> Result<String> {
        Ok(String::from_utf8_lossy(self.block()?.0).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::check_exports;
    use crate::shell::{command, run};

    const CONSTRUCTOR: &str = r#"
        #[unsafe(no_mangle)]
        pub extern "C" fn answer() -> u32 { COUNT.load(std::sync::atomic::Ordering::Relaxed) }
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        extern "C" fn construct() { COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed); }
        #[used]
        #[unsafe(link_section = ".init_array")]
        static CONSTRUCTOR: extern "C" fn() = construct;
    "#;

    const CURE: &str = r#"
        unsafe extern "C" { fn __wasm_call_ctors(); }
        #[unsafe(no_mangle)]
        pub extern "C" fn start() { unsafe { __wasm_call_ctors() } }
    "#;

    /// Compiles a module with this toolchain's own linker, as the check looks for its behaviour.
    fn compiled(folder: &TempDir, source: &str, options: &[&str]) -> PathBuf {
        let (from, to) = (folder.path().join("module.rs"), folder.path().join("module.wasm"));
        std::fs::write(&from, source).unwrap();
        let mut rustc = command("rustc");
        rustc.args(["--edition=2024", "--crate-type=cdylib", "--target=wasm32-unknown-unknown", "-O"]);
        run(rustc.args(options).arg("-o").arg(&to).arg(&from)).unwrap();
        to
    }

    #[test]
    fn wrapped_exports_are_found() {
        let error = check_exports(&compiled(&tempfile::tempdir().unwrap(), CONSTRUCTOR, &[])).unwrap_err().to_string();
        assert!(error.contains("answer.command_export"), "{error}");
    }

    #[test]
    fn a_module_that_refers_to_its_constructors_passes() {
        check_exports(&compiled(&tempfile::tempdir().unwrap(), &format!("{CONSTRUCTOR}{CURE}"), &[])).unwrap();
    }

    #[test]
    fn a_module_without_names_or_with_a_damaged_end_fails() {
        let folder = tempfile::tempdir().unwrap();
        let stripped = compiled(&folder, CONSTRUCTOR, &["-C", "strip=symbols"]);
        assert!(check_exports(&stripped).unwrap_err().to_string().contains("no function names"));
        let cut = stripped.with_file_name("cut.wasm");
        let bytes = std::fs::read(&stripped).unwrap();
        std::fs::write(&cut, &bytes[..bytes.len() - 3]).unwrap();
        assert!(check_exports(&cut).is_err());
        assert!(check_exports(&stripped.with_file_name("none.wasm")).is_err());
    }
}
