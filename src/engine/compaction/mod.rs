//! Keeping the tree in shape: [`pick`] decides, [`pressure`] slows writers down in proportion to what is to be done.

pub(crate) mod filter;
pub(crate) mod outputs;
pub(crate) mod pick;
pub(crate) mod pressure;
pub(crate) mod shape;
