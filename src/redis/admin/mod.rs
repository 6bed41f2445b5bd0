//! Commands about the server.

pub(crate) mod command;

use super::command::Command;

/// The rows.
pub(crate) const COMMANDS: &[Command] = &[];
