//! A game's leaderboard: players earn points from many threads at once, and look at who stands around them. What they see
//! is compared with points that were counted here.

use std::collections::BTreeMap;
use std::sync::Barrier;

use redis::{Client, Commands, Script};
use siltstone::random::Random;

use crate::Server;

const PLAYERS: u64 = 400;
const THREADS: u64 = 4;
const GAMES: u64 = 500;
const BOARD: &str = "board:week";

/// Who stands around a player, with their points and the first one's place, in one step.
const AROUND: &str = "
    local place = redis.call('ZREVRANK', KEYS[1], ARGV[1])
    if not place then return {} end
    local first = math.max(0, place - ARGV[2])
    return {first, redis.call('ZREVRANGE', KEYS[1], first, place + ARGV[2], 'WITHSCORES')}
";

type Points = BTreeMap<String, u64>;

fn player(number: u64) -> String {
    format!("player:{number:04}")
}

/// Plays games in batches, and returns the points that were earned.
fn play(client: &Client, seed: u64) -> Points {
    let mut connection = client.get_connection().unwrap();
    let mut random = Random::seeded(seed);
    let mut earned = Points::new();
    for _ in 0..GAMES / 10 {
        let mut batch = redis::pipe();
        batch.atomic();
        for _ in 0..10 {
            let (name, points) = (player(random.below(PLAYERS)), 1 + random.below(50));
            batch.zincr(BOARD, &name, points).ignore();
            *earned.entry(name).or_default() += points;
        }
        batch.exec(&mut connection).unwrap();
    }
    earned
}

/// Everybody, the best first; of equals the one with the later name, as Redis has them.
fn ranked(points: &Points) -> Vec<(String, u64)> {
    let mut all: Vec<_> = points.iter().map(|(name, points)| (name.clone(), *points)).collect();
    all.sort_by(|(a, x), (b, y)| (y, b).cmp(&(x, a)));
    all
}

fn check(client: &Client, board: &str, points: &Points) {
    let mut connection = client.get_connection().unwrap();
    let expected = ranked(points);
    assert_eq!(connection.zcard::<_, usize>(board).unwrap(), expected.len());
    let top: Vec<(String, u64)> = connection.zrevrange_withscores(board, 0, 9).unwrap();
    assert_eq!(top, expected[..10]);
    let around = Script::new(AROUND);
    for (place, (name, points)) in expected.iter().enumerate().step_by(7) {
        let (rank, score): (usize, u64) =
            redis::pipe().zrevrank(board, name).zscore(board, name).query(&mut connection).unwrap();
        assert_eq!((rank, score), (place, *points), "{name}");
        let (first, seen): (usize, Vec<(String, u64)>) =
            around.key(board).arg(name).arg(3).invoke(&mut connection).unwrap();
        assert_eq!(seen, expected[first..(place + 4).min(expected.len())], "around {name}");
        assert_eq!(first, place.saturating_sub(3));
        let better: usize = connection.zcount(board, format!("({points}"), "+inf").unwrap();
        assert_eq!(better, expected.iter().filter(|(_, other)| other > points).count());
    }
}

#[test]
fn a_leaderboard_shows_who_stands_around_a_player() {
    let mut server = Server::start();
    let client = server.client();
    let mut points = Points::new();
    for round in 0..2 {
        let together = Barrier::new(THREADS as usize);
        let earned: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|thread| {
                    let (client, together) = (&client, &together);
                    scope.spawn(move || {
                        together.wait();
                        play(client, round * THREADS + thread)
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for (name, more) in earned.into_iter().flatten() {
            *points.entry(name).or_default() += more;
        }
        check(&client, BOARD, &points);
        // All that was acknowledged is there again.
        server.kill_and_restart();
        check(&client, BOARD, &points);
    }
    // A board of all time, from two of which one counts double; and who leaves it has no place.
    let mut connection = client.get_connection().unwrap();
    let gone = player(7);
    let (stored, removed): (usize, usize) = redis::pipe()
        .zunionstore_weights("board:all", &[(BOARD, 1), (BOARD, 2)])
        .zrem("board:all", &gone)
        .query(&mut connection)
        .unwrap();
    assert_eq!((stored, removed), (points.len(), usize::from(points.remove(&gone).is_some())));
    check(&client, "board:all", &points.iter().map(|(name, points)| (name.clone(), points * 3)).collect());
    assert_eq!(connection.zrevrank::<_, _, Option<usize>>("board:all", &gone).unwrap(), None);
}
