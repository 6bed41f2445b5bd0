//! Applications of the table API. They know nothing of the server: where it is and which key to sign with stands in the
//! environment, as with every other application of these libraries.

use crate::Server;
use crate::scripts::{node, python, python_with};

const KEY_ID: &str = "AKIASILTSTONE";
const SECRET: &str = "not/much+of=a-secret";

/// What tells the libraries of AWS where to go, and keeps them from what is configured for whoever runs the tests.
pub(crate) fn environment(server: &Server) -> [(&'static str, String); 9] {
    let nowhere = server.dir.path().join("nowhere").display().to_string();
    [
        ("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{}", server.table_port)),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ("AWS_CONFIG_FILE", nowhere.clone()),
        ("AWS_SHARED_CREDENTIALS_FILE", nowhere),
        ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
        // Nothing that is asked here is refused for long, apart from while the server is down.
        ("AWS_MAX_ATTEMPTS", "12".to_owned()),
    ]
}

/// A server that wants to know who asks.
fn signed() -> Server {
    Server::with_credentials(&format!(
        "[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {SECRET}\n"
    ))
}

#[test]
fn a_shop_in_a_single_table_keeps_every_order() {
    python_with("shop_in_a_table.py", signed);
}

#[test]
fn sessions_in_a_table_live_as_long_as_they_are_used() {
    python("sessions_in_a_table.py");
}

#[test]
fn counters_with_versions_count_everything_once() {
    python("counters_with_versions.py");
}

#[test]
fn a_table_is_rebuilt_from_its_stream() {
    node("follow_a_stream.cjs");
}

#[test]
fn the_command_line_of_aws_is_served() {
    python_with("command_line.py", signed);
}

#[test]
fn tables_are_made_kept_and_unmade_as_infrastructure() {
    python("infrastructure.py");
}
