//! The table of settings.

use super::{Config, Fsync, LogFormat, LogLevel, machine, text};

/// A setting.
pub struct Setting {
    /// Its name: the flag without the dashes, the key in the file, the parameter of `CONFIG`.
    pub name: &'static str,
    /// What stands for its value in `--help`.
    pub value_name: &'static str,
    /// Its default, as one would write it.
    pub default: &'static str,
    /// Whether `CONFIG SET` may change it while the server runs.
    pub live: bool,
    /// Whether its value must not be shown or logged.
    pub secret: bool,
    /// What it does, in one or two sentences.
    pub doc: &'static str,
    /// Reads it, as text that `set` takes back.
    pub get: fn(&Config) -> String,
    /// Sets it from text, or says what is wrong with that.
    pub set: fn(&mut Config, &str) -> Result<(), String>,
}

impl Setting {
    /// The setting of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }

    /// The environment variable that sets it.
    pub fn environment(&self) -> String {
        format!("SILTSTONE_{}", self.name.replace('-', "_").to_uppercase())
    }
}

const FSYNC: &[(&str, Fsync)] =
    &[("always", Fsync::Always), ("everysec", Fsync::EverySecond), ("never", Fsync::Never)];

const LEVELS: &[(&str, LogLevel)] = &[
    ("debug", LogLevel::Debug),
    ("info", LogLevel::Info),
    ("warn", LogLevel::Warn),
    ("error", LogLevel::Error),
];

const FORMATS: &[(&str, LogFormat)] = &[("text", LogFormat::Text), ("json", LogFormat::Json)];

/// The least memory a server can do with.
const MEMORY_MIN: u64 = 16 << 20;

/// All settings, in the order in which they are documented.
pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "dir",
        value_name: "DIR",
        default: "./siltstone-data",
        live: false,
        secret: false,
        doc: "Directory of the data; created if it is missing",
        get: |config| config.dir.display().to_string(),
        set: |config, value| {
            config.dir = text::path(value)?;
            Ok(())
        },
    },
    Setting {
        name: "bind",
        value_name: "ADDR",
        default: "127.0.0.1",
        live: false,
        secret: false,
        doc: "Addresses to listen on, separated by commas",
        get: |config| config.bind.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        set: |config, value| {
            config.bind = text::addresses(value)?;
            Ok(())
        },
    },
    Setting {
        name: "port",
        value_name: "N",
        default: "6379",
        live: false,
        secret: false,
        doc: "TCP port; 0 takes a free one and logs it, or none where there is `tls-port`",
        get: |config| config.port.to_string(),
        set: |config, value| {
            config.port = text::port(value)?;
            Ok(())
        },
    },
    Setting {
        name: "tls-port",
        value_name: "N",
        default: "0",
        live: false,
        secret: false,
        doc: "Port of TLS; 0 for none",
        get: |config| config.tls_port.to_string(),
        set: |config, value| {
            config.tls_port = text::port(value)?;
            Ok(())
        },
    },
    Setting {
        name: "tls-dir",
        value_name: "DIR",
        default: "",
        live: true,
        secret: false,
        doc: "Directory of cert.pem (the chain), key.pem and, if clients have to show certificates, ca.pem; if none is given, \
              `tls` in `dir`",
        get: |config| config.tls_dir.display().to_string(),
        set: |config, value| {
            config.tls_dir = value.into();
            Ok(())
        },
    },
    Setting {
        name: "table-port",
        value_name: "PORT",
        default: "8000",
        live: false,
        secret: false,
        doc: "Port of DynamoDB's API; 0 for none, `auto` takes a free one and logs it. It takes TLS as well where there is \
              `tls-port`",
        get: |config| text::show_table_port(config.table_port),
        set: |config, value| {
            config.table_port = text::table_port(value)?;
            Ok(())
        },
    },
    Setting {
        name: "table-credentials",
        value_name: "FILE",
        default: "",
        live: false,
        secret: false,
        doc: "Who may use DynamoDB's API: an AWS credentials file, reread on SIGHUP; without one whoever is on this machine",
        get: |config| config.table_credentials.display().to_string(),
        set: |config, value| {
            config.table_credentials = value.into();
            Ok(())
        },
    },
    Setting {
        name: "memory",
        value_name: "SIZE",
        default: "auto",
        live: false,
        secret: false,
        doc: "Memory of the whole process, such as 256MiB; `auto` is half of what the machine or its cgroup has",
        get: |config| text::show_size(config.memory),
        set: |config, value| {
            config.memory =
                if value == "auto" { machine::memory_default() } else { text::size(value, MEMORY_MIN)? };
            Ok(())
        },
    },
    Setting {
        name: "fsync",
        value_name: "WHEN",
        default: "always",
        live: true,
        secret: false,
        doc: "When an acknowledged write is on disk: `always` before the reply, `everysec` within about a second, \
              `never` when the system likes",
        get: |config| text::show_choice(FSYNC, config.fsync),
        set: |config, value| {
            config.fsync = text::choice(FSYNC, value)?;
            Ok(())
        },
    },
    Setting {
        name: "requirepass",
        value_name: "PASSWORD",
        default: "",
        live: true,
        secret: true,
        doc: "Password that clients give with AUTH; empty for none. Better in the file than on the command line",
        get: |config| config.requirepass.clone(),
        set: |config, value| {
            value.clone_into(&mut config.requirepass);
            Ok(())
        },
    },
    Setting {
        name: "protected-mode",
        value_name: "YES|NO",
        default: "yes",
        live: true,
        secret: false,
        doc: "Refuses clients from other machines while there is no password",
        get: |config| if config.protected_mode { "yes" } else { "no" }.to_owned(),
        set: |config, value| {
            config.protected_mode = text::yes_no(value)?;
            Ok(())
        },
    },
    Setting {
        name: "maxclients",
        value_name: "N",
        default: "10000",
        live: true,
        secret: false,
        doc: "Clients that may be connected at once",
        get: |config| config.maxclients.to_string(),
        set: |config, value| {
            config.maxclients = text::number(value, 1, 1_000_000)?;
            Ok(())
        },
    },
    Setting {
        name: "loglevel",
        value_name: "LEVEL",
        default: "info",
        live: true,
        secret: false,
        doc: "How much is logged to standard error: debug, info, warn or error",
        get: |config| text::show_choice(LEVELS, config.loglevel),
        set: |config, value| {
            // Redis's own names for the two in the middle are taken too.
            let value = match value {
                "verbose" => "debug",
                "notice" => "info",
                "warning" => "warn",
                other => other,
            };
            config.loglevel = text::choice(LEVELS, value)?;
            Ok(())
        },
    },
    Setting {
        name: "log-format",
        value_name: "FORMAT",
        default: "text",
        live: false,
        secret: false,
        doc: "What a log line looks like: text or json",
        get: |config| text::show_choice(FORMATS, config.log_format),
        set: |config, value| {
            config.log_format = text::choice(FORMATS, value)?;
            Ok(())
        },
    },
];
