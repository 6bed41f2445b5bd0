//! COMMAND and the HELP of every command with subcommands.

use super::super::command::Command;
use super::super::protocol::reply::Reply;

/// The HELP of a command with subcommands.
pub(crate) fn help(container: &Command, rows: &[Command], reply: &mut Reply) {
    let mut lines = vec![format!(
        "{} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        container.name.to_ascii_uppercase()
    )];
    for row in rows {
        lines.push(row.last_name().to_ascii_uppercase());
        lines.push(format!("    {}", row.doc.summary));
    }
    lines.push("HELP".to_owned());
    lines.push("    Print this help.".to_owned());
    reply.array(lines.len());
    for line in lines {
        reply.simple(&line);
    }
}
