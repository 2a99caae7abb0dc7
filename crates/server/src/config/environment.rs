//! The environment as configuration.

use toml::{Table, Value};

use super::{ConfigError, RootCredentials};
use cairn_iam::AccessKey;
use cairn_runtime::Secret;

/// The variables that begin with `CAIRN_`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Environment(Vec<(String, String)>);

/// What kind of value a setting has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Text,
    Number,
    Truth,
    List,
}

/// Every setting that a variable can give, by section and key. A test holds it against `Config`.
const SETTINGS: &[(&str, &str, Kind)] = &[
    ("log", "format", Kind::Text),
    ("log", "filter", Kind::Text),
    ("s3", "address", Kind::Text),
    ("s3", "region", Kind::Text),
    ("s3", "dialect", Kind::Text),
    ("s3", "domains", Kind::List),
    ("s3", "signature_v2", Kind::Text),
    ("s3", "tls_certificate_file", Kind::Text),
    ("s3", "tls_key_file", Kind::Text),
    ("s3", "max_connections", Kind::Number),
    ("s3", "idle_timeout_ms", Kind::Number),
    ("s3", "drain_delay_ms", Kind::Number),
    ("console", "address", Kind::Text),
    ("meta", "directory", Kind::Text),
    ("meta", "data_groups", Kind::Number),
    ("meta", "snapshot_entries", Kind::Number),
    ("meta", "log_bytes", Kind::Number),
    ("storage", "directories", Kind::List),
    ("storage", "replace_lost", Kind::Truth),
    ("storage", "read_grace_ms", Kind::Number),
    ("engine", "inline_limit_bytes", Kind::Number),
    ("engine", "budget_bytes", Kind::Number),
    ("workers", "reclaim_interval_ms", Kind::Number),
    ("workers", "collect_interval_ms", Kind::Number),
    ("workers", "collect_age_ms", Kind::Number),
    ("dev", "directories", Kind::List),
    ("dev", "profile", Kind::Text),
    ("node", "name", Kind::Text),
    ("node", "worker_threads", Kind::Number),
    ("node", "address", Kind::Text),
    ("node", "advertise", Kind::Text),
    ("node", "zone", Kind::Text),
    ("node", "host", Kind::Text),
    ("cluster", "members", Kind::List),
    ("cluster", "master_key_file", Kind::Text),
    ("pool", "profile", Kind::Text),
];

/// Both keys of `dev` where none are set.
const DEV_KEY: &str = "cairnadmin";

/// The variables with the root keys.
const ROOT_KEYS: [&str; 2] = ["ROOT_ACCESS_KEY", "ROOT_SECRET_KEY"];

/// The variable with the master key.
const MASTER_KEY: &str = "MASTER_KEY";

/// Other variables that mean something to Cairn's own tools, and nothing to a server.
const OF_TOOLS: [&str; 2] = ["BIN", "CACHE"];

/// One setting that a variable gives.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Setting<'a> {
    /// The variable.
    pub(crate) name: &'a str,
    section: &'static str,
    key: &'static str,
    value: Value,
}

impl Environment {
    /// The process's own.
    ///
    /// # Errors
    /// When a name or value is not UTF-8.
    pub(crate) fn of_process() -> Result<Self, ConfigError> {
        std::env::vars_os()
            .filter(|(name, _)| name.as_encoded_bytes().starts_with(b"CAIRN_"))
            .map(
                |(name, value)| match (name.into_string(), value.into_string()) {
                    (Ok(name), Ok(value)) => Ok((name, value)),
                    (Ok(name), Err(_)) => Err(problem(&name, "it is not UTF-8")),
                    (Err(name), _) => Err(problem(&name.to_string_lossy(), "it is not UTF-8")),
                },
            )
            .collect::<Result<_, _>>()
            .map(Self)
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

    /// Every setting that the environment has.
    ///
    /// # Errors
    /// When a variable means nothing to anybody: it may be a setting that is misspelt.
    pub(crate) fn settings(&self) -> Result<Vec<Setting<'_>>, ConfigError> {
        let mut found = Vec::new();
        for (name, text) in &self.0 {
            let Some(short) = name.strip_prefix("CAIRN_") else {
                continue;
            };
            let setting = SETTINGS
                .iter()
                .find(|(section, key, _)| short.eq_ignore_ascii_case(&format!("{section}_{key}")));
            match setting {
                Some((section, key, kind)) => found.push(Setting {
                    name,
                    section,
                    key,
                    value: kind
                        .read(text)
                        .ok_or_else(|| problem(name, kind.needed()))?,
                }),
                None if is_known(short) || is_service_link(name, text) => {}
                None => return Err(problem(name, "there is no such setting")),
            }
        }
        Ok(found)
    }

    /// The root keys of a role that is a process of its own: there are none that everybody knows.
    ///
    /// # Errors
    /// When none are set, or those of `dev`.
    pub(crate) fn cluster_credentials(&self) -> Result<RootCredentials, ConfigError> {
        let credentials = self.root_credentials()?;
        let is_known = credentials.are_default
            || credentials.access_key == DEV_KEY
            || credentials.secret_key.expose() == DEV_KEY;
        if is_known {
            return Err(problem(
                "CAIRN_ROOT_ACCESS_KEY",
                "set it and CAIRN_ROOT_SECRET_KEY to keys that nobody else knows, the same for all processes of the cluster",
            ));
        }
        Ok(credentials)
    }

    /// The root keys, from `CAIRN_ROOT_ACCESS_KEY` and `CAIRN_ROOT_SECRET_KEY`; with neither set, those of `dev`.
    pub(crate) fn root_credentials(&self) -> Result<RootCredentials, ConfigError> {
        let [access_key, secret_key] = ROOT_KEYS.map(|name| self.get(name));
        match (access_key, secret_key) {
            (None, None) => Ok(RootCredentials {
                access_key: DEV_KEY.to_owned(),
                secret_key: Secret::new(DEV_KEY.to_owned()),
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
            Self::Truth => text.trim().parse().ok().map(Value::Boolean),
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

impl Kind {
    /// What a text that cannot be read ought to be.
    const fn needed(self) -> &'static str {
        match self {
            Self::Number => "a number is needed",
            Self::Truth => "true or false is needed",
            Self::Text | Self::List => "another text is needed",
        }
    }
}

impl Setting<'_> {
    /// Puts it into a table of sections.
    pub(crate) fn put_into(&self, table: &mut Table) {
        let entry = table
            .entry(self.section)
            .or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = entry {
            section.insert(self.key.to_owned(), self.value.clone());
        }
    }
}

fn problem(name: &str, reason: &str) -> ConfigError {
    ConfigError::Variable {
        name: name.to_owned(),
        reason: reason.to_owned(),
    }
}

/// Whether a variable means something and is no setting, by its name without `CAIRN_`.
fn is_known(short: &str) -> bool {
    ROOT_KEYS.contains(&short)
        || short == MASTER_KEY
        || OF_TOOLS.contains(&short)
        || short.starts_with("TEST_")
}

/// Whether Kubernetes made this variable for a service whose name begins with `cairn`: it does for every service, in every
/// container. Source: Kubernetes, "Service: environment variables".
fn is_service_link(name: &str, value: &str) -> bool {
    let has_port = |text: &str| {
        let (number, rest) = text.split_once('_').unwrap_or((text, ""));
        !rest.is_empty() && !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    name.ends_with("_SERVICE_HOST")
        || name.ends_with("_SERVICE_PORT")
        || name.contains("_SERVICE_PORT_")
        // `tcp://10.0.0.1:9000`, and so no port that somebody wants to set.
        || (name.ends_with("_PORT") && value.contains("://"))
        || name.split("_PORT_").skip(1).any(has_port)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::Config;

    #[test]
    fn every_setting_has_a_variable_of_its_kind() {
        let Value::Table(sections) = Value::try_from(Config::default()).unwrap() else {
            panic!("a configuration is a table");
        };
        let mut of_config = BTreeSet::new();
        for (section, settings) in sections {
            let Value::Table(settings) = settings else {
                panic!("{section} is no section");
            };
            for (key, value) in settings {
                let kind = match value {
                    Value::String(_) => Kind::Text,
                    Value::Integer(_) => Kind::Number,
                    Value::Boolean(_) => Kind::Truth,
                    Value::Array(_) => Kind::List,
                    other => panic!("{section}.{key}: {other:?}"),
                };
                of_config.insert((section.clone(), key, kind));
            }
        }
        let of_variables = SETTINGS
            .iter()
            .map(|(section, key, kind)| ((*section).to_owned(), (*key).to_owned(), *kind));
        assert_eq!(of_variables.collect::<BTreeSet<_>>(), of_config);
    }

    #[test]
    fn what_kubernetes_says_of_services_is_no_setting() {
        for (name, value) in [
            ("CAIRN_META_SERVICE_HOST", "10.0.0.1"),
            ("CAIRN_META_SERVICE_PORT", "9100"),
            ("CAIRN_S3_SERVICE_PORT_HTTP", "9000"),
            ("CAIRN_S3_PORT", "tcp://10.0.0.1:9000"),
            ("CAIRN_S3_PORT_9000_TCP", "tcp://10.0.0.1:9000"),
            ("CAIRN_S3_PORT_9000_TCP_ADDR", "10.0.0.1"),
            ("CAIRN_PORT_9000_TCP_PORT", "9000"),
            ("CAIRN_SERVICE_HOST", "10.0.0.1"),
        ] {
            let environment = Environment::from_pairs(&[(name, value)]);
            assert_eq!(environment.settings().unwrap(), [], "{name}");
        }
    }

    #[test]
    fn what_nobody_knows_is_refused() {
        for name in [
            "CAIRN_STORGE_READ_GRACE_MS",
            "CAIRN_ROOT_ACCES_KEY",
            "CAIRN_S3_PORT",
            "CAIRN_S3_PORT_NUMBER",
            "CAIRN_",
        ] {
            let environment = Environment::from_pairs(&[(name, "9000")]);
            let refused = environment.settings().unwrap_err().to_string();
            assert!(refused.contains(name), "{refused}");
        }
        for name in ["CAIRN_ROOT_ACCESS_KEY", "CAIRN_CACHE", "CAIRN_TEST_SEED"] {
            let environment = Environment::from_pairs(&[(name, "x")]);
            assert_eq!(environment.settings().unwrap(), []);
        }
    }
}
