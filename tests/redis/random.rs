//! HRANDFIELD of large hashes: as many as asked, distinct or not, and each with its share.

use std::collections::BTreeMap;

use crate::client::{Client, Value};
use crate::running::Server;

const FIELDS: usize = 10_000;

fn fill(client: &mut Client) {
    for chunk in 0..FIELDS / 100 {
        let mut words = vec!["HSET".to_owned(), "hash".to_owned()];
        for n in 0..100 {
            words.push(format!("field:{:05}", chunk * 100 + n));
            words.push((chunk * 100 + n).to_string());
        }
        client.command(&words.iter().map(String::as_str).collect::<Vec<_>>());
    }
    assert_eq!(client.command(&["HLEN", "hash"]), Value::Int(FIELDS as i64));
}

/// How often each field is told.
fn draw(client: &mut Client, count: &str) -> BTreeMap<Vec<u8>, usize> {
    let Value::Many(_, told) = client.command(&["HRANDFIELD", "hash", count]) else { panic!("no array") };
    let mut drawn = BTreeMap::new();
    for field in told {
        let Value::Bulk(field) = field else { panic!("{field:?}") };
        *drawn.entry(field).or_default() += 1;
    }
    drawn
}

#[test]
fn as_many_fields_as_asked_are_told_and_each_has_its_share() {
    let server = Server::start();
    let mut client = server.client();
    fill(&mut client);
    // Drawn one by one, and met on a walk.
    for count in [1, 10, 500, 3000, 9999, 10_000, 20_000] {
        let drawn = draw(&mut client, &count.to_string());
        assert_eq!(drawn.len(), count.min(FIELDS), "{count}");
        assert!(drawn.values().all(|times| *times == 1), "distinct fields");
        let drawn = draw(&mut client, &format!("-{count}"));
        assert_eq!(drawn.values().sum::<usize>(), count);
    }
    let mut drawn = BTreeMap::new();
    for _ in 0..10 {
        for (field, times) in draw(&mut client, "-20000") {
            *drawn.entry(field).or_default() += times;
        }
    }
    // Twenty times each on average: one of ten thousand is left out once in fifty thousand such tests.
    assert_eq!(drawn.len(), FIELDS);
    assert!(drawn.values().all(|times: &usize| *times < 60));
    let Value::Many(_, pairs) = client.command(&["HRANDFIELD", "hash", "100", "WITHVALUES"]) else {
        panic!()
    };
    for pair in pairs.chunks(2) {
        let [Value::Bulk(field), Value::Bulk(value)] = pair else { panic!("{pair:?}") };
        let n: usize = std::str::from_utf8(value).unwrap().parse().unwrap();
        assert_eq!(*field, format!("field:{n:05}").into_bytes());
    }
}
