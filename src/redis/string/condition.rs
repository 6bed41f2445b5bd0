//! What a string must be for SET and DELEX to do something, be it by its digest.

use xxhash_rust::xxh3::xxh3_64;

use super::load;
use crate::redis::args::Walk;
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::protocol::reply::Reply;
use crate::store::Reads;

/// A comparison with what a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Condition<'a> {
    /// Whether it must be the same, rather than different.
    equal: bool,
    /// Whether digests are compared.
    digest: bool,
    with: &'a [u8],
}

impl<'a> Condition<'a> {
    /// Takes `IFEQ value` and its kin off the walk; `None` if none is there.
    pub(super) fn take(walk: &mut Walk<'a>) -> Result<Option<Self>> {
        let words =
            [("ifeq", true, false), ("ifne", false, false), ("ifdeq", true, true), ("ifdne", false, true)];
        for (word, equal, digest) in words {
            if walk.accept(word) {
                return Ok(Some(Self { equal, digest, with: walk.word()? }));
            }
        }
        Ok(None)
    }

    /// Whether another is of the same kind.
    pub(super) fn is_like(&self, other: Self) -> bool {
        (self.equal, self.digest) == (other.equal, other.digest)
    }

    /// Whether it holds of a string, or of there being none.
    pub(super) fn holds(&self, contents: Option<&[u8]>) -> Result<bool> {
        let Some(contents) = contents else { return Ok(!self.equal) };
        let same = if self.digest {
            let digest = digest_of(contents);
            if self.with.len() != digest.len() {
                return Err(Error::text("ERR must be exactly 16 hexadecimal characters"));
            }
            self.with.eq_ignore_ascii_case(digest.as_bytes())
        } else {
            self.with == contents
        };
        Ok(same == self.equal)
    }
}

fn digest_of(contents: &[u8]) -> String {
    format!("{:016x}", xxh3_64(contents))
}

/// `DIGEST key`
pub(super) fn digest(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let found = load(reads, call, call.get(1))?;
    let digest = found.map(|found| digest_of(&found.contents));
    reply.bulk_or_null(digest.as_ref().map(String::as_bytes));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::digest_of;

    #[test]
    fn digests_are_as_published() {
        assert_eq!(digest_of(b"Hello world"), "b6acb9d84a38ff74");
        // One that begins with zeros.
        let text =
            b"v8lf0c11xh8ymlqztfd3eeq16kfn4sspw7fqmnuuq3k3t75em5wdizgcdw7uc26nnf961u2jkfzkjytls2kwlj7626sd";
        assert_eq!(digest_of(text), "00006c38adf31777");
    }
}
