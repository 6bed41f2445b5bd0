//! Publishing and subscribing: channels, patterns of channels, and shard channels (a namespace of their own; we are one
//! shard).
//!
//! Who publishes finds the subscribers in the [`Hub`] and puts the message, encoded once for each protocol, into the
//! [`Inbox`] of each. Inboxes belong to connections, whichever event loop they live on: a connection that is woken appends
//! what lies in its own to its output. So messages of one publisher stay in order, and a slow subscriber holds up nobody. A
//! message carries the commit that its publisher had seen, and is not sent before that is acknowledged.

mod hub;
mod inbox;
mod letter;
mod publish;
mod subscribe;

pub(crate) use hub::{Hub, Message};
pub(crate) use inbox::{Inbox, post};
pub(crate) use letter::Letter;
pub(crate) use subscribe::{Subscriptions, may_run};

use super::command::{Access, Command, Flags, Keys, container, session};

/// The namespaces of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Channels.
    Channel = 0,
    /// Patterns of channels.
    Pattern = 1,
    /// Shard channels.
    Shard = 2,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Channel, Self::Pattern, Self::Shard];
}

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[
    session("psubscribe", -2, subscribe::psubscribe).flag(Flags::NO_SCRIPT).doc(
        "Listens for messages published to channels that match one or more patterns.",
        "2.0.0",
        "O(N) where N is the number of patterns to subscribe to.",
    ),
    session("publish", 3, publish::publish).fast().flag(Flags::MAY_REPLICATE).doc(
        "Posts a message to a channel.",
        "2.0.0",
        "O(N+M) where N is the number of clients subscribed to the receiving channel and M is the number of subscribed \
         patterns that begin as it does.",
    ),
    container("pubsub", PUBSUB).doc("A container for Pub/Sub commands.", "2.8.0", "Depends on subcommand."),
    session("punsubscribe", -1, subscribe::punsubscribe).flag(Flags::NO_SCRIPT).doc(
        "Stops listening to messages published to channels that match one or more patterns.",
        "2.0.0",
        "O(N) where N is the number of patterns to unsubscribe.",
    ),
    session("spublish", 3, publish::spublish).keys(Keys::FIRST).access(Access::CHANNEL).fast().flag(Flags::MAY_REPLICATE).doc(
        "Post a message to a shard channel",
        "7.0.0",
        "O(N) where N is the number of clients subscribed to the receiving shard channel.",
    ),
    session("ssubscribe", -2, subscribe::ssubscribe)
        .keys(Keys::REST)
        .access(Access::CHANNEL)
        .flag(Flags::NO_SCRIPT)
        .doc(
            "Listens for messages published to shard channels.",
            "7.0.0",
            "O(N) where N is the number of shard channels to subscribe to.",
        ),
    session("subscribe", -2, subscribe::subscribe).flag(Flags::NO_SCRIPT).doc(
        "Listens for messages published to channels.",
        "2.0.0",
        "O(N) where N is the number of channels to subscribe to.",
    ),
    session("sunsubscribe", -1, subscribe::sunsubscribe)
        .keys(Keys::REST)
        .access(Access::CHANNEL)
        .flag(Flags::NO_SCRIPT)
        .doc(
            "Stops listening to messages posted to shard channels.",
            "7.0.0",
            "O(N) where N is the number of shard channels to unsubscribe.",
        ),
    session("unsubscribe", -1, subscribe::unsubscribe).flag(Flags::NO_SCRIPT).doc(
        "Stops listening to messages posted to channels.",
        "2.0.0",
        "O(N) where N is the number of channels to unsubscribe.",
    ),
];

const PUBSUB: &[Command] = &[
    session("pubsub|channels", -2, publish::channels).doc(
        "Returns the active channels.",
        "2.8.0",
        "O(N) where N is the number of active channels",
    ),
    session("pubsub|numpat", 2, publish::numpat).doc(
        "Returns a count of unique pattern subscriptions.",
        "2.8.0",
        "O(1)",
    ),
    session("pubsub|numsub", -2, publish::numsub).doc(
        "Returns a count of subscribers to channels.",
        "2.8.0",
        "O(N) for the NUMSUB subcommand, where N is the number of requested channels",
    ),
    session("pubsub|shardchannels", -2, publish::shardchannels).doc(
        "Returns the active shard channels.",
        "7.0.0",
        "O(N) where N is the number of active shard channels",
    ),
    session("pubsub|shardnumsub", -2, publish::shardnumsub).doc(
        "Returns the count of subscribers of shard channels.",
        "7.0.0",
        "O(N) for the SHARDNUMSUB subcommand, where N is the number of requested shard channels",
    ),
];
