//! MULTI, EXEC and WATCH among many clients.

use crate::blocking::blocked;
use crate::client::{Client, Value, encode};
use crate::running::Server;

fn int(value: &Value) -> i64 {
    match value {
        Value::Bulk(bytes) => std::str::from_utf8(bytes).unwrap().parse().unwrap(),
        Value::Int(n) => *n,
        other => panic!("{other:?} is no number"),
    }
}

/// Moves an amount between two accounts, again until nobody comes in between.
fn transfer(client: &mut Client, from: &str, to: &str, amount: i64) {
    loop {
        client.command(&["WATCH", from, to]);
        let (a, b) = (int(&client.command(&["GET", from])), int(&client.command(&["GET", to])));
        client.command(&["MULTI"]);
        client.command(&["SET", from, &(a - amount).to_string()]);
        client.command(&["SET", to, &(b + amount).to_string()]);
        match client.command(&["EXEC"]) {
            Value::Nil => {}
            Value::Many(_, replies) => {
                assert_eq!(replies, vec![Value::Simple("OK".to_owned()); 2]);
                return;
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn no_money_is_made_or_lost() {
    let server = Server::start();
    let accounts = ["a", "b", "c", "d"];
    let mut client = server.client();
    for account in accounts {
        assert_eq!(client.show(&["SET", account, "1000"]), "OK");
    }
    std::thread::scope(|scope| {
        for seed in 0..4_usize {
            let server = &server;
            scope.spawn(move || {
                let mut client = server.client();
                for round in 0..40 {
                    let (from, to) = ((seed + round) % 4, (seed + round * 3 + 1) % 4);
                    if from != to {
                        transfer(&mut client, accounts[from], accounts[to], (round % 7) as i64);
                    }
                }
            });
        }
        scope.spawn(|| {
            let mut client = server.client();
            for _ in 0..200 {
                let Value::Many(_, all) = client.command(&["MGET", "a", "b", "c", "d"]) else { panic!() };
                assert_eq!(all.iter().map(int).sum::<i64>(), 4000, "a transaction seen half done");
            }
        });
    });
    let Value::Many(_, all) = client.command(&["MGET", "a", "b", "c", "d"]) else { panic!() };
    assert_eq!(all.iter().map(int).sum::<i64>(), 4000);
}

#[test]
fn whoever_leaves_within_multi_has_done_nothing() {
    let server = Server::start();
    let mut client = server.client();
    client.command(&["MULTI"]);
    client.command(&["SET", "k", "v"]);
    drop(client);
    let mut other = server.client();
    assert_eq!(other.show(&["GET", "k"]), "(nil)");
}

#[test]
fn one_counter_counts_every_increment() {
    let server = Server::start();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut client = server.client();
                for _ in 0..50 {
                    client.command(&["INCR", "n"]);
                }
            });
        }
    });
    assert_eq!(server.client().show(&["GET", "n"]), "\"400\"");
}

#[test]
fn a_group_that_goes_is_told_to_who_waits_in_it_and_is_no_change_of_its_key() {
    let server = Server::start();
    let (mut watcher, mut waiter, mut other) = (server.client(), server.client(), server.client());
    other.command(&["XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"]);
    // Within the key's row, and in rows of its own.
    for entries in [0, 200] {
        for n in 0..entries {
            other.command(&["XADD", "s", "*", "field", &n.to_string()]);
        }
        other.command(&["XGROUP", "CREATE", "s", "g", "$"]);
        watcher.command(&["WATCH", "s"]);
        waiter.send(&encode(&[b"XREADGROUP", b"GROUP", b"g", b"c", b"BLOCK", b"0", b"STREAMS", b"s", b">"]));
        blocked(&mut other, 1);
        assert_eq!(other.show(&["XGROUP", "DESTROY", "s", "g"]), "(integer) 1");
        let told = waiter.read().unwrap().show();
        assert!(told.starts_with("(error) NOGROUP"), "{told}");
        watcher.command(&["MULTI"]);
        watcher.command(&["PING"]);
        assert_eq!(watcher.show(&["EXEC"]), "*1\n  PONG");
    }
}

#[test]
fn what_stays_as_it_is_may_be_a_change_even_so() {
    let server = Server::start();
    let (mut watcher, mut other) = (server.client(), server.client());
    other.command(&["RPUSH", "l", "a"]);
    for (words, changes) in [
        (&["LTRIM", "l", "0", "-1"][..], true),
        (&["LMOVE", "l", "l", "LEFT", "RIGHT"], true),
        (&["LTRIM", "none", "0", "-1"], false),
        (&["RENAME", "l", "l"], false),
        (&["LREM", "l", "0", "b"], false),
    ] {
        watcher.command(&["WATCH", "l"]);
        other.command(words);
        watcher.command(&["MULTI"]);
        assert_eq!(watcher.show(&["EXEC"]), if changes { "(nil)" } else { "*0" }, "{words:?}");
    }
}
