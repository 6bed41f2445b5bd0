//! Who subscribes to what.
//!
//! Patterns are kept by the characters that all their matches begin with, so that a message is compared only with those
//! patterns that begin as its channel does, however many others there are.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::RwLock;

use super::super::clients::Client;
use super::super::glob;
use super::super::instance::Instance;
use super::super::protocol::reply::{Protocol, Reply};
use super::Kind;
use super::inbox::post;
use super::letter::{Letter, Mail};
use crate::store::Seqno;

/// Clients by their ids.
type Subscribers = BTreeMap<u64, Arc<Client>>;
type Map<V> = HashMap<Box<[u8]>, V, foldhash::fast::FixedState>;

/// A message that was published.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) shard: bool,
    pub(crate) channel: Vec<u8>,
    pub(crate) payload: Vec<u8>,
}

#[derive(Default)]
struct Topics {
    exact: [Map<Subscribers>; 2],
    /// By their literal beginning, then whole.
    patterns: Map<BTreeMap<Box<[u8]>, Subscribers>>,
    patterns_len: usize,
    /// How many patterns have a beginning of each length.
    prefix_lens: BTreeMap<usize, usize>,
}

/// All subscriptions.
pub(crate) struct Hub {
    topics: RwLock<Topics>,
    mail: Arc<Mail>,
}

/// A push in both protocols, each encoded when first asked for.
struct Push<'a> {
    words: &'a [&'a [u8]],
    encoded: [Option<Letter>; 2],
}

impl<'a> Push<'a> {
    fn new(words: &'a [&'a [u8]]) -> Self {
        Self { words, encoded: [None, None] }
    }

    fn post(&mut self, instance: &Instance, client: &Client, needs: Seqno) {
        let protocol = client.protocol();
        let words = self.words;
        let encoded = self.encoded[usize::from(protocol == Protocol::Resp3)].get_or_insert_with(|| {
            let mut reply = Reply::default();
            reply.set_protocol(protocol);
            reply.push(words.len());
            for word in words {
                reply.bulk(word);
            }
            Letter::new(instance, reply.take())
        });
        post(client, needs, encoded);
    }
}

impl Hub {
    /// No subscriptions, and room for so many bytes of messages that nobody has read yet.
    pub(crate) fn new(mail_bytes_max: usize) -> Self {
        Self { topics: RwLock::default(), mail: Mail::new(mail_bytes_max) }
    }

    /// What all inboxes hold.
    pub(crate) fn mail(&self) -> &Arc<Mail> {
        &self.mail
    }

    /// Adds a subscription.
    pub(super) fn add(&self, kind: Kind, name: &[u8], client: &Arc<Client>) {
        let mut topics = self.topics.write();
        let topics = &mut *topics;
        let subscribers = match kind {
            Kind::Channel => topics.exact[0].entry(name.into()).or_default(),
            Kind::Shard => topics.exact[1].entry(name.into()).or_default(),
            Kind::Pattern => {
                let prefix = glob::literal_prefix(name);
                let len = prefix.len();
                let patterns = topics.patterns.entry(prefix.into()).or_default();
                patterns.entry(name.into()).or_insert_with(|| {
                    topics.patterns_len += 1;
                    *topics.prefix_lens.entry(len).or_default() += 1;
                    Subscribers::new()
                })
            }
        };
        subscribers.insert(client.id, client.clone());
    }

    /// Removes a subscription.
    pub(super) fn remove(&self, kind: Kind, name: &[u8], client: u64) {
        let mut topics = self.topics.write();
        let topics = &mut *topics;
        if kind != Kind::Pattern {
            let exact = &mut topics.exact[usize::from(kind == Kind::Shard)];
            if let Some(subscribers) = exact.get_mut(name) {
                subscribers.remove(&client);
                if subscribers.is_empty() {
                    exact.remove(name);
                }
            }
            return;
        }
        let prefix = glob::literal_prefix(name);
        let Some(patterns) = topics.patterns.get_mut(&prefix[..]) else { return };
        let Some(subscribers) = patterns.get_mut(name) else { return };
        subscribers.remove(&client);
        if !subscribers.is_empty() {
            return;
        }
        patterns.remove(name);
        topics.patterns_len -= 1;
        if let Some(count) = topics.prefix_lens.get_mut(&prefix.len()) {
            *count -= 1;
            if *count == 0 {
                topics.prefix_lens.remove(&prefix.len());
            }
        }
        if patterns.is_empty() {
            topics.patterns.remove(&prefix[..]);
        }
    }

    /// How many would receive a message.
    pub(super) fn receivers(&self, message: &Message) -> usize {
        let mut count = 0;
        self.each(message, |_, subscribers| count += subscribers.len());
        count
    }

    /// Sends a message, once commit `needs` is acknowledged; how many receive it.
    pub(crate) fn publish(&self, instance: &Instance, message: &Message, needs: Seqno) -> usize {
        let mut count = 0;
        let word: &[u8] = if message.shard { b"smessage" } else { b"message" };
        let words = [word, &message.channel, &message.payload];
        self.each(message, |pattern, subscribers| {
            count += subscribers.len();
            let with_pattern;
            let mut push = match pattern {
                None => Push::new(&words),
                Some(pattern) => {
                    with_pattern = [b"pmessage", pattern, &message.channel, &message.payload];
                    Push::new(&with_pattern)
                }
            };
            for client in subscribers.values() {
                push.post(instance, client, needs);
            }
        });
        count
    }

    /// Visits all who receive a message: those of its channel, then those of each pattern that matches.
    fn each(&self, message: &Message, mut visit: impl FnMut(Option<&[u8]>, &Subscribers)) {
        let topics = self.topics.read();
        let channel = &message.channel[..];
        if let Some(subscribers) = topics.exact[usize::from(message.shard)].get(channel) {
            visit(None, subscribers);
        }
        if message.shard {
            return;
        }
        for &len in topics.prefix_lens.keys() {
            let Some(prefix) = channel.get(..len) else { break };
            for (pattern, subscribers) in topics.patterns.get(prefix).into_iter().flatten() {
                if glob::matches(pattern, channel) {
                    visit(Some(pattern), subscribers);
                }
            }
        }
    }

    /// The channels that anybody subscribes to and that match, sorted.
    pub(super) fn channels(&self, shard: bool, pattern: Option<&[u8]>) -> Vec<Box<[u8]>> {
        let topics = self.topics.read();
        let channels = topics.exact[usize::from(shard)].keys();
        let mut channels: Vec<_> = channels
            .filter(|channel| pattern.is_none_or(|pattern| glob::matches(pattern, channel)))
            .cloned()
            .collect();
        channels.sort_unstable();
        channels
    }

    /// Visits every subscription of everybody.
    pub(crate) fn each_subscription(&self, mut visit: impl FnMut(Kind, &[u8], &Arc<Client>)) {
        let topics = self.topics.read();
        let [channels, shards] = &topics.exact;
        let channels = channels.iter().map(|(name, who)| (Kind::Channel, name, who));
        let shards = shards.iter().map(|(name, who)| (Kind::Shard, name, who));
        let patterns = topics.patterns.values().flatten().map(|(name, who)| (Kind::Pattern, name, who));
        for (kind, name, subscribers) in channels.chain(shards).chain(patterns) {
            for client in subscribers.values() {
                visit(kind, name, client);
            }
        }
    }

    /// How many subscribe to a channel.
    pub(super) fn subscribers(&self, shard: bool, channel: &[u8]) -> usize {
        self.topics.read().exact[usize::from(shard)].get(channel).map_or(0, BTreeMap::len)
    }

    /// How many channels, patterns and shard channels are subscribed to.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let topics = self.topics.read();
        [topics.exact[0].len(), topics.patterns_len, topics.exact[1].len()]
    }
}
