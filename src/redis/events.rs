//! Which events of keys are published: the letters of `notify-keyspace-events`.

use std::fmt;
use std::ops::BitOr;

/// A set of classes of events, and of the channels that they go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Events(u32);

impl Events {
    /// `K`: to `__keyspace@<db>__:<key>`, with the event as the message.
    pub(crate) const TO_KEYS: Self = Self(1);
    /// `E`: to `__keyevent@<db>__:<event>`, with the key as the message.
    pub(crate) const TO_EVENTS: Self = Self(1 << 1);
    /// `g`: of commands that know no type, such as DEL and EXPIRE.
    pub(crate) const GENERIC: Self = Self(1 << 2);
    /// `$`: of strings.
    pub(crate) const STRING: Self = Self(1 << 3);
    /// `l`: of lists.
    pub(crate) const LIST: Self = Self(1 << 4);
    /// `s`: of sets.
    pub(crate) const SET: Self = Self(1 << 5);
    /// `h`: of hashes.
    pub(crate) const HASH: Self = Self(1 << 6);
    /// `z`: of sorted sets.
    pub(crate) const SORTED_SET: Self = Self(1 << 7);
    /// `x`: a key's time is over.
    pub(crate) const EXPIRED: Self = Self(1 << 8);
    /// `e`: a key had to make room, which never happens here.
    pub(crate) const EVICTED: Self = Self(1 << 9);
    /// `t`: of streams.
    pub(crate) const STREAM: Self = Self(1 << 10);
    /// `m`: a key was asked for that is not there.
    pub(crate) const MISSED: Self = Self(1 << 11);
    /// `d`: of modules, of which there are none.
    pub(crate) const MODULE: Self = Self(1 << 12);
    /// `n`: there is a new key.
    pub(crate) const NEW: Self = Self(1 << 13);

    /// In the order in which they are written. Those up to `d` are all that `A` stands for.
    const LETTERS: [(char, Self); 14] = [
        ('g', Self::GENERIC),
        ('$', Self::STRING),
        ('l', Self::LIST),
        ('s', Self::SET),
        ('h', Self::HASH),
        ('z', Self::SORTED_SET),
        ('x', Self::EXPIRED),
        ('e', Self::EVICTED),
        ('t', Self::STREAM),
        ('d', Self::MODULE),
        ('n', Self::NEW),
        ('K', Self::TO_KEYS),
        ('E', Self::TO_EVENTS),
        ('m', Self::MISSED),
    ];
    const IN_ALL: usize = 10;

    /// Reads the letters.
    pub(crate) fn parse(letters: &str) -> Result<Self, String> {
        let mut events = Self::default();
        for letter in letters.chars() {
            let found = Self::LETTERS.iter().find(|(other, _)| *other == letter);
            events = match (letter, found) {
                ('A', _) => events | Self::all(),
                (_, Some((_, class))) => events | *class,
                _ => return Err("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.".to_owned()),
            };
        }
        Ok(events)
    }

    fn all() -> Self {
        Self::LETTERS.iter().take(Self::IN_ALL).fold(Self::default(), |all, (_, class)| all | *class)
    }

    /// Whether all of these are among them.
    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The set with these bits.
    pub(crate) fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// One bit for each class.
    pub(crate) fn bits(self) -> u32 {
        self.0
    }

    /// The classes that are published to any channel.
    #[must_use]
    pub(crate) fn published(self) -> Self {
        if self.0 & (Self::TO_KEYS.0 | Self::TO_EVENTS.0) == 0 { Self::default() } else { self }
    }
}

impl BitOr for Events {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.has(Self::all());
        if all {
            write!(f, "A")?;
        }
        for (at, (letter, class)) in Self::LETTERS.iter().enumerate() {
            // As Redis writes them, `A` hides `n` too.
            if self.has(*class) && !(all && at <= Self::IN_ALL) {
                write!(f, "{letter}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_written_as_redis_writes_them() {
        for (given, written) in [
            ("", ""),
            ("KEA", "AKE"),
            ("KEg$lshzxetdn", "AKE"),
            ("AKEm", "AKEm"),
            ("Kn", "nK"),
            ("Kgn", "gnK"),
            ("gxeKE", "gxeKE"),
            ("mE", "Em"),
        ] {
            assert_eq!(Events::parse(given).map(|events| events.to_string()), Ok(written.to_owned()));
        }
        assert!(Events::parse("KEq").is_err());
        assert_eq!(Events::parse("A").unwrap().published(), Events::default());
    }
}
