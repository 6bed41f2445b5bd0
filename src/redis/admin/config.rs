//! CONFIG, over the table of settings. What Redis has and we do not need, but clients look at, is answered with what is
//! true of us, and cannot be set to anything else.

use std::path::Path;

use super::super::command::{Call, Command, Flags, session};
use super::super::error::{Error, Result};
use super::super::glob;
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use crate::config::{Config, Fsync, Place, SETTINGS, Setting};
use crate::vfs::Vfs;

/// The rows.
pub(super) const COMMANDS: &[Command] = &[
    session("config|get", -3, get).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Returns the effective values of configuration parameters.",
        "2.0.0",
        "O(N) when N is the number of configuration parameters provided",
    ),
    session("config|set", -4, set).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Sets configuration parameters in-flight.",
        "2.0.0",
        "O(N) when N is the number of configuration parameters provided",
    ),
    session("config|rewrite", 2, rewrite)
        .flag(Flags::NO_SCRIPT)
        .slow()
        .flag(Flags::ADMIN)
        .flag(Flags::NO_MULTI)
        .doc("Persists the effective configuration to file.", "2.8.0", "O(1)"),
    session("config|resetstat", 2, resetstat).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Resets the server's statistics.",
        "2.0.0",
        "O(1)",
    ),
];

/// Redis's settings that are not ours.
fn foreign(config: &Config) -> Vec<(&'static str, String)> {
    let appendfsync = match config.fsync {
        Fsync::Always => "always",
        Fsync::EverySecond => "everysec",
        Fsync::Never => "no",
    };
    let fixed = [
        ("appendfsync", appendfsync),
        ("appendonly", "yes"),
        ("client-output-buffer-limit", "normal 0 0 0 slave 0 0 0 pubsub 0 0 0"),
        ("cluster-enabled", "no"),
        ("databases", "16"),
        ("enable-debug-command", "yes"),
        ("hash-max-listpack-entries", "512"),
        ("hash-max-listpack-value", "64"),
        ("hash-max-ziplist-entries", "512"),
        ("hash-max-ziplist-value", "64"),
        ("io-threads", "1"),
        ("latency-monitor-threshold", "0"),
        ("lazyfree-lazy-expire", "yes"),
        ("lazyfree-lazy-server-del", "yes"),
        ("lazyfree-lazy-user-del", "yes"),
        ("lazyfree-lazy-user-flush", "yes"),
        ("maxmemory", "0"),
        ("maxmemory-policy", "noeviction"),
        ("replicaof", ""),
        ("save", ""),
        ("slowlog-max-len", "128"),
        ("tcp-keepalive", "300"),
        ("unixsocket", ""),
    ];
    fixed.into_iter().map(|(name, value)| (name, value.to_owned())).collect()
}

fn get(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let config = call.instance.config();
    let ours = SETTINGS.iter().map(|setting| (setting.name, (setting.get)(&config)));
    let mut found: Vec<(&str, String)> = ours
        .chain(foreign(&config))
        .filter(|(name, _)| {
            call.from(2).any(|pattern| glob::matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
        })
        .collect();
    found.sort();
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    Ok(())
}

fn set(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    if !call.len().is_multiple_of(2) {
        return Err(Error::Arity("config|set"));
    }
    let old = call.instance.config();
    let mut new = (*old).clone();
    let pairs: Vec<_> = call.from(2).collect();
    for pair in pairs.chunks_exact(2) {
        let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
        let (name, value) = (text(pair[0]).to_ascii_lowercase(), text(pair[1]));
        let failed = |why: &str| {
            Error::text(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"))
        };
        let Some(setting) = Setting::named(&name) else {
            match foreign(&old).into_iter().find(|(other, _)| *other == name) {
                Some((_, fixed)) if fixed == value => continue,
                Some(_) => return Err(failed("can't set immutable config")),
                None => {
                    return Err(Error::text(format!(
                        "ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
                    )));
                }
            }
        };
        if !setting.live && (setting.get)(&old) != value {
            return Err(failed("can't set immutable config"));
        }
        new.put(&name, &value, Place::Command).map_err(|bad| failed(&bad.what))?;
    }
    call.instance.set_config(new);
    reply.ok();
    Ok(())
}

fn rewrite(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let Some(path) = &call.instance.config_file else {
        return Err(Error::text("ERR The server is running without a config file"));
    };
    let written = std::fs::read_to_string(path).map_err(|error| error.to_string()).and_then(|content| {
        let new = call.instance.config().rewrite(path, &content).map_err(|bad| bad.to_string())?;
        replace(&*call.instance.env().vfs, path, new.as_bytes()).map_err(|error| error.to_string())
    });
    written.map_err(|why| Error::text(format!("ERR Rewriting config file: {why}")))?;
    reply.ok();
    Ok(())
}

/// Old or new content, whatever happens in between.
fn replace(vfs: &dyn Vfs, path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = Path::new(&temporary);
    // One that an earlier crash left behind.
    let _ = vfs.remove(temporary);
    let file = vfs.create(temporary)?;
    file.write_all_at(content, 0)?;
    file.sync()?;
    vfs.rename(temporary, path)?;
    vfs.sync_dir(path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")))
}

fn resetstat(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    call.instance.stats.reset();
    call.instance.store().expired().reset();
    reply.ok();
    Ok(())
}
