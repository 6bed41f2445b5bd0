//! The tools for tables: exports of DynamoDB's come in and go out, and what is in a directory is shown.
//!
//! The exports in `fixtures/` were made by hand, as the developer guide describes them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{Server, json, printed, refused, run, text};

fn fixture(name: &str) -> String {
    format!("{}/tests/cli/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn import(export: &str, data: &Path, more: &[&str]) -> Value {
    let mut arguments = vec!["import", "dynamodb-export", export, "--dir", text(data), "--json"];
    arguments.extend(more);
    json(&arguments)
}

/// The files with items of an export.
fn data_files(export: &Path) -> Vec<PathBuf> {
    let folder = export.join("AWSDynamoDB").read_dir().unwrap().next().unwrap().unwrap().path();
    let mut files: Vec<_> =
        folder.join("data").read_dir().unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// The items of an export, in its order.
#[expect(clippy::disallowed_methods, reason = "reads what was exported")]
fn items(export: &Path) -> Vec<Value> {
    let mut lines = String::new();
    for file in data_files(export) {
        flate2::read::MultiGzDecoder::new(std::fs::File::open(file).unwrap())
            .read_to_string(&mut lines)
            .unwrap();
    }
    let item = |line| serde_json::from_str::<Value>(line).unwrap()["Item"].clone();
    let mut items: Vec<Value> = lines.lines().map(item).collect();
    // Sets have no order.
    for value in items.iter_mut().flat_map(|item| item.as_object_mut().unwrap().values_mut()) {
        for set in ["SS", "NS", "BS"] {
            if let Some(set) = value.get_mut(set).and_then(Value::as_array_mut) {
                set.sort_by_key(Value::to_string);
            }
        }
    }
    items
}

/// Asks the table API of a server.
fn ask(server: &Server, operation: &str, request: &Value) -> Value {
    let body = request.to_string();
    let mut stream = TcpStream::connect(&server.tables).unwrap();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: DynamoDB_20120810.{operation}\r\nX-Amz-Date: 20260524T010203Z\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=a/20260524/r/dynamodb/aws4_request, SignedHeaders=host, \
         Signature=b\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    serde_json::from_str(reply.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[test]
fn an_export_comes_in_and_goes_out_again() {
    let dir = tempfile::tempdir().unwrap();
    let (data, again) = (dir.path().join("data"), dir.path().join("again"));
    let done = import(&fixture("export"), &data, &["--hash", "Id:N"]);
    assert_eq!(
        done,
        json!({"table": "ProductCatalog", "made": true, "put": 13, "deleted": 0, "bad_lines": 0})
    );
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let out = json(&["export", "table", "ProductCatalog", text(&first), "--dir", text(&data), "--json"]);
    assert_eq!(out["items"], 13);
    let exported = items(&first);
    assert_eq!(exported.len(), 13);
    for item in items(Path::new(&fixture("export"))) {
        assert!(exported.contains(&item), "{item}");
    }
    // What was exported comes in again and is the same, item by item.
    import(text(&first), &again, &["--table", "copy", "--hash", "Id:N"]);
    import(text(&first), &again, &["--table", "copy"]);
    printed(&["export", "table", "copy", text(&second), "--dir", text(&again)]);
    assert_eq!(items(&second), exported);
    let tables = json(&["inspect", "tables", "--dir", text(&again), "--json"]);
    assert_eq!(tables["tables"][0]["items"], 13);
    let (code, said) = refused(&["export", "table", "copy", text(&second), "--dir", text(&again)]);
    assert_eq!(code, 1);
    assert!(said.contains("is not empty"), "{said}");
    let (code, said) =
        refused(&["export", "table", "none", text(&dir.path().join("x")), "--dir", text(&again)]);
    assert_eq!(code, 1);
    assert!(said.contains("there is no table none"), "{said}");
}

#[test]
fn an_incremental_export_changes_a_table() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    import(&fixture("export"), &data, &["--hash", "Id:N"]);
    let done = import(&fixture("incremental"), &data, &[]);
    assert_eq!((&done["put"], &done["deleted"], &done["made"]), (&json!(2), &json!(1), &json!(false)));
    let item = |id: u64| {
        let key = json!({"Id": {"N": id.to_string()}}).to_string();
        json(&["inspect", "item", "ProductCatalog", &key, "--dir", text(&data), "--json"])
    };
    assert_eq!(item(103)["item"], json!({"Id": {"N": "103"}, "Title": {"S": "changed"}}));
    assert_eq!(item(205)["exists"], false);
    assert_eq!(item(1000)["exists"], true);
}

#[test]
fn bad_lines_are_named_and_the_others_come_in() {
    let dir = tempfile::tempdir().unwrap();
    let data = text(dir.path());
    let arguments = ["import", "dynamodb-export", &fixture("bad"), "--dir", data, "--hash", "Id:N", "--json"];
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&done["put"], &done["bad_lines"]), (&json!(2), &json!(2)));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("lines.json.gz:2: ") && said.contains("lines.json.gz:3: Number overflow"),
        "{said}"
    );
    let (code, said) =
        refused(&["import", "dynamodb-export", &fixture("bad"), "--dir", data, "--table", "other"]);
    assert_eq!(code, 2);
    assert!(said.contains("there is no table other; --hash"), "{said}");
    let (code, said) =
        refused(&["import", "dynamodb-export", &fixture("bad"), "--dir", data, "--hash", "Id:S"]);
    assert_eq!(code, 2);
    assert!(said.contains("has another key"), "{said}");
    let (code, said) = refused(&["import", "dynamodb-export", data, "--dir", data]);
    assert_eq!(code, 1);
    assert!(said.contains("no manifest-summary.json"), "{said}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "damages an export")]
fn a_damaged_file_is_not_imported() {
    let dir = tempfile::tempdir().unwrap();
    let (data, export) = (dir.path().join("data"), dir.path().join("export"));
    import(&fixture("export"), &data, &["--hash", "Id:N"]);
    printed(&["export", "table", "ProductCatalog", text(&export), "--dir", text(&data)]);
    let file = &data_files(&export)[0];
    let mut bytes = std::fs::read(file).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    std::fs::write(file, &bytes).unwrap();
    let again = dir.path().join("again");
    let (code, said) =
        refused(&["import", "dynamodb-export", text(&export), "--dir", text(&again), "--hash", "Id:N"]);
    assert_eq!(code, 1);
    assert!(said.contains("00000000.json.gz: its MD5 sum is"), "{said}");
    assert!(said.contains("the table ProductCatalog lacks what was to follow"), "{said}");
    assert_eq!(json(&["inspect", "tables", "--dir", text(&again), "--json"])["tables"][0]["items"], 0);
    let summary = file.parent().unwrap().parent().unwrap().join("manifest-summary.json");
    std::fs::write(summary, "{}").unwrap();
    let (code, said) = refused(&["import", "dynamodb-export", text(&export), "--dir", text(&again)]);
    assert_eq!(code, 1);
    assert!(said.contains("is not that in manifest-summary.md5"), "{said}");
}

#[test]
fn what_tables_hold_is_shown_beside_a_server_and_indexes_follow_imports() {
    let dir = tempfile::tempdir().unwrap();
    let data = text(dir.path());
    let server = Server::start(dir.path(), &["--table-port", "auto"]);
    ask(
        &server,
        "CreateTable",
        &json!({
            "TableName": "goods", "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": [
                {"AttributeName": "Id", "AttributeType": "N"},
                {"AttributeName": "ProductCategory", "AttributeType": "S"},
            ],
            "KeySchema": [{"AttributeName": "Id", "KeyType": "HASH"}],
            "GlobalSecondaryIndexes": [{
                "IndexName": "by_category",
                "KeySchema": [{"AttributeName": "ProductCategory", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }],
            "StreamSpecification": {"StreamEnabled": true, "StreamViewType": "KEYS_ONLY"},
        }),
    );
    let ttl =
        json!({"TableName": "goods", "TimeToLiveSpecification": {"Enabled": true, "AttributeName": "until"}});
    ask(&server, "UpdateTimeToLive", &ttl);
    let item = json!({
        "Id": {"N": "1"}, "ProductCategory": {"S": "Book"}, "until": {"N": "99999999999"}, "Title": {"S": "ä"},
    });
    ask(&server, "PutItem", &json!({"TableName": "goods", "Item": item}));
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(b"INFO tables\r\nQUIT\r\n").unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).unwrap();
    for line in
        ["# Tables", "tables:1", "table_items:1", "table_requests:3", "operation_PutItem:calls=1,errors=0"]
    {
        assert!(told.lines().any(|one| one == line), "{line}: {told}");
    }
    let tables = json(&["inspect", "tables", "--dir", data, "--json"]);
    let goods = &tables["tables"][0];
    assert_eq!(
        (&goods["name"], &goods["items"], &goods["state"]),
        (&json!("goods"), &json!(1), &json!("ACTIVE"))
    );
    assert_eq!(goods["indexes"][0]["items"], 1);
    assert_eq!(goods["ttl"], "until");
    assert_eq!(goods["streams"][0]["view"], "KEYS_ONLY");
    assert!(
        printed(&["inspect", "tables", "--dir", data])
            .contains("global index by_category: keys ProductCategory S")
    );
    let shown = json(&["inspect", "item", "goods", r#"{"Id":{"N":"1"}}"#, "--dir", data, "--json"]);
    assert_eq!(shown["item"], item);
    assert_eq!(shown["index_rows"][0]["exists"], true, "{shown}");
    assert_eq!(
        (&shown["deadline_ms"], &shown["deadline_row"]),
        (&json!(99_999_999_999_000_u64), &json!(true))
    );
    let said = printed(&["inspect", "item", "goods", r#"{"Id":{"N":"1.0"}}"#, "--dir", data]);
    assert!(said.contains("index by_category: row ") && !said.contains("MISSING"), "{said}");
    let (code, said) = refused(&["inspect", "item", "goods", r#"{"Id":{"S":"1"}}"#, "--dir", data]);
    assert_eq!(code, 2);
    assert!(said.contains(r#""Id":{"N":…}"#), "{said}");
    let (code, said) = refused(&["import", "dynamodb-export", &fixture("export"), "--dir", data]);
    assert_eq!(code, 1);
    assert!(said.contains("in use by another process"), "{said}");
    assert!(server.stop());
    import(&fixture("export"), dir.path(), &["--table", "goods"]);
    let tables = json(&["inspect", "tables", "--dir", data, "--json"]);
    let goods = &tables["tables"][0];
    assert_eq!((&goods["items"], &goods["indexes"][0]["items"]), (&json!(14), &json!(13)));
    let server = Server::start(dir.path(), &["--table-port", "auto"]);
    let query = json!({
        "TableName": "goods", "IndexName": "by_category", "KeyConditionExpression": "ProductCategory = :b",
        "ExpressionAttributeValues": {":b": {"S": "Bicycle"}},
    });
    assert_eq!(ask(&server, "Query", &query)["Count"], 6);
}
