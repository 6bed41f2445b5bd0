//! The words that an expression may not use for an attribute's name (Developer Guide, "Reserved words in DynamoDB").

use std::sync::LazyLock;

/// Upper case, ascending, as numbers of [`packed`].
static WORDS: LazyLock<Vec<u128>> =
    LazyLock::new(|| include_str!("reserved.txt").lines().filter_map(packed).collect());

/// Whether a name is one of them, in whatever case.
pub(super) fn is_reserved(name: &str) -> bool {
    packed(name).is_some_and(|name| WORDS.binary_search(&name).is_ok())
}

/// A word in upper case as a number, so that words compare in one instruction; `None` if it is longer than any of them.
fn packed(word: &str) -> Option<u128> {
    let mut upper = [0; size_of::<u128>()];
    upper.get_mut(..word.len())?.copy_from_slice(word.as_bytes());
    upper.make_ascii_uppercase();
    Some(u128::from_be_bytes(upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case() {
        assert_eq!(WORDS.len(), 573);
        assert!(WORDS.is_sorted());
        for word in ["ABORT", "zone", "LocalTimestamp", "size", "Status"] {
            assert!(is_reserved(word), "{word}");
        }
        for word in ["", "pk", "abor", "zones", "LOCALTIMESTAMPS", "é"] {
            assert!(!is_reserved(word), "{word}");
        }
    }
}
