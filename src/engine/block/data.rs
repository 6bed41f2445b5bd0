//! Data blocks: rows in internal order.
//!
//! ```text
//! content := count u32 LE ‖ skip u32 LE ‖ restart{count} ‖ row*                       count ≥ 1
//! restart := offset of a row u32 LE ‖ head u32 LE
//! row     := shared suffix_len value_len tag ‖ suffix ‖ value          shared … tag := varint
//! tag     = seqno << 2 | kind
//! head    = the four bytes after the first `skip` of the row's user key, big endian, zeros where it is shorter
//! ```
//!
//! `skip` is how many bytes all user keys of the block have in common. `shared` is how many a row's key has in
//! common with that of the row before; at a restart, every eighth row from the first on, it is 0. A search goes by
//! halves through the heads, which lie at the beginning all together, and then through the rows of one restart:
//! what it costs is misses of the CPU's caches, and this makes for few.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::{common_prefix, trailer};
use crate::codec::varint;
use crate::engine::key::{KeyRef, Seqno, Trailer};

/// Rows from one restart to the next.
pub(super) const RESTART_ROWS: usize = 8;
/// Bytes of count and skip.
pub(super) const HEADER_BYTES: usize = 8;
/// Bytes of a restart.
pub(super) const RESTART_BYTES: usize = 8;

/// Values up to this size are copied out of their block, longer ones share its memory and keep it alive.
const COPY_BYTES_MAX: usize = 1024;

/// What is said of a block whose rows do not make sense although its checksum is right.
pub(super) const MALFORMED: &str = "a malformed row";

/// A data block's content.
#[derive(Clone)]
pub(crate) struct DataBlock {
    /// The counts of the `Arc` lie right before the restarts, in the same cache line.
    bytes: Arc<[u8]>,
}

/// The part of a block that is a value.
struct Value {
    bytes: Arc<[u8]>,
    range: Range<usize>,
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }
}

/// One row, with its key as far as it differs from the row before.
pub(super) struct Row<'a> {
    pub(super) shared: usize,
    pub(super) suffix: &'a [u8],
    pub(super) trailer: Trailer,
    /// Where the value lies; it ends where the next row begins.
    pub(super) value: Range<usize>,
}

/// A varint at `*at`, which moves past it.
#[inline]
fn number(bytes: &[u8], at: &mut usize) -> Option<u64> {
    let first = *bytes.get(*at)?;
    if first < 0x80 {
        *at += 1;
        return Some(u64::from(first));
    }
    let mut rest = bytes.get(*at..)?;
    let n = varint::take_u64(&mut rest)?;
    *at = bytes.len() - rest.len();
    Some(n)
}

/// The four bytes of a key from `at` on as a number that sorts as they do.
#[inline]
pub(super) fn head(key: &[u8], at: usize) -> u32 {
    let rest = key.get(at..).unwrap_or_default();
    if let Some(chunk) = rest.first_chunk::<4>() {
        return u32::from_be_bytes(*chunk);
    }
    let mut padded = [0; 4];
    padded[..rest.len()].copy_from_slice(rest);
    u32::from_be_bytes(padded)
}

/// The `u32` in each half of eight bytes.
#[inline]
fn halves(bytes: [u8; 8]) -> (usize, u32) {
    let both = u64::from_le_bytes(bytes);
    (both as u32 as usize, (both >> 32) as u32)
}

impl DataBlock {
    /// Takes the content of a block; the restarts are checked here, rows as they are met.
    pub(crate) fn new(bytes: Arc<[u8]>) -> Result<Self, &'static str> {
        const BAD: &str = "a data block with malformed restarts";
        let count = halves(*bytes.first_chunk().ok_or(BAD)?).0;
        let rows_at =
            count.checked_mul(RESTART_BYTES).and_then(|n| n.checked_add(HEADER_BYTES)).ok_or(BAD)?;
        if count == 0 || rows_at >= bytes.len() || u32::try_from(bytes.len()).is_err() {
            return Err(BAD);
        }
        let block = Self { bytes };
        let mut least = rows_at;
        for (i, restart) in block.restarts().iter().enumerate() {
            let at = halves(*restart).0;
            if at < least || at >= block.end() || (i == 0 && at != rows_at) {
                return Err(BAD);
            }
            least = at + 1;
        }
        Ok(block)
    }

    /// Bytes of memory.
    pub(crate) fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the rows end.
    #[inline]
    pub(super) fn end(&self) -> usize {
        self.bytes.len()
    }

    /// The restarts, as they lie there.
    #[inline]
    fn restarts(&self) -> &[[u8; RESTART_BYTES]] {
        let (chunks, _) = self.bytes.as_chunks();
        let count = chunks.first().map_or(0, |header| halves(*header).0);
        chunks.get(1..=count).unwrap_or_default()
    }

    /// The offset of the first row.
    #[inline]
    pub(super) fn first(&self) -> usize {
        self.restarts().first().map_or(self.end(), |restart| halves(*restart).0)
    }

    /// How many rows there are.
    pub(crate) fn row_count(&self) -> Result<u64, &'static str> {
        let (mut at, before) = match self.restarts() {
            [] => return Ok(0),
            [before @ .., last] => (halves(*last).0, before.len() * RESTART_ROWS),
        };
        let mut rows = before as u64;
        while at < self.end() {
            at = self.row(at).ok_or(MALFORMED)?.value.end;
            rows += 1;
        }
        Ok(rows)
    }

    /// The offset of the last restart at or before a row, which is counted from 0.
    pub(super) fn restart_of(&self, row: usize) -> Option<usize> {
        self.restarts().get(row / RESTART_ROWS).map(|restart| halves(*restart).0)
    }

    /// The offset of the last restart that lies before `end`; `None` if the first one does not.
    pub(super) fn restart_below(&self, end: usize) -> Option<usize> {
        let restarts = self.restarts();
        let after = restarts.partition_point(|restart| halves(*restart).0 < end);
        restarts.get(after.checked_sub(1)?).map(|restart| halves(*restart).0)
    }

    /// Whether every restart is a row with its whole key and the head it should have, and the rows end where the
    /// block does. (Searches find out only what concerns them.)
    pub(crate) fn check_restarts(&self) -> Result<(), &'static str> {
        const BAD: &str = "restarts that do not agree with the rows";
        let skip = self.skip();
        let mut restarts = self.restarts().iter().copied().map(halves).peekable();
        let (mut at, mut first) = (self.first(), None);
        while at < self.end() {
            let row = self.row(at).ok_or(MALFORMED)?;
            if let Some((_, told)) = restarts.next_if(|&(restart, _)| restart == at) {
                let first = *first.get_or_insert(row.suffix);
                let prefix = first.get(..skip);
                if row.shared != 0
                    || told != head(row.suffix, skip)
                    || prefix != row.suffix.get(..skip)
                    || prefix.is_none()
                {
                    return Err(BAD);
                }
            }
            at = row.value.end;
        }
        if restarts.peek().is_none() { Ok(()) } else { Err(BAD) }
    }

    #[inline]
    fn skip(&self) -> usize {
        self.bytes.first_chunk().map_or(0, |header| halves(*header).1 as usize)
    }

    /// The row at an offset.
    #[inline]
    pub(super) fn row(&self, at: usize) -> Option<Row<'_>> {
        let bytes = &self.bytes[..];
        let mut at = at;
        let shared = number(bytes, &mut at)? as usize;
        let suffix_len = usize::try_from(number(bytes, &mut at)?).ok()?;
        let value_len = usize::try_from(number(bytes, &mut at)?).ok()?;
        let trailer = trailer(number(bytes, &mut at)?).filter(|trailer| trailer.kind().is_some())?;
        let value_at = at.checked_add(suffix_len)?;
        let end = value_at.checked_add(value_len)?;
        let suffix = bytes.get(at..value_at)?;
        (end <= bytes.len()).then_some(Row { shared, suffix, trailer, value: value_at..end })
    }

    /// The offset of the last restart whose row comes before `target`; the first restart if none does.
    #[inline]
    pub(super) fn restart_before(&self, target: KeyRef<'_>) -> Option<usize> {
        let restarts = self.restarts();
        let skip = self.skip();
        let first = self.first();
        let prefix = self.row(first)?.suffix.get(..skip)?;
        let wanted = match target.user.get(..skip).unwrap_or(target.user).cmp(prefix) {
            Ordering::Less => return Some(first),
            Ordering::Greater => return restarts.last().map(|restart| halves(*restart).0),
            Ordering::Equal => head(target.user, skip),
        };
        let (mut low, mut high) = (0, restarts.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let (at, head) = halves(restarts[middle]);
            let before = match head.cmp(&wanted) {
                Ordering::Equal => {
                    let row = self.row(at)?;
                    KeyRef::new(row.suffix, row.trailer) < target
                }
                unequal => unequal.is_lt(),
            };
            if before {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        restarts.get(low.saturating_sub(1)).map(|restart| halves(*restart).0)
    }

    /// The newest version of `key` that a reader at `seqno` may see: its trailer, and where its value lies.
    ///
    /// No key is put together on the way: of the row before, which comes before the target, it is enough to
    /// know how many bytes it has in common with it.
    pub(crate) fn get(
        &self,
        key: &[u8],
        seqno: Seqno,
    ) -> Result<Option<(Trailer, Range<usize>)>, &'static str> {
        let target = KeyRef::new(key, Trailer::visible_at(seqno));
        let mut at = self.restart_before(target).ok_or(MALFORMED)?;
        let mut common = 0;
        while at < self.end() {
            let row = self.row(at).ok_or(MALFORMED)?;
            if row.shared <= common {
                let rest = &key[row.shared..];
                let more = common_prefix(row.suffix, rest);
                match row.suffix.get(more).cmp(&rest.get(more)) {
                    Ordering::Less => common = row.shared + more,
                    Ordering::Equal if row.trailer.seqno() <= seqno => {
                        return Ok(Some((row.trailer, row.value)));
                    }
                    Ordering::Equal => common = key.len(),
                    Ordering::Greater => return Ok(None),
                }
            }
            at = row.value.end;
        }
        Ok(None)
    }

    /// A value, copied if it is small; if not it shares the block's memory.
    #[inline]
    pub(crate) fn value(&self, range: Range<usize>) -> Bytes {
        if range.len() <= COPY_BYTES_MAX {
            Bytes::copy_from_slice(&self.bytes[range])
        } else {
            Bytes::from_owner(Value { bytes: Arc::clone(&self.bytes), range })
        }
    }
}
