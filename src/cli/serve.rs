//! `siltstone serve`: settings from flags, environment and file, and then the server until it is told to stop.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgMatches, FromArgMatches};

use super::Failure;
use crate::config::{Config, SETTINGS};

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

A settings file has one line a setting, named like the flag:
  memory = \"4GiB\"
  fsync = \"everysec\"",
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

/// The settings in force, and the file they were read from.
fn settings(args: &Args) -> Result<(Config, Option<PathBuf>), Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    let file = args.config.clone().or_else(|| environment("SILTSTONE_CONFIG").map(PathBuf::from));
    let content = file.as_deref().map(read).transpose()?;
    let config = Config::load(file.as_deref().zip(content.as_deref()), environment, |name| {
        args.flags.iter().find(|(flag, _)| *flag == name).map(|(_, value)| value.clone())
    })?;
    Ok((config, file))
}

fn read(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::Usage(format!("settings file {}: {error}", path.display())))
}

pub(super) fn run(args: &Args) -> Result<(), Failure> {
    let (_config, _file) = settings(args)?;
    Err(Failure::Failed("there is no server yet".to_owned()))
}
