use proptest::prelude::*;

use super::*;
use crate::engine::batch::Batch;
use crate::engine::cursor::Cursor;
use crate::engine::key::KeyRef;

fn apply(memtable: &Memtable, seqno: Seqno, fill: impl FnOnce(&mut Batch)) {
    let mut batch = Batch::new();
    fill(&mut batch);
    memtable.apply(seqno, &Bytes::copy_from_slice(batch.bytes())).unwrap();
}

#[expect(clippy::option_option, reason = "known or not, and then present or not")]
fn value(memtable: &Memtable, key: &[u8], seqno: Seqno) -> Option<Option<Bytes>> {
    memtable.get(key, seqno, Tier::Disk).unwrap().map(|found| found.value)
}

#[test]
fn a_reader_sees_the_newest_version_it_may() {
    let memtable = Memtable::new(1, 1 << 20);
    assert_eq!(memtable.seqnos(), None);
    apply(&memtable, 3, |b| b.put(b"k", b"three"));
    apply(&memtable, 5, |b| b.delete(b"k"));
    apply(&memtable, 7, |b| b.put(b"k", b"seven"));
    assert_eq!(value(&memtable, b"k", 2), None);
    assert_eq!(value(&memtable, b"k", 4), Some(Some(Bytes::from_static(b"three"))));
    assert_eq!(value(&memtable, b"k", 6), Some(None));
    assert_eq!(value(&memtable, b"k", 9), Some(Some(Bytes::from_static(b"seven"))));
    assert_eq!(value(&memtable, b"k\0", 9), None);
    assert_eq!(value(&memtable, b"", 9), None);
    assert_eq!(memtable.seqnos(), Some((3, 7)));
}

#[test]
fn the_last_operation_of_a_batch_on_a_key_counts() {
    let memtable = Memtable::new(1, 1 << 20);
    apply(&memtable, 1, |b| {
        b.put(b"a", b"1");
        b.delete(b"a");
        b.delete(b"b");
        b.put(b"b", b"2");
        b.put(b"c", b"1");
        b.put(b"c", b"2");
    });
    assert_eq!(value(&memtable, b"a", 1), Some(None));
    assert_eq!(value(&memtable, b"b", 1), Some(Some(Bytes::from_static(b"2"))));
    assert_eq!(value(&memtable, b"c", 1), Some(Some(Bytes::from_static(b"2"))));
    let rows = || {
        let mut cursor = memtable.cursor(Tier::Disk);
        cursor.first().unwrap();
        let mut values = Vec::new();
        while cursor.valid() {
            values.push(cursor.value().to_vec());
            cursor.next().unwrap();
        }
        values
    };
    assert_eq!(rows(), [&b""[..], b"2", b"2"]);
    memtable.seal();
    assert_eq!(rows(), [&b""[..], b"2", b"2"]);
}

#[test]
fn the_distant_past_of_a_busy_key_is_found() {
    let memtable = Memtable::new(1, 1 << 20);
    for seqno in 1..=10_000_u64 {
        apply(&memtable, seqno, |b| b.put(b"busy", &seqno.to_be_bytes()));
    }
    for seqno in [1, 2, 5000, 9999, 10_000] {
        let found = value(&memtable, b"busy", seqno).flatten().unwrap();
        assert_eq!(&found[..], seqno.to_be_bytes());
    }
    assert_eq!(value(&memtable, b"busy", 0), None);
    for seqno in 10_001..=20_000_u64 {
        apply(&memtable, seqno, |b| b.put(b"busy", b""));
    }
    assert!(matches!(memtable.get(b"busy", 1, Tier::Cached), Err(Error::NotCached(None))));
    memtable.seal();
    assert_eq!(&value(&memtable, b"busy", 1).flatten().unwrap()[..], 1_u64.to_be_bytes());
}

#[test]
fn what_takes_long_to_order_is_refused_to_who_cannot_wait() {
    let memtable = Memtable::new(1, 1 << 20);
    let fill =
        |from: u64| (from..from + 5000).for_each(|n| apply(&memtable, n, |b| b.put(&n.to_le_bytes(), b"")));
    let first = |tier| {
        let mut cursor = memtable.cursor(tier);
        cursor.first().map(|()| cursor.valid())
    };
    fill(1);
    assert!(matches!(first(Tier::Cached), Err(Error::NotCached(None))));
    let before = memtable.bytes();
    assert!(first(Tier::Disk).unwrap() && first(Tier::Cached).unwrap());
    assert!(memtable.bytes() > before + 5000 * 100, "the list is accounted for");
    fill(5001);
    memtable.seal();
    assert!(matches!(first(Tier::Cached), Err(Error::NotCached(None))));
    assert!(first(Tier::Disk).unwrap() && first(Tier::Cached).unwrap());
}

#[test]
fn marks_and_counters_are_kept() {
    let memtable = Memtable::new(1, 1 << 20);
    apply(&memtable, 4, |b| {
        b.delete_range(b"a", b"c");
        b.delete_range(b"x", b"x");
        b.count(7, 5);
        b.count(7, -2);
    });
    assert!(memtable.is_empty());
    assert_eq!(memtable.marks(), [Mark { start: b"a".into(), end: b"c".into(), seqno: 4 }]);
    assert_eq!(memtable.counters(), [(7, 3)]);
    assert_eq!((memtable.hidden_below(b"b", 4), memtable.hidden_below(b"b", 3)), (4, 0));
}

#[test]
fn malformed_bytes_are_refused() {
    let memtable = Memtable::new(1, 1 << 20);
    assert!(memtable.apply(1, &Bytes::from_static(&[1, 200, 1, b'x'])).is_err());
}

/// Keys around the length of the inline prefix and its multiples, full of zeros and shared beginnings.
fn key() -> impl Strategy<Value = Vec<u8>> {
    (
        prop::sample::select(vec![0_usize, 3, 7, 15, 16, 23, 24, 47, 48, 49, 73]),
        prop::collection::vec(0_u8..3, 0..4),
    )
        .prop_map(|(zeros, tail)| {
            let mut key = vec![0; zeros];
            key.extend(tail);
            key
        })
}

proptest! {
    #[test]
    fn it_orders_as_a_sorted_map(
        keys in prop::collection::vec(key(), 1..60), probe in key(), at in 0_u64..70, sealed: bool, looked_at in 0_usize..60,
    ) {
        let memtable = Memtable::new(1, 1 << 20);
        let mut model = Vec::new();
        for (i, key) in keys.iter().enumerate() {
            apply(&memtable, i as u64 + 1, |b| b.put(key, &[i as u8]));
            model.push((key.clone(), i as u64 + 1));
            if i == looked_at {
                memtable.cursor(Tier::Disk).first().unwrap();
            }
        }
        if sealed {
            memtable.seal();
        }
        model.sort_by(|a, b| KeyRef::new(&a.0, Trailer::new(a.1, Kind::Put)).cmp(&KeyRef::new(&b.0, Trailer::new(b.1, Kind::Put))));
        let here = |c: &MemtableCursor<'_>| c.valid().then(|| (c.key().user.to_vec(), c.key().trailer.seqno()));
        let mut cursor = memtable.cursor(Tier::Disk);
        cursor.first().unwrap();
        for row in &model {
            prop_assert_eq!(here(&cursor), Some(row.clone()));
            cursor.next().unwrap();
        }
        prop_assert!(!cursor.valid());
        cursor.last().unwrap();
        for row in model.iter().rev() {
            prop_assert_eq!(here(&cursor), Some(row.clone()));
            cursor.prev().unwrap();
        }
        prop_assert!(!cursor.valid());
        let target = KeyRef::new(&probe, Trailer::visible_at(at));
        cursor.seek(target).unwrap();
        prop_assert_eq!(here(&cursor), model.iter().find(|r| KeyRef::new(&r.0, Trailer::new(r.1, Kind::Put)) >= target).cloned());
        cursor.seek_back(target).unwrap();
        prop_assert_eq!(here(&cursor), model.iter().rev().find(|r| KeyRef::new(&r.0, Trailer::new(r.1, Kind::Put)) <= target).cloned());
        let newest = model.iter().find(|r| r.0 == probe && r.1 <= at).map(|r| r.1);
        prop_assert_eq!(memtable.get(&probe, at, Tier::Disk).unwrap().map(|f| f.seqno), newest);
    }
}
