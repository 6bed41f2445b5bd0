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
    /// Those that lead from there to here, in order: whether one allows, and what. Each makes a difference, or may.
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

    /// Applies `+name`, `-name`, `+@category`, `-@category`, `+name|word`, without its sign.
    pub(super) fn apply(&mut self, allow: bool, name: &[u8]) -> Result<(), Bad> {
        if name.eq_ignore_ascii_case(b"@all") {
            *self = Self::new(allow);
            return Ok(());
        }
        let name = name.to_ascii_lowercase();
        let target = Target::parse(allow, &name)?;
        // It makes rules pointless that are about the same, or about parts of it.
        let stays = |old: &[u8]| {
            old.strip_prefix(&name[..]).is_none_or(|rest| rest.first().is_some_and(|&next| next != b'|'))
        };
        if !self.rules.iter().all(|(_, old)| stays(old)) {
            let old = std::mem::replace(self, Self::new(self.from_all));
            for (allow, name) in old.rules.into_iter().filter(|(_, old)| stays(old)) {
                let target = Target::parse(allow, &name)?;
                self.take(allow, name, target);
            }
        }
        self.take(allow, name, target);
        Ok(())
    }

    /// Applies a rule that makes no other pointless, and notes it unless it makes no difference.
    fn take(&mut self, allow: bool, name: Vec<u8>, target: Target) {
        let differs = match target {
            Target::Command(entry) => self.set(entry, allow),
            Target::Category(category) => {
                for entry in table().flat().filter(|entry| Categories::of(entry).meets(category)) {
                    self.set(entry, allow);
                }
                // It may make one for what a later version brings.
                true
            }
            Target::FirstWord(entry, word) => {
                self.first_words.entry(entry.id).or_default().push(word);
                true
            }
        };
        if differs {
            self.rules.push((allow, name));
        }
    }

    /// The rules that lead to this, each by itself.
    pub(super) fn rules(&self) -> impl Iterator<Item = Vec<u8>> {
        let sign = |allow: bool| if allow { b'+' } else { b'-' };
        let first = [&[sign(self.from_all)], &b"@all"[..]].concat();
        let rest = self.rules.iter().map(move |(allow, name)| [&[sign(*allow)], &name[..]].concat());
        std::iter::once(first).chain(rest)
    }
}

/// What a rule is about.
enum Target {
    Command(&'static Entry),
    Category(Categories),
    /// A command without subcommands, if this word follows.
    FirstWord(&'static Entry, Vec<u8>),
}

impl Target {
    /// By its name, in lower case.
    fn parse(allow: bool, name: &[u8]) -> Result<Self, Bad> {
        if let Some(category) = name.strip_prefix(b"@") {
            return Categories::named(category).map(Self::Category).ok_or(Bad::Unknown);
        }
        if let Some(entry) = table().find_full(name) {
            return Ok(Self::Command(entry));
        }
        let bar = name.iter().rposition(|&c| c == b'|').filter(|_| allow).ok_or(Bad::Unknown)?;
        let (name, word) = (&name[..bar], &name[bar + 1..]);
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
        Ok(Self::FirstWord(entry, word.to_vec()))
    }
}
