//! The categories of commands, which rules name with `@`. They follow from a command's row: its group, what it does, its
//! traits.

use super::super::command::{Action, Flags};
use super::super::table::Entry;

/// All of them, in Redis's order; each is a bit.
const NAMES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

/// A set of categories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Categories(u32);

impl Categories {
    /// All there are.
    pub(crate) const ALL: Self = Self((1 << NAMES.len()) - 1);

    /// The category of this name, in any case.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        let at = NAMES.iter().position(|known| known.as_bytes().eq_ignore_ascii_case(name));
        at.map(|at| Self(1 << at))
    }

    /// Those that a command belongs to.
    pub(crate) fn of(entry: &Entry) -> Self {
        let command = entry.command;
        let has = |flag| command.flags.has(flag);
        let is_fast = has(Flags::FAST);
        let mut all = Self(0);
        let mut add = |name: &str| all.0 |= Self::named(name.as_bytes()).map_or(0, |one| one.0);
        add(if is_fast { "fast" } else { "slow" });
        if matches!(command.action, Action::Container) {
            return all;
        }
        match entry.group {
            _ if has(Flags::CONNECTION) => add("connection"),
            // What it sorts, wherever it is documented.
            "generic" if command.name.starts_with("sort") => {
                ["set", "sortedset", "list"].into_iter().for_each(&mut add);
            }
            "pubsub" if command.name == "pubsub|help" => {}
            "generic" => add("keyspace"),
            "sorted-set" => add("sortedset"),
            "transactions" => add("transaction"),
            "server" if has(Flags::KEYSPACE) => add("keyspace"),
            group => add(group),
        }
        match command.action {
            Action::Write(_) if has(Flags::NOTES) => add("read"),
            Action::Write(_) => add("write"),
            Action::Read(_) if entry.group == "scripting" || has(Flags::ADMIN) => {}
            Action::Read(_) => add("read"),
            _ => {}
        }
        if has(Flags::ADMIN) {
            add("admin");
        }
        if has(Flags::ADMIN) || has(Flags::DANGEROUS) {
            add("dangerous");
        }
        if has(Flags::BLOCKING) {
            add("blocking");
        }
        all
    }

    /// Whether both have one in common.
    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Their names, in Redis's order.
    pub(crate) fn names(self) -> impl ExactSizeIterator<Item = &'static str> {
        let names: Vec<&'static str> =
            NAMES.iter().enumerate().filter(|(at, _)| self.0 >> at & 1 == 1).map(|(_, name)| *name).collect();
        names.into_iter()
    }
}
