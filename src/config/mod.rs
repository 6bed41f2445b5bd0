//! The settings: one table, from which flags, environment, file, `CONFIG` and the README all follow.
//!
//! A setting is looked up as a flag (`--memory 1GiB`), in the environment (`SILTSTONE_MEMORY=1GiB`), in the file
//! named by `--config` (`memory = "1GiB"`), and last in its default; the first place that has it wins. Whatever
//! place it came from, a value goes through the same function, so a bad one reads the same everywhere:
//!
//! ```text
//! siltstone.toml:3: memory: `lots` is not a size; write bytes, or a number with KiB, MiB or GiB
//! ```
//!
//! The functions here are pure but for [`machine`], which looks at how much memory there is.

pub mod machine;
pub mod text;

mod file;
mod table;

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

pub use file::{Entry, File};
pub use table::{SETTINGS, Setting};

/// When an acknowledged write is on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fsync {
    /// Before it is acknowledged.
    #[default]
    Always,
    /// Within about a second.
    EverySecond,
    /// When the system likes.
    Never,
}

/// How much is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything that happens.
    Debug,
    /// What an operator may want to know later.
    #[default]
    Info,
    /// What an operator should look at.
    Warn,
    /// What has failed.
    Error,
}

/// What a log line looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// The settings in force. [`SETTINGS`] says what each means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The data directory.
    pub dir: PathBuf,
    /// The addresses to listen on.
    pub bind: Vec<IpAddr>,
    /// The TCP port; 0 lets the system choose.
    pub port: u16,
    /// The port of TLS; 0: none.
    pub tls_port: u16,
    /// The directory of the certificates; empty: see [`Config::tls_dir`].
    pub tls_dir: PathBuf,
    /// The port of the table API; 0 lets the system choose. There may be none.
    pub table_port: Option<u16>,
    /// The file of those who may use the table API; empty: none.
    pub table_credentials: PathBuf,
    /// Bytes of memory for the whole process.
    pub memory: u64,
    /// When an acknowledged write is on disk.
    pub fsync: Fsync,
    /// The password that clients must give; empty: none. Never logged.
    pub requirepass: String,
    /// Whether clients from other machines are refused while there is no password.
    pub protected_mode: bool,
    /// How many clients may be connected.
    pub maxclients: u32,
    /// How much is logged.
    pub loglevel: LogLevel,
    /// What a log line looks like.
    pub log_format: LogFormat,
}

impl Default for Config {
    fn default() -> Self {
        let mut config = Self {
            dir: PathBuf::new(),
            bind: Vec::new(),
            port: 0,
            tls_port: 0,
            tls_dir: PathBuf::new(),
            table_port: None,
            table_credentials: PathBuf::new(),
            memory: 0,
            fsync: Fsync::Always,
            requirepass: String::new(),
            protected_mode: true,
            maxclients: 0,
            loglevel: LogLevel::Info,
            log_format: LogFormat::Text,
        };
        for setting in SETTINGS {
            let set = (setting.set)(&mut config, setting.default);
            debug_assert_eq!(set, Ok(()), "the default of {}", setting.name);
        }
        config
    }
}

/// Where a value was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `--name`.
    Flag(String),
    /// `SILTSTONE_NAME`.
    Environment(String),
    /// A line of the file, counted from 1.
    File(PathBuf, usize),
    /// A command of a client.
    Command,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "--{name}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::File(path, line) => write!(f, "{}:{line}", path.display()),
            Self::Command => write!(f, "CONFIG SET"),
        }
    }
}

/// A setting that cannot be, in one line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {what}")]
pub struct BadSetting {
    /// Where it stands.
    pub place: Place,
    /// What is wrong, and what would be right.
    pub what: String,
}

impl Config {
    /// The settings from their three places. `flag` and `environment` answer for a name.
    pub fn load(
        file: Option<&File>,
        environment: impl Fn(&str) -> Option<String>,
        flag: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, BadSetting> {
        let mut config = Self::default();
        if let Some(file) = file {
            for entry in &file.settings {
                config.put(&entry.name, &entry.value, file.place(entry))?;
            }
        }
        for setting in SETTINGS {
            let variable = setting.environment();
            if let Some(value) = environment(&variable) {
                config.put(setting.name, &value, Place::Environment(variable))?;
            }
        }
        for setting in SETTINGS {
            if let Some(value) = flag(setting.name) {
                config.put(setting.name, &value, Place::Flag(setting.name.to_owned()))?;
            }
        }
        Ok(config)
    }

    /// The directory of the certificates.
    pub fn tls_dir(&self) -> PathBuf {
        if self.tls_dir.as_os_str().is_empty() { self.dir.join("tls") } else { self.tls_dir.clone() }
    }

    /// A setting's value as text, that [`Config::put`] takes back.
    pub fn get(&self, name: &str) -> Option<String> {
        Setting::named(name).map(|setting| (setting.get)(self))
    }

    /// Sets one value, whether or not it may change while the server runs.
    pub fn put(&mut self, name: &str, value: &str, place: Place) -> Result<(), BadSetting> {
        let Some(setting) = Setting::named(name) else {
            let near = nearest(name, SETTINGS.iter().map(|setting| setting.name));
            return Err(BadSetting { place, what: format!("there is no setting `{name}`{near}") });
        };
        (setting.set)(self, value).map_err(|what| BadSetting {
            what: if matches!(place, Place::File(..)) { format!("{name}: {what}") } else { what },
            place,
        })
    }
}

/// Asks whether the name was meant that needs the fewest changes to be this one, if at most three.
pub fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let name = name.replace('_', "-");
    names
        .map(|other| (distance(&name, other), other))
        .filter(|&(distance, _)| distance <= 3)
        .min()
        .map_or_else(String::new, |(_, near)| format!("; did you mean `{near}`?"))
}

/// Levenshtein's distance (1966), one row at a time.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, y) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn none(_: &str) -> Option<String> {
        None
    }

    fn file(content: &str) -> Result<File, BadSetting> {
        File::parse(Path::new("s.toml"), content)
    }

    #[test]
    fn every_default_is_accepted_and_comes_back() {
        let config = Config::default();
        for setting in SETTINGS {
            let mut again = config.clone();
            let value = (setting.get)(&config);
            assert_eq!((setting.set)(&mut again, &value), Ok(()), "{}", setting.name);
            assert_eq!(config, again, "{}", setting.name);
        }
    }

    #[test]
    fn there_are_fewer_than_fifteen() {
        assert!(SETTINGS.len() < 15);
    }

    #[test]
    fn a_flag_beats_the_environment_and_that_the_file() {
        let file = file("port = 1\nmemory = \"16MiB\"\nmaxclients = 5\n").unwrap();
        let environment = |name: &str| match name {
            "SILTSTONE_PORT" => Some("2".to_owned()),
            "SILTSTONE_MEMORY" => Some("32MiB".to_owned()),
            _ => None,
        };
        let flag = |name: &str| (name == "port").then(|| "3".to_owned());
        let config = Config::load(Some(&file), environment, flag).unwrap();
        assert_eq!((config.port, config.memory, config.maxclients), (3, 32 << 20, 5));
    }

    #[test]
    fn a_bad_value_says_where_it_stands() {
        let bad = |content, environment: &str, flag: &str| {
            let load = |file| {
                Config::load(
                    Some(&file),
                    |name| {
                        (name == "SILTSTONE_PORT" && !environment.is_empty()).then(|| environment.to_owned())
                    },
                    |name| (name == "fsync" && !flag.is_empty()).then(|| flag.to_owned()),
                )
            };
            file(content).and_then(load).unwrap_err().to_string()
        };
        assert_eq!(
            bad("# size\n\nmemory = \"lots\"", "", ""),
            "s.toml:3: memory: `lots` is not a size; write bytes, or a number with KiB, MiB or GiB"
        );
        assert_eq!(bad("", "99999", ""), "environment SILTSTONE_PORT: `99999` is not a port from 0 to 65535");
        assert_eq!(bad("", "", "often"), "--fsync: `often` is none of always, everysec, never");
        assert_eq!(bad("portt = 3", "", ""), "s.toml:1: there is no setting `portt`; did you mean `port`?");
        assert_eq!(
            bad("protected_mode = false", "", ""),
            "s.toml:1: there is no setting `protected_mode`; did you mean `protected-mode`?"
        );
        assert!(bad("port = ", "", "").starts_with("s.toml:1: "), "{}", bad("port = ", "", ""));
        assert!(bad("port = 1\nport = 2\n", "", "").starts_with("s.toml:2: "));
        assert_eq!(bad("port = 1.5", "", ""), "s.toml:1: port: `1.5` is not a port from 0 to 65535");
        assert_eq!(
            bad("[redis]\nhz = 1\n[other]\n", "", ""),
            "s.toml:3: `other` is a table; settings stand alone, one a line"
        );
        assert_eq!(
            bad("port = 1\nredis.hz = 1\n", "", ""),
            "s.toml:2: write [redis] as a line of its own, its parameters below it"
        );
        assert_eq!(
            bad("tables.item-bytes-max = 1\n", "", ""),
            "s.toml:1: write [tables] as a line of its own, its limits below it"
        );
        assert_eq!(bad("redis = 1", "", ""), "s.toml:1: `redis` is not a setting, but a table: [redis]");
    }

    #[test]
    fn rewriting_keeps_comments_and_what_is_default() {
        let old = "# ours\nport = 7000 # front\nbind = [\n  \"127.0.0.1\",\n  \"::1\",\n]\n";
        let old = file(old).unwrap();
        let mut config = Config::load(Some(&old), none, none).unwrap();
        config.put("port", "7001", Place::Command).unwrap();
        config.put("maxclients", "12", Place::Command).unwrap();
        let new = old.rewrite(&config, &[], &[]);
        assert_eq!(
            new,
            "# ours\nport = 7001 # front\nbind = [\n  \"127.0.0.1\",\n  \"::1\",\n]\nmaxclients = 12\n"
        );
        assert_eq!(Config::load(Some(&file(&new).unwrap()), none, none).unwrap(), config);
    }

    #[test]
    fn rewriting_keeps_the_table_of_redis_apart() {
        let mut config = Config::default();
        config.put("maxclients", "12", Place::Command).unwrap();
        let rewrite = |old: &str, changed: &[Option<&str>], added: &[(&str, &str)]| {
            let changed: Vec<_> = changed.iter().map(|value| value.map(str::to_owned)).collect();
            let added: Vec<_> = added.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
            let new = file(old).unwrap().rewrite(&config, &changed, &added);
            let again = file(&new).unwrap();
            assert_eq!(Config::load(Some(&again), none, none).unwrap(), config, "{new}");
            assert_eq!(
                again.rewrite(&config, &vec![None; again.redis.len()], &[]),
                new,
                "nothing more to do"
            );
            new
        };
        assert_eq!(rewrite("", &[], &[("hz", "20")]), "maxclients = 12\n\n[redis]\nhz = 20\n");
        assert_eq!(rewrite("# a\n[redis]", &[], &[("hz", "20")]), "# a\nmaxclients = 12\n[redis]\nhz = 20\n");
        assert_eq!(
            rewrite(
                "maxclients = 5 # b\n\n# c\n[redis] # d\nhz = 9 # e\ntimeout = 7",
                &[Some("x y"), None],
                &[]
            ),
            "maxclients = 12 # b\n\n# c\n[redis] # d\nhz = \"x y\" # e\ntimeout = 7"
        );
        assert_eq!(
            rewrite("loglevel = \"info\" # b\n\n# c\n[redis]\nhz = 9", &[None], &[("timeout", "7")]),
            "loglevel = \"info\" # b\nmaxclients = 12\n\n# c\n[redis]\nhz = 9\ntimeout = 7\n"
        );
        assert_eq!(
            rewrite("[redis]\nhz = 9 # a\n\n[tables]\nx = 1\n", &[Some("8")], &[("timeout", "7")]),
            "maxclients = 12\n[redis]\nhz = 8 # a\ntimeout = 7\n\n[tables]\nx = 1\n"
        );
        assert_eq!(
            rewrite("[tables]\nx = 1", &[], &[("hz", "7")]),
            "maxclients = 12\n[tables]\nx = 1\n\n[redis]\nhz = 7\n"
        );
    }
}
