//! MULTI, EXEC and WATCH among many clients.

use crate::client::{Client, Value};
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
