//! CLUSTER: there is none, in Redis's words, so that clients that ask know it.

use super::super::command::{Call, Command, Flags, session};
use super::super::error::{Error, Result};
use super::super::protocol::reply::Reply;
use super::super::session::Session;

/// The rows.
pub(super) const COMMANDS: &[Command] = &[
    session("cluster|info", 2, disabled).doc(
        "Returns information about the state of a node.",
        "3.0.0",
        "O(1)",
    ),
    session("cluster|myid", 2, disabled).doc("Returns the ID of a node.", "3.0.0", "O(1)"),
    session("cluster|nodes", 2, disabled).doc(
        "Returns the cluster configuration for a node.",
        "3.0.0",
        "O(N) where N is the total number of Cluster nodes",
    ),
    session("cluster|reset", -2, disabled).flag(Flags::ADMIN).flag(Flags::NO_SCRIPT).doc(
        "Resets a node.",
        "3.0.0",
        "O(N) where N is the number of known nodes",
    ),
    session("cluster|shards", 2, disabled).doc(
        "Returns the mapping of cluster slots to shards.",
        "7.0.0",
        "O(N) where N is the total number of cluster nodes",
    ),
    session("cluster|slots", 2, disabled).doc(
        "Returns the mapping of cluster slots to nodes.",
        "3.0.0",
        "O(N) where N is the total number of Cluster nodes",
    ),
];

pub(super) fn disabled(_: &mut Session, _: &Call<'_>, _: &mut Reply) -> Result {
    Err(Error::text("ERR This instance has cluster support disabled"))
}
