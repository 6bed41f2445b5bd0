//! PUBLISH, and what PUBSUB tells.

use super::super::command::Call;
use super::super::error::{Error, Result};
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use super::Message;

/// `PUBLISH channel message`
pub(super) fn publish(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    send(session, call, reply, false)
}

/// `SPUBLISH shardchannel message`
pub(super) fn spublish(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    send(session, call, reply, true)
}

fn send(session: &mut Session, call: &Call<'_>, reply: &mut Reply, shard: bool) -> Result {
    let message = Message { shard, channel: call.get(1).to_vec(), payload: call.get(2).to_vec() };
    let hub = &call.instance.hub;
    let receivers = if let Some(unsent) = &mut session.unsent {
        // It goes out when the transaction commits.
        let receivers = hub.receivers(&message);
        unsent.push(message);
        receivers
    } else {
        hub.publish(call.instance, &message, session.needs)
    };
    reply.count(receivers);
    Ok(())
}

/// `PUBSUB CHANNELS [pattern]`
pub(super) fn channels(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    list(call, reply, false)
}

/// `PUBSUB SHARDCHANNELS [pattern]`
pub(super) fn shardchannels(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    list(call, reply, true)
}

fn list(call: &Call<'_>, reply: &mut Reply, shard: bool) -> Result {
    if call.len() > 3 {
        return Err(Error::text(format!(
            "ERR unknown subcommand or wrong number of arguments for '{}'. Try PUBSUB HELP.",
            call.text(1)
        )));
    }
    let channels = call.instance.hub.channels(shard, (call.len() == 3).then(|| call.get(2)));
    reply.array(channels.len());
    for channel in channels {
        reply.bulk(&channel);
    }
    Ok(())
}

/// `PUBSUB NUMSUB [channel [channel ...]]`
pub(super) fn numsub(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    count(call, reply, false)
}

/// `PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]`
pub(super) fn shardnumsub(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    count(call, reply, true)
}

fn count(call: &Call<'_>, reply: &mut Reply, shard: bool) -> Result {
    reply.array(2 * (call.len() - 2));
    for channel in call.from(2) {
        reply.bulk(channel);
        reply.count(call.instance.hub.subscribers(shard, channel));
    }
    Ok(())
}

/// `PUBSUB NUMPAT`
pub(super) fn numpat(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    reply.count(call.instance.hub.counts()[1]);
    Ok(())
}
