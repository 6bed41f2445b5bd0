//! `siltstone serve`: settings from flags, environment and file, and then the server until it is told to stop.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Arg, ArgMatches, FromArgMatches};

use super::{Failure, directory};
use crate::allocator;
use crate::config::text::show_size;
use crate::config::{Config, File, LogFormat, LogLevel, SETTINGS};
use crate::dynamo::limits::Limits;
use crate::engine::{Env, Event};
use crate::redis::parameters::Parameters;
use crate::server::{self, Setup};

/// The flags: one for each row of the settings' table, and the file.
#[derive(Debug)]
pub(super) struct Args {
    config: Option<PathBuf>,
    flags: Vec<(&'static str, String)>,
}

impl clap::Args for Args {
    fn augment_args(command: clap::Command) -> clap::Command {
        let settings = SETTINGS.iter().map(|setting| {
            let changes = if setting.live { " (changeable with CONFIG SET)" } else { "" };
            let default = if setting.default.is_empty() { "none" } else { setting.default };
            Arg::new(setting.name)
                .long(setting.name)
                .value_name(setting.value_name)
                .allow_hyphen_values(true)
                .help(format!(
                    "{}{changes} [env: {}] [default: {default}]",
                    setting.doc,
                    setting.environment()
                ))
        });
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("Settings file (TOML); flags and environment win over it [env: SILTSTONE_CONFIG]");
        command.args(settings).arg(config).after_help(
            "Examples:
  siltstone serve
  siltstone serve --dir /var/lib/siltstone --memory 4GiB
  siltstone serve --bind 0.0.0.0 --requirepass \"$PASSWORD\" --fsync everysec
  SILTSTONE_PORT=7000 siltstone serve --config siltstone.toml

A settings file has one line a setting, named like the flag, and then Redis's own parameters:
  memory = \"4GiB\"
  fsync = \"everysec\"
  [redis]
  timeout = 300
  txn-rollback = true
and the limits of tables:
  [tables]
  item-bytes-max = \"1MiB\"",
        )
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for Args {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flag = |name| matches.get_one::<String>(name).map(|value| (name, value.clone()));
        Ok(Self {
            config: matches.get_one::<PathBuf>("config").cloned(),
            flags: SETTINGS.iter().filter_map(|setting| flag(setting.name)).collect(),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// What the settings are, and where they come from.
struct Settings {
    config: Config,
    parameters: Parameters,
    limits: Limits,
    file: Option<PathBuf>,
}

fn settings(args: &Args) -> Result<Settings, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    let path = args.config.clone().or_else(|| environment("SILTSTONE_CONFIG").map(PathBuf::from));
    let file = path.as_deref().map(read).transpose()?;
    let parameters = file.as_ref().map(Parameters::load).transpose()?.unwrap_or_default();
    let limits = file.as_ref().map(Limits::load).transpose()?.unwrap_or_default();
    let config = Config::load(file.as_ref(), environment, |name| {
        args.flags.iter().find(|(flag, _)| *flag == name).map(|(_, value)| value.clone())
    })?;
    Ok(Settings { config, parameters, limits, file: path })
}

fn read(path: &Path) -> Result<File, Failure> {
    let content = std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("settings file {}: {error}", path.display())))?;
    Ok(File::parse(path, &content)?)
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let Settings { config, parameters, limits, file: config_file } = settings(args)?;
    allocator::suit(config.memory);
    log_to_stderr(&config);
    let mut env = Env::with_vfs(directory::disk());
    env.listener = Arc::new(logged);
    let keyspace = directory::open(&config.dir, env.clone(), directory::options(&config))?;
    let dir = config.dir.display().to_string();
    let memory = show_size(config.memory);
    let fsync = config.get("fsync").unwrap_or_default();
    let setup = Setup { config, config_file, parameters, limits, keyspace, env };
    server::run(setup, server::stop_signal(), |listening| {
        let plain = listening.plain.iter().map(ToString::to_string);
        let tls = listening.tls.iter().map(|address| format!("{address} (TLS)"));
        let tables = listening.tables.iter().map(|address| format!("{address} (tables)"));
        let addresses: Vec<_> = plain.chain(tls).chain(tables).collect();
        tracing::info!(dir, memory, fsync, "listening on {}", addresses.join(", "));
    })
    .map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => Failure::Usage(error.to_string()),
        _ => Failure::Failed(error.to_string()),
    })
}

/// Log lines go to standard error, from now on.
fn log_to_stderr(config: &Config) {
    let level = match config.loglevel {
        LogLevel::Debug => tracing::Level::DEBUG,
        LogLevel::Info => tracing::Level::INFO,
        LogLevel::Warn => tracing::Level::WARN,
        LogLevel::Error => tracing::Level::ERROR,
    };
    let lines = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal());
    // It fails only where somebody else in the process logs already.
    let _ = match config.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
}

/// What happens in the engine, as log lines.
fn logged(event: &Event) {
    match event {
        Event::Opened { replayed, torn_bytes, took_ms } => {
            tracing::info!(replayed, torn_bytes, took_ms, "opened");
        }
        Event::DiskFull => tracing::error!("the disk is full: writes are refused, reads and deletions go on"),
        Event::DiskRoom => tracing::info!("the disk has room again: writes go on"),
        Event::Poisoned { why } => tracing::error!(why, "no more writes until the server is restarted"),
        Event::BackgroundError { what } => {
            tracing::warn!(what, "background work failed, and will be tried again");
        }
        other => tracing::debug!("{other:?}"),
    }
}
