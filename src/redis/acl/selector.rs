//! A selector: commands that are allowed, with the keys and channels that they may name.

use super::super::glob;
use super::super::table::Entry;
use super::commands::Commands;
use super::rule::{Bad, has_spaces, quoted};

/// What is done with a key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) read: bool,
    pub(super) write: bool,
}

impl Need {
    const BOTH: Self = Self { read: true, write: true };

    fn covers(self, other: Self) -> bool {
        (self.read || !other.read) && (self.write || !other.write)
    }
}

/// Keys, by pattern, and what may be done with them.
#[derive(Clone, Debug, PartialEq, Eq)]
struct KeyPattern {
    allowed: Need,
    pattern: Vec<u8>,
}

impl KeyPattern {
    /// As a rule.
    fn show(&self) -> Vec<u8> {
        let prefix: &[u8] = match self.allowed {
            Need { write: false, .. } => b"%R~",
            Need { read: false, .. } => b"%W~",
            // What `~*` says is more than a pattern: none may follow it.
            Need::BOTH if self.pattern == b"*" => b"%RW~",
            Need::BOTH => b"~",
        };
        [prefix, &self.pattern].concat()
    }
}

/// A selector. A user has one, and may have more: a command is allowed if one of them allows all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Selector {
    pub(super) commands: Commands,
    all_keys: bool,
    keys: Vec<KeyPattern>,
    pub(super) all_channels: bool,
    pub(super) channels: Vec<Vec<u8>>,
}

impl Selector {
    /// One that allows nothing, but for channels, as the parameter `acl-pubsub-default` says.
    pub(super) fn new(all_channels: bool) -> Self {
        Self {
            commands: Commands::new(false),
            all_keys: false,
            keys: Vec::new(),
            all_channels,
            channels: Vec::new(),
        }
    }

    /// One that allows everything.
    pub(super) fn all() -> Self {
        Self { commands: Commands::new(true), all_keys: true, ..Self::new(true) }
    }

    /// Whether it allows everything.
    pub(super) fn is_all(&self) -> bool {
        self.all_keys && self.all_channels && self.commands.is_all()
    }

    /// Applies a rule about commands, keys or channels.
    pub(super) fn apply(&mut self, rule: &[u8]) -> Result<(), Bad> {
        let is = |name: &str| rule.eq_ignore_ascii_case(name.as_bytes());
        if is("allkeys") || is("~*") || is("resetkeys") {
            self.all_keys = !is("resetkeys");
            self.keys.clear();
            return Ok(());
        }
        if is("allchannels") || is("&*") || is("resetchannels") {
            self.all_channels = !is("resetchannels");
            self.channels.clear();
            return Ok(());
        }
        if is("allcommands") || is("nocommands") {
            return self.commands.apply(is("allcommands"), b"@all");
        }
        match rule.split_first() {
            Some((b'~', pattern)) => self.add_key(Need::BOTH, pattern),
            Some((b'%', rest)) => {
                if self.all_keys {
                    return Err(Bad::KeyAfterAll);
                }
                let (allowed, pattern) = allowed_to(rest)?;
                self.add_key(allowed, pattern)
            }
            Some((b'&', channel)) => self.add_channel(channel),
            Some((b'+', name)) => self.commands.apply(true, name),
            Some((b'-', name)) => self.commands.apply(false, name),
            _ => Err(Bad::Syntax),
        }
    }

    fn add_key(&mut self, allowed: Need, pattern: &[u8]) -> Result<(), Bad> {
        if self.all_keys {
            return Err(Bad::KeyAfterAll);
        }
        if has_spaces(pattern) {
            return Err(Bad::Syntax);
        }
        if let Some(known) = self.keys.iter_mut().find(|known| known.pattern == pattern) {
            known.allowed.read |= allowed.read;
            known.allowed.write |= allowed.write;
        } else {
            self.keys.push(KeyPattern { allowed, pattern: pattern.to_vec() });
        }
        Ok(())
    }

    fn add_channel(&mut self, channel: &[u8]) -> Result<(), Bad> {
        if self.all_channels {
            return Err(Bad::ChannelAfterAll);
        }
        if has_spaces(channel) {
            return Err(Bad::Syntax);
        }
        if !self.channels.iter().any(|known| known == channel) {
            self.channels.push(channel.to_vec());
        }
        Ok(())
    }

    /// Whether it allows a command with this next word.
    pub(super) fn allows(&self, entry: &Entry, first: Option<&[u8]>) -> bool {
        self.commands.allow(entry, first)
    }

    /// Whether it allows to do this with a key.
    pub(super) fn allows_key(&self, key: &[u8], need: Need) -> bool {
        self.all_keys
            || self.keys.iter().any(|one| one.allowed.covers(need) && glob::matches(&one.pattern, key))
    }

    /// Whether it allows to read every key there may be.
    pub(super) fn reads_all(&self) -> bool {
        self.all_keys || self.keys.iter().any(|one| one.allowed.read && one.pattern == b"*")
    }

    /// Whether it allows a channel, or to subscribe to this very pattern.
    pub(super) fn allows_channel(&self, name: &[u8], is_pattern: bool) -> bool {
        self.all_channels
            || self.channels.iter().any(|one| if is_pattern { one == name } else { glob::matches(one, name) })
    }

    /// The rules about keys; `within`: as they stand within a selector.
    pub(super) fn show_keys(&self, within: bool) -> Vec<u8> {
        if self.all_keys {
            return b"~*".to_vec();
        }
        join(self.keys.iter().map(KeyPattern::show), within)
    }

    /// The rules about channels.
    pub(super) fn show_channels(&self, within: bool) -> Vec<u8> {
        if self.all_channels {
            return b"&*".to_vec();
        }
        join(self.channels.iter().map(|channel| [b"&", &channel[..]].concat()), within)
    }

    /// The rules about commands.
    pub(super) fn show_commands(&self, within: bool) -> Vec<u8> {
        join(self.commands.rules(), within)
    }

    /// All its rules.
    pub(super) fn show(&self, within: bool) -> Vec<u8> {
        let channels = self.show_channels(within);
        let channels = if self.all_channels { channels } else { join_all(&[b"resetchannels", &channels]) };
        join_all(&[&self.show_keys(within), &channels, &self.show_commands(within)])
    }
}

/// What `%R~`, `%W~`, `%RW~` allow, and the pattern after it.
fn allowed_to(rest: &[u8]) -> Result<(Need, &[u8]), Bad> {
    let letters = rest.iter().position(|&c| c == b'~').unwrap_or(rest.len());
    let mut allowed = Need::default();
    for letter in &rest[..letters] {
        let flag = match letter.to_ascii_uppercase() {
            b'R' => &mut allowed.read,
            b'W' => &mut allowed.write,
            _ => return Err(Bad::Syntax),
        };
        if std::mem::replace(flag, true) {
            return Err(Bad::Syntax);
        }
    }
    if allowed == Need::default() {
        return Err(Bad::Syntax);
    }
    Ok((allowed, rest.get(letters + 1..).unwrap_or_default()))
}

fn join(rules: impl Iterator<Item = Vec<u8>>, within: bool) -> Vec<u8> {
    let mut joined = Vec::new();
    for (i, rule) in rules.enumerate() {
        if i > 0 {
            joined.push(b' ');
        }
        joined.extend_from_slice(&if within { quoted(&rule) } else { rule.into() });
    }
    joined
}

/// Parts with a space between, without those that are empty.
fn join_all(parts: &[&[u8]]) -> Vec<u8> {
    let parts: Vec<&[u8]> = parts.iter().copied().filter(|part| !part.is_empty()).collect();
    parts.join(&b' ')
}
