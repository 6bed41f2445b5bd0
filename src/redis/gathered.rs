//! A result that lies in memory whole, since it is told in another order than it is found in, or is to be sorted.
//!
//! It takes its memory from what all large requests and replies share, and is refused where there is not enough of it.

use super::budget::Charge;
use super::command::Call;
use super::error::{Error, Result};

/// What an allocation costs beyond its bytes, about.
const ALLOCATION_BYTES: usize = 16;
/// Memory is taken in steps of so many bytes.
const STEP_BYTES: usize = 64 << 10;

/// Rows that were found so far.
pub(crate) struct Gathered<T> {
    rows: Vec<T>,
    /// What the rows take beside their place in the vector.
    bytes: usize,
    most: usize,
    /// `None` where it takes nothing from the others.
    charge: Option<Charge>,
}

impl<T> Gathered<T> {
    /// None yet.
    pub(crate) fn new(call: &Call<'_>) -> Self {
        let most = usize::try_from(call.instance.value_bytes_max()).unwrap_or(usize::MAX);
        Self { rows: Vec::new(), bytes: 0, most, charge: Some(Charge::of(call.instance.buffers())) }
    }

    /// None yet, of what a command takes away: it goes into the reply at once, and is no larger than a batch may be, but for a
    /// single row, which is never refused.
    pub(crate) fn taken(call: &Call<'_>) -> Self {
        Self { charge: None, ..Self::new(call) }
    }

    /// Adds a row with so many bytes of its own, if memory has room for it.
    pub(crate) fn add(&mut self, row: T, bytes: usize) -> Result {
        self.bytes = self.bytes.saturating_add(bytes + if bytes > 0 { ALLOCATION_BYTES } else { 0 });
        let grown = if self.rows.len() == self.rows.capacity() { (2 * self.rows.len()).max(4) } else { 0 };
        let places = grown.max(self.rows.capacity()).saturating_mul(size_of::<T>());
        let all = self.bytes.saturating_add(places);
        let fits = match &mut self.charge {
            None => all <= self.most || self.rows.is_empty(),
            Some(charge) => {
                all <= self.most && (all <= charge.bytes() || charge.become_bytes(all + STEP_BYTES))
            }
        };
        if !fits {
            return Err(too_large());
        }
        self.rows.reserve_exact(grown.saturating_sub(self.rows.len()));
        self.rows.push(row);
        Ok(())
    }

    /// Puts a row with so many bytes of its own into the place of one with so many, if memory has room for it.
    pub(crate) fn replace(&mut self, at: usize, row: T, bytes: usize, gone: usize) -> Result {
        self.add(row, bytes)?;
        self.rows.swap_remove(at);
        self.bytes = self.bytes.saturating_sub(gone + ALLOCATION_BYTES);
        Ok(())
    }

    /// The rows.
    pub(crate) fn rows(&self) -> &[T] {
        &self.rows
    }

    /// The rows, to be put into order or cut.
    pub(crate) fn rows_mut(&mut self) -> &mut Vec<T> {
        &mut self.rows
    }
}

fn too_large() -> Error {
    Error::text("ERR the result is larger than the memory for it; ask for less at once")
}
