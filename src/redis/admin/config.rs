//! CONFIG, over the table of settings and Redis's own [`parameters`](crate::redis::parameters).

use std::path::Path;

use super::super::command::{Call, Command, Flags, session};
use super::super::error::{Error, Result};
use super::super::glob;
use super::super::parameters::Parameter;
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use crate::config::{Config, File, Fsync, Place, SETTINGS, Setting};
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

/// What Redis calls the setting `fsync`, and its words for it.
const APPENDFSYNC: &str = "appendfsync";
const APPENDFSYNC_WORDS: &[(&str, Fsync)] =
    &[("everysec", Fsync::EverySecond), ("always", Fsync::Always), ("no", Fsync::Never)];

fn appendfsync(config: &Config) -> &'static str {
    APPENDFSYNC_WORDS.iter().find(|(_, fsync)| *fsync == config.fsync).map_or("", |(word, _)| word)
}

/// What Redis has parameters for and here follows from settings, and the values.
fn derived(config: &Config) -> [(&'static str, String); 4] {
    let file = |name: &str| {
        if config.tls_port == 0 { String::new() } else { config.tls_dir().join(name).display().to_string() }
    };
    [
        (APPENDFSYNC, appendfsync(config).to_owned()),
        ("tls-ca-cert-file", file("ca.pem")),
        ("tls-cert-file", file("cert.pem")),
        ("tls-key-file", file("key.pem")),
    ]
}

fn get(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let config = call.instance.config();
    let named = |name: &str| call.from(2).any(|word| word.eq_ignore_ascii_case(name.as_bytes()));
    let ours = SETTINGS.iter().map(|setting| (setting.name, (setting.get)(&config)));
    let ours = ours.chain(derived(&config));
    let mut found: Vec<(&str, String)> = ours
        .chain(call.instance.parameters.all(named))
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

fn failed(given: &str, why: &str) -> Error {
    Error::text(format!("ERR CONFIG SET failed (possibly related to argument '{given}') - {why}"))
}

/// All that is asked, or nothing of it.
fn set(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    if !call.len().is_multiple_of(2) {
        return Err(Error::Arity("config|set"));
    }
    let mut theirs = Vec::new();
    let heard = call.instance.set_config(|old, new| read(call, old, new, &mut theirs))?;
    // Told once all that was told before is as safe as is asked now.
    session.heard(heard);
    let parameters = &call.instance.parameters;
    for (parameter, value) in theirs {
        parameters.set(parameter, value);
        match parameter.name {
            "tracking-table-max-keys" => {
                let keys_max = usize::try_from(parameters.int(parameter.name)).unwrap_or(usize::MAX);
                call.instance.tracking.set_keys_max(call.instance, keys_max);
            }
            "notify-keyspace-events" => {
                call.instance.store().set_noted(parameters.events().published().bits());
            }
            _ => {}
        }
    }
    reply.ok();
    Ok(())
}

/// Reads what is asked: settings into `new`, parameters into `theirs`.
fn read(
    call: &Call<'_>,
    old: &Config,
    new: &mut Config,
    theirs: &mut Vec<(&'static Parameter, String)>,
) -> Result {
    let parameters = &call.instance.parameters;
    let mut seen: Vec<&str> = Vec::new();
    // Also one that is set to what it is: the files may be new.
    let mut of_tls = None;
    for at in (2..call.len()).step_by(2) {
        let (given, value) = (call.text(at), call.text(at + 1));
        let failed = |why: &str| failed(&given, why);
        let name = given.to_ascii_lowercase();
        let (setting, parameter) = (Setting::named(&name), Parameter::named(&name));
        if name.starts_with("tls-") {
            of_tls = Some(at);
        }
        if name == APPENDFSYNC {
            let word = value.to_ascii_lowercase();
            let Some((_, fsync)) = APPENDFSYNC_WORDS.iter().find(|(one, _)| *one == word) else {
                return Err(failed("argument(s) must be one of the following: everysec, always, no"));
            };
            if seen.contains(&"fsync") {
                return Err(failed("duplicate parameter"));
            }
            seen.push("fsync");
            new.fsync = *fsync;
            continue;
        }
        match derived(old).iter().find(|(one, _)| *one == name) {
            Some((_, is)) if *is == value => continue,
            Some(_) => return Err(failed("can't set immutable config")),
            None => {}
        }
        let Some(name) = setting.map(|one| one.name).or(parameter.map(|one| one.name)) else {
            return Err(Error::text(format!(
                "ERR Unknown option or number of arguments for CONFIG SET - '{given}'"
            )));
        };
        if seen.contains(&name) {
            return Err(failed("duplicate parameter"));
        }
        seen.push(name);
        if let Some(parameter) = parameter {
            theirs.push((parameter, parameters.check(parameter, &value).map_err(|why| failed(&why))?));
        } else if let Some(setting) = setting {
            if !setting.live && (setting.get)(old) != value {
                return Err(failed(match name {
                    "port" | "tls-port" | "table-port" => {
                        "Unable to listen on this port: it is fixed while the server runs"
                    }
                    _ => "can't set immutable config",
                }));
            }
            new.put(name, &value, Place::Command).map_err(|bad| failed(&bad.what))?;
        }
    }
    if let Some(at) = of_tls {
        let auth_clients = theirs.iter().find(|(one, _)| one.name == "tls-auth-clients");
        let loaded = call
            .instance
            .reload_certificates(new, auth_clients.map(|(_, value): &(_, String)| value.as_str()));
        loaded.map_err(|why| failed(&call.text(at), &why))?;
    }
    Ok(())
}

fn rewrite(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let Some(path) = &call.instance.config_file else {
        return Err(Error::text("ERR The server is running without a config file"));
    };
    let written = std::fs::read_to_string(path).map_err(|error| error.to_string()).and_then(|content| {
        let file = File::parse(path, &content).map_err(|bad| bad.to_string())?;
        let (changed, added) = call.instance.parameters.rewrite(&file.redis);
        let new = file.rewrite(&call.instance.config(), &changed, &added);
        replace(&*call.instance.env().vfs, path, new.as_bytes()).map_err(|error| error.to_string())
    });
    written.map_err(|why| Error::text(format!("ERR Rewriting config file: {why}")))?;
    reply.ok();
    Ok(())
}

/// Old or new content, whatever happens in between.
pub(crate) fn replace(vfs: &dyn Vfs, path: &Path, content: &[u8]) -> std::io::Result<()> {
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
