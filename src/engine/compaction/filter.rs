//! Which rows a merge keeps. Rows come in internal order: of one key the newest first.
//!
//! Readers are at the *held* snapshots, or at or above the newest durable commit, which every row here is at or
//! below. Two versions of a key are in one *stripe* if no held snapshot lies between them: then nobody can ask for
//! the older one. So:
//!
//! - a version goes if a newer one, or a range mark over its key, is in its stripe;
//! - a row in a dead range goes if it is at or below the horizon, the oldest moment anybody can ask for;
//! - a tombstone goes if it is at or below the horizon and nothing older lies under it: what is older in the merge
//!   itself is in its stripe and goes too;
//! - an expired row counts as a tombstone, and becomes one where it cannot go. Only while no snapshot is held:
//!   a snapshot judges deadlines by its own, earlier `now`.

use crate::engine::key::{KeyRef, Kind, Seqno};
use crate::engine::marks::{self, Mark};
use crate::engine::snapshots::Horizon;
use crate::engine::sweep::{DeadRange, Sweep};

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It stays, and expires then.
    Keep(Option<u64>),
    /// It stays as a tombstone.
    Delete,
    /// It goes.
    Drop,
}

/// What is known of the keys under the output. Asked for ascending keys.
pub(crate) trait Under {
    /// Whether anything older may lie under a key; true if that is not known.
    fn may_hold(&mut self, key: &[u8]) -> bool;
}

/// For flushes, which know nothing of what lies under them.
pub(crate) struct Unknown;

impl Under for Unknown {
    fn may_hold(&mut self, _key: &[u8]) -> bool {
        true
    }
}

/// The judge of one merge.
pub(crate) struct Filter<'a, U> {
    horizon: &'a Horizon,
    /// 0: nothing has expired.
    now_ms: u64,
    /// In key order, disjoint.
    dead: &'a [DeadRange],
    marks: &'a [Mark],
    sweep: &'a dyn Sweep,
    under: U,
    /// The last row's key, and the stripe of its newest version so far.
    user: Vec<u8>,
    stripe: Option<usize>,
    begun: bool,
}

impl<'a, U: Under> Filter<'a, U> {
    pub(crate) fn new(
        horizon: &'a Horizon,
        dead: &'a [DeadRange],
        marks: &'a [Mark],
        sweep: &'a dyn Sweep,
        under: U,
    ) -> Self {
        let now_ms = if horizon.held.is_empty() { sweep.now_ms(horizon.seqno) } else { 0 };
        Self { horizon, now_ms, dead, marks, sweep, under, user: Vec::new(), stripe: None, begun: false }
    }

    /// Looks at the next row's key: whether it is the first of its key. Call once before [`Filter::judge`].
    #[inline]
    pub(crate) fn begins_key(&mut self, user: &[u8]) -> bool {
        if self.begun && self.user == user {
            return false;
        }
        self.begun = true;
        self.user.clear();
        self.user.extend_from_slice(user);
        self.stripe = None;
        while self.dead.first().is_some_and(|range| range.end.as_slice() <= user) {
            self.dead = &self.dead[1..];
        }
        true
    }

    fn stripe_of(&self, seqno: Seqno) -> usize {
        self.horizon.held.partition_point(|&held| held < seqno)
    }

    /// Judges the row.
    pub(crate) fn judge(&mut self, key: KeyRef<'_>, value: &[u8]) -> Verdict {
        let seqno = key.trailer.seqno();
        let stripe = self.stripe_of(seqno);
        if self.stripe == Some(stripe) {
            return Verdict::Drop;
        }
        self.stripe = Some(stripe);
        if !self.marks.is_empty() && self.is_marked(key.user, seqno, stripe) {
            return Verdict::Drop;
        }
        let settled = seqno <= self.horizon.seqno;
        if settled && self.dead.first().is_some_and(|range| range.start.as_slice() <= key.user) {
            return Verdict::Drop;
        }
        if key.trailer.kind() == Some(Kind::Put) {
            let deadline = self.sweep.deadline_ms(key.user, value);
            if !(settled && deadline.is_some_and(|at| at <= self.now_ms)) {
                return Verdict::Keep(deadline);
            }
        }
        if settled && !self.under.may_hold(key.user) { Verdict::Drop } else { Verdict::Delete }
    }

    fn is_marked(&self, key: &[u8], seqno: Seqno, stripe: usize) -> bool {
        // The newest mark in the same stripe decides: one in a later stripe is not seen by all who see this row.
        let last = self.horizon.held.get(stripe).copied().unwrap_or(Seqno::MAX);
        marks::hidden_below(self.marks, key, last) > seqno
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::engine::error::Result;
    use crate::engine::key::Trailer;
    use crate::engine::view::View;

    struct Nothing;

    impl Under for Nothing {
        fn may_hold(&mut self, _key: &[u8]) -> bool {
            false
        }
    }

    /// Values are deadlines.
    struct Deadlines(u64);

    impl Sweep for Deadlines {
        fn dead_ranges(&self, _: &View, _: &[u8], _: &[u8]) -> Result<Vec<DeadRange>> {
            Ok(Vec::new())
        }
        fn deadline_ms(&self, _: &[u8], value: &[u8]) -> Option<u64> {
            value.first().map(|&at| u64::from(at)).filter(|&at| at > 0)
        }
        fn now_ms(&self, _: Seqno) -> u64 {
            self.0
        }
        fn swept(&self, _: &DeadRange) {}
    }

    /// Key and seqno → the value's deadline (0: none), or a tombstone.
    type Rows = BTreeMap<(u8, std::cmp::Reverse<Seqno>), Option<u8>>;

    fn read(rows: &Rows, marks: &[Mark], key: u8, at: Seqno, now: u64) -> Option<u8> {
        let ((_, seqno), value) =
            rows.range((key, std::cmp::Reverse(at))..).next().filter(|((k, _), _)| *k == key)?;
        let hidden = marks::hidden_below(marks, &[key], at) > seqno.0;
        value.filter(|&deadline| !hidden && (deadline == 0 || u64::from(deadline) > now))
    }

    fn rewrite(rows: &Rows, filter: &mut Filter<'_, impl Under>) -> Rows {
        let mut out = Rows::new();
        for (&(key, seqno), value) in rows {
            let kind = if value.is_some() { Kind::Put } else { Kind::Delete };
            let user = [key];
            let bytes: Vec<u8> = value.iter().copied().collect();
            filter.begins_key(&user);
            match filter.judge(KeyRef::new(&user, Trailer::new(seqno.0, kind)), &bytes) {
                Verdict::Keep(_) => drop(out.insert((key, seqno), *value)),
                Verdict::Delete => drop(out.insert((key, seqno), None)),
                Verdict::Drop => {}
            }
        }
        out
    }

    proptest! {
        #[test]
        fn whoever_may_ask_gets_the_same_answer(
            versions in prop::collection::vec((0_u8..6, prop::option::of(0_u8..20)), 1..40),
            older in prop::collection::vec((0_u8..6, prop::option::of(0_u8..20)), 0..10),
            held in prop::collection::btree_set(0_u64..60, 0..4),
            marks in prop::collection::vec((0_u8..6, 0_u8..6, 1_u64..60), 0..3),
            now in 0_u64..20,
            is_bottom in any::<bool>(),
        ) {
            let number = |from: Seqno, rows: &[(u8, Option<u8>)]| -> Rows {
                (from..).zip(rows).map(|(s, (k, v))| ((*k, std::cmp::Reverse(s)), *v)).collect()
            };
            let older = if is_bottom { Rows::new() } else { number(1, &older) };
            let rows = number(11, &versions);
            let durable = 60;
            let held: Vec<Seqno> = held.into_iter().collect();
            let horizon = Horizon { seqno: held.first().copied().unwrap_or(durable), held: held.clone() };
            let marks: Vec<Mark> = marks
                .into_iter()
                .map(|(a, b, seqno)| Mark { start: vec![a], end: vec![b], seqno })
                .collect();
            let sweep = Deadlines(now);
            let out = if is_bottom {
                rewrite(&rows, &mut Filter::new(&horizon, &[], &marks, &sweep, Nothing))
            } else {
                rewrite(&rows, &mut Filter::new(&horizon, &[], &marks, &sweep, Unknown))
            };
            let with = |rows: &Rows| -> Rows { rows.iter().chain(&older).map(|(k, v)| (*k, *v)).collect() };
            let (before, after) = (with(&rows), with(&out));
            for key in 0..6 {
                for &at in held.iter().chain([&durable, &100]) {
                    // A snapshot judges by an earlier now; who comes later by this one.
                    let nows = if at >= durable { now..=now } else { 0..=now };
                    for now in nows {
                        prop_assert_eq!(read(&before, &marks, key, at, now), read(&after, &marks, key, at, now));
                    }
                }
            }
            if is_bottom && held.is_empty() {
                prop_assert!(out.values().all(Option::is_some), "no tombstone is left");
                prop_assert!(out.len() <= 6);
            }
        }
    }

    #[test]
    fn dead_rows_go_at_the_horizon_and_not_above() {
        let dead = [DeadRange { start: vec![1], end: vec![3] }, DeadRange { start: vec![5], end: vec![6] }];
        let rows: Rows = (0..8).map(|k| ((k, std::cmp::Reverse(u64::from(k) + 1)), Some(0))).collect();
        let horizon = Horizon { seqno: 5, held: vec![5] };
        let mut filter = Filter::new(&horizon, &dead, &[], &crate::engine::sweep::NoSweep, Unknown);
        let left: Vec<u8> = rewrite(&rows, &mut filter).keys().map(|(k, _)| *k).collect();
        assert_eq!(left, [0, 3, 4, 5, 6, 7]);
    }
}
