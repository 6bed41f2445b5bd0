//! Shard iterators: where in a stream somebody reads, as a text that clients hand back.
//!
//! ```text
//! iterator := base64(issued, Unix milliseconds | next sequence number | the stream's ARN)
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::dynamo::error::{Kind, Result, invalid, refused};

/// How long an iterator is good for, in milliseconds.
const GOOD_MS: u64 = 15 * 60 * 1000;

/// A place in a stream.
pub(super) struct Iterator {
    /// When it was given out, in Unix milliseconds.
    pub(super) issued_ms: u64,
    /// The number to go on with.
    pub(super) next: u64,
    /// Which stream.
    pub(super) arn: String,
}

impl Iterator {
    /// As text.
    pub(super) fn show(&self) -> String {
        BASE64.encode(format!("{}|{}|{}", self.issued_ms, self.next, self.arn))
    }

    /// Reads one that was handed back at this time, in Unix milliseconds.
    pub(super) fn parse(text: &str, now_ms: u64) -> Result<Self> {
        let iterator = BASE64.decode(text).ok().and_then(|bytes| {
            let text = String::from_utf8(bytes).ok()?;
            let (issued, rest) = text.split_once('|')?;
            let (next, arn) = rest.split_once('|')?;
            Some(Self { issued_ms: issued.parse().ok()?, next: next.parse().ok()?, arn: arn.to_owned() })
        });
        let iterator = iterator.ok_or_else(|| invalid("Invalid ShardIterator"))?;
        if iterator.issued_ms.saturating_add(GOOD_MS) < now_ms {
            return Err(refused(
                Kind::ExpiredIterator,
                "The shard iterator is expired: it is older than 15 minutes",
            ));
        }
        Ok(iterator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iterators_come_back_for_a_quarter_of_an_hour() {
        let text = Iterator { issued_ms: 1000, next: u64::MAX, arn: "a|b".to_owned() }.show();
        let again = Iterator::parse(&text, 1000 + GOOD_MS).unwrap();
        assert_eq!((again.issued_ms, again.next, &again.arn[..]), (1000, u64::MAX, "a|b"));
        assert!(Iterator::parse(&text, 1001 + GOOD_MS).is_err());
        for wrong in ["", "!", "MXwy", "MXx4fHk="] {
            assert!(Iterator::parse(wrong, 0).is_err(), "{wrong}");
        }
    }
}
