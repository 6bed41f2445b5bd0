//! XREAD and XREADGROUP: entries after given ids, of several streams at once.

use super::entries::{Entry, Stream, tell};
use super::groups::{Delivery, Team};
use super::id::{self, Id};
use super::load;
use crate::redis::blocking::{Block, parse_timeout_ms};
use crate::redis::command::Call;
use crate::redis::error::{Error, Result};
use crate::redis::keyspace::Type;
use crate::redis::protocol::reply::{Open, Protocol, Reply};
use crate::store::{Reads, Txn};

/// How many entries are delivered before the next are read.
const STEP: u64 = 256;

/// What is asked for.
struct Asked<'a> {
    /// The group, and who in it.
    group: Option<(&'a [u8], &'a [u8])>,
    /// Delivered is acknowledged.
    no_ack: bool,
    /// How many entries of each stream at most.
    count: u64,
    /// How to wait if there is nothing.
    block: Option<Block>,
    /// The first key's word; as many ids follow as there are keys.
    keys_at: usize,
    keys: usize,
}

impl<'a> Asked<'a> {
    fn parse(call: &Call<'a>, now_ms: u64, is_group: bool) -> Result<Self> {
        let mut asked = Self { group: None, no_ack: false, count: 0, block: None, keys_at: 0, keys: 0 };
        let only = |option: &str| {
            let text = "option is only supported by XREADGROUP. You called XREAD instead.";
            if is_group { Ok(()) } else { Err(Error::text(format!("ERR The {option} {text}"))) }
        };
        let mut at = 1;
        while at < call.len() && asked.keys_at == 0 {
            let more = call.len() - at - 1;
            if more > 0 && call.is(at, "block") {
                at += 1;
                asked.block = Some(Block::on(Type::Stream, parse_timeout_ms(call.get(at), now_ms)?));
            } else if more > 0 && call.is(at, "count") {
                at += 1;
                asked.count = u64::try_from(call.int(at)?).unwrap_or(0);
            } else if more > 0 && call.is(at, "streams") {
                if !more.is_multiple_of(2) {
                    let (name, least) = if is_group { ("xreadgroup", '>') } else { ("xread", '$') };
                    return Err(Error::text(format!(
                        "ERR Unbalanced '{name}' list of streams: for each stream key an ID or '{least}' must be \
                         specified."
                    )));
                }
                (asked.keys_at, asked.keys) = (at + 1, more / 2);
            } else if more > 1 && call.is(at, "group") {
                only("GROUP")?;
                asked.group = Some((call.get(at + 1), call.get(at + 2)));
                at += 2;
            } else if call.is(at, "noack") {
                only("NOACK")?;
                asked.no_ack = true;
            } else {
                return Err(Error::Syntax);
            }
            at += 1;
        }
        if asked.keys_at == 0 {
            return Err(Error::Syntax);
        }
        if asked.count == 0 {
            asked.count = u64::MAX;
        }
        Ok(asked)
    }

    /// The streams' names and the words with the ids.
    fn streams(&self, call: &Call<'a>) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let (names, ids) = (call.from(self.keys_at), call.from(self.keys_at + self.keys));
        names.take(self.keys).zip(ids)
    }
}

/// The answer where no stream has anything after these ids: that the client waits, if it wanted to.
fn nothing_yet(call: &Call<'_>, asked: Asked<'_>, after: &[Id], reply: &mut Reply) -> Result {
    let Some(block) = asked.block else {
        reply.null_array();
        return Ok(());
    };
    if asked.group.is_some() {
        return Err(block.any_change().keeping().into());
    }
    // `$` is what was last when the waiting began.
    let options = call.from(0).take(asked.keys_at + asked.keys).map(<[u8]>::to_vec);
    Err(block.again_as(options.chain(after.iter().map(|id| id.text().into_bytes())).collect()).into())
}

/// The answer: a map of streams to entries, in the older protocol an array of pairs.
struct Told {
    open: Open,
    streams: usize,
}

impl Told {
    fn new(reply: &mut Reply) -> Self {
        let open = if reply.protocol() == Protocol::Resp3 { reply.open_map() } else { reply.open_array() };
        Self { open, streams: 0 }
    }

    fn begin(reply: &mut Reply, name: &[u8]) -> Open {
        if reply.protocol() == Protocol::Resp2 {
            reply.array(2);
        }
        reply.bulk(name);
        reply.open_array()
    }

    fn end(&mut self, reply: &mut Reply, open: Open, entries: usize) {
        reply.end(open, entries);
        self.streams += 1;
    }
}

/// `XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]`
pub(super) fn xread(reads: &dyn Reads, call: &Call<'_>, reply: &mut Reply) -> Result {
    let asked = Asked::parse(call, reads.now_ms(), false)?;
    let mut streams = Vec::with_capacity(asked.keys);
    for (name, text) in asked.streams(call) {
        let stream = load(reads, call, name)?;
        let after = match (text, &stream) {
            (b">", _) => {
                return Err(Error::text(
                    "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> \
                     option.",
                ));
            }
            (b"$", Some(stream)) => stream.head.last,
            (b"+", Some(stream)) => {
                stream.edge(reads, true)?.and_then(|(last, _)| last.previous()).unwrap_or_default()
            }
            (b"$" | b"+", None) => Id::MIN,
            _ => id::strict(text, 0)?,
        };
        streams.push((name, stream, after));
    }
    let mut told = Told::new(reply);
    for (name, stream, after) in &streams {
        let (Some(stream), Some(from)) = (stream, after.next()) else { continue };
        let mark = reply.len();
        let open = Told::begin(reply, name);
        let entries = stream
            .range(reads, (from, Id::MAX), false, asked.count, &mut |id, fields| tell((id, fields), reply))?;
        if entries == 0 {
            reply.truncate(mark);
        } else {
            told.end(reply, open, usize::try_from(entries).unwrap_or(usize::MAX));
        }
    }
    if told.streams == 0 {
        let after: Vec<Id> = streams.iter().map(|(_, _, after)| *after).collect();
        return nothing_yet(call, asked, &after, reply);
    }
    reply.end(told.open, told.streams);
    Ok(())
}

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]`
pub(super) fn xreadgroup(txn: &mut Txn, call: &Call<'_>, reply: &mut Reply) -> Result {
    let asked = Asked::parse(call, txn.now_ms(), true)?;
    let Some((group_name, consumer)) = asked.group else {
        return Err(Error::text("ERR Missing GROUP option for XREADGROUP"));
    };
    let find = |reads: &dyn Reads, name: &[u8]| -> Result<(Stream, Team)> {
        let stream = load(reads, call, name)?;
        let group = stream.as_ref().map_or(Ok(None), |stream| stream.group(reads, group_name))?;
        match (stream, group) {
            (Some(stream), Some(group)) => Ok((stream, Team::of(group_name, group))),
            _ => Err(Error::text(format!(
                "NOGROUP No such key '{}' or consumer group '{}' in XREADGROUP with GROUP option",
                String::from_utf8_lossy(name),
                String::from_utf8_lossy(group_name),
            ))),
        }
    };
    // All of them before anything is delivered. One alone need not be looked up again.
    let (mut alone, mut after) = (None, Vec::with_capacity(asked.keys));
    for (name, text) in asked.streams(call) {
        let found = find(txn, name)?;
        if asked.keys == 1 {
            alone = Some(found);
        }
        after.push(match text {
            b"$" => {
                return Err(Error::text(
                    "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this \
                     consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just \
                     return an empty result set.",
                ));
            }
            b">" => Id::MAX,
            _ => id::strict(text, 0)?,
        });
    }
    let mut told = Told::new(reply);
    for ((name, _), after) in asked.streams(call).zip(&after) {
        let (mut stream, mut team) = match alone.take() {
            Some(found) => found,
            None => find(txn, name)?,
        };
        let mark = reply.len();
        let open = Told::begin(reply, name);
        let entries = match after.next() {
            Some(from) => {
                Some(again(&mut stream, &mut team, txn, call, (name, consumer), (from, asked.count), reply)?)
            }
            None => new(&mut stream, &mut team, txn, call, (name, consumer), &asked, reply)?,
        };
        team.save(&mut stream, txn)?;
        stream.save_groups(txn)?;
        match entries {
            Some(entries) => told.end(reply, open, entries),
            None => reply.truncate(mark),
        }
    }
    if told.streams == 0 {
        return nothing_yet(call, asked, &after, reply);
    }
    reply.end(told.open, told.streams);
    Ok(())
}

/// Delivers entries that the group has not seen: how many, if there are any.
fn new(
    stream: &mut Stream,
    team: &mut Team,
    txn: &mut Txn,
    call: &Call<'_>,
    (key, name): (&[u8], &[u8]),
    asked: &Asked<'_>,
    reply: &mut Reply,
) -> Result<Option<usize>> {
    let now_ms = txn.now_ms();
    team.see(stream, txn, call, (key, name))?;
    let len = stream.len(txn)?;
    let mut told = 0;
    while told < asked.count
        && team.group.last < stream.head.last
        && let Some(from) = team.group.last.next()
    {
        let mut entries: Vec<Entry> = Vec::new();
        let step = STEP.min(asked.count - told);
        stream
            .range(txn, (from, Id::MAX), false, step, &mut |id, fields| entries.push((id, fields.clone())))?;
        let is_all = (entries.len() as u64) < step;
        for (id, fields) in entries {
            let head = &stream.head;
            if let Some(read) = team.group.read.filter(|_| !head.has_holes_from(id, len)) {
                team.group.read = Some(read.saturating_add(1));
            } else if head.added > 0 {
                team.group.read = head.added_until(id, len);
            }
            team.group.last = id;
            tell((id, &fields), reply);
            told += 1;
            if !asked.no_ack {
                let before = stream.pending(txn, &team.group, id)?;
                let delivery = Delivery { at_ms: now_ms, count: 1, consumer: name.to_vec().into() };
                team.deliver(stream, txn, id, before.as_ref(), &delivery)?;
                team.activate(name, now_ms);
            }
        }
        if is_all {
            break;
        }
    }
    Ok((told > 0).then(|| usize::try_from(told).unwrap_or(usize::MAX)))
}

/// Delivers once more what is pending at the consumer from an id on; how many entries, those that are gone included.
fn again(
    stream: &mut Stream,
    team: &mut Team,
    txn: &mut Txn,
    call: &Call<'_>,
    (key, name): (&[u8], &[u8]),
    (from, count): (Id, u64),
    reply: &mut Reply,
) -> Result<usize> {
    let consumer = team.see(stream, txn, call, (key, name))?;
    let (mut from, mut told) = (Some(from), 0);
    while let Some(first) = from
        && told < count
    {
        let step = usize::try_from(STEP.min(count - told)).unwrap_or(usize::MAX);
        let held = stream.held(txn, &team.group, &consumer, (first, Id::MAX), step)?;
        let ids: Vec<Id> = held.iter().map(|&(id, _)| id).collect();
        from = ids.last().filter(|_| ids.len() == step).and_then(|id| id.next());
        told += ids.len() as u64;
        for ((id, before), fields) in held.into_iter().zip(stream.entries(txn, &ids)?) {
            let Some(fields) = fields else {
                reply.array(2);
                id.tell(reply);
                reply.null_array();
                continue;
            };
            tell((id, &fields), reply);
            let delivery =
                Delivery { at_ms: txn.now_ms(), count: before.count.saturating_add(1), ..before.clone() };
            team.deliver(stream, txn, id, Some(&before), &delivery)?;
        }
    }
    Ok(usize::try_from(told).unwrap_or(usize::MAX))
}
