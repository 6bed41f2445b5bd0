//! What others tell a client: when, in which order, and when not.

use super::reply::Reply;
use super::world::{World, feed};
use crate::redis::pubsub::{self, Letter};
use crate::store::{Fsync, LockKey, LockSet, Tier};

#[test]
fn what_is_told_of_a_commit_is_told_before_its_locks_are_given_back() {
    let world = World::new(Fsync::Never);
    let store = world.instance.store();
    let lock = || LockSet::one(LockKey(7));
    let is_free = || store.txn(lock(), Tier::Cached).is_ok();
    for is_empty in [true, false] {
        let mut txn = store.txn(lock(), Tier::Disk).unwrap();
        if !is_empty {
            txn.put(b"row".to_vec(), &b"value"[..]);
        }
        let mut told = false;
        txn.commit_and_tell(|_| {
            told = true;
            assert!(!is_free());
        })
        .unwrap();
        assert!(told && is_free());
    }
}

#[test]
fn who_no_longer_subscribes_takes_no_message_for_a_reply() {
    let mut world = World::new(Fsync::Never);
    let client = world.instance.clients.all().remove(0);
    let post = |text: &str| pubsub::post(&client, 0, &Letter::new(&world.instance, text.as_bytes().to_vec()));
    let message = "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n";
    post(message);
    assert_eq!(world.say(&["PING"]), Reply::Status("PONG".into()));
    feed(&mut world.client, &[["SUBSCRIBE", "c"]]);
    world.client.run(Tier::Disk);
    world.client.reply().take();
    // What came before is heard before it leaves.
    let post = |text: &str| pubsub::post(&client, 0, &Letter::new(&world.instance, text.as_bytes().to_vec()));
    post(message);
    feed(&mut world.client, &[["RESET"]]);
    world.client.run(Tier::Disk);
    let told = Reply::read_all(&world.client.reply().take());
    assert_eq!(told, [Reply::bulks(["message", "c", "m"]), Reply::Status("RESET".into())]);
}
