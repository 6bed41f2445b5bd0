//! Memory that a request or a reply takes, reserved before it is used.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::dynamo::error::{Kind, Refusal};
use crate::redis::instance::Instance;

/// What a request or a reply may take without being counted.
const UNCOUNTED: usize = 16 << 10;

/// Bytes reserved; given back when dropped.
pub(super) struct Reserved {
    instance: Arc<Instance>,
    bytes: usize,
    /// A place among those of whom there may be few, for as long.
    place: Option<OwnedSemaphorePermit>,
}

impl Reserved {
    /// Nothing yet.
    pub(super) fn none(instance: &Arc<Instance>) -> Self {
        Self { instance: instance.clone(), bytes: 0, place: None }
    }

    /// Keeps a place with it.
    pub(super) fn in_place(mut self, place: OwnedSemaphorePermit) -> Self {
        self.place = Some(place);
        self
    }

    /// Reserves so many bytes altogether, if there are as many.
    pub(super) fn grow(&mut self, bytes: usize) -> Result<(), Refusal> {
        let wanted = bytes.saturating_sub(UNCOUNTED);
        if wanted <= self.bytes {
            return Ok(());
        }
        if self.instance.buffers().change(self.bytes, wanted) {
            self.bytes = wanted;
            return Ok(());
        }
        Err(if wanted > self.instance.buffers().most() {
            Refusal::new(Kind::RequestTooLarge, "It does not fit the memory that the server may use")
        } else {
            let why = "Requests and replies take all the memory that there is for them; try again";
            Refusal::new(Kind::ServiceUnavailable, why)
        })
    }

    /// Keeps the bytes for as long as somebody has this content.
    pub(super) fn keep(self, content: Vec<u8>) -> Bytes {
        if self.bytes == 0 && self.place.is_none() {
            return content.into();
        }
        Bytes::from_owner(Kept { content, _reserved: self })
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.instance.buffers().change(self.bytes, 0);
    }
}

struct Kept {
    content: Vec<u8>,
    _reserved: Reserved,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.content
    }
}
