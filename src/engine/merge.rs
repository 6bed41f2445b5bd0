//! Many sorted sources as one: the only merging cursor, for scans, flushes and compactions, in both directions.
//!
//! A heap of the sources that have an entry, the one whose turn it is at the root. Beside each lies the prefix of
//! its key, so that most comparisons touch no source, and a source that goes on winning costs two of them.
//! No two sources hold the same version of a key.

use std::cmp::Ordering;
use std::sync::Arc;

use bytes::Bytes;

use super::cursor::Cursor;
use super::error::Result;
use super::key::{KeyRef, prefix};
use super::memtable::MemtableCursor;
use super::table::{Caching, Table, TableCursor};
use super::view::Tier;

/// What can be merged.
pub(crate) enum Source<'a> {
    Memtable(MemtableCursor<'a>),
    Table(TableCursor),
    Level(LevelCursor<'a>),
}

macro_rules! each {
    ($source:expr, $cursor:ident => $call:expr) => {
        match $source {
            Source::Memtable($cursor) => $call,
            Source::Table($cursor) => $call,
            Source::Level($cursor) => $call,
        }
    };
}

impl Cursor for Source<'_> {
    fn first(&mut self) -> Result<()> {
        each!(self, c => c.first())
    }

    fn last(&mut self) -> Result<()> {
        each!(self, c => c.last())
    }

    fn seek(&mut self, target: KeyRef<'_>) -> Result<()> {
        each!(self, c => c.seek(target))
    }

    fn seek_back(&mut self, target: KeyRef<'_>) -> Result<()> {
        each!(self, c => c.seek_back(target))
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        each!(self, c => c.next())
    }

    #[inline]
    fn prev(&mut self) -> Result<()> {
        each!(self, c => c.prev())
    }

    #[inline]
    fn valid(&self) -> bool {
        each!(self, c => c.valid())
    }

    #[inline]
    fn key(&self) -> KeyRef<'_> {
        each!(self, c => c.key())
    }

    #[inline]
    fn value(&self) -> &[u8] {
        each!(self, c => c.value())
    }

    fn value_bytes(&self) -> Bytes {
        each!(self, c => c.value_bytes())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ascending,
    Descending,
}

/// A source that has an entry.
#[derive(Clone, Copy)]
struct Head {
    prefix: [u64; 2],
    source: usize,
}

/// A position in the union of the sources.
pub(crate) struct Merge<'a> {
    sources: Vec<Source<'a>>,
    heads: Vec<Head>,
    direction: Direction,
    /// Where it turned round.
    turn: Vec<u8>,
}

impl<'a> Merge<'a> {
    /// A merge of these, at none of their entries.
    pub(crate) fn new(sources: Vec<Source<'a>>) -> Self {
        let heads = Vec::with_capacity(sources.len());
        Self { sources, heads, direction: Direction::Ascending, turn: Vec::new() }
    }

    fn before(&self, a: Head, b: Head) -> bool {
        let order = a
            .prefix
            .cmp(&b.prefix)
            .then_with(|| self.sources[a.source].key().cmp(&self.sources[b.source].key()));
        order == if self.direction == Direction::Ascending { Ordering::Less } else { Ordering::Greater }
    }

    /// Positions every source and builds the heap.
    fn gather(
        &mut self,
        direction: Direction,
        mut position: impl FnMut(&mut Source<'a>) -> Result<()>,
    ) -> Result<()> {
        self.heads.clear();
        self.direction = direction;
        for source in &mut self.sources {
            position(source)?;
        }
        for (i, source) in self.sources.iter().enumerate() {
            if source.valid() {
                self.heads.push(Head { prefix: prefix(source.key().user), source: i });
            }
        }
        for i in (0..self.heads.len() / 2).rev() {
            self.sift_down(i);
        }
        Ok(())
    }

    fn sift_down(&mut self, mut i: usize) {
        loop {
            let mut first = i;
            for child in [2 * i + 1, 2 * i + 2] {
                if child < self.heads.len() && self.before(self.heads[child], self.heads[first]) {
                    first = child;
                }
            }
            if first == i {
                return;
            }
            self.heads.swap(i, first);
            i = first;
        }
    }

    /// Moves the source at the root on, and finds whose turn it is now.
    #[inline]
    fn advance(&mut self) -> Result<()> {
        let Some(root) = self.heads.first_mut() else { return Ok(()) };
        let source = &mut self.sources[root.source];
        let moved = match self.direction {
            Direction::Ascending => source.next(),
            Direction::Descending => source.prev(),
        };
        if let Err(error) = moved {
            self.heads.clear();
            return Err(error);
        }
        if source.valid() {
            // Alone it needs no prefix: the heap only shrinks until it is built anew.
            if self.heads.len() > 1 {
                self.heads[0].prefix = prefix(source.key().user);
                self.sift_down(0);
            }
        } else {
            self.heads.swap_remove(0);
            self.sift_down(0);
        }
        Ok(())
    }

    /// Turns round at the entry it is at: the sources all stand on the far side of it.
    fn turn_to(&mut self, direction: Direction) -> Result<()> {
        let Some(root) = self.heads.first() else { return Ok(()) };
        let at = root.source;
        let key = self.sources[at].key();
        let trailer = key.trailer;
        let mut turn = std::mem::take(&mut self.turn);
        turn.clear();
        turn.extend_from_slice(key.user);
        let target = KeyRef::new(&turn, trailer);
        let mut i = 0;
        let done = self.gather(direction, |source| {
            let own = i == at;
            i += 1;
            match (own, direction) {
                (true, _) => Ok(()),
                (false, Direction::Ascending) => source.seek(target),
                (false, Direction::Descending) => source.seek_back(target),
            }
        });
        self.turn = turn;
        done
    }
}

impl Cursor for Merge<'_> {
    fn first(&mut self) -> Result<()> {
        self.gather(Direction::Ascending, Source::first)
    }

    fn last(&mut self) -> Result<()> {
        self.gather(Direction::Descending, Source::last)
    }

    fn seek(&mut self, target: KeyRef<'_>) -> Result<()> {
        self.gather(Direction::Ascending, |source| source.seek(target))
    }

    fn seek_back(&mut self, target: KeyRef<'_>) -> Result<()> {
        self.gather(Direction::Descending, |source| source.seek_back(target))
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        if self.direction == Direction::Descending {
            self.turn_to(Direction::Ascending)?;
        }
        self.advance()
    }

    #[inline]
    fn prev(&mut self) -> Result<()> {
        if self.direction == Direction::Ascending {
            self.turn_to(Direction::Descending)?;
        }
        self.advance()
    }

    #[inline]
    fn valid(&self) -> bool {
        !self.heads.is_empty()
    }

    #[inline]
    fn key(&self) -> KeyRef<'_> {
        self.sources[self.heads[0].source].key()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.sources[self.heads[0].source].value()
    }

    fn value_bytes(&self) -> Bytes {
        self.sources[self.heads[0].source].value_bytes()
    }
}

/// A position in a level: tables in key order that share no key. Opens the table it is in, and no other.
pub(crate) struct LevelCursor<'a> {
    tables: &'a [Arc<Table>],
    tier: Tier,
    caching: Caching,
    /// The table it is in, by its place, and the position there.
    open: Option<(usize, TableCursor)>,
}

impl<'a> LevelCursor<'a> {
    pub(crate) fn new(tables: &'a [Arc<Table>], tier: Tier, caching: Caching) -> Self {
        Self { tables, tier, caching, open: None }
    }

    /// The cursor of the table at a place; `None` past either end.
    fn enter(&mut self, place: usize) -> Option<&mut TableCursor> {
        if self.open.as_ref().is_none_or(|(at, _)| *at != place) {
            let table = self.tables.get(place)?;
            self.open = Some((place, table.cursor(self.tier, self.caching)));
        }
        self.open.as_mut().map(|(_, cursor)| cursor)
    }

    /// A table's cursor may end where the table does not hold the key sought: then it is the neighbour's turn.
    fn settle_ascending(&mut self) -> Result<()> {
        while let Some((place, cursor)) = &self.open
            && !cursor.valid()
        {
            let next = place + 1;
            match self.enter(next) {
                Some(cursor) => cursor.first()?,
                None => self.open = None,
            }
        }
        Ok(())
    }

    fn settle_descending(&mut self) -> Result<()> {
        while let Some((place, cursor)) = &self.open
            && !cursor.valid()
        {
            match place.checked_sub(1).and_then(|prev| self.enter(prev)) {
                Some(cursor) => cursor.last()?,
                None => self.open = None,
            }
        }
        Ok(())
    }

    /// Positions in the table at a place, or nowhere past either end; forgets the position if that fails.
    fn go(
        &mut self,
        place: Option<usize>,
        position: impl FnOnce(&mut TableCursor) -> Result<()>,
        settle: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let done = if let Some(cursor) = place.and_then(|place| self.enter(place)) {
            position(cursor).and_then(|()| settle(self))
        } else {
            self.open = None;
            Ok(())
        };
        if done.is_err() {
            self.open = None;
        }
        done
    }

    fn cursor(&self) -> &TableCursor {
        &self.open.as_ref().expect("the cursor is valid").1
    }
}

impl Cursor for LevelCursor<'_> {
    fn first(&mut self) -> Result<()> {
        self.go(Some(0), TableCursor::first, Self::settle_ascending)
    }

    fn last(&mut self) -> Result<()> {
        self.go(self.tables.len().checked_sub(1), TableCursor::last, Self::settle_descending)
    }

    fn seek(&mut self, target: KeyRef<'_>) -> Result<()> {
        let place = self.tables.partition_point(|t| t.meta().largest.as_slice() < target.user);
        self.go(Some(place), |c| c.seek(target), Self::settle_ascending)
    }

    fn seek_back(&mut self, target: KeyRef<'_>) -> Result<()> {
        let place = self.tables.partition_point(|t| t.meta().smallest.as_slice() <= target.user);
        self.go(place.checked_sub(1), |c| c.seek_back(target), Self::settle_descending)
    }

    #[inline]
    fn next(&mut self) -> Result<()> {
        let Some((_, cursor)) = &mut self.open else { return Ok(()) };
        cursor.next()?;
        if cursor.valid() { Ok(()) } else { self.settle_ascending() }
    }

    #[inline]
    fn prev(&mut self) -> Result<()> {
        let Some((_, cursor)) = &mut self.open else { return Ok(()) };
        cursor.prev()?;
        if cursor.valid() { Ok(()) } else { self.settle_descending() }
    }

    #[inline]
    fn valid(&self) -> bool {
        self.open.as_ref().is_some_and(|(_, cursor)| cursor.valid())
    }

    #[inline]
    fn key(&self) -> KeyRef<'_> {
        self.cursor().key()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.cursor().value()
    }

    fn value_bytes(&self) -> Bytes {
        self.cursor().value_bytes()
    }
}
