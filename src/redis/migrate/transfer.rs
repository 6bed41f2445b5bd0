//! Sending keys: some at a time, so that the target need not be written to while it has something to say.

use super::super::command::Call;
use super::super::dump;
use super::super::error::{Error, Result};
use super::super::keyspace::{Meta, Space};
use super::target::{DONE, REMOVED, Target};
use crate::store::Reads;

/// Keys that are sent before it is read what became of them.
const LOT_KEYS: usize = 64;

/// The conversation broke off.
pub(super) fn broken(what: &str) -> Error {
    Error::text(format!("IOERR error or timeout {what} to target instance"))
}

/// The target does not want it.
pub(super) fn refused(why: &str) -> Error {
    Error::text(format!("ERR Target instance replied with error: {why}"))
}

/// A key to be sent.
pub(super) struct Parcel<'a> {
    /// Which of the call's keys it is.
    pub(super) at: usize,
    pub(super) name: &'a [u8],
    /// `None`: it is to be removed there.
    pub(super) meta: Option<Meta>,
    /// Whether it takes the place of what the target has.
    pub(super) replace: bool,
}

/// What became of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Unsent,
    Arrived,
    Refused,
}

/// What is sent to a target.
pub(super) struct Sending {
    target: Target,
    /// What went wrong first.
    pub(super) failed: Option<Error>,
    /// Nothing more is sent.
    is_ended: bool,
}

impl Sending {
    pub(super) fn new(target: Target) -> Self {
        Self { target, failed: None, is_ended: false }
    }

    /// Sends keys; what became of each.
    pub(super) fn send(
        &mut self,
        reads: &dyn Reads,
        call: &Call<'_>,
        space: Space,
        parcels: &[Parcel<'_>],
    ) -> Vec<Fate> {
        let mut fates = vec![Fate::Unsent; parcels.len()];
        for (lot, fates) in parcels.chunks(LOT_KEYS).zip(fates.chunks_mut(LOT_KEYS)) {
            if self.is_ended {
                break;
            }
            let sent = self.send_lot(reads, call, space, lot);
            for (parcel, fate) in lot.iter().zip(fates).take(sent) {
                *fate = match self.target.reply(if parcel.meta.is_some() { DONE } else { REMOVED }) {
                    Ok(None) => Fate::Arrived,
                    Ok(Some(why)) => {
                        self.failed.get_or_insert_with(|| refused(&why));
                        Fate::Refused
                    }
                    Err(_) => {
                        self.end(broken("reading"));
                        break;
                    }
                };
            }
        }
        fates
    }

    /// Sends keys until one cannot be; how many were. What was sent before it is settled all the same.
    fn send_lot(&mut self, reads: &dyn Reads, call: &Call<'_>, space: Space, lot: &[Parcel<'_>]) -> usize {
        for (sent, parcel) in lot.iter().enumerate() {
            match self.send_key(reads, call, space, parcel) {
                Ok(Ok(())) => continue,
                Ok(Err(_)) => self.end(broken("writing")),
                Err(error) => self.end(error),
            }
            return sent;
        }
        lot.len()
    }

    fn end(&mut self, error: Error) {
        self.failed.get_or_insert(error);
        self.is_ended = true;
    }

    /// Sends a key; the outer failure is ours, the inner one the connection's.
    fn send_key(
        &mut self,
        reads: &dyn Reads,
        call: &Call<'_>,
        space: Space,
        parcel: &Parcel<'_>,
    ) -> Result<std::io::Result<()>> {
        let Some(meta) = &parcel.meta else { return Ok(self.target.send(&[b"DEL", parcel.name])) };
        let most = usize::try_from(call.instance.value_bytes_max()).unwrap_or(usize::MAX);
        let payload = dump::payload(reads, space, parcel.name, meta.clone(), most)?;
        // As of now: what was sent before it may have taken its time.
        let now_ms = call.instance.store().now_ms();
        let left_ms = meta.deadline_ms.map_or(0, |deadline| deadline.saturating_sub(now_ms).max(1));
        let left_ms = left_ms.to_string();
        let mut words: Vec<&[u8]> = vec![b"RESTORE", parcel.name, left_ms.as_bytes(), &payload];
        if parcel.replace {
            words.push(b"REPLACE");
        }
        Ok(self.target.send(&words))
    }
}
