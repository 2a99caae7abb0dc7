//! The environment as configuration.

use toml::{Table, Value};

use super::{ConfigError, RootCredentials};
use cairn_iam::AccessKey;
use cairn_runtime::Secret;

/// The variables that begin with `CAIRN_`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(Vec<(String, String)>);

/// What kind of value a setting has.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Number,
    List,
}

/// Every setting that a variable can give, by section and key. A test holds it against `Config`.
const SETTINGS: [(&str, &str, Kind); 17] = [
    ("log", "format", Kind::Text),
    ("log", "filter", Kind::Text),
    ("s3", "address", Kind::Text),
    ("s3", "region", Kind::Text),
    ("s3", "domains", Kind::List),
    ("s3", "max_connections", Kind::Number),
    ("s3", "idle_timeout_ms", Kind::Number),
    ("console", "address", Kind::Text),
    ("meta", "snapshot_entries", Kind::Number),
    ("storage", "read_grace_ms", Kind::Number),
    ("engine", "inline_limit_bytes", Kind::Number),
    ("engine", "budget_bytes", Kind::Number),
    ("workers", "reclaim_interval_ms", Kind::Number),
    ("workers", "collect_interval_ms", Kind::Number),
    ("workers", "collect_age_ms", Kind::Number),
    ("dev", "directories", Kind::List),
    ("dev", "profile", Kind::Text),
];

/// Sections whose variables must name a setting.
const SECTIONS: [&str; 8] = [
    "LOG_", "S3_", "CONSOLE_", "META_", "STORAGE_", "ENGINE_", "WORKERS_", "DEV_",
];

impl Environment {
    /// The process's own.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the environment is read"
    )]
    pub(crate) fn of_process() -> Self {
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        Self(
            names
                .filter(|name| name.starts_with("CAIRN_"))
                .filter_map(|name| {
                    let value = std::env::var(&name).ok()?;
                    Some((name, value))
                })
                .collect(),
        )
    }

    #[cfg(test)]
    pub(crate) fn from_pairs(pairs: &[(&str, &str)]) -> Self {
        Self(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    /// The value of `CAIRN_<name>`.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(full, _)| full.strip_prefix("CAIRN_") == Some(name))
            .map(|(_, value)| value.as_str())
    }

    /// Puts every setting that the environment has into `table`.
    pub(crate) fn lay_over(&self, table: &mut Table) -> Result<(), ConfigError> {
        for (name, value) in &self.0 {
            let Some(short) = name.strip_prefix("CAIRN_") else {
                continue;
            };
            let setting = SETTINGS
                .iter()
                .find(|(section, key, _)| short.eq_ignore_ascii_case(&format!("{section}_{key}")));
            match setting {
                Some((section, key, kind)) => {
                    let value = kind.read(value).ok_or_else(|| ConfigError::Variable {
                        name: name.clone(),
                        reason: "a number is needed".to_owned(),
                    })?;
                    put(table, section, key, value);
                }
                None if SECTIONS.iter().any(|section| short.starts_with(section)) => {
                    return Err(ConfigError::Variable {
                        name: name.clone(),
                        reason: "there is no such setting".to_owned(),
                    });
                }
                None => {}
            }
        }
        Ok(())
    }

    /// The root keys, from `CAIRN_ROOT_ACCESS_KEY` and `CAIRN_ROOT_SECRET_KEY`; with neither set, those of `dev`.
    pub(crate) fn root_credentials(&self) -> Result<RootCredentials, ConfigError> {
        let given = |name: &'static str| self.get(name);
        let (access_key, secret_key) = (given("ROOT_ACCESS_KEY"), given("ROOT_SECRET_KEY"));
        let problem = |name: &str, reason: &str| ConfigError::Variable {
            name: name.to_owned(),
            reason: reason.to_owned(),
        };
        match (access_key, secret_key) {
            (None, None) => Ok(RootCredentials {
                access_key: "cairnadmin".to_owned(),
                secret_key: Secret::new("cairnadmin".to_owned()),
                are_default: true,
            }),
            (Some(_), None) => Err(problem(
                "CAIRN_ROOT_SECRET_KEY",
                "it must be set along with CAIRN_ROOT_ACCESS_KEY",
            )),
            (None, Some(_)) => Err(problem(
                "CAIRN_ROOT_ACCESS_KEY",
                "it must be set along with CAIRN_ROOT_SECRET_KEY",
            )),
            (Some(access_key), Some(secret_key)) => {
                if let Err(error) = AccessKey::parse(access_key) {
                    return Err(problem("CAIRN_ROOT_ACCESS_KEY", &error.to_string()));
                }
                if !(8..=256).contains(&secret_key.len()) {
                    return Err(problem(
                        "CAIRN_ROOT_SECRET_KEY",
                        "it has 8 to 256 characters",
                    ));
                }
                Ok(RootCredentials {
                    access_key: access_key.to_owned(),
                    secret_key: Secret::new(secret_key.to_owned()),
                    are_default: false,
                })
            }
        }
    }
}

impl Kind {
    fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::Text => Some(Value::String(text.to_owned())),
            Self::Number => text.trim().parse().ok().map(Value::Integer),
            Self::List => Some(Value::Array(
                text.split(',')
                    .map(str::trim)
                    .filter(|item| !item.is_empty())
                    .map(|item| Value::String(item.to_owned()))
                    .collect(),
            )),
        }
    }
}

fn put(table: &mut Table, section: &str, key: &str, value: Value) {
    let entry = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()));
    // `section = 5` in the file is left as it is: reading it reports what is wrong.
    if let Value::Table(section) = entry {
        section.insert(key.to_owned(), value);
    }
}
