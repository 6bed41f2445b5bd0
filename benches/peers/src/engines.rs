//! The three engines, set up alike.

use std::ops::Bound::Unbounded;
use std::path::Path;

use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, DBRawIteratorWithThreadMode, WaitForCompactOptions,
};
use siltstone::cli::bench::Siltstone;
use siltstone::cli::bench::workload::{Session, Subject};
use siltstone::engine::{Fsync, Options};

use crate::Args;

const FILTER_BITS: u32 = 10;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Siltstone's own subject, opened with the settings of the comparison.
pub struct Silt(Siltstone);

impl Silt {
    pub fn open(dir: &Path, args: &Args) -> Result<Self, String> {
        let options = Options {
            memory: (args.cache_mib + 4 * args.memtable_mib + 96) << 20,
            memtable: Some(args.memtable_mib << 20),
            cache: Some(args.cache_mib << 20),
            fsync: Fsync::Never,
            filter_bits: FILTER_BITS,
            ..Options::default()
        };
        Siltstone::open(dir, &options, true).map(Self)
    }

    pub fn close(self) -> Result<(), String> {
        self.0.settle()?;
        self.0.close()
    }
}

impl Subject for Silt {
    type Session<'a> = <Siltstone as Subject>::Session<'a>;

    fn session(&self) -> Self::Session<'_> {
        self.0.session()
    }
}

/// RocksDB.
pub struct Rocks(rocksdb::DB);

impl Rocks {
    pub fn open(dir: &Path, args: &Args) -> Result<Self, String> {
        let mut table = BlockBasedOptions::default();
        table.set_block_cache(&Cache::new_lru_cache((args.cache_mib << 20) as usize));
        table.set_bloom_filter(f64::from(FILTER_BITS), false);
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        options.set_block_based_table_factory(&table);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_write_buffer_size((args.memtable_mib << 20) as usize);
        options.set_level_compaction_dynamic_level_bytes(true);
        rocksdb::DB::open(&options, dir).map(Self).map_err(text)
    }

    pub fn close(self) -> Result<(), String> {
        self.0.wait_for_compact(&WaitForCompactOptions::default()).map_err(text)
    }
}

impl Subject for Rocks {
    type Session<'a> = RocksSession<'a>;

    fn session(&self) -> RocksSession<'_> {
        RocksSession(&self.0)
    }
}

/// One thread's handle.
pub struct RocksSession<'a>(&'a rocksdb::DB);

impl Session for RocksSession<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.0.put(key, value).map_err(text)
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), String> {
        self.0.delete(key).map_err(text)
    }

    fn get(&mut self, key: &[u8]) -> Result<bool, String> {
        Ok(self.0.get_pinned(key).map_err(text)?.is_some())
    }

    fn seek(&mut self, key: &[u8]) -> Result<bool, String> {
        let mut at: DBRawIteratorWithThreadMode<'_, rocksdb::DB> = self.0.raw_iterator();
        at.seek(key);
        at.status().map_err(text)?;
        Ok(at.key() == Some(key))
    }

    fn scan(&mut self, mut visit: impl FnMut(&[u8], &[u8]) -> bool) -> Result<(), String> {
        let mut at = self.0.raw_iterator();
        at.seek_to_first();
        while let Some((key, value)) = at.item() {
            if !visit(key, value) {
                break;
            }
            at.next();
        }
        at.status().map_err(text)
    }
}

/// fjall.
pub struct Fjall {
    database: fjall::Database,
    rows: fjall::Keyspace,
}

impl Fjall {
    pub fn open(dir: &Path, args: &Args) -> Result<Self, String> {
        use fjall::config::{BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry};
        let database = fjall::Database::builder(dir).cache_size(args.cache_mib << 20).open().map_err(text)?;
        let rows = database
            .keyspace("rows", || {
                fjall::KeyspaceCreateOptions::default()
                    .max_memtable_size(args.memtable_mib << 20)
                    .data_block_compression_policy(CompressionPolicy::all(fjall::CompressionType::Lz4))
                    .filter_policy(FilterPolicy::all(FilterPolicyEntry::Bloom(
                        BloomConstructionPolicy::BitsPerKey(FILTER_BITS as f32),
                    )))
            })
            .map_err(text)?;
        Ok(Self { database, rows })
    }

    pub fn close(self) -> Result<(), String> {
        // It offers no wait for its compactions: when three looks find none at work, all is done.
        let mut quiet = 0;
        while quiet < 3 {
            std::thread::sleep(std::time::Duration::from_millis(300));
            let busy = self.database.active_compactions() > 0 || self.database.outstanding_flushes() > 0;
            quiet = if busy { 0 } else { quiet + 1 };
        }
        Ok(())
    }
}

impl Subject for Fjall {
    type Session<'a> = FjallSession<'a>;

    fn session(&self) -> FjallSession<'_> {
        FjallSession(&self.rows)
    }
}

/// One thread's handle.
pub struct FjallSession<'a>(&'a fjall::Keyspace);

impl Session for FjallSession<'_> {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        self.0.insert(key, value).map_err(text)
    }

    fn delete(&mut self, key: &[u8]) -> Result<(), String> {
        self.0.remove(key).map_err(text)
    }

    fn get(&mut self, key: &[u8]) -> Result<bool, String> {
        Ok(self.0.get(key).map_err(text)?.is_some())
    }

    fn seek(&mut self, key: &[u8]) -> Result<bool, String> {
        match self.0.range::<&[u8], _>((std::ops::Bound::Included(key), Unbounded)).next() {
            Some(row) => Ok(*row.into_inner().map_err(text)?.0 == *key),
            None => Ok(false),
        }
    }

    fn scan(&mut self, mut visit: impl FnMut(&[u8], &[u8]) -> bool) -> Result<(), String> {
        for row in self.0.iter() {
            let (key, value) = row.into_inner().map_err(text)?;
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }
}
