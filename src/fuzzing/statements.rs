//! Statements of PartiQL.

use std::ops::RangeBounds;

use crate::dynamo::attribute::{Attributes, Value};
use crate::dynamo::expression::ItemLimits;
use crate::dynamo::number::Number;
use crate::dynamo::partiql::parse::parse;
use crate::dynamo::partiql::plan::{Plan, item_key};
use crate::dynamo::partiql::statement::{Select, Statement};
use crate::dynamo::rows::table_key;
use crate::dynamo::schema::{KeyPart, Keys};
use crate::dynamo::validate::table::KeyType;

const LIMITS: ItemLimits = ItemLimits { bytes_max: 400 << 10, depth_max: 32 };

/// A statement: is read or refused. What is read is planned by a key, and the plan reads those items that the conditions
/// hold for; an update is applied to an item.
pub fn statements(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let parameters = ["x", "y"].map(|text| Value::S(text.to_owned()));
    for count in 0..=parameters.len() {
        let given = parameters.iter().take(count).cloned().collect();
        match parse(text, given, 32) {
            Ok(Statement::Select(select) | Statement::Exists(select)) => planned(&select),
            Ok(Statement::Update(update)) => {
                let _ = item_key(&keys(), update.condition.as_ref());
                for item in items() {
                    let _ = update.changes.apply(Some(&item), &item, &LIMITS);
                }
            }
            Ok(Statement::Delete(delete)) => {
                let _ = item_key(&keys(), delete.condition.as_ref());
            }
            Ok(Statement::Insert(_)) | Err(_) => {}
        }
    }
}

fn planned(select: &Select) {
    let keys = keys();
    let Ok(plan) = Plan::new(&keys, false, select, usize::MAX) else { return };
    for item in items() {
        let key = table_key(&keys, &item).unwrap_or_default();
        let is_read = plan.ranges.iter().any(|range| (range.from.clone(), range.to.clone()).contains(&key))
            && plan.filter.as_ref().is_none_or(|filter| filter.holds(&item));
        let holds = select.condition.as_ref().is_none_or(|condition| condition.holds(&item));
        assert_eq!(is_read, holds, "{item:?}");
    }
}

fn keys() -> Keys {
    let part = |name: &str, kind| vec![KeyPart { name: name.to_owned(), kind }];
    Keys { hash: part("pk", KeyType::S), range: part("sk", KeyType::N) }
}

fn items() -> Vec<Attributes> {
    let text = |text: &str| Value::S(text.to_owned());
    let mut items = Vec::new();
    for partition in ["x", "y"] {
        for place in -1..3 {
            let a = Attributes::from([("b".to_owned(), Value::L(vec![text("x"), Value::Null]))]);
            let attributes = [
                ("pk", text(partition)),
                ("sk", Value::N(Number::from(place))),
                ("a", Value::M(a)),
                ("s", Value::Ss(["x".to_owned()].into())),
            ];
            items.push(attributes.map(|(name, value)| (name.to_owned(), value)).into());
        }
    }
    items
}

/// Statements of all kinds to begin with.
pub(super) fn statement_seeds() -> Vec<Vec<u8>> {
    [
        "SELECT * FROM \"t\".i WHERE pk = 'x' AND sk BETWEEN 0 AND 1 ORDER BY sk DESC",
        "SELECT pk, a.b[0] FROM t WHERE pk IN ['x', ?] AND (sk > -1 OR NOT contains(s, 'x')) -- x",
        "SELECT * FROM t WHERE (pk = 'x' AND sk <> 1) OR (pk = 'y' AND a.b[1] IS NULL AND c IS MISSING)",
        "INSERT INTO t VALUE {'pk': 'it''s', 'sk': 1e-3, 'a': {'b': [true, null, <<1, 2>>]}, 'c': ?};",
        "UPDATE t SET a.b = list_append(a.b, [1]), sk = sk + 1 SET s = set_add(s, <<'y'>>) REMOVE c WHERE pk = ?",
        "FROM t WHERE pk = 'x' AND sk = 1 SET s = set_delete(s, <<'x'>>) RETURNING MODIFIED NEW *",
        "DELETE FROM t WHERE pk = 'x' AND sk = 1 AND size(s) >= 1 /* x */ RETURNING ALL OLD *",
        "EXISTS(SELECT * FROM t WHERE pk = 'x' AND attribute_type(a, 'M') = true)",
    ]
    .map(|seed| seed.as_bytes().to_vec())
    .to_vec()
}

#[cfg(test)]
mod tests {
    #[test]
    fn seeds_break_nothing() {
        for seed in super::statement_seeds() {
            super::statements(&seed);
        }
    }
}
