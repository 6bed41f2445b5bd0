//! HELLO and AUTH.

use super::super::command::Call;
use super::super::error::{Error, Result};
use super::super::protocol::reply::{Protocol, Reply};
use super::super::session::Session;
use super::client;

/// The Redis whose commands and replies these are. Clients choose what to send by it.
pub(crate) const REDIS_VERSION: &str = "7.4.0";

pub(super) fn auth(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (user, password) = match call.len() {
        2 => {
            if !call.instance.acl.has_password() {
                return Err(Error::text(
                    "ERR AUTH <password> called without any password configured for the default user. Are you sure \
                     your configuration is correct?",
                ));
            }
            (&b"default"[..], call.get(1))
        }
        3 => (call.get(1), call.get(2)),
        _ => return Err(Error::Syntax),
    };
    authenticate(session, call, user, password)?;
    reply.ok();
    Ok(())
}

fn authenticate(session: &mut Session, call: &Call<'_>, user: &[u8], password: &[u8]) -> Result {
    if !call.instance.acl.log_in(call.instance, session, (call.get(0), user, password)) {
        tracing::warn!(client = session.client.address, "wrong user or password");
        return Err(Error::text("WRONGPASS invalid username-password pair or user is disabled."));
    }
    Ok(())
}

pub(super) fn hello(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut protocol = None;
    let mut walk = call.walk(1);
    if !walk.is_done() {
        let version =
            walk.int().map_err(|_| Error::text("ERR Protocol version is not an integer or out of range"))?;
        protocol = Some(match version {
            2 => Protocol::Resp2,
            3 => Protocol::Resp3,
            _ => return Err(Error::text("NOPROTO unsupported protocol version")),
        });
    }
    let mut name = None;
    let mut credentials = None;
    while !walk.is_done() {
        let left = call.len() - walk.at() - 1;
        if left >= 2 && walk.accept("AUTH") {
            credentials = Some((walk.word()?, walk.word()?));
        } else if left >= 1 && walk.accept("SETNAME") {
            name = Some(client::valid_name(walk.word()?)?);
        } else {
            let option = call.text(walk.at());
            return Err(Error::text(format!("ERR Syntax error in HELLO option '{option}'")));
        }
    }
    if let Some((user, password)) = credentials {
        authenticate(session, call, user, password)?;
    }
    if !session.authenticated && call.instance.needs_password() {
        return Err(Error::text(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH \
             <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the \
             same time",
        ));
    }
    if let Some(name) = name {
        session.client.names.lock().name = name;
    }
    if let Some(protocol) = protocol {
        if protocol != reply.protocol() && session.unsent.is_none() {
            // What came before is heard in the old protocol.
            let needs = session.client.inbox.move_all_to(reply);
            session.heard(needs);
        }
        reply.set_protocol(protocol);
        session.client.set_protocol(protocol);
    }
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"redis");
    reply.bulk(b"version");
    reply.bulk(REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.int(if reply.protocol() == Protocol::Resp3 { 3 } else { 2 });
    reply.bulk(b"id");
    reply.int(session.client.id as i64);
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
    Ok(())
}
