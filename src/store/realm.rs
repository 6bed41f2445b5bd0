//! Who owns which rows: the first byte of every row, and the rows of the store itself.
//!
//! ```text
//! row     := realm ‖ …
//! realm   := 0 system | 1 redis | 2 dynamo
//! system  := 0 ‖ tag ‖ …
//!   tag 0   format        → version
//!   tag 1   ids           → ordered(the first id nobody may have been given)
//!   tag 2   clock         → ordered(the largest `now` logged, in Unix milliseconds)
//!   tag 3   certificate   ‖ prefix → version              all rows with this prefix are dead     certificates.rs
//!   tag 4   exile         ‖ prefix → residence prefix     these rows live and die with another   certificates.rs
//!   tag 5   unlinked      ‖ prefix → version              being built; dead unless linked        certificates.rs
//!   tag 6   of a realm    ‖ realm ‖ …
//! ordered(n) := n where n < 0xF8, else 0xF7 + bytes ‖ n big-endian without leading zeros
//! ```
//!
//! `ordered` sorts as the numbers do, and no encoding begins with another one: what follows it cannot blur it.

/// The store's own rows.
pub const SYSTEM: u8 = 0;
/// Redis's keys.
pub const REDIS: u8 = 1;
/// DynamoDB's tables.
pub const DYNAMO: u8 = 2;

/// The kinds of system rows.
pub(crate) mod tag {
    pub(crate) const FORMAT: u8 = 0;
    pub(crate) const IDS: u8 = 1;
    pub(crate) const CLOCK: u8 = 2;
    pub(crate) const CERTIFICATE: u8 = 3;
    pub(crate) const EXILE: u8 = 4;
    pub(crate) const UNLINKED: u8 = 5;
    pub(crate) const OF_REALM: u8 = 6;
}

/// The version of the store's rows that this program writes.
pub const FORMAT_VERSION: u8 = 1;

/// A system row's key.
pub(crate) fn system_row(tag: u8, rest: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(2 + rest.len());
    row.extend_from_slice(&[SYSTEM, tag]);
    row.extend_from_slice(rest);
    row
}

/// A system row that a realm keeps for itself.
pub fn realm_row(realm: u8, rest: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(3 + rest.len());
    row.extend_from_slice(&[SYSTEM, tag::OF_REALM, realm]);
    row.extend_from_slice(rest);
    row
}

/// Appends a number so that encodings sort as the numbers do.
pub fn put_ordered(out: &mut Vec<u8>, n: u64) {
    if n < 0xF8 {
        out.push(n as u8);
    } else {
        let skip = n.leading_zeros() as usize / 8;
        out.push(0xF7 + (8 - skip) as u8);
        out.extend_from_slice(&n.to_be_bytes()[skip..]);
    }
}

/// Takes such a number off the front; `None` where there is none.
pub fn take_ordered(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    if first < 0xF8 {
        *bytes = rest;
        return Some(u64::from(first));
    }
    let (digits, rest) = rest.split_at_checked(usize::from(first - 0xF7))?;
    *bytes = rest;
    Some(digits.iter().fold(0, |n, &digit| n << 8 | u64::from(digit)))
}

/// The first key after all keys with this prefix; `None` if there is no such key.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&b| b != 0xFF)?;
    let mut end = prefix.get(..=last)?.to_vec();
    *end.last_mut()? += 1;
    Some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ordered(n: u64) -> Vec<u8> {
        let mut out = Vec::new();
        put_ordered(&mut out, n);
        out
    }

    #[test]
    fn ordered_numbers_sort_and_come_back() {
        let mut numbers: Vec<u64> = (0..64).flat_map(|i| [(1_u64 << i) - 1, 1 << i, (1 << i) + 1]).collect();
        numbers.extend([0xF7, 0xF8, u64::MAX]);
        numbers.sort_unstable();
        numbers.dedup();
        for pair in numbers.windows(2) {
            assert!(ordered(pair[0]) < ordered(pair[1]), "{pair:?}");
            assert!(!ordered(pair[1]).starts_with(&ordered(pair[0])));
        }
        for n in numbers {
            let bytes = ordered(n);
            let mut rest = &bytes[..];
            assert_eq!(take_ordered(&mut rest), Some(n));
            assert!(rest.is_empty());
            if bytes.len() > 1 {
                assert_eq!(take_ordered(&mut &bytes[..bytes.len() - 1]), None);
            }
        }
    }

    #[test]
    fn after_a_prefix_comes_the_next_one() {
        assert_eq!(after_prefix(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(after_prefix(b"a\xFF\xFF"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"\xFF"), None);
    }
}
