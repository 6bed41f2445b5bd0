//! ACL SETUSER, DELUSER, SAVE and LOAD: changing users, and ending the clients that a change concerns.

use std::sync::Arc;

use super::super::command::Call;
use super::super::error::{Error, Result};
use super::super::instance::Instance;
use super::super::protocol::reply::Reply;
use super::super::pubsub::Kind;
use super::super::session::Session;
use super::account::{Account, DEFAULT};
use super::file;
use super::rule::{has_spaces, merge};
use super::user::User;

/// `ACL SETUSER user [rule ...]`: all rules, or none of them.
pub(super) fn setuser(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let name = call.get(2);
    if has_spaces(name) {
        return Err(Error::text("ERR Usernames can't contain spaces or null characters"));
    }
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let rules: Vec<&[u8]> = call.from(3).collect();
    let rules = merge(&rules).map_err(|first| {
        Error::text(format!("ERR Unmatched parenthesis in acl selector starting at '{}'.", text(first)))
    })?;
    let all_channels = super::all_channels(call.instance);
    let mut accounts = call.instance.acl.accounts.by_name.lock();
    let known = accounts.get(name).cloned();
    let old = known.as_ref().map(|account| account.user());
    let mut user = old.as_ref().map_or_else(|| User::new(all_channels), |old| User::clone(old));
    for rule in &rules {
        user.apply(rule, all_channels).map_err(|bad| {
            Error::text(format!("ERR Error in ACL SETUSER modifier '{}': {}", text(rule), bad.text()))
        })?;
    }
    if let Some((account, old)) = known.zip(old) {
        account.set(user);
        drop(accounts);
        revoke(call.instance, session, &account, &old);
    } else {
        accounts.insert(name.into(), Account::new(name, user));
    }
    reply.ok();
    Ok(())
}

/// `ACL DELUSER user [user ...]`
pub(super) fn deluser(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.from(2).any(|name| name == DEFAULT) {
        return Err(Error::text("ERR The 'default' user cannot be removed"));
    }
    let mut removed = Vec::new();
    for name in call.from(2) {
        removed.extend(call.instance.acl.accounts.by_name.lock().remove(name));
    }
    remove(call.instance, session, &removed);
    reply.count(removed.len());
    Ok(())
}

/// Ends all clients of accounts, which stand for nobody from now on.
fn remove(instance: &Instance, session: &mut Session, accounts: &[Arc<Account>]) {
    if accounts.is_empty() {
        return;
    }
    for account in accounts {
        account.remove();
    }
    for client in instance.clients.all() {
        let used = client.account.load();
        if accounts.iter().any(|account| Arc::ptr_eq(account, &used)) {
            session.end(&client);
        }
    }
}

/// Ends the clients that subscribe to what their user may no longer hear.
fn revoke(instance: &Instance, session: &mut Session, account: &Arc<Account>, old: &User) {
    let new = account.user();
    let kept = |channel: &Vec<u8>| new.selectors().any(|one| one.channels.contains(channel));
    let all = new.selectors().any(|one| one.all_channels);
    // Who had no more than now loses nothing.
    if all || old.selectors().all(|one| !one.all_channels && one.channels.iter().all(kept)) {
        return;
    }
    let mut ended = Vec::new();
    instance.hub.each_subscription(|kind, name, client| {
        let allowed = || new.selectors().any(|one| one.allows_channel(name, kind == Kind::Pattern));
        if Arc::ptr_eq(account, &client.account.load()) && !allowed() {
            ended.push(client.clone());
        }
    });
    for client in ended {
        session.end(&client);
    }
}

/// `ACL SAVE`
pub(super) fn save(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let acl = &call.instance.acl;
    let _held = acl.file.lock();
    let path = file::path(&call.instance.config().dir);
    file::save(&*call.instance.env().vfs, &path, &acl.accounts.all()).map_err(|error| {
        tracing::error!(file = %path.display(), %error, "cannot save the users");
        Error::text(format!("ERR There was an error trying to save the ACLs: {}: {error}", path.display()))
    })?;
    reply.ok();
    Ok(())
}

/// `ACL LOAD`: all that the file says, or nothing of it. Who is logged in under a user that is gone or has become another
/// is disconnected; the default user just changes.
pub(super) fn load(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let instance = call.instance;
    let acl = &instance.acl;
    let _held = acl.file.lock();
    let path = file::path(&instance.config().dir);
    let loaded = file::load(&*instance.env().vfs, &path, super::all_channels(instance));
    let mut users = match loaded {
        Ok(Some(users)) => users,
        Ok(None) => {
            let path = path.display();
            return Err(Error::text(format!(
                "ERR Error loading ACLs, opening file '{path}': No such file or directory"
            )));
        }
        Err(wrong) => {
            return Err(Error::text(format!(
                "ERR {wrong}WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
            )));
        }
    };
    let default = users.remove(DEFAULT).unwrap_or_else(|| {
        let mut user = User::unlimited();
        let password = &instance.config().requirepass;
        user.set_password(Some(password.as_bytes()).filter(|password| !password.is_empty()));
        user
    });
    let mut removed = Vec::new();
    let mut accounts = acl.accounts.by_name.lock();
    let old_default = acl.accounts.default.user();
    acl.accounts.default.set(default);
    accounts.retain(|name, account| {
        let stays = **name == *DEFAULT || users.get(name).is_some_and(|user| *user == **account.user());
        if !stays {
            removed.push(account.clone());
        }
        stays
    });
    for (name, user) in users {
        accounts.entry(name).or_insert_with_key(|name| Account::new(name, user));
    }
    drop(accounts);
    remove(instance, session, &removed);
    revoke(instance, session, &acl.accounts.default, &old_default);
    reply.ok();
    Ok(())
}
