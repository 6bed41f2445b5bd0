//! The page of metrics: that it is what Prometheus reads, that its figures move, and who may read it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read as _, Write as _};

use flate2::read::GzDecoder;

use crate::client::{Client, Reply, UNVERIFIED, connect, request};
use crate::running::Server;

const PAGE: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// What a page says: values by name and labels, as they are written.
struct Page(BTreeMap<String, f64>);

impl Page {
    fn of(client: &mut Client) -> Self {
        let reply = client.ask(PAGE);
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert_eq!(reply.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
        Self::parse(reply.text())
    }

    /// Reads the text format, more strictly than anybody else: each family is described once and lies together, and
    /// nothing is told twice.
    fn parse(text: &str) -> Self {
        let (mut values, mut families) = (BTreeMap::new(), BTreeSet::new());
        let (mut family, mut kind, mut lines) = (String::new(), String::new(), text.lines().peekable());
        assert!(text.ends_with('\n'));
        while let Some(line) = lines.next() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, help) = help.split_once(' ').expect("a help text");
                assert!(!help.is_empty() && is_name(name), "{line}");
                assert!(families.insert(name.to_owned()), "{name} is described twice");
                let described = lines.next().and_then(|line| line.strip_prefix("# TYPE ")).expect("a type");
                let (same, of) = described.split_once(' ').expect("a type");
                assert_eq!(same, name);
                assert!(["counter", "gauge", "histogram"].contains(&of), "{described}");
                assert_eq!(of == "counter", name.ends_with("_total"), "{name}");
                (family, kind) = (name.to_owned(), of.to_owned());
                continue;
            }
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let name = series.split('{').next().unwrap();
            let suffix = name.strip_prefix(&family).unwrap_or_else(|| panic!("{line} is not of {family}"));
            match kind.as_str() {
                "histogram" => assert!(["_bucket", "_sum", "_count"].contains(&suffix), "{line}"),
                _ => assert_eq!(suffix, "", "{line}"),
            }
            check_labels(&series[name.len()..]);
            let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
            assert!(value >= 0.0, "{line}");
            assert_eq!(values.insert(series.to_owned(), value), None, "{series} is told twice");
        }
        let page = Self(values);
        page.check_histograms(text);
        page
    }

    /// Buckets only grow, and the last one has all.
    fn check_histograms(&self, text: &str) {
        let mut last = 0.0;
        for line in text.lines().filter(|line| line.contains("_bucket{")) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let value: f64 = value.parse().unwrap();
            assert!(value >= last, "{line}");
            last = value;
            if let Some(labels) = series.strip_suffix(",le=\"+Inf\"}") {
                let count = format!("{}}}", labels.replace("_bucket{", "_count{"));
                assert_eq!(self.0.get(&count), Some(&value), "{count}");
                last = 0.0;
            }
        }
        assert!(last.abs() < f64::EPSILON, "a histogram without an end");
    }

    fn get(&self, series: &str) -> f64 {
        self.0.get(series).copied().unwrap_or(0.0)
    }

    /// By how much a value has grown since.
    fn since(&self, before: &Self, series: &str) -> f64 {
        assert!(self.0.contains_key(series), "there is no {series}");
        self.get(series) - before.get(series)
    }
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn check_labels(labels: &str) {
    if labels.is_empty() {
        return;
    }
    let inside = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).expect("labels");
    for label in inside.split(',') {
        let (name, value) = label.split_once('=').expect("a label");
        let value = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).expect("quotes");
        assert!(is_name(name) && !value.is_empty() && !value.contains(['"', '\\']), "{labels}");
    }
}

fn call(client: &mut Client, operation: &str, body: &str) -> Reply {
    let headers = format!("X-Amz-Target: DynamoDB_20120810.{operation}\r\n{UNVERIFIED}");
    client.ask(&request(&headers, body.as_bytes()))
}

fn requests(operation: &str, result: &str) -> String {
    format!("siltstone_table_requests_total{{operation=\"{operation}\",result=\"{result}\"}}")
}

#[test]
fn a_new_server_has_a_page() {
    let server = Server::start();
    let page = Page::of(&mut server.client());
    for (series, value) in [
        ("siltstone_tables", 0.0),
        ("siltstone_engine_disk_full", 0.0),
        ("siltstone_engine_level_bytes{level=\"6\"}", 0.0),
        ("siltstone_clients", 1.0),
        ("siltstone_memory_budget_bytes", f64::from(64 << 20)),
        (concat!("siltstone_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"}"), 1.0),
    ] {
        assert_eq!(page.0.get(series), Some(&value), "{series}");
    }
    assert!(
        page.get("siltstone_engine_commits_total") > 0.0 && page.get("process_resident_memory_bytes") > 0.0
    );
}

#[test]
fn figures_move_with_what_is_done() {
    let server = Server::start();
    let mut client = server.client();
    let before = Page::of(&mut client);
    let schema = "{\"TableName\":\"secret\",\"BillingMode\":\"PAY_PER_REQUEST\",\"KeySchema\":[{\"AttributeName\":\"k\",\
                  \"KeyType\":\"HASH\"}],\"AttributeDefinitions\":[{\"AttributeName\":\"k\",\"AttributeType\":\"S\"}]}";
    assert_eq!(call(&mut client, "CreateTable", schema).status, 200);
    let put = "{\"TableName\":\"secret\",\"Item\":{\"k\":{\"S\":\"hidden\"}}}";
    for _ in 0..3 {
        assert_eq!(call(&mut client, "PutItem", put).status, 200);
    }
    let other = put.replace("secret", "another");
    assert_eq!(call(&mut client, "PutItem", &other).status, 400);
    let conditional = put.replace("\"Item\"", "\"ConditionExpression\":\"attribute_not_exists(k)\",\"Item\"");
    assert_eq!(call(&mut client, "PutItem", &conditional).status, 400);
    assert_eq!(call(&mut client, "Sing", "{}").status, 400);
    assert_eq!(client.ask(&request("X-Amz-Target: DynamoDB_20120810.PutItem\r\n", b"{}")).status, 400);
    let mut redis = connect(server.redis);
    let commands = "SET hidden-key 1\r\nGET hidden-key\r\nGET absent\r\nLPUSH hidden-key 1\r\nGET\r\n\
                    EVAL \"return redis.error_reply('HIDDEN word')\" 0\r\nPING\r\n";
    redis.write_all(commands.as_bytes()).unwrap();
    let mut replies = Vec::new();
    while !replies.ends_with(b"+PONG\r\n") {
        let mut piece = [0; 1 << 10];
        let bytes = redis.read(&mut piece).unwrap();
        assert!(bytes > 0);
        replies.extend_from_slice(&piece[..bytes]);
    }
    let text = client.ask(PAGE);
    let after = Page::parse(text.text());
    for (series, grown) in [
        (requests("CreateTable", "ok"), 1.0),
        (requests("PutItem", "ok"), 3.0),
        (requests("PutItem", "ResourceNotFoundException"), 1.0),
        (requests("PutItem", "ConditionalCheckFailedException"), 1.0),
        ("siltstone_table_request_duration_seconds_count{operation=\"PutItem\"}".to_owned(), 5.0),
        ("siltstone_table_unknown_operations_total".to_owned(), 1.0),
        (
            "siltstone_table_unread_requests_total{exception=\"MissingAuthenticationTokenException\"}"
                .to_owned(),
            1.0,
        ),
        ("siltstone_tables".to_owned(), 1.0),
        ("siltstone_table_items".to_owned(), 1.0),
        ("siltstone_table_bytes".to_owned(), 7.0),
        ("siltstone_keys{database=\"0\"}".to_owned(), 1.0),
        ("siltstone_keyspace_hits_total".to_owned(), 1.0),
        ("siltstone_keyspace_misses_total".to_owned(), 1.0),
        ("siltstone_command_duration_seconds_count{command=\"get\"}".to_owned(), 2.0),
        ("siltstone_commands_failed_total{command=\"lpush\"}".to_owned(), 1.0),
        ("siltstone_error_replies_total".to_owned(), 3.0),
        ("siltstone_connections_total".to_owned(), 1.0),
    ] {
        assert!((after.since(&before, &series) - grown).abs() < 0.5, "{series}: {}", after.get(&series));
    }
    assert!(after.since(&before, "siltstone_engine_commits_total") >= 5.0);
    assert!(
        after.since(&before, "siltstone_table_request_duration_seconds_sum{operation=\"PutItem\"}") > 0.0
    );
    for word in ["secret", "another", "hidden", "HIDDEN", "Sing"] {
        assert!(!text.text().contains(word), "{word}");
    }
}

#[test]
fn who_may_read_them() {
    let server = Server::start();
    let mut client = server.client();
    let mut ask = |headers: &str| {
        let reply = client.ask(format!("GET /metrics HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes());
        (reply.status, reply.header("access-control-allow-origin").is_some())
    };
    assert_eq!(ask("Host: localhost"), (200, false));
    assert_eq!(ask("Host: localhost\r\nOrigin: http://localhost:3000"), (200, true));
    assert_eq!(ask("Host: localhost\r\nOrigin: http://evil.example").0, 403);
    assert_eq!(ask("Host: evil.example").0, 403);
    // Where nobody is kept out the page is open too, but to pages of other sites.
    let server = Server::with(|config| config.protected_mode = false);
    let mut client = server.client();
    let mut ask =
        |headers: &str| client.ask(format!("GET /metrics HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes()).status;
    assert_eq!(ask("Host: tables.example:8000"), 200);
    assert_eq!(ask("Host: tables.example:8000\r\nOrigin: http://evil.example"), 403);
}

#[test]
fn it_is_compressed_for_whoever_likes_that() {
    let server = Server::start();
    let asked = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept-Encoding: gzip\r\n\r\n";
    let reply = server.client().ask(asked);
    assert_eq!(reply.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    GzDecoder::new(&reply.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!(Page::parse(&text).0.get("siltstone_tables"), Some(&0.0));
}

#[test]
fn those_who_do_not_read_it_are_few() {
    let server = Server::start();
    let mut client = server.client();
    let deaf: Vec<_> = (0..8).map(|_| connect(server.address)).collect();
    for mut one in &deaf {
        // More than the system takes for them.
        one.set_nonblocking(true).unwrap();
        let _ = one.write(&PAGE.repeat(10_000));
    }
    let mut status = || client.ask(PAGE).status;
    assert!((0..100_000).any(|_| status() == 503), "there is always another page");
    drop(deaf);
    assert!((0..100_000).any(|_| status() == 200), "nobody has one any more");
}
