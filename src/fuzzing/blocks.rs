//! Blocks and tables whose checksums are right and whose content is anything.

use std::path::Path;
use std::sync::Arc;

use crate::codec::{checksum, varint};
use crate::engine::block::{
    BlockCursor, DataBlock, DataBuilder, IndexBuilder, IndexReader, Separators, seal, unseal, unseal_shared,
};
use crate::engine::cache::Cache;
use crate::engine::cursor::Cursor;
use crate::engine::filter::Filter;
use crate::engine::key::{KeyRef, Kind, SEQNO_MAX, Trailer};
use crate::engine::options::Compression;
use crate::engine::table::footer::{Footer, Properties};
use crate::engine::table::{Caching, Table, TableMeta, TableSettings, TableWriter};
use crate::engine::view::Tier;
use crate::vfs::Vfs;
use crate::vfs::memory::MemoryVfs;

/// The number of the table that is made up.
const ID: u64 = 9;

/// The key whose rows a search is for: a piece of the input, as likely to be there as anything.
fn target(bytes: &[u8]) -> KeyRef<'_> {
    let (&at, rest) = bytes.split_last().unwrap_or((&0, &[]));
    let start = usize::from(at) % (rest.len() + 1);
    let user = &rest[start..rest.len().min(start + usize::from(at % 7))];
    KeyRef::new(user, Trailer::new(u64::from(at) % 5, Kind::Put))
}

/// A data block's content: searches and walks end; over sound rows they agree.
pub fn block(content: &[u8]) {
    let Ok(block) = DataBlock::new(content.into()) else { return };
    let target = target(content);
    let got = block.get(target.user, target.trailer.seqno());
    let sound = block.check_restarts().is_ok();
    let mut cursor = BlockCursor::new();
    cursor.set_block(Some(block));
    let mut rows: Vec<(Vec<u8>, Trailer)> = Vec::new();
    let mut walked = cursor.first();
    while walked.is_ok() && cursor.valid() {
        rows.push((cursor.key().user.to_vec(), cursor.key().trailer));
        let _ = cursor.value_bytes();
        walked = cursor.next();
    }
    let ordered = rows.windows(2).all(|pair| key(&pair[0]) < key(&pair[1]));
    let sought = cursor.seek(target);
    if sound && walked.is_ok() && ordered && same_prefix(content, &rows) {
        sought.expect("a sound block can be searched");
        let expected = rows.iter().find(|row| key(row) >= target);
        assert_eq!(cursor.valid().then(|| cursor.key()), expected.map(key), "seek");
        let visible = Trailer::visible_at(target.trailer.seqno());
        let newest = rows.iter().find(|row| key(row) >= KeyRef::new(target.user, visible));
        let newest = newest.filter(|row| row.0 == target.user).map(|row| row.1);
        assert_eq!(got.expect("a sound block can be searched").map(|(at, _)| at), newest, "get");
        let mut backwards = Vec::new();
        cursor.last().expect("a sound block has an end");
        while cursor.valid() {
            backwards.push((cursor.key().user.to_vec(), cursor.key().trailer));
            cursor.prev().expect("a sound block can be walked");
        }
        backwards.reverse();
        assert_eq!(backwards, rows, "prev");
    } else {
        let mut steps = 0;
        while cursor.valid() && steps < rows.len() + 2 && cursor.prev().is_ok() {
            steps += 1;
        }
    }
}

/// Whether the rows share what the block says they share; between restarts nothing else checks it.
fn same_prefix(content: &[u8], rows: &[(Vec<u8>, Trailer)]) -> bool {
    let skip = content[4..].first_chunk::<4>().map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    rows.windows(2).all(|pair| pair[0].0.get(..skip) == pair[1].0.get(..skip) && pair[0].0.len() >= skip)
}

fn key(row: &(Vec<u8>, Trailer)) -> KeyRef<'_> {
    KeyRef::new(&row.0, row.1)
}

/// An index's content: a search finds what a look at each entry finds.
pub fn index(content: &[u8]) {
    let mut reader = IndexReader::<1>::new(content);
    let mut separators = Separators::default();
    let mut pushed = Vec::new();
    while let Ok(Some(entry)) = reader.next() {
        if separators.push(KeyRef::new(reader.key(), entry.trailer)).is_ok() {
            pushed.push((reader.key().to_vec(), entry.trailer));
        }
    }
    separators.seal();
    for target in [target(content), KeyRef::new(content, Trailer::LAST), KeyRef::new(b"", Trailer::FIRST)] {
        let expected = pushed.iter().position(|row| key(row) >= target).unwrap_or(pushed.len());
        assert_eq!(separators.find(target), expected);
    }
    let _ = IndexReader::<4>::new(content).next();
}

/// A filter's content: it answers, and is encoded again as it was.
pub fn filter(content: &[u8]) {
    let Ok(filter) = Filter::decode(content) else { return };
    let mut again = Vec::new();
    filter.encode(&mut again);
    assert_eq!(again, content);
    for chunk in content.chunks(8) {
        let _ = filter.may_contain(crate::codec::hash::hash(chunk));
    }
}

/// A block's payload and kind under a right checksum: unfolded alike in both ways, and to bounded size.
pub fn sealed(payload: &[u8]) {
    let place = (3, 5);
    let mut block = payload.to_vec();
    block.extend_from_slice(&checksum::bound(place.0, place.1, &[payload]).to_le_bytes());
    let content = unseal(&block, place);
    assert_eq!(unseal_shared(&block, place).map(|shared| shared.to_vec()), content);
    if let Ok(content) = content {
        assert!(content.len() <= payload.len() * 255);
        let mut again = Vec::new();
        seal(&mut again, &content, place, Compression::Lz4);
        assert_eq!(unseal(&again, place), Ok(content));
    }
}

/// A table whose blocks are all anything under right checksums: reads, walks and checks of it end, in errors
/// or not.
///
/// ```text
/// input := (varint length ‖ content){data blocks…, filter, index, top index}         a piece too long: the rest
/// ```
pub fn table(input: &[u8]) {
    let mut rest = input;
    let mut pieces = Vec::new();
    while !rest.is_empty() && pieces.len() < 12 {
        let Some(len) = varint::take_u64(&mut rest) else { break };
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(rest.len());
        pieces.push(varint::take_slice(&mut rest, len).unwrap_or_default());
    }
    let mut file = Vec::new();
    let mut lens = Vec::new();
    for piece in &pieces {
        let start = file.len();
        // Not compressed, so that a changed byte leaves all lengths as they are.
        seal(&mut file, piece, (ID, start as u64), Compression::None);
        lens.push((file.len() - start) as u64);
    }
    let Some(top_len) = lens.pop() else { return };
    let top = file.len() as u64 - top_len;
    let properties_at = file.len() as u64;
    let meta = TableMeta { id: ID, entries: 3, seqno_max: 9, ..TableMeta::default() };
    let mut properties = Vec::new();
    Properties { meta, ..Properties::default() }.encode(&mut properties);
    seal(&mut file, &properties, (ID, properties_at), Compression::None);
    let footer = Footer {
        file: ID,
        top,
        top_len: top_len as u32,
        properties_len: (file.len() as u64 - properties_at) as u32,
        entries: 3,
        seqno_min: 0,
        seqno_max: 9,
        chain: 0,
    };
    file.extend_from_slice(&footer.encode().0);
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let path = Path::new("9.tbl");
    let written = vfs.create(path).and_then(|disk| disk.write_all_at(&file, 0));
    written.expect("the disk in memory has room");
    if let Ok(table) = Table::open_any(&vfs, path, ID, Arc::new(Cache::new(1 << 20))) {
        walk(&Arc::new(table), target(input).user);
    }
}

fn walk(table: &Arc<Table>, user: &[u8]) {
    let _ = table.may_contain(user);
    let _ = table.get(user, SEQNO_MAX, Tier::Disk);
    let _ = table.get(user, 1, Tier::Cached);
    let _ = table.verify(&mut |_| {});
    for caching in [Caching::Fill, Caching::Bypass] {
        let mut cursor = table.cursor(Tier::Disk, caching);
        let mut steps = 0;
        let mut went = cursor.first();
        while went.is_ok() && cursor.valid() && steps < 5000 {
            let _ = (cursor.key(), cursor.value_bytes());
            went = cursor.next();
            steps += 1;
        }
        let mut went = cursor.seek_back(KeyRef::new(user, Trailer::FIRST));
        while went.is_ok() && cursor.valid() && steps > 0 {
            went = cursor.prev();
            steps -= 1;
        }
    }
}

/// Rows in order: user keys, several versions of each.
fn rows(n: u8) -> impl Iterator<Item = (Vec<u8>, Trailer, Vec<u8>)> {
    (0..n).map(|i| {
        let kind = if i % 5 == 0 { Kind::Delete } else { Kind::Put };
        let value = if i % 5 == 0 { Vec::new() } else { vec![i; usize::from(i) % 9] };
        ([b"user:", &[b'a' + i / 3][..]].concat(), Trailer::new(u64::from(9 - i % 3), kind), value)
    })
}

/// Data blocks to begin with.
pub(super) fn block_seeds() -> Vec<Vec<u8>> {
    let seed = |n| {
        let mut builder = DataBuilder::default();
        for (user, trailer, value) in rows(n) {
            builder.add(KeyRef::new(&user, trailer), &value);
        }
        builder.finish().to_vec()
    };
    vec![seed(1), seed(9), seed(40)]
}

/// Indexes to begin with.
pub(super) fn index_seeds() -> Vec<Vec<u8>> {
    let mut builder = IndexBuilder::default();
    for (i, (user, trailer, _)) in rows(20).enumerate() {
        builder.add(KeyRef::new(&user, trailer), &[i as u64 * 100]);
    }
    vec![builder.content().to_vec()]
}

/// Filters to begin with.
pub(super) fn filter_seeds() -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    Filter::build(&[1, 2, 1 << 60], 10).encode(&mut out);
    vec![out]
}

/// Payloads with their kinds to begin with.
pub(super) fn sealed_seeds() -> Vec<Vec<u8>> {
    [Compression::None, Compression::Lz4]
        .map(|compression| {
            let mut out = Vec::new();
            seal(&mut out, &b"to and fro, ".repeat(40), (3, 5), compression);
            out.truncate(out.len() - 4);
            out
        })
        .to_vec()
}

/// Tables to begin with, in pieces.
pub(super) fn table_seeds() -> Vec<Vec<u8>> {
    let vfs: Arc<dyn Vfs> = Arc::new(MemoryVfs::new());
    let path = Path::new("9.tbl");
    let settings = TableSettings { block: 200, filter_bits: 10, compression: Compression::None };
    let whole = TableWriter::create(&vfs, path, ID, settings).and_then(|mut writer| {
        for (user, trailer, value) in rows(60) {
            writer.add(KeyRef::new(&user, trailer), &value, None)?;
        }
        let table = Table::open(&vfs, path, writer.finish(0)?, Arc::new(Cache::new(0)))?;
        let mut out = Vec::new();
        for place in table.layout()? {
            if !matches!(place.kind, "properties" | "footer") {
                let mut sealed = vec![0; place.len as usize];
                let file = vfs.open(path).expect("it was just written");
                file.read_exact_at(&mut sealed, place.offset).expect("it was just written");
                let content = unseal(&sealed, (ID, place.offset)).expect("it was just written");
                varint::put_bytes(&mut out, &content);
            }
        }
        Ok(out)
    });
    vec![whole.expect("the disk in memory has room")]
}
