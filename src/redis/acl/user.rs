//! A user: whether it may log in, with which passwords, and what it may do then.
//!
//! ```text
//! user     = {on | off | nopass | resetpass | reset | >password | #hash | <password | !hash | clearselectors
//!             | sanitize-payload | skip-sanitize-payload | rule | "(" {rule} ")"}
//! rule     = {+ | -}command[|subcommand] | {+ | -}@category | +command|word | allcommands | nocommands
//!          | ~pattern | %{R | W | RW}~pattern | allkeys | resetkeys | &channel | allchannels | resetchannels
//! ```

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use super::super::script::split_words;
use super::rule::Bad;
use super::selector::Selector;

/// What is kept of a password.
type Hash = [u8; 32];

/// A user, as it is at a moment. Changing one makes another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(super) is_on: bool,
    /// Any password is right.
    pub(super) any_password: bool,
    /// Whether what it sends to RESTORE is to be checked: noted for Redis's tools. It is, in any case.
    sanitize: Option<bool>,
    passwords: Vec<Hash>,
    pub(super) root: Selector,
    /// Those in parentheses.
    pub(super) others: Vec<Selector>,
}

impl User {
    /// A new one: off, and allowed nothing, but for channels.
    pub(super) fn new(all_channels: bool) -> Self {
        Self {
            is_on: false,
            any_password: false,
            sanitize: None,
            passwords: Vec::new(),
            root: Selector::new(all_channels),
            others: Vec::new(),
        }
    }

    /// The default user, as long as nobody changed it.
    pub(super) fn unlimited() -> Self {
        Self { is_on: true, any_password: true, root: Selector::all(), ..Self::new(true) }
    }

    /// One that was removed.
    pub(super) fn nobody() -> Self {
        Self::new(false)
    }

    /// Its selectors, of which one must allow all of a command.
    pub(super) fn selectors(&self) -> impl Iterator<Item = &Selector> {
        std::iter::once(&self.root).chain(&self.others)
    }

    /// Whether it may do everything.
    pub(super) fn is_unlimited(&self) -> bool {
        self.selectors().any(Selector::is_all)
    }

    /// Whether one can log in with this password. How long it takes does not tell which part of one was right.
    pub(super) fn lets_in(&self, password: &[u8]) -> bool {
        let hash = hash(password);
        let right = self.passwords.iter().fold(Choice::from(0), |right, one| right | one.ct_eq(&hash));
        self.is_on && (self.any_password || bool::from(right))
    }

    /// One password, or any at all.
    pub(super) fn set_password(&mut self, password: Option<&[u8]>) {
        self.passwords = password.map(hash).into_iter().collect();
        self.any_password = password.is_none();
    }

    /// Applies a rule; `all_channels`: what new selectors begin with.
    pub(super) fn apply(&mut self, rule: &[u8], all_channels: bool) -> Result<(), Bad> {
        match &rule.to_ascii_lowercase()[..] {
            b"" => {}
            b"on" => self.is_on = true,
            b"off" => self.is_on = false,
            b"sanitize-payload" => self.sanitize = Some(true),
            b"skip-sanitize-payload" => self.sanitize = Some(false),
            b"nopass" => self.set_password(None),
            b"resetpass" => {
                self.passwords.clear();
                self.any_password = false;
            }
            b"clearselectors" => self.others.clear(),
            b"reset" => *self = Self { sanitize: Some(true), ..Self::new(all_channels) },
            _ => return self.apply_longer(rule, all_channels),
        }
        Ok(())
    }

    fn apply_longer(&mut self, rule: &[u8], all_channels: bool) -> Result<(), Bad> {
        match rule.split_first() {
            Some((b'>', password)) => self.add(hash(password)),
            Some((b'#', digits)) => self.add(parse_hash(digits)?),
            Some((b'<', password)) => return self.remove(hash(password)),
            Some((b'!', digits)) => return self.remove(parse_hash(digits)?),
            Some((b'(', rest)) if rest.ends_with(b")") => {
                self.others.push(selector(&rest[..rest.len() - 1], all_channels)?);
            }
            _ => return self.root.apply(rule),
        }
        Ok(())
    }

    fn add(&mut self, hash: Hash) {
        if !self.passwords.contains(&hash) {
            self.passwords.push(hash);
        }
        self.any_password = false;
    }

    fn remove(&mut self, hash: Hash) -> Result<(), Bad> {
        let at = self.passwords.iter().position(|one| *one == hash).ok_or(Bad::NoSuchPassword)?;
        self.passwords.remove(at);
        Ok(())
    }

    /// What it is beside passwords and rights, in Redis's words and order.
    pub(super) fn flags(&self) -> Vec<&'static str> {
        let mut flags = vec![if self.is_on { "on" } else { "off" }];
        if self.any_password {
            flags.push("nopass");
        }
        match self.sanitize {
            Some(true) => flags.push("sanitize-payload"),
            Some(false) => flags.push("skip-sanitize-payload"),
            None => {}
        }
        flags
    }

    /// Its passwords' hashes, in hexadecimal digits.
    pub(super) fn hashes(&self) -> impl ExactSizeIterator<Item = String> {
        self.passwords.iter().map(|hash| super::hexadecimal(hash))
    }

    /// All rules that lead to it from a new one.
    pub(super) fn show(&self) -> Vec<u8> {
        let mut shown = Vec::new();
        for flag in self.flags() {
            shown.extend_from_slice(flag.as_bytes());
            shown.push(b' ');
        }
        for hash in self.hashes() {
            shown.push(b'#');
            shown.extend_from_slice(hash.as_bytes());
            shown.push(b' ');
        }
        shown.extend_from_slice(&self.root.show(false));
        for other in &self.others {
            shown.extend_from_slice(b" (");
            shown.extend_from_slice(&other.show(true));
            shown.push(b')');
        }
        shown
    }
}

/// Reads what stands within parentheses.
fn selector(rules: &[u8], all_channels: bool) -> Result<Selector, Bad> {
    if rules.contains(&0) {
        return Err(Bad::Syntax);
    }
    let mut selector = Selector::new(all_channels);
    for rule in split_words(rules).ok_or(Bad::Syntax)? {
        selector.apply(&rule)?;
    }
    Ok(selector)
}

fn hash(password: &[u8]) -> Hash {
    Sha256::digest(password).into()
}

fn parse_hash(digits: &[u8]) -> Result<Hash, Bad> {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err(Bad::Hash),
    };
    let mut hash = Hash::default();
    if digits.len() != 2 * hash.len() {
        return Err(Bad::Hash);
    }
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Ok(hash)
}
