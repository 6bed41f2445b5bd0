//! Bytes: numbers of variable length, keys that sort as their values do, checksums.

pub mod checksum;
pub mod digest;
pub mod hash;
pub mod order;
pub mod varint;
