//! The log: what was committed and is not in tables yet.

mod record;

pub(crate) use self::record::{Claim, Head, Kind, Place};
