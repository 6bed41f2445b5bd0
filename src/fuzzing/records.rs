//! Batches and edits: the payloads of log and manifest.

use bytes::Bytes;

use crate::engine::Batch;
use crate::engine::batch::{Op, Ops};
use crate::engine::cursor::Cursor;
use crate::engine::marks::Mark;
use crate::engine::memtable::Memtable;
use crate::engine::table::TableMeta;
use crate::engine::version::{Edit, State};
use crate::engine::view::Tier;

/// A batch's bytes: what can be read is encoded again to what reads the same, and a memtable takes all or nothing.
pub fn batch(bytes: &[u8]) {
    let ops: Option<Vec<Op<'_>>> = Ops::decode(bytes).collect();
    let memtable = Memtable::new(1, 1 << 20);
    let applied = memtable.apply(7, &Bytes::copy_from_slice(bytes));
    assert_eq!(applied.is_ok(), ops.is_some(), "what can be read can be applied");
    let Some(ops) = ops else { return };
    let mut again = Batch::new();
    for op in &ops {
        match *op {
            Op::Put { key, value } => again.put(key, value),
            Op::Delete { key } => again.delete(key),
            Op::DeleteRange { start, end } => again.delete_range(start, end),
            Op::Count { counter, delta } => again.count(counter, delta),
        }
    }
    let same: Option<Vec<Op<'_>>> = again.ops().collect();
    assert_eq!(same.as_ref(), Some(&ops));
    let mut cursor = memtable.cursor(Tier::Disk);
    cursor.first().expect("a memtable has no disk");
    let mut last: Option<Vec<u8>> = None;
    while cursor.valid() {
        let user = cursor.key().user.to_vec();
        assert!(last.is_none_or(|last| last < user), "one version of a key in a batch");
        let wanted = ops.iter().rev().find_map(|op| match *op {
            Op::Put { key, value } if key == user => Some(Some(value)),
            Op::Delete { key } if key == user => Some(None),
            _ => None,
        });
        let found = memtable.get(&user, 7, Tier::Disk).ok().flatten().map(|found| found.value);
        assert_eq!(found.as_ref().map(Option::as_deref), wanted, "the last operation counts");
        last = Some(user);
        cursor.next().expect("a memtable has no disk");
    }
}

/// An edit's bytes: what can be read is encoded again to what reads the same, and adds up or is refused.
pub fn edit(bytes: &[u8]) {
    let Some(edit) = Edit::decode(bytes) else { return };
    assert_eq!(Edit::decode(&edit.encode()).as_ref(), Some(&edit));
    let mut state = State::default();
    if state.add(&edit).is_ok() {
        let mut again = State::default();
        if again.add(&state.to_edit()).is_ok() {
            assert_eq!(again, state, "a manifest that is rolled says the same");
        }
        let _ = state.add(&edit);
    }
}

/// Batches to begin with.
pub(super) fn batch_seeds() -> Vec<Vec<u8>> {
    let mut batch = Batch::new();
    batch.put(b"key", b"value");
    batch.delete(b"key");
    batch.put(b"", b"");
    batch.delete_range(b"a", b"k");
    batch.count(3, -7);
    batch.put(b"key", &[7; 300]);
    vec![batch.bytes().to_vec()]
}

/// Edits to begin with.
pub(super) fn edit_seeds() -> Vec<Vec<u8>> {
    let table = |id| TableMeta { id, size: 1000, largest: vec![b'z'; 5], entries: 9, ..TableMeta::default() };
    let edit = Edit {
        added: vec![(0, table(3)), (6, table(4))],
        log: Some(2),
        seqno: Some(40),
        durable: Some(41),
        next_file: Some(9),
        counters: vec![(1, -5)],
        marks_added: vec![Mark { start: b"a".to_vec(), end: b"b".to_vec(), seqno: 7 }],
        logs_started: vec![5],
        logs_ended: vec![(4, 100)],
        ..Edit::default()
    };
    vec![edit.encode()]
}
