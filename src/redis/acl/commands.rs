//! Which commands are allowed: a bit for each command and subcommand, and the rules that led to them. The rules are what
//! is shown and saved, so that what a later version brings falls under the same rules.

use std::collections::BTreeMap;

use super::super::table::{Entry, table};
use super::categories::Categories;
use super::rule::{Bad, has_spaces};

/// The one command whose subcommands Redis does not know as such: what it is followed by may be anything.
const WITH_ANY_WORD: &str = "debug";

/// A set of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Commands {
    /// Whether the rules begin with all there are, or with none.
    from_all: bool,
    /// By the commands' numbers in the table.
    allowed: Vec<u64>,
    /// Where the command itself is not allowed: what its next word may be.
    first_words: BTreeMap<usize, Vec<Vec<u8>>>,
    /// Those since `from_all` was set, in order: whether it allows, and what. No rule is undone by a later one.
    rules: Vec<(bool, Vec<u8>)>,
}

impl Commands {
    /// All or none.
    pub(super) fn new(all: bool) -> Self {
        let words = table().len().div_ceil(64);
        let allowed = vec![if all { u64::MAX } else { 0 }; words];
        Self { from_all: all, allowed, first_words: BTreeMap::new(), rules: Vec::new() }
    }

    fn bit(&self, id: usize) -> bool {
        self.allowed.get(id / 64).is_some_and(|word| word >> (id % 64) & 1 == 1)
    }

    fn set_bit(&mut self, id: usize, allow: bool) {
        if let Some(word) = self.allowed.get_mut(id / 64) {
            let bit = 1 << (id % 64);
            *word = if allow { *word | bit } else { *word & !bit };
        }
    }

    /// Whether all there are are allowed.
    pub(super) fn is_all(&self) -> bool {
        (0..table().len()).all(|id| self.bit(id))
    }

    /// Whether a command is allowed with this next word, if there is one.
    pub(super) fn allow(&self, entry: &Entry, first: Option<&[u8]>) -> bool {
        self.bit(entry.id)
            || self
                .first_words
                .get(&entry.id)
                .zip(first)
                .is_some_and(|(words, first)| words.iter().any(|word| word.eq_ignore_ascii_case(first)))
    }

    /// Allows or forbids a command with all its subcommands. Whether that makes a difference.
    fn set(&mut self, entry: &Entry, allow: bool) -> bool {
        let mut differs = self.first_words.remove(&entry.id).is_some();
        for one in std::iter::once(entry).chain(&entry.subcommands) {
            differs |= self.bit(one.id) != allow;
            self.set_bit(one.id, allow);
        }
        differs
    }

    /// Notes a rule, in place of those that it makes pointless: of the same name, or of parts of it.
    fn note(&mut self, allow: bool, name: &[u8], differs: bool) {
        let name = name.to_ascii_lowercase();
        let before = self.rules.len();
        self.rules.retain(|(_, old)| {
            old.strip_prefix(&name[..]).is_none_or(|rest| !rest.is_empty() && rest[0] != b'|')
        });
        if differs || self.rules.len() != before {
            self.rules.push((allow, name));
        }
    }

    /// Applies `+name`, `-name`, `+@category`, `-@category`, `+name|word`, without its sign.
    pub(super) fn apply(&mut self, allow: bool, name: &[u8]) -> Result<(), Bad> {
        if let Some(category) = name.strip_prefix(b"@") {
            if category.eq_ignore_ascii_case(b"all") {
                *self = Self::new(allow);
                return Ok(());
            }
            let category = Categories::named(category).ok_or(Bad::Unknown)?;
            for entry in table().flat().filter(|entry| Categories::of(entry).meets(category)) {
                self.set(entry, allow);
            }
            // Also where it makes no difference now: it may for what a later version brings.
            self.note(allow, name, true);
            return Ok(());
        }
        if let Some(entry) = table().find_full(name) {
            let differs = self.set(entry, allow);
            self.note(allow, name, differs);
            return Ok(());
        }
        match name.iter().rposition(|&c| c == b'|') {
            Some(bar) if allow => self.allow_first(&name[..bar], &name[bar + 1..]),
            _ => Err(Bad::Unknown),
        }
    }

    /// `+command|word` of a command without subcommands.
    fn allow_first(&mut self, name: &[u8], word: &[u8]) -> Result<(), Bad> {
        let entry = table().find_full(name).ok_or(Bad::Unknown)?;
        if entry.command.name.contains('|') {
            return Err(Bad::FirstWord);
        }
        if word.is_empty() || has_spaces(word) {
            return Err(Bad::Syntax);
        }
        if !entry.subcommands.is_empty() && entry.command.name != WITH_ANY_WORD {
            return Err(Bad::Unknown);
        }
        let words = self.first_words.entry(entry.id).or_default();
        if !words.iter().any(|known| known.eq_ignore_ascii_case(word)) {
            words.push(word.to_ascii_lowercase());
            self.note(true, &[name, b"|", word].concat(), true);
        }
        Ok(())
    }

    /// The rules that lead to this, each by itself.
    pub(super) fn rules(&self) -> impl Iterator<Item = Vec<u8>> {
        let sign = |allow: bool| if allow { b'+' } else { b'-' };
        let first = [&[sign(self.from_all)], &b"@all"[..]].concat();
        let rest = self.rules.iter().map(move |(allow, name)| [&[sign(*allow)], &name[..]].concat());
        std::iter::once(first).chain(rest)
    }
}
