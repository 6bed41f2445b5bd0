//! The libraries that Redis gives to scripts beside Lua's own.

pub(super) mod bit;
pub(super) mod cjson;
pub(super) mod cmsgpack;
pub(super) mod structure;

use mlua::{Lua, MultiValue, Table};

use super::raise::Given;

/// How deep values may lie within each other, whatever the settings: as deep as the stack of a thread carries.
const DEPTH_MAX: usize = 1000;

/// Adds a function of ours to a table.
pub(super) fn define(
    lua: &Lua,
    table: &Table,
    name: &str,
    run: impl Fn(&Given<'_>) -> mlua::Result<MultiValue> + 'static,
) -> mlua::Result<()> {
    let function = lua.create_function(move |lua, values: MultiValue| run(&Given::new(lua, values)))?;
    table.raw_set(name, function)
}
