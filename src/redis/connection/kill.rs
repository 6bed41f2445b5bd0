//! CLIENT KILL, in its old form (an address) and its new one (filters).

use std::sync::Arc;

use super::super::acl::Account;
use super::super::clients::Client;
use super::super::command::Call;
use super::super::error::{Error, Result};
use super::super::number;
use super::super::protocol::reply::Reply;
use super::super::session::Session;

/// Whom to end: all that every given filter fits.
struct Filter {
    id: Option<u64>,
    address: Option<String>,
    local_address: Option<String>,
    kind: Option<Kind>,
    account: Option<Arc<Account>>,
    age_s: Option<u64>,
    skip_me: bool,
}

/// The types of clients.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Subscriber,
    /// Of replication: there are none.
    Other,
}

impl Kind {
    /// Whether a client is of this type.
    pub(super) fn fits(self, client: &Client) -> bool {
        match self {
            Self::Normal => !client.subscribes(),
            Self::Subscriber => client.subscribes(),
            Self::Other => false,
        }
    }
}

/// A type of clients, by its name.
pub(super) fn kind(kind: &[u8]) -> Result<Kind> {
    let kind = kind.to_ascii_lowercase();
    match &kind[..] {
        b"normal" => Ok(Kind::Normal),
        b"pubsub" => Ok(Kind::Subscriber),
        b"master" | b"replica" | b"slave" => Ok(Kind::Other),
        _ => Err(Error::text(format!("ERR Unknown client type '{}'", String::from_utf8_lossy(&kind)))),
    }
}

pub(super) fn kill(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let old = call.len() == 3;
    let filter = if old { by_address(call) } else { parse(call)? };
    let now_ms = call.instance.store().now_ms();
    let mut killed = 0;
    for client in call.instance.clients.all() {
        let me = client.id == session.client.id;
        if (me && filter.skip_me) || !filter.fits(&client, now_ms) {
            continue;
        }
        if me {
            // This reply still leaves.
            session.closing = true;
        } else {
            client.kill();
        }
        killed += 1;
    }
    match (old, killed) {
        (true, 0) => return Err(Error::text("ERR No such client")),
        (true, _) => reply.ok(),
        (false, _) => reply.int(killed),
    }
    Ok(())
}

fn by_address(call: &Call<'_>) -> Filter {
    let address = Some(call.text(2).into_owned());
    Filter { id: None, address, local_address: None, kind: None, account: None, age_s: None, skip_me: false }
}

fn parse(call: &Call<'_>) -> Result<Filter> {
    let mut filter = Filter {
        id: None,
        address: None,
        local_address: None,
        kind: None,
        account: None,
        age_s: None,
        skip_me: true,
    };
    let mut walk = call.walk(2);
    let text = |word: &[u8]| String::from_utf8_lossy(word).into_owned();
    while !walk.is_done() {
        if walk.accept("ID") {
            let id = number::parse_u64(walk.word()?).filter(|&id| id > 0);
            filter.id = Some(id.ok_or_else(|| Error::text("ERR client-id should be greater than 0"))?);
        } else if walk.accept("ADDR") {
            filter.address = Some(text(walk.word()?));
        } else if walk.accept("LADDR") {
            filter.local_address = Some(text(walk.word()?));
        } else if walk.accept("TYPE") {
            filter.kind = Some(kind(walk.word()?)?);
        } else if walk.accept("USER") {
            let user = walk.word()?;
            let found = call.instance.acl.account(user);
            filter.account =
                Some(found.ok_or_else(|| Error::text(format!("ERR No such user '{}'", text(user))))?);
        } else if walk.accept("MAXAGE") {
            let age = number::parse_u64(walk.word()?);
            filter.age_s =
                Some(age.ok_or_else(|| Error::text("ERR maxage is not an integer or out of range"))?);
        } else if walk.accept("SKIPME") {
            let answer = walk.word()?;
            filter.skip_me = match () {
                () if answer.eq_ignore_ascii_case(b"yes") => true,
                () if answer.eq_ignore_ascii_case(b"no") => false,
                () => return Err(Error::Syntax),
            };
        } else {
            return Err(Error::Syntax);
        }
    }
    Ok(filter)
}

impl Filter {
    fn fits(&self, client: &Client, now_ms: u64) -> bool {
        self.kind.is_none_or(|kind| kind.fits(client))
            && self.account.as_ref().is_none_or(|account| Arc::ptr_eq(account, &client.account.load()))
            && self.id.is_none_or(|id| client.id == id)
            && self.address.as_ref().is_none_or(|address| client.address == *address)
            && self.local_address.as_ref().is_none_or(|address| client.local_address == *address)
            && self.age_s.is_none_or(|age| now_ms.saturating_sub(client.connected_ms) / 1000 >= age)
    }
}
