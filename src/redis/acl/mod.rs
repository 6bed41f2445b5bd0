//! Users: who may log in, and what they may do then.
//!
//! A client is logged in under an [`Account`], whose [`User`] says what it may do: the user has [selectors],
//! each a set of [commands] with patterns of keys and channels, and a command is allowed if one selector allows all of it
//! ([`check`]). Every command is checked where it is about to run: when it comes, when EXEC runs it, when a script calls
//! it, and when it has waited and runs again. The user is looked up anew each time, so that what is changed is in force at
//! once; a flag in the account tells of the user who may do everything, and then nothing more is looked at.
//!
//! Users are changed by ACL SETUSER and kept in a [file](mod@file) that ACL SAVE writes. What is refused is [logged](log::Log).
//!
//! [selectors]: selector::Selector

mod account;
mod categories;
mod check;
mod commands;
mod file;
mod log;
mod manage;
mod rule;
mod selector;
mod tell;
#[cfg(test)]
mod tests;
mod user;

pub(crate) use account::Account;
pub(crate) use categories::Categories;
pub(crate) use check::{admit, check_script, may, may_sort, may_still, recheck};
pub(crate) use file::{copy as copy_file, path as file_path};
pub(crate) use log::Refused;

use std::sync::Arc;

use parking_lot::Mutex;

use super::command::{Command, Flags, container, session};
use super::instance::Instance;
use super::session::Session;
use account::{Accounts, DEFAULT};
use log::{Context, Log, Reason};
use user::User;

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[container("acl", SUBCOMMANDS).doc(
    "A container for Access List Control commands.",
    "6.0.0",
    "Depends on subcommand.",
)];

const SUBCOMMANDS: &[Command] = &[
    session("acl|cat", -2, tell::cat).flag(Flags::NO_SCRIPT).doc(
        "Lists the ACL categories, or the commands inside a category.",
        "6.0.0",
        "O(1) since the categories and commands are a fixed set.",
    ),
    session("acl|deluser", -3, manage::deluser).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Deletes ACL users, and terminates their connections.",
        "6.0.0",
        "O(1) amortized time considering the typical user.",
    ),
    session("acl|dryrun", -4, tell::dryrun).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Simulates the execution of a command by a user, without executing the command.",
        "7.0.0",
        "O(1).",
    ),
    session("acl|genpass", -2, tell::genpass).flag(Flags::NO_SCRIPT).doc(
        "Generates a pseudorandom, secure password that can be used to identify ACL users.",
        "6.0.0",
        "O(1)",
    ),
    session("acl|getuser", 3, tell::getuser).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Lists the ACL rules of a user.",
        "6.0.0",
        "O(N). Where N is the number of password, command and pattern rules that the user has.",
    ),
    session("acl|list", 2, tell::list).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Dumps the effective rules in ACL file format.",
        "6.0.0",
        "O(N). Where N is the number of configured users.",
    ),
    session("acl|load", 2, manage::load).slow().flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Reloads the rules from the configured ACL file.",
        "6.0.0",
        "O(N). Where N is the number of configured users.",
    ),
    session("acl|log", -2, tell::log).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Lists recent security events generated due to ACL rules.",
        "6.0.0",
        "O(N) with N being the number of entries shown.",
    ),
    session("acl|save", 2, manage::save).slow().flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Saves the effective ACL rules in the configured ACL file.",
        "6.0.0",
        "O(N). Where N is the number of configured users.",
    ),
    session("acl|setuser", -3, manage::setuser).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Creates and modifies an ACL user and its rules.",
        "6.0.0",
        "O(N). Where N is the number of rules provided.",
    ),
    session("acl|users", 2, tell::users).flag(Flags::NO_SCRIPT).flag(Flags::ADMIN).doc(
        "Lists all ACL users.",
        "6.0.0",
        "O(N). Where N is the number of configured users.",
    ),
    session("acl|whoami", 2, tell::whoami).flag(Flags::NO_SCRIPT).doc(
        "Returns the authenticated username of the current connection.",
        "6.0.0",
        "O(1)",
    ),
];

/// What all connections share of users.
#[derive(Default)]
pub(crate) struct Acl {
    accounts: Accounts,
    log: Mutex<Log>,
    /// Held while the file is read or written.
    file: Mutex<()>,
}

impl Acl {
    /// The account that clients have before they log in.
    pub(crate) fn default_account(&self) -> &Arc<Account> {
        &self.accounts.default
    }

    /// The account of this name.
    pub(crate) fn account(&self, name: &[u8]) -> Option<Arc<Account>> {
        self.accounts.find(name)
    }

    /// Whether clients must log in before they may do anything.
    pub(crate) fn needs_password(&self) -> bool {
        let user = self.accounts.default.user();
        !(user.any_password && user.is_on)
    }

    /// Whether the default user has a password.
    pub(crate) fn has_password(&self) -> bool {
        !self.accounts.default.user().any_password
    }

    /// Gives the default user this one password, or none: `requirepass`.
    pub(crate) fn set_default_password(&self, password: &str) {
        let _held = self.accounts.by_name.lock();
        let mut user = User::clone(&self.accounts.default.user());
        user.set_password(Some(password.as_bytes()).filter(|password| !password.is_empty()));
        self.accounts.default.set(user);
    }

    /// Takes the users from the file, if there is one: when the server starts. Fails with all that is wrong with it.
    pub(crate) fn open(&self, instance: &Instance) -> Result<(), String> {
        let path = file::path(&instance.config().dir);
        let Some(users) = file::load(&*instance.env().vfs, &path, all_channels(instance))? else {
            return Ok(());
        };
        let mut accounts = self.accounts.by_name.lock();
        for (name, user) in users {
            if *name == *DEFAULT {
                self.accounts.default.set(user);
            } else {
                accounts.insert(name.clone(), Account::new(&name, user));
            }
        }
        tracing::info!(users = accounts.len(), file = %path.display(), "loaded the users");
        let password = instance.config().requirepass.clone();
        if !password.is_empty() && !self.accounts.default.user().lets_in(password.as_bytes()) {
            tracing::warn!(file = %path.display(), "requirepass is not the default user's password: the file has another");
        }
        Ok(())
    }

    /// Logs a client in; false if that is not the user's password, or there is no such user.
    pub(crate) fn log_in(
        &self,
        instance: &Instance,
        session: &mut Session,
        (word, name, password): (&[u8], &[u8], &[u8]),
    ) -> bool {
        let found = self.account(name).filter(|account| account.user().lets_in(password));
        if let Some(account) = found {
            session.log_in(account);
            // Whoever removed it meanwhile may have missed this client.
            if !session.account.is_removed() {
                return true;
            }
            session.log_out(self.default_account(), false);
        }
        let context = if session.queue.is_some() { Context::Multi } else { Context::TopLevel };
        self.note(instance, session, Refused::new(Reason::Auth, context, word, name));
        false
    }

    /// Takes note that something was refused to a client.
    pub(crate) fn note(&self, instance: &Instance, session: &Session, refused: Refused) {
        instance.stats.refused_to_users[refused.reason() as usize].increment();
        let most = usize::try_from(instance.parameters.int("acllog-max-len")).unwrap_or(0);
        let client = session.client.line(instance.store().now_ms());
        self.log.lock().add(refused, client, instance.clock().now_ms(), most);
    }
}

/// Whether new users may use every channel: the parameter `acl-pubsub-default`.
fn all_channels(instance: &Instance) -> bool {
    instance.parameters.text("acl-pubsub-default") == "allchannels"
}

/// Bytes in lower-case hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)).collect()
}
