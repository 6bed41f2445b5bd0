//! How large requests and items may be: as at AWS, unless the table `[tables]` of the settings file says otherwise.

use super::attribute::json::Reading;
use super::number::Exponents;
use crate::config::{BadSetting, File, nearest, text};

/// The limits in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of an item: the names and values of its attributes.
    pub item_bytes: usize,
    /// Bytes of items that a page of Query or Scan looks at.
    pub page_bytes: usize,
    /// Items that a BatchGetItem asks for.
    pub batch_get_items: usize,
    /// Items that a BatchWriteItem puts and deletes.
    pub batch_write_items: usize,
    /// Items that a transaction reads or writes.
    pub transact_items: usize,
    /// Bytes of a partition key.
    pub partition_key_bytes: usize,
    /// Bytes of a sort key.
    pub sort_key_bytes: usize,
    /// How many levels a value may have, itself being one.
    pub nesting_levels: usize,
    /// Bytes of an expression.
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

/// A limit: its name in the file, the most that it may be, and where it is kept.
struct Limit {
    name: &'static str,
    most: usize,
    of: fn(&mut Limits) -> &mut usize,
}

/// The most that limits may be lifted to: what still fits a request, and what recursion can follow.
const LIMITS: &[Limit] = &[
    Limit { name: "item-bytes-max", most: 16 << 20, of: |limits| &mut limits.item_bytes },
    Limit { name: "page-bytes-max", most: 64 << 20, of: |limits| &mut limits.page_bytes },
    Limit { name: "batch-get-items-max", most: 10_000, of: |limits| &mut limits.batch_get_items },
    Limit { name: "batch-write-items-max", most: 10_000, of: |limits| &mut limits.batch_write_items },
    Limit { name: "transact-items-max", most: 10_000, of: |limits| &mut limits.transact_items },
    Limit { name: "partition-key-bytes-max", most: 8 << 10, of: |limits| &mut limits.partition_key_bytes },
    Limit { name: "sort-key-bytes-max", most: 8 << 10, of: |limits| &mut limits.sort_key_bytes },
    Limit { name: "nesting-levels-max", most: 60, of: |limits| &mut limits.nesting_levels },
    Limit { name: "expression-bytes-max", most: 1 << 20, of: |limits| &mut limits.expression_bytes },
];

impl Limits {
    /// How the values of a request are read.
    pub fn reading(&self, exponents: Exponents) -> Reading {
        Reading { levels_max: self.nesting_levels, exponents }
    }

    /// Those of a settings file, or what is wrong with the first bad one.
    pub fn load(file: &File) -> Result<Self, BadSetting> {
        let mut limits = Self::default();
        for entry in &file.tables {
            let name = &entry.name;
            let bad = |what| BadSetting { place: file.place(entry), what };
            let Some(limit) = LIMITS.iter().find(|limit| limit.name == name) else {
                let near = nearest(name, LIMITS.iter().map(|limit| limit.name));
                return Err(bad(format!("tables have no limit `{name}`{near}")));
            };
            let most = limit.most as u64;
            let value = if name.contains("-bytes-") {
                text::size(&entry.value, 1).and_then(|value| {
                    if value <= most { Ok(value) } else { Err(too_much(&entry.value, most)) }
                })
            } else {
                text::number(&entry.value, 1, most as i64)
            };
            *(limit.of)(&mut limits) = value.map_err(|why| bad(format!("{name}: {why}")))? as usize;
        }
        Ok(limits)
    }
}

fn too_much(value: &str, most: u64) -> String {
    format!("`{value}` is too large; the most is {}", text::show_size(most))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn load(content: &str) -> Result<Limits, String> {
        let file = File::parse(Path::new("s.toml"), content).map_err(|bad| bad.to_string())?;
        Limits::load(&file).map_err(|bad| bad.to_string())
    }

    #[test]
    fn each_can_be_lifted() {
        assert_eq!(load("port = 1"), Ok(Limits::default()));
        let lifted = load(
            "[tables]\nitem-bytes-max = \"1MiB\"\nbatch-write-items-max = 100\nnesting-levels-max = 48\n",
        );
        let expected =
            Limits { item_bytes: 1 << 20, batch_write_items: 100, nesting_levels: 48, ..Limits::default() };
        assert_eq!(lifted, Ok(expected));
        let mut all = Limits::default();
        for limit in LIMITS {
            assert!(*(limit.of)(&mut all) <= limit.most, "{}", limit.name);
            *(limit.of)(&mut all) = 0;
        }
        let Limits { item_bytes: 0, page_bytes: 0, batch_get_items: 0, batch_write_items: 0, .. } = all
        else {
            panic!("one is missing: {all:?}");
        };
    }

    #[test]
    fn a_bad_one_says_where_it_stands() {
        let wrong = |content: &str| load(content).unwrap_err();
        assert_eq!(
            wrong("# a\n[tables]\nitem-byte-max = 5"),
            "s.toml:3: tables have no limit `item-byte-max`; did you mean `item-bytes-max`?"
        );
        assert_eq!(
            wrong("[tables]\nnesting-levels-max = 300"),
            "s.toml:2: nesting-levels-max: `300` is not a whole number from 1 to 60"
        );
        assert_eq!(
            wrong("[tables]\nitem-bytes-max = \"1GiB\""),
            "s.toml:2: item-bytes-max: `1GiB` is too large; the most is 16MiB"
        );
        assert_eq!(
            wrong("[tables]\nitem-bytes-max = \"lots\""),
            "s.toml:2: item-bytes-max: `lots` is not a size; write bytes, or a number with KiB, MiB or GiB"
        );
    }
}
