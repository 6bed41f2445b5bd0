//! A write of one item, alone or among others: what is to become of it, and under which condition.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Written, is_plain, load, overwrite, replace, units};
use crate::dynamo::attribute::{Attributes, size};
use crate::dynamo::context::Context;
use crate::dynamo::error::{Kind, Refusal, Result, invalid, refused};
use crate::dynamo::expression::{Condition, ItemLimits, Update, check_keys_are_whole};
use crate::dynamo::rows::{item_lock, table_key, table_lock};
use crate::dynamo::schema::{KeyPart, Schema};
use crate::dynamo::validate::keys::{check_item, check_key, check_key_unchanged, check_updated_index_keys};
use crate::store::{LockSet, Txn};

/// What is to become of an item.
pub enum Change {
    /// It is replaced, or made.
    Put(Attributes),
    /// It is made, and must not be there yet.
    Insert(Attributes),
    /// It is changed in part, or made of its key.
    Update(Attributes, Update),
    /// It is removed.
    Delete(Attributes),
    /// Nothing, but the condition must hold.
    Check(Attributes),
}

impl Change {
    /// The attributes of the item's key, among others if it is there.
    pub fn key(&self) -> &Attributes {
        match self {
            Self::Put(item) | Self::Insert(item) => item,
            Self::Update(key, _) | Self::Delete(key) | Self::Check(key) => key,
        }
    }
}

/// A write.
pub struct Write {
    /// The table's name.
    pub table: String,
    /// What is to become of the item.
    pub change: Change,
    /// What must hold for the item as it is.
    pub condition: Option<Condition>,
    /// Whether a refusal for the condition's sake shows the item.
    pub shows_item: bool,
}

/// A write whose table and key are known.
pub struct Aimed<'a> {
    write: &'a Write,
    /// The table.
    pub table: Arc<Schema>,
    /// The item's key in it.
    pub key: Vec<u8>,
}

/// What a write found and left, as far as somebody wanted to know.
pub struct Staged<'a> {
    /// The item before.
    pub old: Option<Attributes>,
    /// The item after.
    pub new: Option<Cow<'a, Attributes>>,
    /// What it cost.
    pub written: Written,
}

impl Write {
    /// Finds table and key, and checks what the request says against the table's keys.
    pub fn aim(&self, context: &Context) -> Result<Aimed<'_>> {
        let table = context.table(&self.table)?;
        let key = match &self.change {
            Change::Put(item) | Change::Insert(item) => {
                check_item(&table.definition, item, context.limits())?;
                if size(item) > context.limits().item_bytes {
                    let what = "Item size has exceeded the maximum allowed size";
                    return Err(Refusal::new(Kind::Validation, what).of_request().into());
                }
                table_key(&table.keys, item)
            }
            Change::Update(key, update) => {
                check_key(&table.definition, key, context.limits())?;
                check_key_unchanged(&table.definition, update.changed_attributes())?;
                table_key(&table.keys, key)
            }
            Change::Delete(key) | Change::Check(key) => {
                check_key(&table.definition, key, context.limits())?;
                table_key(&table.keys, key)
            }
        };
        let key = key.ok_or_else(|| invalid("The provided key element does not match the schema"))?;
        self.check_paths(&table)?;
        Ok(Aimed { write: self, table, key })
    }

    fn check_paths(&self, table: &Schema) -> Result<()> {
        if let Some(condition) = &self.condition {
            check_keys_are_whole(&table.definition, condition.paths())?;
        }
        match &self.change {
            Change::Update(_, update) => check_keys_are_whole(&table.definition, update.paths()),
            _ => Ok(()),
        }
    }

    /// The same, for a write that is not one of a transaction.
    pub fn aim_alone(&self, context: &Context) -> Result<Aimed<'_>> {
        let aimed = self.aim(context)?;
        if let Change::Update(_, update) = &self.change
            && update.is_expression()
        {
            check_index_types(&aimed.table, update)?;
        }
        Ok(aimed)
    }

    /// A transaction that has locked the item of this write alone.
    pub fn lock_alone(&self, context: &Context) -> Result<(Txn, Aimed<'_>)> {
        let (txn, [aimed]) = lock(context, &LockSet::new(), || Ok([self.aim_alone(context)?]))?;
        Ok((txn, aimed))
    }
}

/// Refuses an update that is known to make a key of an index something that cannot be one.
fn check_index_types(table: &Schema, update: &Update) -> Result<()> {
    let parts = table.indexes.iter().flat_map(|index| index.keys.parts());
    let is_wrong =
        |part: &KeyPart| update.static_type(&part.name).is_some_and(|kind| kind != part.kind.word());
    if parts.into_iter().any(is_wrong) {
        return Err(invalid(
            "The update expression attempted to update the secondary index key to unsupported type",
        ));
    }
    Ok(())
}

impl<'a> Aimed<'a> {
    /// What is to become of the item.
    pub fn change(&self) -> &'a Change {
        &self.write.change
    }

    /// Adds the locks that it takes.
    pub fn lock(&self, locks: &mut LockSet) {
        locks.shared(table_lock(&self.table.name));
        let item = item_lock(self.table.id, &self.key);
        match self.write.change {
            Change::Check(_) => locks.shared(item),
            _ => locks.exclusive(item),
        }
    }

    /// Whether there is more space once it is done. Where the stream keeps what was there, it only moves.
    fn frees(&self) -> bool {
        matches!(self.write.change, Change::Delete(_)) && !self.table.keeps_old_items()
    }

    /// Stages it, if the condition holds. `tells_old`: whether somebody wants to know the item before.
    pub fn stage(&self, context: &Context, txn: &mut Txn, tells_old: bool) -> Result<Staged<'a>> {
        let write = self.write;
        let is_blind = write.condition.is_none() && !tells_old && is_plain(&self.table);
        let place = (&*self.table, &self.key[..]);
        match &write.change {
            Change::Put(item) if is_blind => {
                let written = overwrite(txn, place, Some(item))?;
                return Ok(Staged { old: None, new: Some(Cow::Borrowed(item)), written });
            }
            Change::Delete(_) if is_blind => {
                let written = overwrite(txn, place, None)?;
                return Ok(Staged { old: None, new: None, written });
            }
            _ => {}
        }
        let old = load(txn, &self.table, &self.key)?;
        self.check(old.as_ref())?;
        let new = match &write.change {
            Change::Insert(_) if old.is_some() => {
                return Err(refused(Kind::DuplicateItem, "Duplicate primary key exists in table"));
            }
            Change::Put(item) | Change::Insert(item) => Some(Cow::Borrowed(item)),
            // What only takes something away leaves nothing where nothing was.
            Change::Update(_, update) if old.is_none() && !update.creates() => None,
            Change::Update(key, update) => {
                Some(Cow::Owned(self.updated(context, (old.as_ref(), key), update)?))
            }
            Change::Delete(_) => None,
            Change::Check(_) => {
                let written = Written { table: units(old.as_ref().map_or(0, size)), indexes: Vec::new() };
                return Ok(Staged { old, new: None, written });
            }
        };
        let written = replace(txn, &context.tables.sequences, place, (old.as_ref(), new.as_deref()), false)?;
        Ok(Staged { old, new, written })
    }

    fn check(&self, old: Option<&Attributes>) -> Result<()> {
        let Some(condition) = &self.write.condition else { return Ok(()) };
        let nothing = Attributes::new();
        if condition.holds(old.unwrap_or(&nothing)) {
            return Ok(());
        }
        let mut refusal = Refusal::new(Kind::ConditionalCheckFailed, "The conditional request failed");
        refusal.item = old.filter(|_| self.write.shows_item).cloned();
        Err(refusal.into())
    }

    fn updated(
        &self,
        context: &Context,
        (old, key): (Option<&Attributes>, &Attributes),
        update: &Update,
    ) -> Result<Attributes> {
        let limits = context.limits();
        let limits = ItemLimits { bytes_max: limits.item_bytes, depth_max: limits.nesting_levels };
        let new = update.apply(old, key, &limits)?;
        check_updated_index_keys(&self.table.definition, &new, context.limits())?;
        Ok(new)
    }
}

/// Finds tables and keys of some writes.
pub fn aim_all<'w>(context: &Context, writes: &'w [Write]) -> Result<Vec<Aimed<'w>>> {
    writes.iter().map(|write| write.aim(context)).collect()
}

/// A transaction that has locked the items of some writes, with some more locks, and the writes. `aim` finds them, once more
/// if one of their tables has become another one meanwhile.
pub fn lock<'w, W: AsRef<[Aimed<'w>]>>(
    context: &Context,
    more_locks: &LockSet,
    aim: impl Fn() -> Result<W>,
) -> Result<(Txn, W)> {
    loop {
        let aimed = aim()?;
        if let Some(txn) = lock_aimed(context, more_locks, aimed.as_ref())? {
            return Ok((txn, aimed));
        }
    }
}

/// The same of writes that were found before; `None` if one of their tables has become another one since.
pub fn lock_aimed(context: &Context, more_locks: &LockSet, writes: &[Aimed<'_>]) -> Result<Option<Txn>> {
    let mut locks = more_locks.clone();
    for one in writes {
        one.lock(&mut locks);
    }
    let mut txn = context.txn(locks)?;
    if !writes.iter().all(|one| context.is_current(&one.table)) {
        return Ok(None);
    }
    if writes.iter().all(Aimed::frees) {
        txn.frees();
    }
    Ok(Some(txn))
}
