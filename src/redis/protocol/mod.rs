//! RESP, both ways: [`decode`] slices what a client sent into words, [`reply`] writes what it is answered.

pub(crate) mod decode;
pub(crate) mod reply;
