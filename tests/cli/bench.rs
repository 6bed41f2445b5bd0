//! `bench`: db_bench's names and its line.

use crate::{printed, refused, text};

#[test]
fn every_workload_prints_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let names =
        "fillseq,readseq,fillrandom,overwrite,readrandom,seekrandom,readwhilewriting,deleterandom,readrandom";
    let dir = dir.path().join("b");
    let output = printed(&[
        "bench",
        names,
        "--dir",
        text(&dir),
        "--num",
        "2000",
        "--reads",
        "500",
        "--memtable",
        "256KiB",
        "--cache",
        "8MiB",
        "--threads",
        "2",
        "--histogram",
    ]);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 9, "{output}");
    for (line, name) in lines.iter().zip(names.split(',')) {
        assert!(line.starts_with(name), "{line}");
        assert!(line.contains(" : ") && line.contains(" micros/op ") && line.contains(" ops/sec"), "{line}");
        assert!(name == "readseq" || line.contains("p99.9"), "{line}");
    }
    // After ascending keys each is there; random ones hit about 1 - 1/e² of them with two threads.
    assert!(lines[1].contains("1000 of 1000 found"), "{}", lines[1]);
    // A later run finds what an earlier one left, and a store that bench did not make is refused.
    let again =
        printed(&["bench", "readrandom", "--dir", text(&dir), "--num", "2000", "--reads", "10", "--json"]);
    let figures: serde_json::Value = serde_json::from_str(&again).unwrap();
    assert_eq!(figures["name"], "readrandom");
    assert!(figures["ops_per_sec"].as_f64().unwrap() > 0.0);
}

#[test]
fn other_peoples_data_is_not_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let server = crate::Server::start(dir.path(), &[]);
    server.ask("SET key value\r\n", "+OK\r\n");
    assert!(server.stop());
    let (code, said) = refused(&["bench", "fillseq", "--dir", text(dir.path()), "--num", "10"]);
    assert_eq!(code, 1);
    assert!(said.contains("bench did not make"), "{said}");
    let server = crate::Server::start(dir.path(), &[]);
    server.ask("GET key\r\n", "$5\r\nvalue\r\n");
}

#[test]
fn an_unknown_workload_is_refused_with_the_list() {
    let (code, said) = refused(&["bench", "fillup"]);
    assert_eq!(code, 2);
    assert!(said.contains("fillseq"), "{said}");
}
