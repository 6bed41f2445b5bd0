//! `users.acl` in the data directory: a line for each user, as ACL LIST tells it.
//!
//! ```text
//! file = {line "\n"}
//! line = "user " name {" " rule} | ""
//! ```
//!
//! It is loaded when the server starts and by ACL LOAD, all of it or nothing, and written by ACL SAVE, so that at any
//! moment the old or the new content is there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::super::admin::replace;
use super::account::Account;
use super::rule::{Bad, has_spaces, merge};
use super::user::User;
use crate::vfs::Vfs;

/// What it is called.
const NAME: &str = "users.acl";

/// Where it lies, in a data directory.
pub(crate) fn path(dir: &Path) -> PathBuf {
    dir.join(NAME)
}

/// Copies it from one directory to another, if it is there; how many bytes.
pub(crate) fn copy(vfs: &dyn Vfs, from: &Path, to: &Path) -> io::Result<u64> {
    let Some(content) = read(vfs, &path(from))? else { return Ok(0) };
    replace(vfs, &path(to), &content)?;
    Ok(content.len() as u64)
}

/// The content; `None` if there is no such file.
fn read(vfs: &dyn Vfs, path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match vfs.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut content = vec![0; usize::try_from(file.len()?).map_err(io::Error::other)?];
    file.read_exact_at(&mut content, 0)?;
    Ok(Some(content))
}

/// Writes users, in place of what was there.
pub(super) fn save(vfs: &dyn Vfs, path: &Path, accounts: &[Arc<Account>]) -> io::Result<()> {
    let mut content = Vec::new();
    for account in accounts {
        content.extend_from_slice(&account.line());
        content.push(b'\n');
    }
    replace(vfs, path, &content)
}

/// Users by name.
pub(super) type Users = BTreeMap<Box<[u8]>, User>;

/// Reads all users; `None` if there is no such file. Fails with all that is wrong, in one line.
pub(super) fn load(vfs: &dyn Vfs, path: &Path, all_channels: bool) -> Result<Option<Users>, String> {
    let shown = path.display();
    let content =
        read(vfs, path).map_err(|error| format!("Error loading ACLs, opening file '{shown}': {error}"))?;
    content.map(|content| parse(&content, &shown.to_string(), all_channels)).transpose()
}

fn parse(content: &[u8], path: &str, all_channels: bool) -> Result<Users, String> {
    let mut users = Users::new();
    let mut wrong = String::new();
    for (at, line) in content.split(|&c| c == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let words: Vec<&[u8]> = line.split(|&c| c == b' ').collect();
        let place = format!("{path}:{}", at + 1);
        let [b"user", name, rules @ ..] = &words[..] else {
            let _ = write!(wrong, "{place} should start with user keyword followed by the username. ");
            continue;
        };
        let shown = String::from_utf8_lossy(name);
        if has_spaces(name) {
            let _ = write!(wrong, "{place}: username '{shown}' contains invalid characters. ");
        } else if users.contains_key(*name) {
            let _ = write!(wrong, "WARNING: Duplicate user '{shown}' found on line {}. ", at + 1);
        } else {
            users.insert((*name).into(), parse_user(rules, &place, all_channels, &mut wrong));
        }
    }
    if wrong.is_empty() { Ok(users) } else { Err(wrong) }
}

/// A user by its rules; adds what is wrong with them.
fn parse_user(rules: &[&[u8]], place: &str, all_channels: bool, wrong: &mut String) -> User {
    let mut user = User::new(all_channels);
    let Ok(merged) = merge(rules) else {
        let _ = write!(wrong, "{place}: Unmatched parenthesis in selector definition. ");
        return user;
    };
    let mut told = false;
    for rule in &merged {
        let Err(bad) = user.apply(rule.trim_ascii(), all_channels) else { continue };
        if bad == Bad::Unknown {
            // Only a name: nothing that must not be shown.
            let rule = String::from_utf8_lossy(rule);
            let _ = write!(wrong, "{place}: Error in applying operation '{rule}': {}. ", bad.text());
        } else if !told {
            // What follows may be wrong only because of it.
            told = true;
            let _ = write!(wrong, "{place}: {}. ", bad.text());
        }
    }
    user
}
