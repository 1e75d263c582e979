//! Reads adapter_config.json (peft 0.21.2, `LoraConfig`): uses a few settings, and requires of all others values that
//! have no effect.

use serde_json::{Map, Value};

use crate::{
    config::LoraConfig,
    error::{Error, Result},
};

pub const CONFIG: &str = "adapter_config.json";

const KIND: &str = "LORA";

/// PEFT's `r` and `lora_alpha` where a file does not say them.
const PEFTS: (usize, f64) = (8, 8.0);

/// Settings that change nothing of what a finished adapter computes, whatever they are.
const WITHOUT_EFFECT: [&str; 21] = [
    // What the adapter is for, where it comes from, and how it was trained.
    "task_type",
    "base_model_name_or_path",
    "revision",
    "auto_mapping",
    "peft_version",
    "inference_mode",
    "lora_dropout",
    "runtime_config",
    // Which matrices have one: the tensors say that.
    "target_modules",
    "exclude_modules",
    "layers_to_transform",
    "layers_pattern",
    // PEFT sets it as the base model's layers have it.
    "fan_in_fan_out",
    // They go with another setting, which is refused.
    "megatron_core",
    "qalora_group_size",
    "ensure_weight_tying",
    "loftq_config",
    "corda_config",
    "lora_ga_config",
    // It goes with a way to begin that leaves the base model as it is.
    "eva_config",
    // Of PEFT's first versions.
    "merge_weights",
];

/// Ways to begin that leave the base model's weights as they are. The others (`pissa`, `olora`, `corda`, `loftq`, `lora_ga`)
/// take from them what the adapter begins with, so that it fits to other weights than the base model's.
const BEGINNINGS: [&str; 4] = ["gaussian", "eva", "orthogonal", "mica"];

/// What is used of an adapter's settings.
#[derive(Debug, PartialEq)]
pub struct Settings {
    /// Of the matrices that no pattern names.
    rank: usize,
    alpha: f64,
    /// Whether the adapter counts `alpha / sqrt(rank)` times, not `alpha / rank`.
    is_rank_stabilised: bool,
    /// Ranks that matrices may have instead.
    other_ranks: Vec<u64>,
    /// Ends of modules' names, and the alpha that such modules have instead.
    other_alphas: Vec<(String, f64)>,
    /// Ends of the names of all modules that have an adapter, where it is these and nothing else that chooses them.
    modules: Option<Vec<String>>,
}

impl Settings {
    /// `known`: the names within a block of the modules that may have an adapter.
    ///
    /// # Errors
    /// [`Error::SettingUnsupported`] for what the adapter would compute and we do not, [`Error::ConfigurationInvalid`] for
    /// what PEFT does not write.
    pub fn read(json: &[u8], known: &[&str]) -> Result<Self> {
        if json.len() > 1 << 20 {
            return Err(invalid(format!("{} bytes are too many", json.len())));
        }
        let all: Map<String, Value> = serde_json::from_slice(json).map_err(invalid)?;
        // Before all else, as other kinds have other settings.
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

    /// Whether a module's thin matrices may have this rank. `rank_pattern` need not be matched for it: PEFT's own files have
    /// what it says.
    pub fn may_be(&self, rank: usize) -> bool {
        rank > 0 && (rank == self.rank || self.other_ranks.contains(&(rank as u64)))
    }

    /// What the error says of a module's rank that [`Settings::may_be`] refuses.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// How often the adapter of `module` counts, if its thin matrices have this rank.
    ///
    /// # Errors
    /// [`Error::SettingUnsupported`] where patterns disagree about it.
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

    /// The alpha with which an adapter of this rank counts as often as this one does where no pattern names a module.
    pub fn alpha(&self, rank: usize) -> f64 {
        self.plain_alpha(self.alpha, self.rank) * (rank as f64 / self.rank as f64)
    }

    /// The alpha that counts as often without rank stabilisation.
    fn plain_alpha(&self, alpha: f64, rank: usize) -> f64 {
        if self.is_rank_stabilised { alpha * (rank as f64).sqrt() } else { alpha }
    }

    /// Whether a module must have an adapter, or must have none; `None` where only the tensors say it.
    pub fn names(&self, module: &str) -> Option<bool> {
        Some(self.modules.as_ref()?.iter().any(|name| ends_with(module, name)))
    }
}

fn refuse_unsupported(setting: &str, value: &Value) -> Result<()> {
    let used = ["peft_type", "r", "lora_alpha", "use_rslora", "rank_pattern", "alpha_pattern"];
    if used.contains(&setting) || WITHOUT_EFFECT.contains(&setting) {
        return Ok(());
    }
    // What is set to nothing does nothing, whatever it is.
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

/// `rank_pattern` or `alpha_pattern`. Keys are regular expressions for the end of a module's name; of these only names are
/// understood, in which a dot stands for any character.
fn patterns<T>(
    all: &Map<String, Value>,
    setting: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Vec<(String, T)>> {
    let Some(Value::Object(entries)) = all.get(setting) else { return Ok(Vec::new()) };
    let is_name =
        |key: &str| key.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '.');
    let entry = |(key, value): (&String, &Value)| match read(value) {
        // A rank is what its tensors say; an alpha is nowhere else.
        Some(number) if setting == "rank_pattern" || is_name(key) => Ok((key.clone(), number)),
        Some(_) => Err(refused(setting, &key[..].into(), &["names of modules"])),
        None => Err(invalid(format!("{setting} has {} for {key}", short(value)))),
    };
    entries.iter().map(entry).collect()
}

/// The names in `target_modules`, where they alone say which modules have an adapter.
fn modules(all: &Map<String, Value>, known: &[&str]) -> Result<Option<Vec<String>>> {
    let set = |setting: &str| all.get(setting).is_some_and(|value| !value.is_null());
    let names = match all.get("target_modules") {
        Some(Value::Array(names)) => names.iter().map(|name| name.as_str().map(String::from)).collect(),
        // A regular expression, "all-linear", or what PEFT takes for GPT-2.
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

/// Whether `name`, in which a dot stands for any character, is the whole of a module's name or its end after a dot.
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

/// A value as a sentence can have it.
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

    /// The settings of an adapter with some changed.
    fn with(more: Value) -> Result<Settings> {
        let mut all = json!({"peft_type": "LORA", "r": 4, "lora_alpha": 6, "target_modules": ["c_attn"]});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Settings::read(all.to_string().as_bytes(), &KNOWN)
    }

    #[test]
    fn what_changes_nothing_is_not_looked_at() {
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
    fn what_would_compute_something_else_is_refused_by_its_name() {
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
        // The kind is known before its settings are looked for.
        let error = Settings::read(br#"{"peft_type": "IA3", "target_modules": ["c_attn"]}"#, &KNOWN).unwrap_err();
        assert_eq!(error.code(), "setting-unsupported");
    }

    #[test]
    fn what_peft_does_not_write_is_invalid() {
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
    fn each_module_counts_as_often_as_the_settings_say() {
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
