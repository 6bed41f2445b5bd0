//! Users: what no conversation can say, such as who is disconnected, what the log tells, and what the file does.

use crate::client::{Client, Value, encode};
use crate::running::Server;

const NO_KEY: &str =
    "(error) NOPERM this user has no permissions to access one of the keys used as arguments";

fn denied(user: &str, command: &str) -> String {
    format!("(error) NOPERM User {user} has no permissions to run the '{command}' command")
}

/// A client that is logged in.
fn login(server: &Server, user: &str) -> Client {
    let mut client = server.client();
    assert_eq!(client.show(&["AUTH", user, "x"]), "OK");
    client
}

fn send(client: &mut Client, words: &[&str]) {
    client.send(&encode(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>()));
}

/// Sends a command that waits, and waits for that.
fn wait_blocked(admin: &mut Client, client: &mut Client, words: &[&str]) {
    send(client, words);
    while !admin.show(&["INFO", "clients"]).contains("blocked_clients:1") {}
}

#[test]
fn who_has_no_right_is_told_which() {
    let server = Server::start();
    let mut admin = server.client();
    assert_eq!(
        admin.show(&["ACL", "SETUSER", "a", "on", "nopass", "+get", "+config|get", "+select|1"]),
        "OK"
    );
    let mut client = login(&server, "a");
    assert_eq!(client.show(&["SET", "k", "v"]), denied("a", "set"));
    assert_eq!(client.show(&["ACL", "WHOAMI"]), denied("a", "acl|whoami"));
    assert_eq!(client.show(&["CONFIG", "SET", "timeout", "1"]), denied("a", "config|set"));
    assert_eq!(client.show(&["CONFIG", "GET", "x"]), "*0");
    assert_eq!(client.show(&["SELECT", "0"]), denied("a", "select"));
    assert_eq!(client.show(&["SELECT", "1"]), "OK");
    assert_eq!(client.show(&["GET", "k"]), NO_KEY);
    // What was not allowed counts as refused, and not as a call.
    let stats = admin.show(&["INFO", "commandstats"]);
    assert!(stats.contains("cmdstat_set:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1"), "{stats}");
    let stats = admin.show(&["INFO", "stats"]);
    assert!(stats.contains("acl_access_denied_cmd:4"), "{stats}");
    assert!(stats.contains("acl_access_denied_key:1"), "{stats}");
}

#[test]
fn a_pipeline_is_checked_command_by_command() {
    let server = Server::start();
    let mut admin = server.client();
    admin.show(&["ACL", "SETUSER", "a", "on", "nopass", "~*", "+@all"]);
    let mut client = server.client();
    let lines = ["AUTH a x", "SET k 1", "ACL SETUSER a -set", "SET k 2", "GET k"];
    client.send((lines.join("\r\n") + "\r\n").as_bytes());
    let replies = lines.map(|_| client.read().unwrap().show());
    assert_eq!(replies, ["OK", "OK", "OK", &denied("a", "set"), "\"1\""]);
}

#[test]
fn a_script_has_the_rights_of_who_runs_it() {
    let server = Server::start();
    let mut admin = server.client();
    let library =
        "#!lua name=l\nredis.register_function('f', function(k, a) return redis.call(unpack(a)) end)";
    admin.show(&["FUNCTION", "LOAD", library]);
    let rules = ["+@scripting", "+set", "+get", "+sort", "+publish", "~x*", "&news"];
    admin.show(&[&["ACL", "SETUSER", "a", "on", "nopass"], &rules[..]].concat());
    let mut client = login(&server, "a");
    let call = "return redis.call(unpack(ARGV))";
    for (words, why) in [
        (&["HSET", "x", "f", "v"][..], "User a has no permissions to run the 'hset' command"),
        (&["SET", "y", "1"], "No permissions to access a key"),
        (&["PUBLISH", "other", "1"], "No permissions to access a channel"),
    ] {
        for run in [&["EVAL", call, "0"][..], &["FCALL", "f", "0"]] {
            let said = client.show(&[run, words].concat());
            assert!(said.starts_with(&format!("(error) ERR ACL failure in script: {why}")), "{said}");
        }
    }
    assert_eq!(client.show(&["EVAL", call, "0", "SET", "x", "1"]), "OK");
    let said = client.show(&["EVAL", call, "0", "SORT", "x", "BY", "y*"]);
    assert!(said.starts_with("(error) ERR BY option of SORT denied"), "{said}");
    assert_eq!(client.show(&["EVAL", "return 1", "1", "y"]), NO_KEY);
    assert_eq!(client.show(&["EVAL_RO", "return 1", "9", "y"]).split(' ').nth(1), Some("ERR"));
    let may = "return redis.acl_check_cmd(unpack(ARGV))";
    assert_eq!(client.show(&["EVAL", may, "0", "set", "x", "1"]), "(integer) 1");
    assert_eq!(client.show(&["EVAL", may, "0", "set", "y", "1"]), "(nil)");
    assert_eq!(client.show(&["EVAL", may, "0", "hset", "x"]), "(nil)");
    assert!(client.show(&["EVAL", may, "0", "none"]).contains("Invalid command passed"));
    // Each refusal is in the log once: scripts may run more often than that.
    let entries = log(&mut admin);
    assert_eq!(entries[0]["count"], "1");
    assert_eq!(entries[0]["object"], "y");
    let lua: Vec<_> = entries.iter().filter(|entry| entry["context"] == "lua").collect();
    assert_eq!(lua.len(), 3);
    assert!(lua.iter().all(|entry| entry["count"] == "2"), "{lua:?}");
}

#[test]
fn what_waits_is_checked_again() {
    let server = Server::start();
    let (mut admin, mut pusher) = (server.client(), server.client());
    admin.show(&["ACL", "SETUSER", "a", "on", "nopass", "~*", "+@all"]);
    let mut client = login(&server, "a");
    wait_blocked(&mut admin, &mut client, &["BLPOP", "list", "0"]);
    admin.show(&["ACL", "SETUSER", "a", "resetkeys"]);
    assert_eq!(pusher.show(&["RPUSH", "list", "1"]), "(integer) 1");
    assert_eq!(client.read().unwrap().show(), NO_KEY);
    assert_eq!(client.show(&["PING"]), "PONG");
    assert_eq!(pusher.show(&["LRANGE", "list", "0", "-1"]), "*1\n  \"1\"");
    let stats = admin.show(&["INFO", "commandstats"]);
    assert!(stats.contains("cmdstat_blpop:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1"), "{stats}");
}

#[test]
fn whose_user_is_removed_is_disconnected() {
    let server = Server::start();
    let mut admin = server.client();
    for user in ["a", "b"] {
        admin.show(&["ACL", "SETUSER", user, "on", "nopass", "~*", "&*", "+@all"]);
    }
    let (mut idle, mut waiting, mut other) = (login(&server, "a"), login(&server, "a"), login(&server, "b"));
    wait_blocked(&mut admin, &mut waiting, &["BLPOP", "list", "0"]);
    assert_eq!(admin.show(&["ACL", "DELUSER", "a", "a", "nobody"]), "(integer) 1");
    assert_eq!(idle.read(), None);
    assert_eq!(waiting.read(), None);
    assert!(!admin.show(&["CLIENT", "LIST"]).contains("user=a"));
    assert_eq!(other.show(&["PING"]), "PONG");
    // Who removes itself is told so.
    assert_eq!(other.show(&["ACL", "DELUSER", "b"]), "(integer) 1");
    assert_eq!(other.read(), None);
    assert_eq!(admin.show(&["ACL", "USERS"]), "*1\n  \"default\"");
}

#[test]
fn who_may_no_longer_hear_is_disconnected() {
    let server = Server::start();
    let mut admin = server.client();
    let set = |admin: &mut Client, rules: &[&str]| {
        assert_eq!(admin.show(&[&["ACL", "SETUSER", "a"], rules].concat()), "OK");
    };
    for (subscribe, gone) in [
        (&["SUBSCRIBE", "news:1"][..], false),
        (&["SUBSCRIBE", "other"], true),
        (&["SSUBSCRIBE", "other"], true),
        (&["PSUBSCRIBE", "news:*"], false),
        (&["PSUBSCRIBE", "news:1"], true),
    ] {
        set(&mut admin, &["on", "nopass", "+@all", "resetchannels", "&*"]);
        let mut client = login(&server, "a");
        client.show(subscribe);
        set(&mut admin, &["resetchannels", "&news:*"]);
        if gone {
            assert_eq!(client.read(), None, "{subscribe:?}");
        } else {
            assert_eq!(client.show(&["RESET"]), "RESET", "{subscribe:?}");
        }
    }
}

/// What ACL LOG tells, as texts by name.
fn log(client: &mut Client) -> Vec<std::collections::BTreeMap<String, String>> {
    let Value::Many(_, entries) = client.command(&["ACL", "LOG"]) else { panic!() };
    let text = |value: &Value| match value {
        Value::Bulk(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => other.show().trim_start_matches("(integer) ").to_owned(),
    };
    let fields = |entry: &Value| {
        let Value::Many(_, fields) = entry else { panic!() };
        fields.chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
    };
    entries.iter().map(fields).collect()
}

#[test]
fn the_log_tells_who_was_refused_what() {
    let server = Server::start();
    let mut admin = server.client();
    admin.show(&["ACL", "SETUSER", "a", "on", ">x", "+get", "+multi", "+publish", "~k"]);
    let mut client = login(&server, "a");
    for words in [&["SET", "k", "v"][..], &["SET", "k", "w"], &["GET", "other"], &["PUBLISH", "c", "m"]] {
        client.show(words);
    }
    client.show(&["MULTI"]);
    client.show(&["INCR", "k"]);
    client.show(&["auth", "b", "y"]);
    let entries = log(&mut admin);
    let seen: Vec<[&str; 5]> = entries
        .iter()
        .map(|entry| ["reason", "context", "object", "username", "count"].map(|name| &*entry[name]))
        .collect();
    assert_eq!(
        seen,
        [
            ["command", "multi", "incr", "a", "1"],
            ["channel", "toplevel", "c", "a", "1"],
            ["key", "toplevel", "other", "a", "1"],
            ["command", "toplevel", "set", "a", "2"],
        ]
    );
    let ids: Vec<&str> = entries.iter().map(|entry| &*entry["entry-id"]).collect();
    assert_eq!(ids, ["3", "2", "1", "0"]);
    assert!(entries[3]["client-info"].contains("cmd=set user=a"), "{}", entries[3]["client-info"]);
    assert!(entries[3]["timestamp-created"] <= entries[3]["timestamp-last-updated"]);
    // It is queued, and only tried when it runs; here it never is, since the transaction is spoilt.
    client.show(&["DISCARD"]);
    server.client().show(&["AUTH", "a", "wrong"]);
    assert_eq!(log(&mut admin)[0]["reason"], "auth");
    assert_eq!(log(&mut admin)[0]["object"], "AUTH");
    admin.show(&["CONFIG", "SET", "acllog-max-len", "2"]);
    server.client().show(&["AUTH", "b", "wrong"]);
    assert_eq!(log(&mut admin).len(), 2);
    admin.show(&["ACL", "LOG", "RESET"]);
    assert_eq!(admin.show(&["ACL", "LOG"]), "*0");
}

#[test]
fn users_are_kept_in_a_file() {
    let server = Server::start();
    let mut admin = server.client();
    assert_eq!(admin.show(&["CONFIG", "GET", "aclfile"]), "*2\n  \"aclfile\"\n  \"/data/users.acl\"");
    assert!(admin.show(&["ACL", "LOAD"]).contains("opening file '/data/users.acl'"));
    for (user, rules) in [("a", "(+get ~a)"), ("b", "+@all"), ("c", "+@all")] {
        admin.show(&["ACL", "SETUSER", user, "on", ">x", rules]);
    }
    assert_eq!(admin.show(&["ACL", "SAVE"]), "OK");
    let saved = server.read("users.acl");
    assert_eq!(saved.lines().count(), 4);
    let listed = admin.show(&["ACL", "LIST"]);
    let server = server.restart();
    let mut admin = server.client();
    assert_eq!(admin.show(&["ACL", "LIST"]), listed);
    // Whose user changes or goes is disconnected, and nobody else.
    let (mut kept, mut changed, mut gone) = (login(&server, "a"), login(&server, "b"), login(&server, "c"));
    let others: Vec<&str> = saved.lines().filter(|line| !line.starts_with("user c")).collect();
    server.write("users.acl", &others.join("\n").replace("+@all", "+@all -get"));
    assert_eq!(admin.show(&["ACL", "LOAD"]), "OK");
    assert_eq!(kept.show(&["GET", "a"]), "(nil)");
    assert_eq!((changed.read(), gone.read()), (None, None));
    // The default user changed too; its clients stay.
    assert_eq!(admin.show(&["GET", "a"]), denied("default", "get"));
    let listed = admin.show(&["ACL", "LIST"]);
    server.write("users.acl", "user a on\nuser b on +nothing\nuser a on");
    assert_eq!(
        admin.show(&["ACL", "LOAD"]),
        "(error) ERR /data/users.acl:2: Error in applying operation '+nothing': Unknown command or category name in ACL. \
         WARNING: Duplicate user 'a' found on line 3. WARNING: ACL errors detected, no change to the previously active \
         ACL rules was performed"
    );
    assert_eq!(admin.show(&["ACL", "LIST"]), listed);
    assert_eq!(kept.show(&["GET", "a"]), "(nil)");
    assert_eq!(
        server.refuses("users.acl", "user a on\nuser b ~a ~*x %"),
        "cannot load the users: /data/users.acl:2: Syntax error."
    );
}

#[test]
fn a_file_without_the_default_user_leaves_its_password() {
    let server = Server::with(|config| config.requirepass = "secret".to_owned());
    server.write("users.acl", "user a on nopass +@all\n");
    let server = server.restart();
    let mut client = server.client();
    assert_eq!(client.show(&["PING"]), "(error) NOAUTH Authentication required.");
    assert_eq!(client.show(&["AUTH", "secret"]), "OK");
    assert_eq!(client.show(&["ACL", "LOAD"]), "OK");
    assert_eq!(server.client().show(&["PING"]), "(error) NOAUTH Authentication required.");
}

/// Such a call names no keys that could be checked; so it must not look at any.
#[test]
fn a_count_of_more_keys_than_there_are_is_an_error_everywhere() {
    let server = Server::start();
    let mut client = server.client();
    let Value::Many(_, commands) = client.command(&["COMMAND"]) else { panic!() };
    let mut tried = 0;
    for command in &commands {
        let shown = command.show();
        if !shown.contains("\"keynum\"") {
            continue;
        }
        let name = shown.split('"').nth(1).unwrap().to_owned();
        for count in ["7", "9999999999", "-1", "x"] {
            for at in 0..3 {
                let before = vec!["0"; at];
                let words = [&[name.as_str()], &before[..], &[count, "a", "b"]].concat();
                let shown = client.show(&words);
                assert!(shown.starts_with("(error)"), "{words:?}: {shown}");
            }
        }
        tried += 1;
    }
    assert!(tried > 15, "{tried}");
}
