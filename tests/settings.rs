//! The settings in web/shared/settings.ts are generated from the crate's own list.

use std::fmt::Write;

use lorito::config::{LoraConfig, settings};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/web/shared/settings.ts");

/// The expected content of the file.
fn typescript() -> String {
    let mut out = String::from(
        "// The settings, their defaults and limits. Made from src/config/settings.rs:\n\
         // cargo test --test promises -- --ignored settings::write\n\n\
         /** What a setting counts, where its name does not say it. */\n\
         export type Unit = \"tokens\" | \"windows\" | \"passes\" | \"steps\";\n\n\
         /** A number that a person sets. */\n\
         export interface Setting {\n  readonly whole: boolean;\n  readonly default: number;\n  readonly min: number;\n  \
         readonly max: number;\n  readonly unit?: Unit;\n}\n\n\
         /** By what they belong to, in the order of the page's fields. */\n\
         export const SETTINGS = {\n",
    );
    let groups = settings::ALL.chunk_by(|one, other| one.group == other.group);
    for group in groups {
        let name = serde_json::to_value(group[0].group).unwrap();
        writeln!(out, "  {}: {{", name.as_str().unwrap()).unwrap();
        for setting in group {
            let settings::Setting { name, whole, default, min, max, unit, .. } = setting;
            let unit =
                unit.map(|unit| format!(", unit: {}", serde_json::to_string(&unit).unwrap())).unwrap_or_default();
            writeln!(out, "    {name}: {{ whole: {whole}, default: {default}, min: {min}, max: {max}{unit} }},")
                .unwrap();
        }
        out += "  },\n";
    }
    out += "} as const satisfies Record<string, Record<string, Setting>>;\n\n";
    let targets = serde_json::to_value(LoraConfig::default().targets).unwrap();
    out +=
        "/** The matrices of a block that an adapter can be added to, and those that it is added to by default. */\n";
    out += "export const TARGETS = {\n";
    for (name, chosen) in targets.as_object().unwrap() {
        writeln!(out, "  {name}: {chosen},").unwrap();
    }
    out += "} as const;\n";
    out
}

#[test]
fn the_pages_settings_are_up_to_date() {
    let written = std::fs::read_to_string(FILE).unwrap();
    assert!(written == typescript(), "run `cargo test --test promises -- --ignored settings::write`");
}

#[test]
#[ignore = "writes web/shared/settings.ts"]
fn write() {
    std::fs::write(FILE, typescript()).unwrap();
}
