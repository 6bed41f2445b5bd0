//! What ACL tells: users, categories, the log, and who is asking.

use super::super::command::Call;
use super::super::dispatch;
use super::super::error::{Error, Result};
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use super::super::table::table;
use super::categories::Categories;
use super::check::check;
use super::selector::Selector;
use crate::random;

/// The longest password that GENPASS makes.
const BITS_MAX: i64 = 4096;

/// Refuses more words than a subcommand with one optional word takes.
fn at_most_three(call: &Call<'_>) -> Result {
    if call.len() <= 3 {
        return Ok(());
    }
    let name = call.text(1);
    Err(Error::text(format!(
        "ERR unknown subcommand or wrong number of arguments for '{name}'. Try ACL HELP."
    )))
}

/// `ACL CAT [category]`
pub(super) fn cat(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    at_most_three(call)?;
    if call.len() == 2 {
        let names = Categories::ALL.names();
        reply.array(names.len());
        for name in names {
            reply.bulk(name.as_bytes());
        }
        return Ok(());
    }
    let Some(category) = Categories::named(call.get(2)) else {
        return Err(Error::text(format!("ERR Unknown category '{}'", call.text(2))));
    };
    let found: Vec<_> = table().flat().filter(|entry| Categories::of(entry).meets(category)).collect();
    reply.array(found.len());
    for entry in found {
        reply.bulk(entry.command.name.as_bytes());
    }
    Ok(())
}

/// `ACL WHOAMI`
pub(super) fn whoami(session: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    reply.bulk(&session.account.name);
    Ok(())
}

/// `ACL USERS`
pub(super) fn users(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let accounts = call.instance.acl.accounts.all();
    reply.array(accounts.len());
    for account in accounts {
        reply.bulk(&account.name);
    }
    Ok(())
}

/// `ACL LIST`
pub(super) fn list(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let accounts = call.instance.acl.accounts.all();
    reply.array(accounts.len());
    for account in accounts {
        reply.bulk(&account.line());
    }
    Ok(())
}

/// `ACL GETUSER user`
pub(super) fn getuser(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let Some(account) = call.instance.acl.account(call.get(2)) else {
        reply.null();
        return Ok(());
    };
    let user = account.user();
    reply.map(6);
    reply.bulk(b"flags");
    let flags = user.flags();
    reply.set(flags.len());
    for flag in flags {
        reply.bulk(flag.as_bytes());
    }
    reply.bulk(b"passwords");
    let hashes = user.hashes();
    reply.array(hashes.len());
    for hash in hashes {
        reply.bulk(hash.as_bytes());
    }
    tell_selector(&user.root, false, reply);
    reply.bulk(b"selectors");
    reply.array(user.others.len());
    for selector in &user.others {
        reply.map(3);
        tell_selector(selector, true, reply);
    }
    Ok(())
}

/// Three fields of a map.
fn tell_selector(selector: &Selector, within: bool, reply: &mut Reply) {
    for (name, rules) in [
        ("commands", selector.show_commands(within)),
        ("keys", selector.show_keys(within)),
        ("channels", selector.show_channels(within)),
    ] {
        reply.bulk(name.as_bytes());
        reply.bulk(&rules);
    }
}

/// `ACL GENPASS [bits]`
pub(super) fn genpass(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    at_most_three(call)?;
    let bits = if call.len() == 3 { call.int(2)? } else { 256 };
    if !(1..=BITS_MAX).contains(&bits) {
        return Err(Error::text(format!(
            "ERR ACL GENPASS argument must be the number of bits for the output password, a positive number up to \
             {BITS_MAX}"
        )));
    }
    let mut bytes = [0; BITS_MAX as usize / 8];
    random::secret(&mut bytes).map_err(|error| Error::text(format!("ERR no random numbers: {error}")))?;
    let digits = super::hexadecimal(&bytes);
    reply.bulk(&digits.as_bytes()[..(bits as usize).div_ceil(4)]);
    Ok(())
}

/// `ACL LOG [count | RESET]`
pub(super) fn log(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    at_most_three(call)?;
    let log = &call.instance.acl.log;
    if call.is(2, "reset") {
        log.lock().clear();
        reply.ok();
        return Ok(());
    }
    let count = if call.len() == 3 { call.int(2)? } else { 10 };
    log.lock().tell(usize::try_from(count).unwrap_or(0), call.instance.clock().now_ms(), reply);
    Ok(())
}

/// `ACL DRYRUN user command [word ...]`
pub(super) fn dryrun(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let Some(account) = call.instance.acl.account(call.get(2)) else {
        return Err(Error::text(format!("ERR User '{}' not found", call.text(2))));
    };
    let args = call.skip(3);
    let entry = dispatch::find(args).map_err(|error| match error {
        Error::Arity(_) => error,
        _ => Error::text(format!("ERR Command '{}' not found", call.text(3))),
    })?;
    match check(&account.user(), entry, args) {
        Ok(()) => reply.ok(),
        Err(denied) => reply.bulk(denied.dry_text(entry, args).as_bytes()),
    }
    Ok(())
}
