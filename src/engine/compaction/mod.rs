//! Keeping the tree in shape.
//!
//! [`pick`] decides, a pure function of the tree and the moment; [`run`] does it; [`pressure`] slows writers down in
//! proportion to what is left to do.

pub(crate) mod dead;
pub(crate) mod filter;
pub(crate) mod outputs;
pub(crate) mod pick;
pub(crate) mod pressure;
pub(crate) mod run;
pub(crate) mod shape;

#[cfg(test)]
mod tests;
