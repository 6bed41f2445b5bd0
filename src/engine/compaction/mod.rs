//! Keeping the tree in shape: [`pressure`] slows writers down in proportion to what is to be done.

pub(crate) mod pressure;
