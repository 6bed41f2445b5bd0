//! Walking over a database's keys in the order of their names.

use std::ops::{Bound, ControlFlow};

use bytes::Bytes;

use super::{Meta, Result, Space, Type, collection, key};
use crate::random::Random;
use crate::store::{Error, Reads, after_prefix};

/// A key met on a walk.
pub struct Met<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// Its type; `None` if the row is damaged.
    pub kind: Option<Type>,
}

/// Visits the keys whose names begin with `prefix` and come after `after`, in order, until told to stop; keys that
/// are due are passed over, but count as steps. `None` once the end was reached, else the name at which it stopped.
pub fn walk(
    reads: &dyn Reads,
    space: Space,
    prefix: &[u8],
    after: Option<&[u8]>,
    steps_max: usize,
    visit: &mut dyn FnMut(&Met<'_>) -> ControlFlow<()>,
) -> Result<Option<Vec<u8>>> {
    let start = space.meta_row(prefix);
    let end = after_prefix(&start).ok_or(Error::Damaged("a keyspace"))?;
    let after = after.filter(|name| *name >= prefix).map(|name| space.meta_row(name));
    let from = after.as_deref().map_or(Bound::Included(&start[..]), Bound::Excluded);
    let mut rows = reads.scan(from, Bound::Excluded(&end));
    let head = space.meta_row(b"").len();
    let now_ms = reads.now_ms();
    rows.first()?;
    let mut steps = 0;
    while rows.valid() {
        let name = rows.key().get(head..).unwrap_or_default();
        let value = rows.value();
        steps += 1;
        let due = Meta::peek_deadline_ms(value).is_some_and(|deadline| deadline <= now_ms)
            || (Meta::peek_has_due_elements(value)
                && key::is_gone(reads, space, &Meta::decode(&rows.value_bytes())?)?);
        let stop = !due && visit(&Met { name, kind: Meta::peek_type(value) }).is_break();
        if stop || steps >= steps_max {
            let name = name.to_vec();
            rows.next()?;
            return Ok(rows.valid().then_some(name));
        }
        rows.next()?;
    }
    Ok(None)
}

/// How often to draw again when what was drawn is due.
const DRAWS: usize = 100;

/// From so many keys on it is not worth while to count them again.
const MANY_KEYS: u64 = 2048;

/// Some key's name, of about so many; `None` if there is none.
pub fn random(reads: &dyn Reads, space: Space, keys: u64, random: &mut Random) -> Result<Option<Bytes>> {
    let start = space.meta_row(b"");
    let end = after_prefix(&start).ok_or(Error::Damaged("a keyspace"))?;
    let bounds = (Bound::Included(&start[..]), Bound::Excluded(&end[..]));
    for _ in 0..DRAWS {
        let Some((row, value)) =
            collection::random_row(reads, bounds, Some(keys).filter(|&keys| keys > MANY_KEYS), random)?
        else {
            return Ok(None);
        };
        if !key::is_gone(reads, space, &Meta::decode(&value)?)? {
            return Ok(Some(Bytes::from(row).slice(start.len()..)));
        }
    }
    // Nearly everything is due: the first that is not will do.
    let mut found = None;
    walk(reads, space, b"", None, usize::MAX, &mut |met| {
        found = Some(Bytes::copy_from_slice(met.name));
        ControlFlow::Break(())
    })?;
    Ok(found)
}
