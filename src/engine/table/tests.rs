//! Tables against a sorted map, and against damage.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::engine::cursor::Cursor;
use crate::engine::options::Compression;
use crate::vfs::memory::MemoryVfs;

/// User key and trailer, in the order of tables.
type Rows = BTreeMap<(Vec<u8>, std::cmp::Reverse<Trailer>), Vec<u8>>;

struct Fixture {
    disk: MemoryVfs,
    vfs: Arc<dyn Vfs>,
    path: PathBuf,
    meta: TableMeta,
}

impl Fixture {
    fn write(rows: &Rows, settings: TableSettings) -> Self {
        let disk = MemoryVfs::new();
        let vfs: Arc<dyn Vfs> = Arc::new(disk.clone());
        let path = PathBuf::from("000007.tbl");
        let mut writer = TableWriter::create(&vfs, &path, 7, settings).unwrap();
        for ((user, trailer), value) in rows {
            let deadline = (value.len() == 3).then_some(trailer.0.seqno());
            writer.add(KeyRef::new(user, trailer.0), value, deadline).unwrap();
        }
        let meta = writer.finish(5).unwrap();
        Self { disk, vfs, path, meta }
    }

    fn open_with(&self, cache: Arc<Cache>) -> Result<Arc<Table>> {
        Table::open(&self.vfs, &self.path, self.meta.clone(), cache)
    }

    fn open(&self) -> Arc<Table> {
        self.open_with(Arc::new(Cache::new(1 << 20))).unwrap()
    }
}

fn small_blocks(block: u32, filter_bits: u32, lz4: bool) -> TableSettings {
    let compression = if lz4 { Compression::Lz4 } else { Compression::None };
    TableSettings { block, filter_bits, compression }
}

fn user_key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(0_u8..3, 0..4),
        (0..40_u32).prop_map(|n| format!("user:{n:04}").into_bytes()),
        (0..6_usize).prop_map(|n| vec![b'x'; n * 700]),
        prop::collection::vec(any::<u8>(), 0..12),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..30),
        2 => (0..200_usize).prop_map(|n| vec![b'v'; n]),
        1 => prop::collection::vec(any::<u8>(), 0..2000),
    ]
}

fn rows() -> impl Strategy<Value = Rows> {
    let trailer = (0..40_u64, prop::bool::weighted(0.2))
        .prop_map(|(seqno, dead)| Trailer::new(seqno, if dead { Kind::Delete } else { Kind::Put }));
    let row = (user_key(), trailer, value());
    prop::collection::vec(row, 1..300).prop_map(|rows| {
        let mut map = Rows::new();
        for (user, trailer, value) in rows {
            // One kind to a sequence number.
            let twin = std::cmp::Reverse(Trailer(trailer.0 ^ 3));
            if !map.contains_key(&(user.clone(), twin)) {
                let value = if trailer.kind() == Some(Kind::Put) { value } else { Vec::new() };
                map.insert((user, std::cmp::Reverse(trailer)), value);
            }
        }
        map
    })
}

fn settings() -> impl Strategy<Value = TableSettings> {
    (
        prop_oneof![Just(1_u32), Just(64), Just(300), Just(4096)],
        prop_oneof![Just(0_u32), Just(10)],
        any::<bool>(),
    )
        .prop_map(|(block, bits, lz4)| small_blocks(block, bits, lz4))
}

/// What the cursor stands on, or `None`.
fn here(cursor: &TableCursor) -> Option<(Vec<u8>, Trailer, Vec<u8>)> {
    cursor.valid().then(|| {
        assert_eq!(cursor.value(), &cursor.value_bytes()[..]);
        (cursor.key().user.to_vec(), cursor.key().trailer, cursor.value().to_vec())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn answers_as_a_sorted_map_does(
        rows in rows(),
        settings in settings(),
        others in prop::collection::vec(user_key(), 20),
    ) {
        let fixture = Fixture::write(&rows, settings);
        let table = fixture.open();
        let own = rows.keys().map(|(user, _)| user.clone());
        for user in own.chain(others) {
            for seqno in [0, 3, 20, 39, 1000] {
                let from = (user.clone(), std::cmp::Reverse(Trailer::visible_at(seqno)));
                let expected = rows.range(from..).next().filter(|((at, _), _)| *at == user);
                let expected = expected.map(|((_, trailer), value)| Found {
                    seqno: trailer.0.seqno(),
                    value: (trailer.0.kind() == Some(Kind::Put)).then(|| Bytes::copy_from_slice(value)),
                });
                if expected.is_some() {
                    prop_assert!(table.may_contain(&user));
                }
                prop_assert_eq!(table.get(&user, seqno, Tier::Disk).unwrap(), expected.clone());
                prop_assert_eq!(table.get(&user, seqno, Tier::Cached).unwrap(), expected);
            }
        }
        let check = table.verify(&mut |_| {}).unwrap();
        prop_assert!(check.problems.is_empty(), "{:?}", check.problems);
        prop_assert_eq!(check.entries, rows.len() as u64);
    }

    #[test]
    fn cursors_go_where_those_of_a_sorted_map_do(
        rows in rows(),
        settings in settings(),
        fill: bool,
        steps in prop::collection::vec((0..6_u8, user_key(), 0..41_u64, any::<prop::sample::Index>()), 60),
    ) {
        let fixture = Fixture::write(&rows, settings);
        let table = fixture.open();
        let list: Vec<_> = rows.iter().map(|((user, t), value)| (user.clone(), t.0, value.clone())).collect();
        let mut cursor = table.cursor(Tier::Disk, if fill { Caching::Fill } else { Caching::Bypass });
        let mut at: Option<usize> = None;
        for (step, user, seqno, index) in steps {
            let key = &list[index.index(list.len())];
            // Half of the targets are rows that exist.
            let target = if seqno % 2 == 0 {
                KeyRef::new(&user, Trailer::visible_at(seqno))
            } else {
                KeyRef::new(&key.0, key.1)
            };
            let order = |row: &(Vec<u8>, Trailer, Vec<u8>)| KeyRef::new(&row.0, row.1).cmp(&target);
            match step {
                0 => { cursor.first().unwrap(); at = Some(0); }
                1 => { cursor.last().unwrap(); at = list.len().checked_sub(1); }
                2 => { cursor.seek(target).unwrap(); at = list.iter().position(|row| order(row).is_ge()); }
                3 => { cursor.seek_back(target).unwrap(); at = list.iter().rposition(|row| order(row).is_le()); }
                4 => for _ in 0..5 { if let Some(i) = at {
                    cursor.next().unwrap();
                    at = Some(i + 1).filter(|&i| i < list.len());
                } }
                _ => for _ in 0..5 { if let Some(i) = at { cursor.prev().unwrap(); at = i.checked_sub(1); } }
            }
            prop_assert_eq!(here(&cursor), at.map(|i| list[i].clone()));
        }
    }
}

/// Rows enough for many blocks and several partitions.
fn many(n: u32) -> Rows {
    let row = |i: u32| {
        let trailer =
            Trailer::new(u64::from(i % 9), if i.is_multiple_of(7) { Kind::Delete } else { Kind::Put });
        let value = if i.is_multiple_of(7) { Vec::new() } else { i.to_le_bytes().repeat(3) };
        ((format!("key{:06}", i / 3).into_bytes(), std::cmp::Reverse(trailer)), value)
    };
    (0..n).map(row).collect()
}

#[test]
fn both_directions_cross_blocks_and_partitions() {
    let rows = many(6000);
    let fixture = Fixture::write(&rows, small_blocks(128, 10, true));
    let table = fixture.open();
    assert!(table.partitions.len() > 3);
    for caching in [Caching::Fill, Caching::Bypass] {
        let mut cursor = table.cursor(Tier::Disk, caching);
        cursor.first().unwrap();
        for ((user, trailer), value) in &rows {
            assert_eq!((cursor.key(), cursor.value()), (KeyRef::new(user, trailer.0), &value[..]));
            cursor.next().unwrap();
        }
        assert!(!cursor.valid());
        cursor.last().unwrap();
        for ((user, trailer), value) in rows.iter().rev() {
            assert_eq!((cursor.key(), cursor.value()), (KeyRef::new(user, trailer.0), &value[..]));
            cursor.prev().unwrap();
        }
        assert!(!cursor.valid());
    }
}

#[test]
fn versions_of_one_key_may_fill_many_blocks_and_partitions() {
    let rows: Rows = (0..3000_u64)
        .map(|seqno| {
            ((b"k".to_vec(), std::cmp::Reverse(Trailer::new(seqno, Kind::Put))), seqno.to_le_bytes().to_vec())
        })
        .collect();
    let fixture = Fixture::write(&rows, small_blocks(64, 10, false));
    let table = fixture.open();
    assert!(table.partitions.len() > 3);
    for seqno in 0..3000 {
        assert_eq!(table.get(b"k", seqno, Tier::Disk).unwrap().unwrap().seqno, seqno);
    }
    assert_eq!(table.get(b"j", 3000, Tier::Disk).unwrap(), None);
    assert_eq!(table.get(b"kk", 3000, Tier::Disk).unwrap(), None);
}

#[test]
fn the_manifest_learns_what_is_in_a_table() {
    let rows = many(3000);
    let fixture = Fixture::write(&rows, TableSettings::default());
    let meta = &fixture.meta;
    assert_eq!((meta.id, meta.entries, meta.swept), (7, 3000, 5));
    assert_eq!((&meta.smallest[..], &meta.largest[..]), (&b"key000000"[..], &b"key000999"[..]));
    assert_eq!((meta.seqno_min, meta.seqno_max), (0, 8));
    assert_eq!(meta.tombstones, 429);
    assert_eq!(meta.size, fixture.disk.contents()[&fixture.path.as_path().to_owned()].len() as u64);
    assert_eq!(meta.expiring, 0);
}

#[test]
fn blocks_fill_their_allocation_and_no_more() {
    let table = Fixture::write(&many(6000), TableSettings::default()).open();
    let places = table.layout().unwrap();
    let data: Vec<_> = places.iter().filter(|place| place.kind == "data").collect();
    let (_, whole) = data.split_last().unwrap();
    assert!(whole.len() > 20);
    for place in whole {
        let bytes = table.content_at(place.offset).unwrap().content_bytes;
        assert!((4000..=4080).contains(&bytes), "{bytes}");
    }
}

#[test]
fn rows_out_of_order_and_empty_tables_are_refused_and_leave_no_file() {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let path = Path::new("1.tbl");
    let put = |seqno| Trailer::new(seqno, Kind::Put);
    let mut writer = TableWriter::create(&vfs, path, 1, TableSettings::default()).unwrap();
    writer.add(KeyRef::new(b"b", put(2)), b"", None).unwrap();
    for (user, trailer) in [(b"a", put(1)), (b"b", put(2)), (b"b", put(3)), (b"c", Trailer::LAST)] {
        assert!(matches!(writer.add(KeyRef::new(user, trailer), b"", None), Err(Error::Invalid(_))));
    }
    writer.add(KeyRef::new(b"b", put(1)), b"", None).unwrap();
    writer.abandon();
    assert!(!vfs.exists(path).unwrap());
    let writer = TableWriter::create(&vfs, path, 1, TableSettings::default()).unwrap();
    assert!(writer.finish(0).is_err());
    assert!(!vfs.exists(path).unwrap());
}

/// Everything a table says, or `None` where any part of it is an error.
fn everything(table: &Arc<Table>, rows: &Rows) -> Option<Vec<Option<Found>>> {
    let mut all = Vec::new();
    for (user, _) in rows.keys() {
        all.push(table.get(user, 100, Tier::Disk).ok()?);
    }
    let mut cursor = table.cursor(Tier::Disk, Caching::Bypass);
    cursor.first().ok()?;
    while cursor.valid() {
        all.push(Some(Found { seqno: cursor.key().trailer.seqno(), value: Some(cursor.value_bytes()) }));
        cursor.next().ok()?;
    }
    Some(all)
}

#[test]
fn every_flipped_bit_is_an_error_and_never_another_answer() {
    let rows = many(60);
    for lz4 in [false, true] {
        let fixture = Fixture::write(&rows, small_blocks(256, 10, lz4));
        let sound = everything(&fixture.open(), &rows).unwrap();
        for bit in 0..fixture.meta.size * 8 {
            let disk = fixture.disk.kill_clone();
            disk.flip_bit(&fixture.path, bit).unwrap();
            let vfs: Arc<dyn Vfs> = Arc::new(disk);
            let cache = Arc::new(Cache::new(1 << 20));
            match Table::open(&vfs, &fixture.path, fixture.meta.clone(), cache) {
                Err(e) => assert!(matches!(e, Error::Corrupt { .. }), "bit {bit}: {e}"),
                Ok(table) => {
                    assert!(
                        !table.verify(&mut |_| {}).unwrap().problems.is_empty(),
                        "bit {bit} is not noticed"
                    );
                    for round in 0..2 {
                        // The second round meets what the first left in the cache.
                        if let Some(all) = everything(&table, &rows) {
                            assert_eq!(all, sound, "bit {bit}, round {round}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_file_of_another_length_is_corrupt() {
    let fixture = Fixture::write(&many(60), TableSettings::default());
    let size = fixture.meta.size;
    for len in (0..size).chain([size + 1, size * 2]) {
        let disk = fixture.disk.kill_clone();
        disk.open_write(&fixture.path).unwrap().set_len(len).unwrap();
        let vfs: Arc<dyn Vfs> = Arc::new(disk);
        let table = Table::open(&vfs, &fixture.path, fixture.meta.clone(), Arc::new(Cache::new(0)));
        assert!(matches!(table, Err(Error::Corrupt { .. })), "length {len}");
    }
}

#[test]
fn a_missing_swapped_or_stale_file_is_corrupt() {
    let fixture = Fixture::write(&many(60), TableSettings::default());
    let other = Fixture::write(&many(61), TableSettings::default());
    let cache = || Arc::new(Cache::new(0));
    let stale = Table::open(&other.vfs, &other.path, fixture.meta.clone(), cache());
    assert!(matches!(stale, Err(Error::Corrupt { .. })));
    let swapped = TableMeta { id: 8, ..fixture.meta.clone() };
    assert!(matches!(Table::open(&fixture.vfs, &fixture.path, swapped, cache()), Err(Error::Corrupt { .. })));
    fixture.vfs.remove(&fixture.path).unwrap();
    assert!(matches!(fixture.open_with(cache()), Err(Error::Corrupt { .. })));
}

#[test]
fn the_cached_tier_does_not_wait_for_the_disk() {
    let rows = many(6000);
    let fixture = Fixture::write(&rows, small_blocks(256, 10, true));
    let table = fixture.open();
    fixture.disk.drop_page_cache();
    let get = |tier| table.get(b"key000100", 100, tier);
    assert!(matches!(get(Tier::Cached), Err(Error::NotCached(Some(_)))));
    let mut cursor = table.cursor(Tier::Cached, Caching::Fill);
    assert!(matches!(cursor.first(), Err(Error::NotCached(Some(_)))));
    assert!(!cursor.valid());
    assert!(get(Tier::Disk).unwrap().is_some());
    fixture.disk.drop_page_cache();
    // Now the cache has it.
    assert!(get(Tier::Cached).unwrap().is_some());
}

/// Has what these keys miss fetched, as often as a point read may need it; says how many still miss something.
fn fetch(table: &Arc<Table>, disk: &MemoryVfs, keys: &[&str]) -> usize {
    let missed = |disk: &MemoryVfs| {
        disk.drop_page_cache();
        let missed = keys.iter().filter_map(|key| match table.get(key.as_bytes(), 100, Tier::Cached) {
            Err(Error::NotCached(miss)) => miss,
            other => other.map(|_| None).unwrap(),
        });
        missed.collect::<Vec<Miss>>()
    };
    for _ in 0..2 {
        Miss::fetch_all(&missed(disk).iter().collect::<Vec<_>>());
    }
    missed(disk).len()
}

#[test]
fn what_is_missing_is_fetched_together_past_the_page_cache_or_through_it() {
    for page_cache in [0, u64::MAX] {
        let fixture = Fixture::write(&many(6000), small_blocks(256, 10, true));
        let cache = Arc::new(Cache::new(1 << 20));
        cache.pages().sizes_are(1 << 20, page_cache);
        let table = fixture.open_with(Arc::clone(&cache)).unwrap();
        assert_eq!(fetch(&table, &fixture.disk, &["key000100", "key001000", "key000100", "key001999"]), 0);
        assert!(cache.status().entries >= 4, "three blocks, and a partition at least");

        // The first block: who fetches it says nothing and keeps nothing, who reads it is told.
        fixture.disk.flip_bit(&fixture.path, 99).unwrap();
        assert_eq!(fetch(&table, &fixture.disk, &["key000000", "key001500"]), 1);
        let read = table.get(b"key000000", 100, Tier::Disk);
        assert!(matches!(read, Err(Error::Corrupt { offset: 0, .. })), "{read:?}");
        assert!(cache.peek_data(table.meta().id, 0).is_none());
    }
}

#[test]
fn a_scan_past_the_cache_leaves_it_alone() {
    let fixture = Fixture::write(&many(6000), small_blocks(256, 10, true));
    let cache = Arc::new(Cache::new(1 << 20));
    let table = fixture.open_with(Arc::clone(&cache)).unwrap();
    let mut cursor = table.cursor(Tier::Disk, Caching::Bypass);
    cursor.first().unwrap();
    while cursor.valid() {
        cursor.next().unwrap();
    }
    assert_eq!((cache.status().entries, cache.status().hits, cache.status().misses), (0, 0, 0));
}

#[test]
fn an_obsolete_table_takes_its_file_and_blocks_along() {
    let fixture = Fixture::write(&many(600), small_blocks(256, 10, true));
    let cache = Arc::new(Cache::new(1 << 20));
    let table = fixture.open_with(Arc::clone(&cache)).unwrap();
    assert!(table.get(b"key000100", 100, Tier::Disk).unwrap().is_some());
    let cursor = table.cursor(Tier::Disk, Caching::Fill);
    table.mark_obsolete();
    drop(table);
    assert!(fixture.vfs.exists(&fixture.path).unwrap(), "somebody still reads it");
    drop(cursor);
    assert!(!fixture.vfs.exists(&fixture.path).unwrap());
    assert_eq!(cache.status().entries, 0);
}

#[test]
fn without_room_a_table_is_not_finished_and_leaves_no_file() {
    let disk = MemoryVfs::new();
    disk.set_quota(Some(10_000));
    let vfs: Arc<dyn Vfs> = Arc::new(disk);
    let path = Path::new("1.tbl");
    let mut writer = TableWriter::create(&vfs, path, 1, small_blocks(4096, 10, false)).unwrap();
    for ((user, trailer), value) in &many(2000) {
        writer.add(KeyRef::new(user, trailer.0), value, None).unwrap();
    }
    assert!(writer.finish(0).unwrap_err().is_no_space());
    assert!(!vfs.exists(path).unwrap());
}
