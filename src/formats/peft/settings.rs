//! Reads adapter_config.json (peft 0.21.2, `LoraConfig`): uses a few settings, and requires of all others values that
//! have no effect.

use serde_json::{Map, Value};

use crate::{
    config::LoraConfig,
    error::{Error, Result},
};

pub const CONFIG: &str = "adapter_config.json";

const KIND: &str = "LORA";

/// PEFT's defaults of `r` and `lora_alpha`.
const PEFTS: (usize, f64) = (8, 8.0);

/// Settings without effect on the output of a trained adapter, whatever their value.
const WITHOUT_EFFECT: [&str; 21] = [
    // Its purpose, its origin, and how it was trained.
    "task_type",
    "base_model_name_or_path",
    "revision",
    "auto_mapping",
    "peft_version",
    "inference_mode",
    "lora_dropout",
    "runtime_config",
    // Which modules have an adapter: the tensors show that.
    "target_modules",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    // PEFT sets it according to the base model's layers.
    "fan_in_fan_out",
    // Only used with another setting, which is refused.
    "megatron_core",
    "qalora_group_size",
    "ensure_weight_tying",
    "loftq_config",
    "corda_config",
    "lora_ga_config",
    // Only used with an initialisation that leaves the base model unchanged.
    "eva_config",
    // From PEFT's first versions.
    "merge_weights",
];

/// Initialisations that leave the base model's weights unchanged. The others (`pissa`, `olora`, `corda`, `loftq`,
/// `lora_ga`) subtract the adapter's initial product from them, so that the adapter fits other weights than the base
/// model's.
const BEGINNINGS: [&str; 4] = ["gaussian", "eva", "orthogonal", "mica"];

/// The settings that are used.
#[derive(Debug, PartialEq)]
pub struct Settings {
    /// The rank of modules that no pattern matches.
    rank: usize,
    alpha: f64,
    /// Whether the scale is `alpha / sqrt(rank)`, not `alpha / rank`.
    is_rank_stabilised: bool,
    /// Other ranks that modules may have.
    other_ranks: Vec<u64>,
    /// Suffixes of module names, and the alpha of such modules.
    other_alphas: Vec<(String, f64)>,
    /// Suffixes of the names of all modules with an adapter, if only these select them.
    modules: Option<Vec<String>>,
}

impl Settings {
    /// Parses the settings. `known`: the names within a block of the modules that may have an adapter.
    ///
    /// # Errors
    /// [`Error::SettingUnsupported`] for settings that would change the output in an unsupported way,
    /// [`Error::ConfigurationInvalid`] for values that PEFT does not write.
    pub fn read(json: &[u8], known: &[&str]) -> Result<Self> {
        if json.len() > 1 << 20 {
            return Err(invalid(format!("{} bytes are too many", json.len())));
        }
        let all: Map<String, Value> = serde_json::from_slice(json).map_err(invalid)?;
        // Checked first, because other kinds have other settings.
        match all.get("peft_type") {
            Some(kind) if kind == KIND => {}
            Some(kind) => return Err(refused("peft_type", kind, &[KIND])),
            None => return Err(invalid("peft_type is missing")),
        }
        for (setting, value) in &all {
            refuse_unsupported(setting, value)?;
        }
        let number = |setting: &str, usual: f64| match all.get(setting) {
            None => Ok(usual),
            Some(value) => value.as_f64().ok_or_else(|| invalid(format!("{setting} is {}", short(value)))),
        };
        let rank = number("r", PEFTS.0 as f64)?;
        let alpha = number("lora_alpha", PEFTS.1)?;
        if rank.fract() != 0.0 {
            return Err(invalid(format!("r is {rank}")));
        }
        let rank = rank as usize;
        let other_alphas = patterns(&all, "alpha_pattern", Value::as_f64)?;
        for alpha in other_alphas.iter().map(|(_, alpha)| *alpha).chain([alpha]) {
            LoraConfig { rank, alpha, ..LoraConfig::default() }.validate().map_err(invalid)?;
        }
        Ok(Self {
            rank,
            alpha,
            is_rank_stabilised: all.get("use_rslora") == Some(&Value::Bool(true)),
            other_ranks: patterns(&all, "rank_pattern", Value::as_u64)?.into_iter().map(|(_, rank)| rank).collect(),
            other_alphas,
            modules: modules(&all, known)?,
        })
    }

    /// Whether a module's A and B may have this rank. `rank_pattern` need not be matched for it: in PEFT's own files
    /// the tensors agree with it.
    pub fn may_be(&self, rank: usize) -> bool {
        rank > 0 && (rank == self.rank || self.other_ranks.contains(&(rank as u64)))
    }

    /// The expected rank, for the error about a module's rank that [`Settings::may_be`] refuses.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The scale of `module`'s adapter, if its A and B have this rank.
    ///
    /// # Errors
    /// [`Error::SettingUnsupported`] if patterns disagree about it.
    pub fn scale(&self, module: &str, rank: usize) -> Result<f64> {
        let named: Vec<_> = self.other_alphas.iter().filter(|(name, _)| ends_with(module, name)).collect();
        let alpha = named.first().map_or(self.alpha, |(_, alpha)| *alpha);
        match named.iter().find(|(_, other)| *other != alpha) {
            // PEFT takes the first one in the file's order.
            Some((name, other)) => {
                Err(refused("alpha_pattern", &format!("{name}: {other}").into(), &[&format!("{name}: {alpha}")]))
            }
            None => Ok(self.plain_alpha(alpha, rank) / rank as f64),
        }
    }

    /// The alpha that gives an adapter of this rank the same scale, for modules that no pattern matches.
    pub fn alpha(&self, rank: usize) -> f64 {
        self.plain_alpha(self.alpha, self.rank) * (rank as f64 / self.rank as f64)
    }

    /// The alpha that gives the same scale without rank stabilisation.
    fn plain_alpha(&self, alpha: f64, rank: usize) -> f64 {
        if self.is_rank_stabilised { alpha * (rank as f64).sqrt() } else { alpha }
    }

    /// Whether a module must have an adapter, or must not; `None` if only the tensors show it.
    pub fn names(&self, module: &str) -> Option<bool> {
        Some(self.modules.as_ref()?.iter().any(|name| ends_with(module, name)))
    }
}

fn refuse_unsupported(setting: &str, value: &Value) -> Result<()> {
    let used = ["peft_type", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern"];
    if used.contains(&setting) || WITHOUT_EFFECT.contains(&setting) {
        return Ok(());
    }
    // Unset settings have no effect.
    let is_nothing = match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Bool(true) | Value::Number(_) => false,
    };
    match (setting, value) {
        _ if is_nothing => Ok(()),
        ("bias", Value::String(which)) if which == "none" => Ok(()),
        ("bias", _) => Err(refused(setting, value, &["none"])),
        ("init_lora_weights", Value::Bool(true)) => Ok(()),
        ("init_lora_weights", Value::String(way)) if BEGINNINGS.contains(&&way.to_lowercase()[..]) => Ok(()),
        ("init_lora_weights", _) => {
            Err(refused(setting, value, &["true", "false", "gaussian", "eva", "orthogonal", "mica"]))
        }
        (_, Value::Bool(_)) => Err(refused(setting, value, &["false"])),
        _ => Err(refused(setting, value, &["null"])),
    }
}

/// Parses `rank_pattern` or `alpha_pattern`. Keys are regular expressions for the end of a module's name; only plain
/// names are supported, in which a dot stands for any character.
fn patterns<T>(
    all: &Map<String, Value>,
    setting: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<(String, T)>> {
    let Some(Value::Object(entries)) = all.get(setting) else { return Ok(Vec::new()) };
    let is_name =
        |key: &str| key.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.');
    let entry = |(key, value): (&String, &Value)| match read(value) {
        // Tensors show the rank; the alpha is nowhere else.
        Some(number) if setting == "rank_pattern" || is_name(key) => Ok((key.clone(), number)),
        Some(_) => Err(refused(setting, &key[..].into(), &["names of modules"])),
        None => Err(invalid(format!("{setting} has {} for {key}", short(value)))),
    };
    entries.iter().map(entry).collect()
}

/// The names in `target_modules`, if they alone select the modules.
fn modules(all: &Map<String, Value>, known: &[&str]) -> Result<Option<Vec<String>>> {
    let set = |setting: &str| all.get(setting).is_some_and(|value| !value.is_null());
    let names = match all.get("target_modules") {
        Some(Value::Array(names)) => names.iter().map(|name| name.as_str().map(String::from)).collect(),
        // A regular expression, "all-linear", or PEFT's default for GPT-2.
        None | Some(Value::Null | Value::String(_)) => return Ok(None),
        Some(_) => None,
    };
    let Some(names) = names.filter(|names: &Vec<_>| !names.is_empty()) else {
        return Err(invalid(format!("target_modules is {}", short(&all["target_modules"]))));
    };
    let is_known = |name: &String| known.iter().any(|known| ends_with(known, name) || ends_with(name, known));
    if !names.iter().any(is_known) {
        return Err(refused("target_modules", &names.join(", ").into(), known));
    }
    let others = ["layers_to_transform", "layers_pattern", "exclude_modules"];
    Ok((!others.into_iter().any(set)).then_some(names))
}

/// Whether `name`, in which a dot stands for any character, is a module's full name or its end after a dot.
fn ends_with(module: &str, name: &str) -> bool {
    let Some(from) = module.len().checked_sub(name.len()) else { return false };
    let (before, end) = module.as_bytes().split_at(from);
    let alike = |(letter, wanted): (&u8, &u8)| letter == wanted || *wanted == b'.';
    before.last().is_none_or(|last| *last == b'.') && end.iter().zip(name.as_bytes()).all(alike)
}

fn invalid(reason: impl std::fmt::Display) -> Error {
    Error::ConfigurationInvalid { reason: format!("{CONFIG}: {reason}") }
}

fn refused(setting: &str, found: &Value, supported: &[&str]) -> Error {
    let supported = supported.iter().map(|&value| value.to_owned()).collect();
    Error::SettingUnsupported { setting: setting.into(), found: short(found), supported }
}

/// A short form of a value for an error message.
fn short(value: &Value) -> String {
    const MOST: usize = 80;
    let text = value.as_str().map_or_else(|| value.to_string(), String::from);
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 4] = ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"];
    use serde_json::json;

    /// The settings of an adapter with some changes.
    fn with(more: Value) -> Result<Settings> {
        let mut all = json!({"peft_type": "LORA", "r": 4, "lora_alpha": 6, "target_modules": ["c_attn"]});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Settings::read(all.to_string().as_bytes(), &KNOWN)
    }

    #[test]
    fn settings_without_effect_are_ignored() {
        let plain = with(json!({})).unwrap();
        for more in [
            json!({"init_lora_weights": true}),
            json!({"init_lora_weights": false}),
            json!({"init_lora_weights": "gaussian", "eva_config": {"rho": 2.0}}),
            json!({"bias": "none", "use_dora": false, "modules_to_save": null, "layer_replication": []}),
            json!({"rank_pattern": {}, "alpha_pattern": null, "lora_dropout": 0.5, "fan_in_fan_out": false}),
            json!({"enable_lora": null, "merge_weights": true, "auto_mapping": {"parent_library": "transformers"}}),
            json!({"a_setting_of_tomorrow": null, "another": {}}),
        ] {
            assert_eq!(with(more.clone()).unwrap(), plain, "{more}");
        }
        assert_eq!(with(json!({"target_modules": ".*attn"})).unwrap().modules, None);
        assert_eq!(with(json!({"layers_to_transform": [1]})).unwrap().modules, None);
    }

    #[test]
    fn settings_that_change_the_output_are_refused_by_name() {
        for (setting, value) in [
            ("peft_type", json!("PREFIX_TUNING")),
            ("bias", json!("lora_only")),
            ("lora_bias", json!(true)),
            ("use_dora", json!(true)),
            ("use_qalora", json!(true)),
            ("use_bdlora", json!({"nblocks": 2})),
            ("init_lora_weights", json!("pissa")),
            ("init_lora_weights", json!("pissa_niter_16")),
            ("init_lora_weights", json!("olora")),
            ("init_lora_weights", json!("corda")),
            ("init_lora_weights", json!("loftq")),
            ("init_lora_weights", json!("lora_ga")),
            ("layer_replication", json!([[0, 2], [1, 2]])),
            ("modules_to_save", json!(["lm_head"])),
            ("trainable_token_indices", json!([3])),
            ("target_parameters", json!(["wte.weight"])),
            ("alora_invocation_tokens", json!([5, 6])),
            ("megatron_config", json!({"a": 1})),
            ("enable_lora", json!([true, false, true])),
            ("alpha_pattern", json!({"h\\.(0|1)\\.attn\\.c_attn": 4})),
            ("target_modules", json!(["q_proj", "v_proj"])),
            ("a_setting_of_tomorrow", json!(0.5)),
        ] {
            let error = with(json!({setting: value})).unwrap_err();
            assert!(
                matches!(&error, Error::SettingUnsupported { setting: named, .. } if named == setting),
                "{error:?}"
            );
        }
        // The kind is checked before its settings are read.
        let error = Settings::read(br#"{"peft_type": "IA3", "target_modules": ["c_attn"]}"#, &KNOWN).unwrap_err();
        assert_eq!(error.code(), "setting-unsupported");
    }

    #[test]
    fn values_that_peft_does_not_write_are_invalid() {
        for more in [
            json!({"target_modules": []}),
            json!({"target_modules": 3}),
            json!({"target_modules": [3]}),
            json!({"r": 0}),
            json!({"r": -4}),
            json!({"r": 4.5}),
            json!({"r": 1e18}),
            json!({"r": "4"}),
            json!({"lora_alpha": null}),
            json!({"lora_alpha": 0}),
            json!({"alpha_pattern": {"c_attn": "much"}}),
        ] {
            assert_eq!(with(more.clone()).unwrap_err().code(), "configuration-invalid", "{more}");
        }
        for json in ["", "{", "[]", "{}"] {
            assert_eq!(Settings::read(json.as_bytes(), &KNOWN).unwrap_err().code(), "configuration-invalid", "{json}");
        }
    }

    #[test]
    fn the_scale_of_each_module_follows_the_settings() {
        let module = "transformer.h.1.attn.c_attn";
        assert_eq!(with(json!({})).unwrap().scale(module, 4).unwrap(), 1.5);
        assert_eq!(with(json!({"use_rslora": true})).unwrap().scale(module, 4).unwrap(), 3.0);
        assert_eq!(with(json!({"use_rslora": true})).unwrap().alpha(4), 12.0);
        let patterns = with(json!({"rank_pattern": {"c_attn": 2}, "alpha_pattern": {"h.1.attn.c_attn": 8}})).unwrap();
        assert_eq!(patterns.scale(module, 2).unwrap(), 4.0);
        assert_eq!(patterns.scale("transformer.h.0.attn.c_attn", 2).unwrap(), 3.0);
        assert_eq!(patterns.scale("transformer.h.11.attn.c_attn", 4).unwrap(), 1.5);
        assert_eq!(patterns.alpha(2), 3.0);
        assert!(patterns.may_be(2) && patterns.may_be(4) && !patterns.may_be(3));
        let both = with(json!({"alpha_pattern": {"c_attn": 8, "attn.c_attn": 4}})).unwrap();
        assert_eq!(both.scale(module, 4).unwrap_err().code(), "setting-unsupported");
    }
}
