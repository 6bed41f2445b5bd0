//! COPY. A small collection is one row; a large one's elements are copied, in one batch if they fit, else in parts
//! ([`Parts`]).

use std::ops::Bound;

use bytes::Bytes;

use super::parts::{PART_BYTES, Parts};
use super::{Body, Meta, Owner, Result, Space, key};
use crate::store::{Error, Reads, Txn, after_prefix};

/// Stages a copy of a key, over whatever is there; whether it existed. The two must not be the same key.
pub fn copy(txn: &mut Txn, from: Space, name: &[u8], to: Space, new_name: &[u8]) -> Result<bool> {
    let Some(mut meta) = key::load(txn, from, name)? else { return Ok(false) };
    if let Body::Owned { owner, len, head } = meta.body {
        let new = Owner { home: to.id, id: txn.new_id()? };
        copy_elements(txn, owner, new, Bound::Included(owner.prefix()))?;
        meta.body = Body::Owned { owner: new, len, head };
    }
    let meta = Meta { armed_ms: None, ..meta };
    key::note_replaced(txn, to, new_name)?;
    key::overwrite_with(txn, to, new_name, meta, &[])?;
    Ok(true)
}

/// Copies an owner's rows from one on to another owner, whom the caller links to.
pub(super) fn copy_elements(txn: &mut Txn, from: Owner, to: Owner, start: Bound<Vec<u8>>) -> Result<()> {
    let prefix = from.prefix();
    let mut parts = Parts::new(to.prefix());
    let mut after = start;
    loop {
        let (rows, last) = read_part(txn, &prefix, &after)?;
        for (row, value) in rows {
            let renamed = [parts.prefix(), row.get(prefix.len()..).unwrap_or_default()].concat();
            parts.put(txn, renamed, value)?;
        }
        let Some(last) = last else { break };
        after = Bound::Excluded(last);
    }
    parts.finish(txn);
    Ok(())
}

type Rows = Vec<(Vec<u8>, Bytes)>;

/// The next rows of an owner, and the last of them unless that is all.
fn read_part(txn: &Txn, prefix: &[u8], after: &Bound<Vec<u8>>) -> Result<(Rows, Option<Vec<u8>>)> {
    let end = after_prefix(prefix).ok_or(Error::Damaged("an owner"))?;
    let mut scan = txn.scan(after.as_ref().map(|row| &row[..]), Bound::Excluded(&end));
    let (mut rows, mut bytes) = (Vec::new(), 0);
    scan.first()?;
    while scan.valid() {
        let (row, value) = (scan.key().to_vec(), scan.value_bytes());
        bytes += row.len() + value.len();
        rows.push((row, value));
        if bytes >= PART_BYTES {
            let last = rows.last().map(|(row, _)| row.clone());
            return Ok((rows, last));
        }
        scan.next()?;
    }
    Ok((rows, None))
}
