//! Walking over a database's keys in the order of their names.

use std::ops::{Bound, ControlFlow};

use super::{META, Meta, Result, Space, Type};
use crate::store::Reads;

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
    let end = end_of(&start);
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
        let due = Meta::peek_deadline_ms(value).is_some_and(|deadline| deadline <= now_ms);
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

/// The first row after all rows that begin with `start`, which holds a byte below 255: the kind's.
fn end_of(start: &[u8]) -> Vec<u8> {
    let mut end = start.to_vec();
    while end.pop_if(|byte| *byte == u8::MAX).is_some() {}
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    debug_assert!(start.contains(&META));
    end
}
