//! Data blocks: rows in internal order.
//!
//! ```text
//! content := row* ‖ restart*  ‖ count u32 LE             restart := u32 LE, offset of a row; count of them, ≥ 1
//! row     := shared suffix_len value_len tag ‖ suffix ‖ value          shared … tag := varint
//! tag     = seqno << 2 | kind
//! ```
//!
//! `shared` is how many bytes the user key has in common with that of the row before; at a restart, every
//! sixteenth row from the first on, it is 0, so that restarts can be searched by halves.

use std::cmp::Ordering;
use std::ops::Range;

use bytes::Bytes;

use super::{common_prefix, trailer};
use crate::codec::varint;
use crate::engine::key::{KeyRef, Seqno, Trailer};

/// Rows from one restart to the next.
pub(super) const RESTART_ROWS: usize = 16;

/// What is said of a block whose rows do not make sense although its checksum is right.
pub(super) const MALFORMED: &str = "a malformed row";

/// A data block's content.
#[derive(Clone)]
pub(crate) struct DataBlock {
    pub(super) bytes: Bytes,
    /// Where the rows end and the restarts begin.
    pub(super) rows_end: u32,
    pub(super) restarts: u32,
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

impl DataBlock {
    /// Takes the content of a block; the restarts are checked here, rows as they are met.
    pub(crate) fn new(bytes: Bytes) -> Result<Self, &'static str> {
        const BAD: &str = "a data block with malformed restarts";
        let (_, count) = bytes.split_last_chunk::<4>().ok_or(BAD)?;
        let restarts = u32::from_le_bytes(*count);
        let tail = (restarts as usize).checked_mul(4).and_then(|n| n.checked_add(4)).ok_or(BAD)?;
        let rows_end = u32::try_from(bytes.len().checked_sub(tail).ok_or(BAD)?).map_err(|_| BAD)?;
        let block = Self { bytes, rows_end, restarts };
        let mut before = None;
        for i in 0..restarts as usize {
            let at = block.restart(i);
            if at >= rows_end as usize || before.is_some_and(|before| at <= before) || (i == 0 && at != 0) {
                return Err(BAD);
            }
            before = Some(at);
        }
        if before.is_none() {
            return Err(BAD);
        }
        Ok(block)
    }

    /// Bytes of memory.
    pub(crate) fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    /// The offset of the i-th restart.
    #[inline]
    pub(super) fn restart(&self, i: usize) -> usize {
        let at = self.rows_end as usize + 4 * i;
        self.bytes[at..].first_chunk::<4>().map_or(0, |chunk| u32::from_le_bytes(*chunk) as usize)
    }

    /// Whether every restart is a row with its whole key, and all rows together end where the restarts begin.
    /// (Searches find out only what concerns them.)
    pub(crate) fn check_restarts(&self) -> Result<(), &'static str> {
        let (mut at, mut i) = (0, 0);
        while at < self.rows_end as usize {
            let row = self.row(at).ok_or(MALFORMED)?;
            if i < self.restarts as usize && self.restart(i) == at {
                i += 1;
                if row.shared != 0 {
                    return Err(MALFORMED);
                }
            }
            at = row.value.end;
        }
        if i == self.restarts as usize && at == self.rows_end as usize { Ok(()) } else { Err(MALFORMED) }
    }

    /// The row at an offset below `rows_end`.
    #[inline]
    pub(super) fn row(&self, at: usize) -> Option<Row<'_>> {
        let rows = self.bytes.get(..self.rows_end as usize)?;
        let mut at = at;
        let shared = number(rows, &mut at)? as usize;
        let suffix_len = usize::try_from(number(rows, &mut at)?).ok()?;
        let value_len = usize::try_from(number(rows, &mut at)?).ok()?;
        let trailer = trailer(number(rows, &mut at)?).filter(|trailer| trailer.kind().is_some())?;
        let value_at = at.checked_add(suffix_len)?;
        let end = value_at.checked_add(value_len)?;
        let suffix = rows.get(at..value_at)?;
        (end <= rows.len()).then_some(Row { shared, suffix, trailer, value: value_at..end })
    }

    /// The offset of the last restart whose row comes before `target`; the first restart if none does.
    #[inline]
    pub(super) fn restart_before(&self, target: KeyRef<'_>) -> Option<usize> {
        let (mut low, mut high) = (0, self.restarts as usize);
        while low < high {
            let middle = usize::midpoint(low, high);
            let row = self.row(self.restart(middle))?;
            if KeyRef::new(row.suffix, row.trailer) < target {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Some(self.restart(low.saturating_sub(1)))
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
        while at < self.rows_end as usize {
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

    /// A value, sharing the block's memory.
    #[inline]
    pub(crate) fn into_value(self, value: Range<usize>) -> Bytes {
        let mut bytes = self.bytes;
        bytes.truncate(value.end);
        bytes::Buf::advance(&mut bytes, value.start);
        bytes
    }
}
