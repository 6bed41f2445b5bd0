//! What is wrong with rules, and how their words are told apart.

use std::borrow::Cow;

/// Why a rule is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// No command or category of this name.
    Unknown,
    /// Nothing that a rule may be.
    Syntax,
    /// A pattern of keys, where all are allowed.
    KeyAfterAll,
    /// A channel, where all are allowed.
    ChannelAfterAll,
    /// The password to be removed is not there.
    NoSuchPassword,
    /// A hash is no hash.
    Hash,
    /// A first word, allowed of a subcommand.
    FirstWord,
}

impl Bad {
    /// In Redis's words.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown command or category name in ACL",
            Self::Syntax => "Syntax error",
            Self::KeyAfterAll => {
                "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have any \
                 effect. Try 'resetkeys' to start with an empty list of patterns"
            }
            Self::ChannelAfterAll => {
                "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not have any \
                 effect. Try 'resetchannels' to start with an empty list of channels"
            }
            Self::NoSuchPassword => "The password you are trying to remove from the user does not exist",
            Self::Hash => {
                "The password hash must be exactly 64 characters and contain only lowercase hexadecimal characters"
            }
            Self::FirstWord => "Allowing first-arg of a subcommand is not supported",
        }
    }
}

/// Whether a name or pattern has what would end it in a file: space of any kind, or a zero.
pub(crate) fn has_spaces(text: &[u8]) -> bool {
    text.iter().any(|c| matches!(c, 0 | b' ' | 9..=13))
}

/// Puts selectors that were split at their spaces together again: from a word that begins with `(` to one that ends with
/// `)`. Fails with the word that begins one without an end.
pub(crate) fn merge<'a>(words: &[&'a [u8]]) -> Result<Vec<Cow<'a, [u8]>>, &'a [u8]> {
    let mut merged = Vec::new();
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    for &word in words {
        let ends = word.ends_with(b")");
        if word.starts_with(b"(") && !ends {
            open = Some((word, word.to_vec()));
            continue;
        }
        let Some((first, mut selector)) = open.take() else {
            merged.push(Cow::Borrowed(word));
            continue;
        };
        selector.push(b' ');
        selector.extend_from_slice(word);
        if ends {
            merged.push(Cow::Owned(selector));
        } else {
            open = Some((first, selector));
        }
    }
    match open {
        Some((first, _)) => Err(first),
        None => Ok(merged),
    }
}

/// A rule as it stands within a selector: in quotes, where its own characters would be taken for the selector's.
pub(super) fn quoted(rule: &[u8]) -> Cow<'_, [u8]> {
    if !rule.iter().any(|c| matches!(c, b'"' | b'\'')) && !rule.ends_with(b")") {
        return Cow::Borrowed(rule);
    }
    let mut quoted = vec![b'"'];
    for &c in rule {
        if matches!(c, b'"' | b'\\') {
            quoted.push(b'\\');
        }
        quoted.push(c);
    }
    quoted.push(b'"');
    Cow::Owned(quoted)
}
