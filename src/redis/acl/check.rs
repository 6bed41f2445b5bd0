//! Whether a user may run a command: the command itself, the keys that it names, by what it does with them, and the
//! channels.

use super::super::args::Args;
use super::super::command::{Call, Flags, Keys};
use super::super::error::{Error, Result};
use super::super::instance::Instance;
use super::super::session::Session;
use super::super::sort;
use super::super::table::{Entry, table};
use super::account::Account;
use super::log::{Context, Reason, Refused};
use super::selector::{Need, Selector};
use super::user::User;

/// What a user may not do. What is lacking least weighs most: a command that some selector allows, but for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Denied {
    /// Run the command.
    Command,
    /// Use the key that this word is.
    Key(usize),
    /// Use the channel that this word is.
    Channel(usize),
}

impl Denied {
    fn refused(self, context: Context, entry: &Entry, args: Args<'_>, account: &Account) -> Refused {
        let (reason, object) = match self {
            Self::Command => (Reason::Command, entry.command.name.as_bytes()),
            Self::Key(at) => (Reason::Key, args.get(at)),
            Self::Channel(at) => (Reason::Channel, args.get(at)),
        };
        Refused::new(reason, context, object, &account.name)
    }

    /// Where a client asked, in Redis's words.
    fn text(self, entry: &Entry, account: &Account) -> String {
        match self {
            Self::Command => lacks_command(entry, account),
            Self::Key(_) => {
                "this user has no permissions to access one of the keys used as arguments".to_owned()
            }
            Self::Channel(_) => {
                "this user has no permissions to access one of the channels used as arguments".to_owned()
            }
        }
    }

    /// Where ACL DRYRUN asked.
    pub(super) fn dry_text(self, entry: &Entry, args: Args<'_>) -> String {
        match self {
            Self::Command => {
                format!("This user has no permissions to run the '{}' command", entry.command.name)
            }
            Self::Key(at) => format!("This user has no permissions to access the '{}' key", args.text(at)),
            Self::Channel(at) => {
                format!("This user has no permissions to access the '{}' channel", args.text(at))
            }
        }
    }
}

fn lacks_command(entry: &Entry, account: &Account) -> String {
    format!("User {} has no permissions to run the '{}' command", account.text(), entry.command.name)
}

/// Whether a user may run these words.
pub(super) fn check(user: &User, entry: &Entry, args: Args<'_>) -> std::result::Result<(), Denied> {
    let mut least = Denied::Command;
    for selector in user.selectors() {
        match check_selector(selector, entry, args) {
            Ok(()) => return Ok(()),
            Err(denied) => least = least.max(denied),
        }
    }
    Err(least)
}

fn check_selector(selector: &Selector, entry: &Entry, args: Args<'_>) -> std::result::Result<(), Denied> {
    let command = entry.command;
    let first = Some(args.get(1)).filter(|_| args.len() > 1);
    if !command.flags.has(Flags::NO_AUTH) && !selector.allows(entry, first) {
        return Err(Denied::Command);
    }
    for (i, at) in keys(entry, &args).enumerate() {
        let flags = command.key_flags(&args, i);
        if !flags.contains(&"not_key") && !selector.allows_key(args.get(at), need(flags)) {
            return Err(Denied::Key(at));
        }
    }
    let (channels, is_pattern) = channels(entry, &args);
    for at in channels {
        if !selector.allows_channel(args.get(at), is_pattern) {
            return Err(Denied::Channel(at));
        }
    }
    Ok(())
}

/// The keys that these words name. A count that is none, or of more than there are, names none: such a command fails
/// before it looks at any.
fn keys(entry: &Entry, args: &Args<'_>) -> impl Iterator<Item = usize> + use<> {
    let (at, step) = match entry.command.keys {
        Keys::Counted { at } => (usize::from(at), 1),
        Keys::CountedPairs { at } => (usize::from(at), 2),
        Keys::StoreCounted => (2, 1),
        _ => (0, 0),
    };
    let count = args.int(at).ok().and_then(|count| usize::try_from(count).ok());
    let counts = step == 0
        || count.is_some_and(|count| count.saturating_mul(step) <= args.len().saturating_sub(at + 1));
    entry.command.keys.places(args).filter(move |_| counts)
}

fn need(flags: &[&str]) -> Need {
    Need {
        read: flags.contains(&"access"),
        write: flags.iter().any(|flag| matches!(*flag, "insert" | "delete" | "update")),
    }
}

/// The channels that these words name, and whether they are patterns. To end a subscription, none is asked for.
fn channels(entry: &Entry, args: &Args<'_>) -> (std::ops::Range<usize>, bool) {
    match entry.command.name {
        _ if entry.group != "pubsub" => (0..0, false),
        "publish" | "spublish" => (1..2, false),
        "subscribe" | "ssubscribe" => (1..args.len(), false),
        "psubscribe" => (1..args.len(), true),
        _ => (0..0, false),
    }
}

/// Whether a client may run these words, now or in a transaction that it begins to queue. What is refused is logged.
pub(crate) fn admit(instance: &Instance, session: &Session, entry: &Entry, args: Args<'_>) -> Result {
    if session.account.is_unlimited() {
        return Ok(());
    }
    let Err(denied) = check(&session.account.user(), entry, args) else { return Ok(()) };
    let context = if session.queue.is_some() { Context::Multi } else { Context::TopLevel };
    session.client.runs(entry);
    instance.acl.note(instance, session, denied.refused(context, entry, args, &session.account));
    Err(Error::text(format!("NOPERM {}", denied.text(entry, &session.account))))
}

/// Whether SORT may look where its patterns lead: only if a selector that allows the rest allows to read every key.
pub(crate) fn may_sort(session: &Session, entry: &Entry, args: Args<'_>) -> Result {
    if session.account.is_unlimited() || !matches!(entry.command.name, "sort" | "sort_ro") {
        return Ok(());
    }
    let Some(option) = sort::looks_elsewhere(&args) else { return Ok(()) };
    let user = session.account.user();
    if user.selectors().any(|one| one.reads_all() && check_selector(one, entry, args).is_ok()) {
        return Ok(());
    }
    Err(Error::text(format!("ERR {option} option of SORT denied due to insufficient ACL permissions.")))
}

/// Whether a command that was queued may still run, as things stand at EXEC. What is to be logged comes with the error.
pub(crate) fn recheck(
    session: &Session,
    entry: &Entry,
    args: Args<'_>,
) -> std::result::Result<(), (Option<Refused>, Error)> {
    if session.account.is_unlimited() {
        return Ok(());
    }
    let Err(denied) = check(&session.account.user(), entry, args) else {
        return may_sort(session, entry, args).map_err(|error| (None, error));
    };
    let why = match denied {
        Denied::Command => "no permission to execute the command or subcommand",
        Denied::Key(_) => "no permission to touch the specified keys",
        Denied::Channel(_) => "no permission to access one of the channels used as arguments",
    };
    let text = format!(
        "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC call. This command \
         is no longer allowed for the following reason: {why}"
    );
    Err((Some(denied.refused(Context::Multi, entry, args, &session.account)), Error::text(text)))
}

/// Whether a script may run these words for its client. What is to be logged comes with the text, which lacks its code.
pub(crate) fn check_script(
    session: &Session,
    entry: &Entry,
    args: Args<'_>,
) -> std::result::Result<(), (Option<Refused>, String)> {
    if session.account.is_unlimited() {
        return Ok(());
    }
    let Err(denied) = check(&session.account.user(), entry, args) else {
        return may_sort(session, entry, args)
            .map_err(|error| (None, error.wire().trim_start_matches("ERR ").to_owned()));
    };
    let why = match denied {
        Denied::Command => lacks_command(entry, &session.account),
        Denied::Key(_) => "No permissions to access a key".to_owned(),
        Denied::Channel(_) => "No permissions to access a channel".to_owned(),
    };
    let refused = denied.refused(Context::Script, entry, args, &session.account);
    Err((Some(refused), format!("ACL failure in script: {why}")))
}

/// Whether a client's user may run these words: for whoever only asks.
pub(crate) fn may(session: &Session, entry: &Entry, args: Args<'_>) -> bool {
    session.account.is_unlimited() || check(&session.account.user(), entry, args).is_ok()
}

/// Whether a command that a client's call ran may still run: what was forbidden in the meantime.
pub(crate) fn may_still(session: &Session, call: &Call<'_>) -> bool {
    session.account.is_unlimited()
        || table().find_full(call.command.name.as_bytes()).is_some_and(|entry| may(session, entry, call.args))
}
