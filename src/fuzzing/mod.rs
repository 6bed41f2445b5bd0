//! What the fuzzer drives: decoders of strangers' bytes that no public function reaches past their checksums.
//!
//! Each function takes any bytes and panics if a promise is broken: that nothing panics, that no memory is set
//! aside for what is merely declared, and what the function says beside. `fuzz/` has the drivers; this module is
//! compiled for them alone, behind the feature `fuzzing`.

mod blocks;
#[cfg(feature = "server")]
mod expressions;
mod records;
#[cfg(feature = "server")]
mod requests;
#[cfg(feature = "server")]
mod statements;
#[cfg(feature = "server")]
mod tables;
#[cfg(feature = "server")]
mod values;

pub use self::blocks::{block, filter, index, sealed, table};
#[cfg(feature = "server")]
pub use self::expressions::expressions;
pub use self::records::{batch, edit};
#[cfg(feature = "server")]
pub use self::requests::resp;
#[cfg(feature = "server")]
pub use self::statements::statements;
#[cfg(feature = "server")]
pub use self::tables::tables;
#[cfg(feature = "server")]
pub use self::values::value;

/// A target: its name, what it does with an input, and inputs to begin with.
pub type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// The targets of this module.
pub const TARGETS: &[Target] = &[
    ("block", block, blocks::block_seeds),
    ("index", index, blocks::index_seeds),
    ("filter", filter, blocks::filter_seeds),
    ("sealed", sealed, blocks::sealed_seeds),
    ("table", table, blocks::table_seeds),
    ("batch", batch, records::batch_seeds),
    ("edit", edit, records::edit_seeds),
    #[cfg(feature = "server")]
    ("resp", resp, requests::resp_seeds),
    #[cfg(feature = "server")]
    ("value", value, values::value_seeds),
    #[cfg(feature = "server")]
    ("expressions", expressions, expressions::expression_seeds),
    #[cfg(feature = "server")]
    ("statements", statements, statements::statement_seeds),
    #[cfg(feature = "server")]
    ("tables", tables, tables::request_seeds),
];
