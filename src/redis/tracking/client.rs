//! CLIENT TRACKING, and what CLIENT tells of it.

use super::super::args::Walk;
use super::super::command::Call;
use super::super::error::{Error, Result};
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use super::modes::Modes;
use super::tracker::Tracker;
use crate::store::{Reads, Tier};

/// What CLIENT TRACKING was given.
#[derive(Default)]
struct Options<'a> {
    modes: u8,
    redirect: u64,
    prefixes: Vec<&'a [u8]>,
}

impl<'a> Options<'a> {
    fn parse(call: &'a Call<'_>) -> Result<Self> {
        let mut options = Self::default();
        let mut walk = call.walk(3);
        while !walk.is_done() {
            let has_more = walk.at() + 1 < call.len();
            if has_more && walk.accept("REDIRECT") {
                options.redirect = redirect(call, &mut walk, options.redirect)?;
            } else if has_more && walk.accept("PREFIX") {
                options.prefixes.push(walk.word()?);
            } else if walk.accept("BCAST") {
                options.modes |= Modes::BCAST;
            } else if walk.accept("OPTIN") {
                options.modes |= Modes::OPTIN;
            } else if walk.accept("OPTOUT") {
                options.modes |= Modes::OPTOUT;
            } else if walk.accept("NOLOOP") {
                options.modes |= Modes::NOLOOP;
            } else {
                return Err(Error::Syntax);
            }
        }
        Ok(options)
    }

    fn has(&self, mode: u8) -> bool {
        self.modes & mode != 0
    }

    /// Whether they go together, and with what the client does already.
    fn check(&self, now: &Modes, tracker: Option<&Tracker>) -> Result {
        let refuse = |why: &str| Err(Error::text(format!("ERR {why}")));
        if !self.has(Modes::BCAST) && !self.prefixes.is_empty() {
            return refuse("PREFIX option requires BCAST mode to be enabled");
        }
        if now.has(Modes::ON) && now.has(Modes::BCAST) != self.has(Modes::BCAST) {
            return refuse(
                "You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling \
                 it with a different mode.",
            );
        }
        if self.has(Modes::BCAST) && self.has(Modes::OPTIN | Modes::OPTOUT) {
            return refuse("OPTIN and OPTOUT are not compatible with BCAST");
        }
        if self.has(Modes::OPTIN) && self.has(Modes::OPTOUT) {
            return refuse("You can't specify both OPTIN mode and OPTOUT mode");
        }
        if (self.has(Modes::OPTIN) && now.has(Modes::OPTOUT))
            || (self.has(Modes::OPTOUT) && now.has(Modes::OPTIN))
        {
            return refuse(
                "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling \
                 it with a different mode.",
            );
        }
        self.check_prefixes(tracker)
    }

    fn check_prefixes(&self, tracker: Option<&Tracker>) -> Result {
        let overlap = |one: &[u8], other: &[u8]| one.starts_with(other) || other.starts_with(one);
        let refuse = |prefix: &[u8], what: &str, other: &[u8]| {
            let (prefix, other) = (String::from_utf8_lossy(prefix), String::from_utf8_lossy(other));
            Err(Error::text(format!(
                "ERR Prefix '{prefix}' overlaps with {what} prefix '{other}'. Prefixes for a single client must not \
                 overlap."
            )))
        };
        for (at, prefix) in self.prefixes.iter().enumerate() {
            let existing = tracker.iter().flat_map(|tracker| &tracker.prefixes);
            if let Some(other) = existing.map(|other| &**other).find(|other| overlap(other, prefix)) {
                return refuse(prefix, "an existing", other);
            }
            if let Some(other) = self.prefixes.iter().skip(at + 1).find(|other| overlap(other, prefix)) {
                return refuse(prefix, "another provided", other);
            }
        }
        Ok(())
    }
}

/// The client that messages are to go to, which must be there now.
fn redirect(call: &Call<'_>, walk: &mut Walk<'_>, before: u64) -> Result<u64> {
    if before != 0 {
        return Err(Error::text("ERR A client can only redirect to a single other client"));
    }
    let id = u64::try_from(walk.int()?).ok().filter(|&id| call.instance.clients.get(id).is_some());
    id.ok_or_else(|| Error::text("ERR The client ID you want redirect to does not exist"))
}

/// `CLIENT TRACKING ON | OFF [REDIRECT client-id] [PREFIX prefix [PREFIX prefix ...]] [BCAST] [OPTIN] [OPTOUT] [NOLOOP]`
pub(crate) fn tracking(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let options = Options::parse(call)?;
    if call.is(2, "off") {
        session.tracker = None;
    } else if call.is(2, "on") {
        options.check(&session.client.tracking, session.tracker.as_deref())?;
        turn_on(session, call, &options)?;
    } else {
        return Err(Error::Syntax);
    }
    reply.ok();
    Ok(())
}

fn turn_on(session: &mut Session, call: &Call<'_>, options: &Options<'_>) -> Result {
    let instance = call.instance;
    let is_new = session.tracker.is_none();
    let mut tracker = session.tracker.take().unwrap_or_else(|| Box::new(Tracker::new(session, instance)));
    session.client.tracking.set(Modes::ON | options.modes, options.redirect);
    // EXEC has taken all locks, as the row says.
    instance.tracking.join(instance, &session.client, session.unsent.is_some())?;
    let all = [&b""[..]];
    let prefixes = match &options.prefixes[..] {
        [] if options.has(Modes::BCAST) => &all[..],
        prefixes => prefixes,
    };
    let result = prefixes.iter().try_for_each(|prefix| tracker.add_prefix(instance, prefix));
    if result.is_ok() || !is_new {
        session.tracker = Some(tracker);
    }
    result?;
    // What was committed before, and told to nobody, is in all that it reads.
    session.heard(instance.store().view_newest(Tier::Cached).seqno());
    Ok(())
}

/// `CLIENT CACHING YES | NO`
pub(crate) fn caching(session: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let refuse = |why: &str| Err(Error::text(format!("ERR CLIENT CACHING {why}")));
    let modes = &session.client.tracking;
    let Some(tracker) = &mut session.tracker else {
        return refuse(
            "can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled",
        );
    };
    if call.is(2, "yes") {
        if !modes.has(Modes::OPTIN) {
            return refuse("YES is only valid when tracking is enabled in OPTIN mode.");
        }
    } else if call.is(2, "no") {
        if !modes.has(Modes::OPTOUT) {
            return refuse("NO is only valid when tracking is enabled in OPTOUT mode.");
        }
    } else {
        return Err(Error::Syntax);
    }
    tracker.caching = true;
    reply.ok();
    Ok(())
}

/// `CLIENT GETREDIR`
pub(crate) fn getredir(session: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    reply.int(session.client.tracking.redirect_told());
    Ok(())
}

/// `CLIENT TRACKINGINFO`
pub(crate) fn trackinginfo(session: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    let modes = &session.client.tracking;
    let caching = session.tracker.as_ref().is_some_and(|tracker| tracker.caching);
    let flags: Vec<&str> = [
        (!modes.has(Modes::ON), "off"),
        (modes.has(Modes::ON), "on"),
        (modes.has(Modes::BCAST), "bcast"),
        (modes.has(Modes::OPTIN), "optin"),
        (modes.has(Modes::OPTIN) && caching, "caching-yes"),
        (modes.has(Modes::OPTOUT), "optout"),
        (modes.has(Modes::OPTOUT) && caching, "caching-no"),
        (modes.has(Modes::NOLOOP), "noloop"),
        (modes.has(Modes::BROKEN), "broken_redirect"),
    ]
    .into_iter()
    .filter_map(|(is_so, flag)| is_so.then_some(flag))
    .collect();
    reply.map(3);
    reply.bulk(b"flags");
    reply.set(flags.len());
    for flag in flags {
        reply.bulk(flag.as_bytes());
    }
    reply.bulk(b"redirect");
    reply.int(modes.redirect_told());
    reply.bulk(b"prefixes");
    let prefixes = session.tracker.iter().flat_map(|tracker| &tracker.prefixes);
    reply.array(prefixes.clone().count());
    for prefix in prefixes {
        reply.bulk(prefix);
    }
    Ok(())
}
