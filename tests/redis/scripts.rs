//! Scripts and functions, where one conversation cannot show it: restarts, several clients, long runs, limits.

use crate::client::{Client, Value, encode};
use crate::running::Server;

const LIBRARY: &str = "#!lua name=counters
redis.register_function('bump', function(keys) return redis.call('incr', keys[1]) end)
redis.register_function{
    function_name = 'look', callback = function(keys) return redis.call('get', keys[1]) end,
    flags = {'no-writes'}, description = 'looks'
}";

#[test]
fn functions_survive_restarts_and_flushes_and_scripts_do_not() {
    let server = Server::start();
    let mut client = server.client();
    assert_eq!(client.show(&["FUNCTION", "LOAD", LIBRARY]), "\"counters\"");
    let sha = client.show(&["SCRIPT", "LOAD", "return 1"]);
    assert_eq!(client.show(&["FCALL", "bump", "1", "n"]), "(integer) 1");
    assert_eq!(client.show(&["FLUSHALL"]), "OK");
    let listed = client.show(&["FUNCTION", "LIST", "WITHCODE"]);
    let dumped = client.command(&["FUNCTION", "DUMP"]);
    drop(client);
    let server = server.restart();
    let mut client = server.client();
    assert_eq!(client.show(&["FUNCTION", "LIST", "WITHCODE"]), listed);
    assert_eq!(client.command(&["FUNCTION", "DUMP"]), dumped);
    assert_eq!(client.show(&["FCALL", "bump", "1", "n"]), "(integer) 1");
    assert_eq!(client.show(&["FCALL_RO", "look", "1", "n"]), "\"1\"");
    assert!(client.show(&["EVALSHA", sha.trim_matches('"'), "0"]).contains("NOSCRIPT"));
    assert_eq!(client.show(&["FUNCTION", "DELETE", "counters"]), "OK");
    drop(client);
    let server = server.restart();
    assert_eq!(server.client().show(&["FUNCTION", "LIST"]), "*0");
}

#[test]
fn what_was_dumped_is_restored() {
    let server = Server::start();
    let mut client = server.client();
    client.command(&["FUNCTION", "LOAD", LIBRARY]);
    let listed = client.show(&["FUNCTION", "LIST", "WITHCODE"]);
    let Value::Bulk(dumped) = client.command(&["FUNCTION", "DUMP"]) else { panic!("no payload") };
    let mut restore = |policy: &[u8]| {
        client.send(&encode(&[b"FUNCTION", b"RESTORE", &dumped, policy]));
        client.read().expect("a reply").show()
    };
    assert_eq!(restore(b"append"), "(error) ERR Library counters already exists");
    assert_eq!(restore(b"replace"), "OK");
    assert_eq!(restore(b"flush"), "OK");
    assert_eq!(client.show(&["FUNCTION", "LIST", "WITHCODE"]), listed);
}

#[test]
fn a_script_is_one_step_to_all_others() {
    const MOVE: &str = "local n = redis.call('decr', KEYS[1])
        for i = 1, 50 do redis.call('set', KEYS[3], i) end
        return n + redis.call('incr', KEYS[2])";
    const UNDECLARED: &str = "redis.call('decr', 'a') redis.call('incr', 'b') return 1";
    let server = Server::start();
    server.client().command(&["MSET", "a", "1000", "b", "0"]);
    std::thread::scope(|scope| {
        for undeclared in [false, true, false] {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.client();
                for _ in 0..50 {
                    let reply = if undeclared {
                        client.show(&["EVAL", UNDECLARED, "0"])
                    } else {
                        client.show(&["EVAL", MOVE, "3", "a", "b", "c"])
                    };
                    assert!(reply.starts_with("(integer)"), "{reply}");
                }
            });
        }
        let mut client = server.client();
        for _ in 0..100 {
            let Value::Many(_, both) = client.command(&["MGET", "a", "b"]) else { panic!("no array") };
            let sum: i64 = both.iter().map(|n| n.show().trim_matches('"').parse::<i64>().unwrap()).sum();
            assert_eq!(sum, 1000, "a script seen half done");
        }
    });
    assert_eq!(server.client().show(&["MGET", "a", "b"]), "*2\n  \"850\"\n  \"150\"");
}

#[test]
fn a_script_that_does_not_end_is_killed_and_has_written_nothing() {
    const ENDLESS: &str =
        "redis.call('set', KEYS[1], 'x') while true do pcall(function() while true do end end) end";
    let server = Server::start();
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| server.client().show(&["EVAL", ENDLESS, "1", "k"]));
        let mut client = server.client();
        assert_eq!(client.show(&["SET", "other", "1"]), "OK", "others go on");
        while client.show(&["SCRIPT", "KILL"]) != "OK" {
            std::thread::yield_now();
        }
        let reply = caller.join().unwrap();
        assert!(reply.starts_with("(error) ERR Script killed by user with SCRIPT KILL..."), "{reply}");
        assert_eq!(client.show(&["GET", "k"]), "(nil)");
    });
}

#[test]
fn others_are_told_of_a_slow_script_if_that_is_wanted() {
    let server = Server::start();
    std::thread::scope(|scope| {
        let (mut client, mut second) = (server.client(), server.client());
        assert_eq!(client.show(&["CONFIG", "SET", "busy-reply-threshold", "1"]), "OK");
        assert_eq!(second.show(&["MULTI"]), "OK");
        assert_eq!(second.show(&["SET", "k", "v"]), "QUEUED");
        let caller = scope.spawn(|| server.client().show(&["EVAL", "while true do end", "0"]));
        let busy = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
        while client.show(&["PING"]) != format!("(error) {busy}") {
            std::thread::yield_now();
        }
        let aborted = format!("(error) EXECABORT Transaction discarded because of: {busy}");
        assert_eq!(second.show(&["EXEC"]), aborted);
        assert_eq!(client.show(&["MULTI"]), "OK");
        assert!(client.show(&["SET", "k", "v"]).starts_with("(error) BUSY"));
        assert_eq!(second.show(&["SCRIPT", "KILL"]), "OK");
        assert!(caller.join().unwrap().starts_with("(error) ERR Script killed by user"));
        assert!(client.show(&["EXEC"]).starts_with("(error) EXECABORT"));
        assert_eq!(second.show(&["GET", "k"]), "(nil)");
    });
}

#[test]
fn keys_that_were_not_declared_may_be_refused() {
    let server = Server::start();
    let mut client = server.client();
    assert_eq!(client.show(&["CONFIG", "SET", "undeclared-script-keys", "refuse"]), "OK");
    let refused = client.show(&["EVAL", "return redis.call('set', 'k', 1)", "0"]);
    assert!(refused.contains("did not declare"), "{refused}");
    assert_eq!(client.show(&["EVAL", "return redis.call('set', KEYS[1], 1)", "1", "k"]), "OK");
    assert_eq!(client.show(&["EVAL_RO", "return redis.call('get', 'k')", "0"]), "\"1\"");
}

#[test]
fn scripts_end_where_memory_does() {
    let server = Server::start();
    let mut client = server.client();
    for greedy in [
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t[#t + 1] = {} end",
        "local i = 0 while true do i = i + 1 redis.call('set', 'k' .. i, string.rep('x', 1000)) end",
    ] {
        let reply = client.show(&["EVAL", greedy, "0"]);
        assert!(reply.contains("memory"), "{reply}");
    }
    assert_eq!(client.show(&["DBSIZE"]), "(integer) 0");
    assert_eq!(client.show(&["EVAL", "return 'alive'", "0"]), "\"alive\"");
}

#[test]
fn a_reply_that_is_too_large_is_refused_whole() {
    let server = Server::start();
    let mut client = server.client();
    for script in [
        "local s = string.rep('x', 1048576) local t = {} for i = 1, 100 do t[i] = s end return t",
        "local t = {1} for i = 1, 40 do t = {t, t} end return t",
        "local t = {} for i = 1, 2000000 do t[i] = false end return {t, t, t, t}",
    ] {
        let reply = client.show(&["EVAL", script, "0"]);
        assert!(
            reply.contains("larger than the memory budget permits") || reply.contains("not enough memory"),
            "{reply}"
        );
        assert_eq!(client.show(&["GET", "none"]), "(nil)");
        assert_eq!(client.show(&["PING", "hello"]), "\"hello\"");
    }
}

#[test]
fn a_command_that_panics_in_a_script_ends_it_and_nothing_is_written() {
    let server = Server::start();
    let mut client = server.client();
    client.command(&["DEBUG", "SET-DISABLE-DENY-SCRIPTS", "1"]);
    let script = "redis.call('set', KEYS[1], 1) pcall(redis.call, 'debug', 'panic') return 1";
    assert!(client.show(&["EVAL", script, "1", "k"]).starts_with("(error)"));
    assert_eq!(client.show(&["EXISTS", "k"]), "(integer) 0");
}

#[test]
fn one_script_sees_nothing_of_another() {
    let server = Server::start();
    let mut client = server.client();
    for trick in [
        "rawset(_G, 'leak', 1)",
        "table.insert(redis, 'leak')",
        "getmetatable('').__index = function() return 'leak' end",
        "for name, library in pairs(_G) do if type(library) == 'table' then library.leak = 1 end end",
        "local _, inside = pairs(redis) inside.call = function() return 'leak' end",
        "cjson.encode_max_depth(1)",
        "collectgarbage('stop')",
        "coroutine.wrap(function() string.rep = nil end)()",
    ] {
        client.command(&["EVAL", trick, "0"]);
    }
    let innocent =
        "return {tostring(rawget(_G, 'leak')), tostring(redis[1]), ('x'):rep(2), redis.call('ping').ok,
        cjson.encode({{{1}}})}";
    let reply = client.show(&["EVAL", innocent, "0"]);
    assert_eq!(reply, "*5\n  \"nil\"\n  \"nil\"\n  \"xx\"\n  \"PONG\"\n  \"[[[1]]]\"");
}

#[test]
fn scripts_that_need_much_memory_take_turns_and_are_whole() {
    const LARGE: &str = "redis.call('INCR', KEYS[1]) local t = {} for i = 1, 100000 do t[i] = 'number ' .. i end \
                         redis.call('INCR', KEYS[1]) return #t";
    let server = Server::start();
    let mut clients: Vec<Client> = (0..6).map(|_| server.client()).collect();
    for round in 0..2 {
        for (at, client) in clients.iter_mut().enumerate() {
            let eval = encode(&[b"EVAL", LARGE.as_bytes(), b"1", format!("k{}", at % 3).as_bytes()]);
            // Every other one within a transaction.
            let (begin, end) = (encode(&[b"MULTI"]), encode(&[b"EXEC"]));
            client.send(&if at % 2 == 0 { eval } else { [begin, eval, end].concat() });
        }
        for (at, client) in clients.iter_mut().enumerate() {
            if at % 2 == 0 {
                assert_eq!(client.read(), Some(Value::Int(100_000)));
            } else {
                let replies: Vec<String> = (0..3).map(|_| client.read().unwrap().show()).collect();
                assert_eq!(replies, ["OK", "QUEUED", "*1\n  (integer) 100000"]);
            }
        }
        // What was run again was undone before.
        for key in ["k0", "k1", "k2"] {
            assert_eq!(clients[0].show(&["GET", key]), format!("\"{}\"", 4 * (round + 1)));
        }
    }
}
