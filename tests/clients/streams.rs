//! Orders that go through a stream: producers add them, a group of consumers does them, and one of these dies with some in
//! its hands. Whatever happens, every order is done once.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use redis::streams::{
    StreamAutoClaimOptions, StreamAutoClaimReply, StreamId, StreamInfoGroupsReply, StreamPendingReply,
    StreamReadOptions, StreamReadReply,
};
use redis::{Commands, Connection, RedisResult, Script};

use crate::{PATIENCE, Server};

const ORDERS: u64 = 1200;
const PRODUCERS: u64 = 3;
const CONSUMERS: usize = 3;
/// Milliseconds after which an order that nobody has done is somebody else's.
const CLAIMED_AFTER: usize = 150;

/// Does an order, unless it has been done, and takes it off the list: together or not at all.
const DO_ORDER: &str = "
    if redis.call('SADD', KEYS[2], ARGV[2]) == 1 then
        redis.call('INCRBY', KEYS[3], ARGV[3])
    end
    return redis.call('XACK', KEYS[1], 'shop', ARGV[1])
";

/// Adds an order unless it is there: whether an order went through is not known when the server died meanwhile.
const ADD_ORDER: &str = "
    if redis.call('SADD', KEYS[2], ARGV[1]) == 1 then
        return redis.call('XADD', KEYS[1], '*', 'order', ARGV[1], 'price', ARGV[2])
    end
";

/// A connection that is made again until what is to be done has been done.
struct Stubborn<'a> {
    server: &'a redis::Client,
    connection: Option<Connection>,
}

impl Stubborn<'_> {
    fn run<T>(&mut self, work: impl Fn(&mut Connection) -> RedisResult<T>) -> T {
        loop {
            let connected = match self.connection.take() {
                Some(connection) => Ok(connection),
                None => self.server.get_connection(),
            };
            match connected.and_then(|mut connection| Ok((work(&mut connection)?, connection))) {
                Ok((done, connection)) => {
                    self.connection = Some(connection);
                    return done;
                }
                Err(error) => assert!(error.is_io_error() || error.is_unrecoverable_error(), "{error}"),
            }
        }
    }
}

fn produce(client: &redis::Client, number: u64, added: &AtomicU64) {
    let mut shop = Stubborn { server: client, connection: None };
    let add = Script::new(ADD_ORDER);
    for order in (0..ORDERS).filter(|order| order % PRODUCERS == number) {
        shop.run(|connection| {
            add.key("orders").key("known").arg(order).arg(order * 3).invoke::<Option<String>>(connection)
        });
        added.fetch_add(1, Ordering::Relaxed);
    }
}

fn consume(client: &redis::Client, name: &str, done: &AtomicU64, closed: &AtomicBool) {
    let mut shop = Stubborn { server: client, connection: None };
    let work = Script::new(DO_ORDER);
    let wanted = StreamReadOptions::default().group("shop", name).count(10).block(50);
    while !closed.load(Ordering::Relaxed) {
        let new: Option<StreamReadReply> =
            shop.run(|connection| connection.xread_options(&["orders"], &[">"], &wanted));
        let mut orders: Vec<StreamId> =
            new.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids).collect();
        if orders.is_empty() {
            let left: StreamAutoClaimReply = shop.run(|connection| {
                let options = StreamAutoClaimOptions::default().count(10);
                connection.xautoclaim_options("orders", "shop", name, CLAIMED_AFTER, "0", options)
            });
            orders = left.claimed;
        }
        for order in orders {
            let field = |name: &str| order.get::<u64>(name).expect("an order has its fields");
            let acknowledged: u64 = shop.run(|connection| {
                let mut call = work.key("orders");
                call.key("done").key("earned").arg(&order.id).arg(field("order")).arg(field("price"));
                call.invoke(connection)
            });
            done.fetch_add(acknowledged, Ordering::Relaxed);
        }
    }
}

#[test]
fn every_order_of_a_stream_is_done_once() {
    let mut server = Server::start();
    let client = server.client();
    let mut connection = client.get_connection().unwrap();
    let _: () = connection.xgroup_create_mkstream("orders", "shop", "0").unwrap();
    let (added, done, closed) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for number in 0..PRODUCERS {
            let (client, added) = (&client, &added);
            scope.spawn(move || produce(client, number, added));
        }
        // It takes some and is not heard of again.
        let taken = StreamReadOptions::default().group("shop", "dead").count(25).block(5000);
        let taken: StreamReadReply = connection.xread_options(&["orders"], &[">"], &taken).unwrap();
        assert!(!taken.keys[0].ids.is_empty());
        for name in ["a", "b", "c"].iter().take(CONSUMERS) {
            let (client, done, closed) = (&client, &done, &closed);
            scope.spawn(move || consume(client, name, done, closed));
        }
        let started = Instant::now();
        let wait = |is_done: &mut dyn FnMut() -> bool| {
            while !is_done() {
                assert!(started.elapsed() < PATIENCE, "it takes too long");
                std::thread::yield_now();
            }
        };
        wait(&mut || done.load(Ordering::Relaxed) >= ORDERS / 3);
        server.kill_and_restart();
        let mut shop = Stubborn { server: &client, connection: None };
        // The number that the consumers counted lacks what they were not told.
        wait(&mut || shop.run(|connection| connection.scard::<_, u64>("done")) == ORDERS);
        wait(&mut || {
            let pending: StreamPendingReply = shop.run(|connection| connection.xpending("orders", "shop"));
            pending.count() == 0
        });
        closed.store(true, Ordering::Relaxed);
    });
    assert_eq!(added.into_inner(), ORDERS);
    let mut connection = client.get_connection().unwrap();
    let numbers: BTreeSet<u64> = connection.smembers("done").unwrap();
    assert_eq!(numbers, (0..ORDERS).collect());
    assert_eq!(connection.get::<_, u64>("earned").unwrap(), (0..ORDERS).map(|order| order * 3).sum::<u64>());
    assert_eq!(connection.xlen::<_, u64>("orders").unwrap(), ORDERS, "none was added twice");
    let groups: StreamInfoGroupsReply = connection.xinfo_groups("orders").unwrap();
    let group = &groups.groups[0];
    assert_eq!((group.pending, group.entries_read, group.lag), (0, Some(ORDERS as usize), Some(0)));
}
