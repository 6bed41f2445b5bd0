//! All commands, found by name: in any case, without allocating, in one or two looks at a small table.

use std::sync::LazyLock;

use super::FAMILIES;
use super::command::{Command, Keys, session};

/// A command among all.
pub(crate) struct Entry {
    /// The row.
    pub(crate) command: &'static Command,
    /// Its number, below [`Table::len`]: subcommands have their own.
    pub(crate) id: usize,
    /// Its family's group.
    pub(crate) group: &'static str,
    /// Whether a call of it uses its keys, rather than to look at what is known about them.
    pub(crate) uses_keys: bool,
    /// Its subcommands.
    pub(crate) subcommands: Vec<Entry>,
}

/// Commands that tell about keys, or set what is told.
const LOOKING: &[&str] =
    &["exists", "expiretime", "pexpiretime", "pttl", "restore", "ttl", "type", "watch", "memory|usage"];

/// The HELP that a command with subcommands has, if it has none of its own.
fn help_of(command: &'static Command) -> Option<&'static Command> {
    let name = format!("{}|help", command.name);
    let none = command.subcommands.is_empty() || command.subcommands.iter().any(|sub| sub.name == name);
    // Once for each in the life of a process.
    (!none).then(|| {
        let row = session(String::leak(name), 2, super::admin::command::help);
        &*Box::leak(Box::new(row.doc(
            "Returns helpful text about the different subcommands.",
            "5.0.0",
            "O(1)",
        )))
    })
}

/// The table.
pub(crate) struct Table {
    entries: Vec<Entry>,
    /// Open addressing: an entry's index + 1, or 0. At most half full.
    slots: Vec<u16>,
    len: usize,
}

static TABLE: LazyLock<Table> = LazyLock::new(Table::build);

/// The table of all commands.
pub(crate) fn table() -> &'static Table {
    &TABLE
}

/// The first and last eight bytes in lower case (what is no letter may change too: names are compared afterwards).
fn hash(name: &[u8]) -> usize {
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(bytes) {
            *to = from | 0x20;
        }
        u64::from_le_bytes(word)
    };
    let mixed = word(name) ^ word(&name[name.len().saturating_sub(8)..]).rotate_left(29) ^ name.len() as u64;
    (mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as usize
}

impl Table {
    fn build() -> Self {
        let mut len = 0;
        let mut entries: Vec<Entry> = Vec::new();
        for family in FAMILIES {
            for command in family.commands {
                entries.push(Entry::number(command, family.group, &mut len));
            }
        }
        entries.sort_by_key(|entry| entry.command.name);
        let mut slots = vec![0; (entries.len() * 2).next_power_of_two()];
        for (i, entry) in entries.iter().enumerate() {
            let mut at = hash(entry.command.name.as_bytes());
            while slots[at & (slots.len() - 1)] != 0 {
                at += 1;
            }
            let mask = slots.len() - 1;
            slots[at & mask] = i as u16 + 1;
        }
        Self { entries, slots, len }
    }

    /// A command by its name, in any case.
    pub(crate) fn find(&self, name: &[u8]) -> Option<&Entry> {
        let mut at = hash(name);
        loop {
            let slot = self.slots[at & (self.slots.len() - 1)];
            let entry = &self.entries[usize::from(slot).checked_sub(1)?];
            if entry.command.name.as_bytes().eq_ignore_ascii_case(name) {
                return Some(entry);
            }
            at += 1;
        }
    }

    /// A command or subcommand by its full name: `get`, `config|get`.
    pub(crate) fn find_full(&self, name: &[u8]) -> Option<&Entry> {
        let Some(bar) = name.iter().position(|&c| c == b'|') else { return self.find(name) };
        self.find(&name[..bar])?.find(&name[bar + 1..])
    }

    /// All commands, by name.
    pub(crate) fn all(&self) -> &[Entry] {
        &self.entries
    }

    /// All commands and subcommands.
    pub(crate) fn flat(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().flat_map(|entry| std::iter::once(entry).chain(&entry.subcommands))
    }

    /// How many commands and subcommands.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Entry {
    fn number(command: &'static Command, group: &'static str, len: &mut usize) -> Self {
        let id = *len;
        *len += 1;
        let rows = command.subcommands.iter().chain(help_of(command));
        let subcommands = rows.map(|row| Self::number(row, group, len)).collect();
        let looking =
            LOOKING.contains(&command.name) || group == "server" || command.name.starts_with("object|");
        let uses_keys = !looking && !matches!(command.keys, Keys::None | Keys::All);
        Self { command, id, group, uses_keys, subcommands }
    }

    /// A subcommand by its name, in any case.
    pub(crate) fn find(&self, name: &[u8]) -> Option<&Self> {
        self.subcommands.iter().find(|entry| entry.command.last_name().as_bytes().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_found_in_any_case() {
        for entry in table().all() {
            let upper = entry.command.name.to_ascii_uppercase();
            assert_eq!(table().find(upper.as_bytes()).unwrap().id, entry.id);
            assert_eq!(entry.command.name, entry.command.name.to_ascii_lowercase());
            for sub in &entry.subcommands {
                assert!(sub.command.name.starts_with(&format!("{}|", entry.command.name)));
                assert_eq!(table().find_full(sub.command.name.as_bytes()).unwrap().id, sub.id);
            }
        }
        assert!(table().find(b"nothing").is_none());
        assert!(table().find(b"").is_none());
    }

    #[test]
    fn names_are_unique_and_numbers_dense() {
        let mut ids: Vec<_> = table().flat().map(|entry| entry.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, (0..table().len()).collect::<Vec<_>>());
        assert!(table().all().windows(2).all(|pair| pair[0].command.name < pair[1].command.name));
    }
}
