//! What the README says of the command line is so.

use std::fmt::Write as _;

use siltstone::config::SETTINGS;

use crate::printed;

const README: &str = include_str!("../../README.md");

#[test]
fn the_readme_has_the_table_of_settings() {
    let mut table = String::from(
        "| flag and file key | environment | default | live | what it does |\n|---|---|---|---|---|\n",
    );
    for setting in SETTINGS {
        let default =
            if setting.default.is_empty() { "none".to_owned() } else { format!("`{}`", setting.default) };
        let _ = writeln!(
            table,
            "| `{}` | `{}` | {default} | {} | {} |",
            setting.name,
            setting.environment(),
            if setting.live { "yes" } else { "" },
            setting.doc
        );
    }
    assert!(README.contains(&table), "README.md should have this table:\n\n{table}");
}

#[test]
fn every_command_has_help_with_examples() {
    let commands = ["serve", "inspect", "verify", "compact", "backup", "restore", "bench"];
    let all = printed(&["--help"]);
    for command in commands {
        assert!(all.contains(&format!("\n  {command} ")), "{command} is in the list");
        let help = printed(&[command, "--help"]);
        assert!(help.contains("Examples:\n  ") && help.contains(&format!("siltstone {command}")), "{help}");
        assert!(README.contains(&format!("siltstone {command}")), "{command} is in the README");
    }
    for setting in SETTINGS {
        assert!(printed(&["serve", "--help"]).contains(&format!("--{}", setting.name)), "{}", setting.name);
    }
}
