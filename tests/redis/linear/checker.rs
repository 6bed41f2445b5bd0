//! Whether a history of calls, of which some overlapped, is one that an object could have seen that does one at a time.
//!
//! The search of Wing and Gong (Testing and Verifying Concurrent Objects, 1993), remembering the configurations that it
//! has been in, as Lowe proposed (Testing for Linearizability, 2017): it takes calls one after the other of those that
//! began before any of the remaining ones ended, and goes back where the object answers otherwise than it did.

use std::collections::HashSet;
use std::fmt::Debug;
use std::hash::Hash;

/// What is called, and does one thing at a time.
pub(crate) trait Object: Clone + Eq + Hash {
    type Command: Debug;
    type Reply: PartialEq + Debug;

    /// Does it, and answers.
    fn run(&mut self, command: &Self::Command) -> Self::Reply;
}

/// A call, from one tick to another.
#[derive(Clone, Debug)]
pub(crate) struct Call<C, R> {
    pub(crate) from: u64,
    pub(crate) to: u64,
    pub(crate) command: C,
    /// `None` if nobody knows whether it happened.
    pub(crate) reply: Option<R>,
}

/// The calls' begins and ends in the order of time, in a list from which calls are taken out and put back.
struct Events {
    /// Each a call, and whether this is its end. Event 0 is before all.
    all: Vec<(usize, bool)>,
    next: Vec<usize>,
    previous: Vec<usize>,
    /// Of each call, where it begins and ends.
    places: Vec<[usize; 2]>,
}

impl Events {
    fn new<C, R>(calls: &[Call<C, R>]) -> Self {
        let mut order: Vec<(u64, bool, usize)> = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            order.extend([(call.from, false, at), (call.to, true, at)]);
        }
        order.sort_unstable();
        let len = order.len() + 1;
        let mut places = vec![[0; 2]; calls.len()];
        let mut all = vec![(usize::MAX, false)];
        for (_, is_end, call) in order {
            places[call][usize::from(is_end)] = all.len();
            all.push((call, is_end));
        }
        let next = (0..len).map(|at| (at + 1) % len).collect();
        let previous = (0..len).map(|at| (at + len - 1) % len).collect();
        Self { all, next, previous, places }
    }

    fn take_out(&mut self, call: usize) {
        for at in self.places[call] {
            let (previous, next) = (self.previous[at], self.next[at]);
            (self.next[previous], self.previous[next]) = (next, previous);
        }
    }

    fn put_back(&mut self, call: usize) {
        for at in self.places[call].into_iter().rev() {
            let (previous, next) = (self.previous[at], self.next[at]);
            (self.next[previous], self.previous[next]) = (at, at);
        }
    }
}

/// Finds an order in which the calls may have happened. If there is none, tells the calls around the place that no
/// order gets past.
pub(crate) fn check<O: Object>(start: O, calls: &[Call<O::Command, O::Reply>]) -> Result<(), String> {
    let mut events = Events::new(calls);
    let mut object = start;
    let mut taken = vec![0_u64; calls.len().div_ceil(64)];
    let mut seen = HashSet::new();
    // Calls taken, what the object was before, and whether the call was left out.
    let mut path: Vec<(usize, O, bool)> = Vec::new();
    let (mut furthest, mut stuck) = (0, 0);
    let mut at = events.next[0];
    while events.next[0] != 0 {
        let (call, is_end) = events.all[at];
        let mut after = object.clone();
        let goes = if is_end {
            // It did not happen; or else an order would be wrong that leaves it for later.
            calls[call].reply.is_none()
        } else {
            let reply = after.run(&calls[call].command);
            calls[call].reply.as_ref().is_none_or(|told| *told == reply)
        };
        if goes {
            taken[call / 64] ^= 1 << (call % 64);
            if seen.insert((taken.clone(), after.clone())) {
                path.push((call, std::mem::replace(&mut object, after), is_end));
                events.take_out(call);
                at = events.next[0];
                continue;
            }
            taken[call / 64] ^= 1 << (call % 64);
        }
        if !is_end {
            at = events.next[at];
            continue;
        }
        if path.len() >= furthest {
            (furthest, stuck) = (path.len(), call);
        }
        loop {
            let Some((last, before, left_out)) = path.pop() else { return Err(around(calls, stuck)) };
            object = before;
            taken[last / 64] ^= 1 << (last % 64);
            events.put_back(last);
            at = events.next[events.places[last][0]];
            // Leaving out is what is tried last.
            if !left_out {
                break;
            }
        }
    }
    Ok(())
}

fn around<C: Debug, R: Debug>(calls: &[Call<C, R>], stuck: usize) -> String {
    let (from, to) = (calls[stuck].from, calls[stuck].to);
    let near = calls.iter().filter(|call| call.from <= to + 20 && call.to + 60 >= from);
    let lines: Vec<String> = near
        .map(|call| format!("{:>6}..{:<6} {:?} -> {:?}", call.from, call.to, call.command, call.reply))
        .collect();
    format!("no order gets past the end of {:?}; around it:\n{}", calls[stuck].command, lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that is set, read, and added to.
    #[derive(Clone, Default, PartialEq, Eq, Hash)]
    struct Register(i64);

    #[derive(Clone, Copy, Debug)]
    enum Act {
        Set(i64),
        Get,
        Add(i64),
    }

    impl Object for Register {
        type Command = Act;
        type Reply = i64;

        fn run(&mut self, act: &Act) -> i64 {
            match act {
                Act::Set(to) => self.0 = *to,
                Act::Get => {}
                Act::Add(more) => self.0 += more,
            }
            self.0
        }
    }

    fn call(from: u64, to: u64, command: Act, reply: impl Into<Option<i64>>) -> Call<Act, i64> {
        Call { from, to, command, reply: reply.into() }
    }

    fn is_right(calls: &[Call<Act, i64>]) -> bool {
        check(Register::default(), calls).is_ok()
    }

    #[test]
    fn what_overlaps_may_happen_in_any_order_and_what_does_not_may_not() {
        use Act::{Add, Get, Set};
        assert!(is_right(&[]));
        assert!(is_right(&[call(1, 4, Set(1), 1), call(2, 3, Get, 0)]));
        assert!(is_right(&[call(1, 4, Set(1), 1), call(2, 3, Get, 1)]));
        assert!(!is_right(&[call(1, 2, Set(1), 1), call(3, 4, Get, 0)]), "a stale read");
        assert!(
            !is_right(&[call(1, 6, Set(1), 1), call(2, 3, Get, 1), call(4, 5, Get, 0)]),
            "a read that goes back"
        );
        assert!(!is_right(&[call(1, 4, Add(1), 1), call(2, 3, Add(1), 1)]), "a lost update");
        assert!(is_right(&[call(1, 4, Add(1), 2), call(2, 3, Add(1), 1)]));
        // The order of the writes is found only by going back.
        let both = [call(1, 9, Set(1), 1), call(2, 9, Set(2), 2), call(3, 9, Add(5), 6)];
        assert!(is_right(&[&both[..], &[call(10, 11, Get, 6)]].concat()));
        assert!(is_right(&[&both[..], &[call(10, 11, Get, 2)]].concat()));
        assert!(!is_right(&[&both[..], &[call(10, 11, Get, 7)]].concat()));
    }

    #[test]
    fn what_nobody_knows_of_may_have_happened_or_not_but_not_later() {
        use Act::{Get, Set};
        let doubtful = call(1, 4, Set(1), None);
        assert!(is_right(&[doubtful.clone(), call(5, 6, Get, 0)]));
        assert!(is_right(&[doubtful.clone(), call(5, 6, Get, 1)]));
        assert!(!is_right(&[doubtful.clone(), call(5, 6, Get, 1), call(7, 8, Get, 0)]));
        assert!(!is_right(&[doubtful.clone(), call(5, 6, Get, 0), call(7, 8, Get, 1)]));
        assert!(is_right(&[doubtful, call(2, 3, Set(2), 2), call(5, 6, Get, 2)]));
    }

    #[test]
    fn one_wrong_reply_among_many_is_found() {
        let mut calls: Vec<_> =
            (0..2000).map(|n| call(2 * n, 2 * n + 9, Act::Add(1), n as i64 + 1)).collect();
        assert!(is_right(&calls));
        calls[1500].reply = Some(1500);
        assert!(!is_right(&calls));
    }
}
