//! COMMAND, and the HELP of every command with subcommands: all of it read from the rows.

use super::super::acl::Categories;
use super::super::args::Args;
use super::super::command::{Action, Call, Command, Flags, KeyFlags, Keys, session};
use super::super::dispatch;
use super::super::error::{Error, Result};
use super::super::glob;
use super::super::protocol::reply::Reply;
use super::super::session::Session;
use super::super::table::{Entry, table};

/// The rows.
pub(super) const COMMANDS: &[Command] = &[
    session("command|count", 2, count).flag(Flags::CONNECTION).doc(
        "Returns a count of commands.",
        "2.8.13",
        "O(1)",
    ),
    session("command|docs", -2, docs).flag(Flags::CONNECTION).doc(
        "Returns documentary information about one, multiple or all commands.",
        "7.0.0",
        "O(N) where N is the number of commands to look up",
    ),
    session("command|getkeys", -3, getkeys).flag(Flags::CONNECTION).doc(
        "Extracts the key names from an arbitrary command.",
        "2.8.13",
        "O(N) where N is the number of arguments to the command",
    ),
    session("command|getkeysandflags", -3, getkeysandflags).flag(Flags::CONNECTION).doc(
        "Extracts the key names and access flags for an arbitrary command.",
        "7.0.0",
        "O(N) where N is the number of arguments to the command",
    ),
    session("command|info", -2, info).flag(Flags::CONNECTION).doc(
        "Returns information about one, multiple or all commands.",
        "2.8.13",
        "O(N) where N is the number of commands to look up",
    ),
    session("command|list", -2, list).flag(Flags::CONNECTION).doc(
        "Returns a list of command names.",
        "7.0.0",
        "O(N) where N is the total number of Redis commands",
    ),
];

/// The HELP of a command with subcommands.
pub(crate) fn help(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let Some(entry) = table().find(call.get(0)) else { return Err(Error::Syntax) };
    let name = entry.command.name.to_ascii_uppercase();
    let mut lines = vec![format!("{name} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:")];
    for row in entry.command.subcommands {
        lines.push(row.last_name().to_ascii_uppercase());
        lines.push(format!("    {}", row.doc.summary));
    }
    lines.push("HELP".to_owned());
    lines.push("    Print this help.".to_owned());
    reply.array(lines.len());
    for line in lines {
        reply.simple(&line);
    }
    Ok(())
}

/// COMMAND alone.
pub(super) fn all(_: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    reply.array(table().all().len());
    for entry in table().all() {
        describe(entry, reply);
    }
    Ok(())
}

fn count(_: &mut Session, _: &Call<'_>, reply: &mut Reply) -> Result {
    reply.count(table().all().len());
    Ok(())
}

fn info(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    if call.len() == 2 {
        reply.array(table().all().len());
        for entry in table().all() {
            describe(entry, reply);
        }
        return Ok(());
    }
    reply.array(call.len() - 2);
    for name in call.from(2) {
        match table().find_full(name) {
            Some(entry) => describe(entry, reply),
            None => reply.null(),
        }
    }
    Ok(())
}

fn flags(entry: &Entry) -> Vec<&'static str> {
    let command = entry.command;
    let mut flags = Vec::new();
    match command.action {
        Action::Write(_) if command.flags.has(Flags::NOTES) => flags.push("readonly"),
        Action::Write(_) if command.flags.has(Flags::LEAN) => flags.push("write"),
        Action::Write(_) => flags.extend(["write", "denyoom"]),
        Action::Read(_) | Action::Script { writes: false, .. } => flags.push("readonly"),
        _ => {}
    }
    let (has, session) =
        (|flag| command.flags.has(flag), matches!(command.action, Action::Session(_) | Action::Exec));
    let script = matches!(command.action, Action::Script { .. });
    for (is_so, name) in [
        (has(Flags::ADMIN), "admin"),
        (entry.group == "pubsub" && session, "pubsub"),
        (has(Flags::NO_SCRIPT), "noscript"),
        (has(Flags::BLOCKING), "blocking"),
        (session, "loading"),
        (session || script, "stale"),
        (script, "skip_monitor"),
        (script, "no_mandatory_keys"),
        (has(Flags::FAST), "fast"),
        (has(Flags::NO_AUTH), "no_auth"),
        (has(Flags::NO_MULTI), "no_multi"),
        // What SORT_RO's patterns name depends on what is sorted.
        (has_movable_keys(command.keys) || command.name == "sort_ro", "movablekeys"),
        (has(Flags::ALLOW_BUSY), "allow_busy"),
    ] {
        if is_so {
            flags.push(name);
        }
    }
    flags
}

/// Whether it takes more than first, last and step to tell where the keys are.
fn has_movable_keys(keys: Keys) -> bool {
    !matches!(keys, Keys::None | Keys::All | Keys::Range { .. })
}

/// First key, last key, step: as old clients understand them.
fn positions(keys: Keys) -> (i64, i64, i64) {
    match keys {
        Keys::None | Keys::All | Keys::Counted { .. } | Keys::CountedPairs { .. } | Keys::Streams => {
            (0, 0, 0)
        }
        Keys::StoreCounted | Keys::FirstAndStore => (1, 1, 1),
        Keys::Migrated => (3, 3, 1),
        Keys::Range { first, last, step } => (i64::from(first), i64::from(last), i64::from(step)),
    }
}

fn describe(entry: &Entry, reply: &mut Reply) {
    let command = entry.command;
    reply.array(10);
    reply.bulk(command.name.as_bytes());
    reply.int(i64::from(command.arity));
    let flags = flags(entry);
    reply.set(flags.len());
    for flag in &flags {
        reply.simple(flag);
    }
    let (first, last, step) = positions(command.keys);
    reply.int(first);
    reply.int(last);
    reply.int(step);
    let categories = Categories::of(entry).names();
    reply.set(categories.len());
    for category in categories {
        reply.simple(&format!("@{category}"));
    }
    reply.array(0);
    key_specs(command, reply);
    reply.array(entry.subcommands.len());
    for sub in &entry.subcommands {
        describe(sub, reply);
    }
}

/// How to find the keys, as new clients understand it.
fn key_specs(command: &Command, reply: &mut Reply) {
    const ONE: [(&str, i64); 3] = [("lastkey", 0), ("keystep", 1), ("limit", 0)];
    const COUNTED: [(&str, i64); 3] = [("keynumidx", 0), ("firstkey", 1), ("keystep", 1)];
    match (command.keys, command.access.others) {
        (Keys::None | Keys::All, _) => reply.array(0),
        (Keys::Range { first, last, step }, None) => {
            let last = if last < 0 { i64::from(last) } else { i64::from(last) - i64::from(first) };
            let fields = [("lastkey", last), ("keystep", i64::from(step)), ("limit", 0)];
            reply.array(1);
            key_spec(command.access.first, first, "range", fields, reply);
        }
        (Keys::Range { first, last, step }, Some(others)) => {
            let fields = [("lastkey", i64::from(last.min(0))), ("keystep", 1), ("limit", 0)];
            reply.array(2);
            key_spec(command.access.first, first, "range", ONE, reply);
            key_spec(others, first + step, "range", fields, reply);
        }
        (Keys::Counted { at } | Keys::CountedPairs { at }, _) => {
            let step = if matches!(command.keys, Keys::CountedPairs { .. }) { 2 } else { 1 };
            let fields = [("keynumidx", 0), ("firstkey", 1), ("keystep", step)];
            reply.array(1);
            key_spec(command.access.first, at, "keynum", fields, reply);
        }
        (Keys::FirstAndStore, others) => {
            reply.array(3);
            key_spec(command.access.first, 1, "range", ONE, reply);
            for keyword in ["STORE", "STOREDIST"] {
                let after = i64::from(command.arity.unsigned_abs());
                keyword_spec(others.unwrap_or(command.access.first), (keyword, after), ONE, reply);
            }
        }
        (Keys::StoreCounted, others) => {
            reply.array(2);
            key_spec(command.access.first, 1, "range", ONE, reply);
            key_spec(others.unwrap_or(command.access.first), 2, "keynum", COUNTED, reply);
        }
        (Keys::Streams, _) => {
            let fields = [("lastkey", -1), ("keystep", 1), ("limit", 2)];
            reply.array(1);
            // Itself, a key and an id are among the words that must be there.
            let after = i64::from(command.arity.unsigned_abs()) - 3;
            keyword_spec(command.access.first, ("STREAMS", after), fields, reply);
        }
        (Keys::Migrated, _) => {
            let fields = [("lastkey", -1), ("keystep", 1), ("limit", 0)];
            reply.array(2);
            key_spec(command.access.first, 3, "range", ONE, reply);
            // Looked for from the end, where it may also be a key's name.
            keyword_spec(&["RW", "access", "delete", "incomplete"], ("KEYS", -2), fields, reply);
        }
    }
}

fn key_spec(flags: KeyFlags, index: u8, find: &str, fields: [(&str, i64); 3], reply: &mut Reply) {
    begin_key_spec(flags, "index", reply);
    reply.map(1);
    reply.bulk(b"index");
    reply.int(index.into());
    find_keys(find, fields, reply);
}

/// Keys after a keyword, which stands after so many words at least; negative: looked for from there on back.
fn keyword_spec(flags: KeyFlags, (keyword, after): (&str, i64), fields: [(&str, i64); 3], reply: &mut Reply) {
    begin_key_spec(flags, "keyword", reply);
    reply.map(2);
    reply.bulk(b"keyword");
    reply.bulk(keyword.as_bytes());
    reply.bulk(b"startfrom");
    reply.int(after);
    find_keys("range", fields, reply);
}

fn begin_key_spec(flags: KeyFlags, search: &str, reply: &mut Reply) {
    reply.map(3);
    reply.bulk(b"flags");
    tell_flags(flags, reply);
    reply.bulk(b"begin_search");
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(search.as_bytes());
    reply.bulk(b"spec");
}

fn find_keys(find: &str, fields: [(&str, i64); 3], reply: &mut Reply) {
    reply.bulk(b"find_keys");
    reply.map(2);
    reply.bulk(b"type");
    reply.bulk(find.as_bytes());
    reply.bulk(b"spec");
    reply.map(fields.len());
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.int(value);
    }
}

fn tell_flags(flags: &[&str], reply: &mut Reply) {
    reply.set(flags.len());
    for flag in flags {
        reply.simple(flag);
    }
}

fn docs(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let entries: Vec<&Entry> = if call.len() == 2 {
        table().all().iter().collect()
    } else {
        call.from(2).filter_map(|name| table().find_full(name)).collect()
    };
    reply.map(entries.len());
    for entry in &entries {
        document(entry, reply);
    }
    Ok(())
}

fn document(entry: &Entry, reply: &mut Reply) {
    let doc = entry.command.doc;
    reply.bulk(entry.command.name.as_bytes());
    reply.map(4 + usize::from(!entry.subcommands.is_empty()));
    let fields = [
        ("summary", doc.summary),
        ("since", doc.since),
        ("group", entry.group),
        ("complexity", doc.complexity),
    ];
    for (name, value) in fields {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    if !entry.subcommands.is_empty() {
        reply.bulk(b"subcommands");
        reply.map(entry.subcommands.len());
        for sub in &entry.subcommands {
            document(sub, reply);
        }
    }
}

/// The call that follows the name of a COMMAND subcommand, and where its keys are.
fn keys_of<'a>(call: &Call<'a>) -> Result<(Args<'a>, &'static Command, Vec<usize>)> {
    let args = call.skip(2);
    let entry = dispatch::find(args).map_err(|error| match error {
        Error::Arity(_) => Error::text("ERR Invalid number of arguments specified for command"),
        _ => Error::text("ERR Invalid command specified"),
    })?;
    let places: Vec<usize> = entry.command.keys.places(&args).collect();
    if places.is_empty() && !matches!(entry.command.action, Action::Script { .. }) {
        return Err(Error::text("ERR The command has no key arguments"));
    }
    Ok((args, entry.command, places))
}

fn getkeys(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (args, _, places) = keys_of(call)?;
    reply.array(places.len());
    for &place in &places {
        reply.bulk(args.get(place));
    }
    Ok(())
}

fn getkeysandflags(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let (args, command, places) = keys_of(call)?;
    reply.array(places.len());
    for (i, place) in places.into_iter().enumerate() {
        reply.array(2);
        reply.bulk(args.get(place));
        let flags = command.key_flags(&args, i).iter();
        // It says that options decide; what is told is what may happen at most.
        let flags: Vec<&str> = flags.copied().filter(|flag| *flag != "variable_flags").collect();
        tell_flags(&flags, reply);
    }
    Ok(())
}

fn list(_: &mut Session, call: &Call<'_>, reply: &mut Reply) -> Result {
    let mut walk = call.walk(2);
    let mut wanted: Box<dyn Fn(&Entry) -> bool + '_> = Box::new(|_| true);
    if !walk.is_done() {
        if !walk.accept("FILTERBY") {
            return Err(Error::Syntax);
        }
        if walk.accept("MODULE") {
            walk.word()?;
            wanted = Box::new(|_| false);
        } else if walk.accept("ACLCAT") {
            let category = Categories::named(walk.word()?);
            wanted =
                Box::new(move |entry| category.is_some_and(|wanted| Categories::of(entry).meets(wanted)));
        } else if walk.accept("PATTERN") {
            let pattern = walk.word()?.to_ascii_lowercase();
            wanted = Box::new(move |entry| glob::matches(&pattern, entry.command.name.as_bytes()));
        } else {
            return Err(Error::Syntax);
        }
        if !walk.is_done() {
            return Err(Error::Syntax);
        }
    }
    let found: Vec<&Entry> = table().flat().filter(|entry| wanted(entry)).collect();
    reply.array(found.len());
    for entry in &found {
        reply.bulk(entry.command.name.as_bytes());
    }
    Ok(())
}
