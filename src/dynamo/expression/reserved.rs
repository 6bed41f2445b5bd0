//! The words that an expression may not use for an attribute's name (Developer Guide, "Reserved words in DynamoDB").

use std::sync::LazyLock;

/// Upper case, ascending.
static WORDS: LazyLock<Vec<&'static [u8]>> =
    LazyLock::new(|| include_str!("reserved.txt").lines().map(str::as_bytes).collect());

/// The longest of them.
const LENGTH_MAX: usize = 14;

/// Whether a name is one of them, in whatever case.
pub(super) fn is_reserved(name: &str) -> bool {
    let mut upper = [0; LENGTH_MAX];
    let Some(upper) = upper.get_mut(..name.len()) else { return false };
    upper.copy_from_slice(name.as_bytes());
    upper.make_ascii_uppercase();
    WORDS.binary_search(&&*upper).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_in_any_case() {
        assert_eq!(WORDS.len(), 573);
        assert!(WORDS.is_sorted());
        assert_eq!(WORDS.iter().map(|word| word.len()).max(), Some(LENGTH_MAX));
        for word in ["ABORT", "zone", "LocalTimestamp", "size", "Status"] {
            assert!(is_reserved(word), "{word}");
        }
        for word in ["", "pk", "abor", "zones", "LOCALTIMESTAMPS", "é"] {
            assert!(!is_reserved(word), "{word}");
        }
    }
}
