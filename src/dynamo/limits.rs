//! What is allowed: as AWS has it, unless the settings say otherwise.

/// Limits of requests and items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// An item, in bytes.
    pub item_bytes: usize,
    /// What a Query or Scan goes through for one page, in bytes.
    pub page_bytes: usize,
    /// Keys of a BatchGetItem.
    pub batch_get_items: usize,
    /// Requests of a BatchWriteItem.
    pub batch_write_items: usize,
    /// Actions of a transaction.
    pub transact_items: usize,
    /// A partition key, in bytes.
    pub partition_key_bytes: usize,
    /// A sort key, in bytes.
    pub sort_key_bytes: usize,
    /// How deep values may lie in each other.
    pub nesting_levels: usize,
    /// An expression, in bytes.
    pub expression_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            item_bytes: 400 << 10,
            page_bytes: 1 << 20,
            batch_get_items: 100,
            batch_write_items: 25,
            transact_items: 100,
            partition_key_bytes: 2048,
            sort_key_bytes: 1024,
            nesting_levels: 32,
            expression_bytes: 4096,
        }
    }
}
