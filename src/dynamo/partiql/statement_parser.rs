//! The parser of whole statements.

use super::malformed;
use super::parse::Parser;
use super::statement::{Delete, Insert, Select, Source, Statement, Update};
use super::token::TokenKind;
use crate::dynamo::error::{Result, invalid};
use crate::dynamo::expression::Path;
use crate::dynamo::request::table_name;
use crate::dynamo::validate::write::ReturnValues;

impl Parser<'_> {
    /// A whole statement, to its end.
    pub(super) fn statement(&mut self) -> Result<Statement> {
        let statement = if self.take_keyword("SELECT") {
            Statement::Select(self.select()?)
        } else if self.take_keyword("INSERT") {
            Statement::Insert(self.insert()?)
        } else if self.take_keyword("UPDATE") {
            Statement::Update(self.update()?)
        } else if self.take_keyword("DELETE") {
            Statement::Delete(self.delete()?)
        } else if self.take_keyword("FROM") {
            Statement::Update(self.update_from()?)
        } else if self.take_keyword("EXISTS") {
            self.expect("(")?;
            if !self.take_keyword("SELECT") {
                return Err(malformed("Expected data manipulation"));
            }
            let select = self.select()?;
            self.expect(")")?;
            Statement::Exists(select)
        } else {
            return Err(malformed("Expected data manipulation"));
        };
        self.take(";");
        if self.is_at(TokenKind::End) {
            Ok(statement)
        } else {
            Err(malformed("Unexpected token after expression"))
        }
    }

    fn select(&mut self) -> Result<Select> {
        let columns = self.columns()?;
        if !self.take_keyword("FROM") {
            return Err(if self.is_at_end() { malformed("Unexpected term") } else { self.out_of_place() });
        }
        if !self.is_at_name() {
            return Err(self.out_of_place());
        }
        let source = self.source_path()?;
        self.check_single_source()?;
        let condition = self.filter()?;
        self.check_clauses()?;
        let order = if self.take_keyword("ORDER") { self.order()? } else { Vec::new() };
        self.check_clauses()?;
        Ok(Select { source, columns, condition, order })
    }

    /// What is returned; nothing for all.
    fn columns(&mut self) -> Result<Option<Vec<Path>>> {
        for clause in ["VALUE", "PIVOT"] {
            if self.is_at_keyword(clause) {
                return Err(invalid("Select projection doesn't support value or pivot keywords"));
            }
        }
        if self.is_at_keyword("DISTINCT") {
            return Err(self.unsupported_clause());
        }
        if self.take("*") {
            if self.is_at_symbol(",") {
                return Err(invalid(
                    "Other attributes should not be present in the projection when '*' is used.",
                ));
            }
            return Ok(None);
        }
        let columns = self.list(|parser| {
            if parser.is_at_call() || parser.is_at_value() {
                return Err(parser.wrong_at(parser.current(), "Unexpected path component"));
            }
            if parser.is_at_symbol("*") {
                return Err(invalid(
                    "Other attributes should not be present in the projection when '*' is used.",
                ));
            }
            let path = parser.path()?;
            parser.check_no_alias()?;
            Ok(path)
        })?;
        let mut names: Vec<String> = columns.iter().map(Path::last_name).collect();
        names.sort_unstable();
        match names.windows(2).find(|pair| pair.first() == pair.last()).and_then(<[String]>::first) {
            Some(twice) => Err(invalid(format!("Duplicate identifiers in select clause: {twice}"))),
            None => Ok(Some(columns)),
        }
    }

    /// `name (ASC | DESC)?`, after `ORDER`.
    fn order(&mut self) -> Result<Vec<(String, bool)>> {
        if !self.take_keyword("BY") {
            return Err(self.out_of_place());
        }
        self.list(|parser| {
            let path = parser.path()?;
            if !path.steps.is_empty() {
                return Err(invalid("Argument to ORDER BY must be of type VariableReference. Type: Path"));
            }
            let is_descending = parser.take_keyword("DESC");
            if !is_descending {
                parser.take_keyword("ASC");
            }
            Ok((path.head, is_descending))
        })
    }

    fn insert(&mut self) -> Result<Insert> {
        if !self.take_keyword("INTO") {
            return Err(malformed("Expected data manipulation"));
        }
        let table = self.current();
        let source = self.target_path()?;
        if source.index.is_some() {
            return Err(self.wrong_at(
                table,
                "FROM clause may only contain a single table name in data manipulation statements",
            ));
        }
        if self.is_at_symbol("<<") || self.is_at_keyword("VALUES") {
            return Err(invalid(
                "Unsupported operation: Inserting multiple items in a single statement is not supported, use \
                 \"INSERT INTO tableName VALUE item\" instead",
            ));
        }
        if !self.take_keyword("VALUE") {
            return Err(malformed("Unexpected token after expression"));
        }
        if !self.is_at_symbol("{") {
            return Err(if self.is_at_value() {
                invalid(
                    "Unsupported format in item expression. Please use struct format {...} to express item values \
                     for insert statement.",
                )
            } else {
                self.out_of_place()
            });
        }
        let item = self.members(false)?;
        if self.is_at_keyword("RETURNING") {
            return Err(invalid("RETURNING is not supported in INSERT"));
        }
        Ok(Insert { source, item })
    }

    fn update(&mut self) -> Result<Update> {
        let source = self.target_path()?;
        self.check_no_alias()?;
        let changes = self.changes()?;
        let condition = self.filter()?;
        Ok(Update { source, changes, condition, returned: self.returning()? })
    }

    fn update_from(&mut self) -> Result<Update> {
        let source = self.target_path()?;
        self.check_no_alias()?;
        let condition = self.filter()?;
        let changes = self.changes()?;
        Ok(Update { source, changes, condition, returned: self.returning()? })
    }

    fn delete(&mut self) -> Result<Delete> {
        if !self.take_keyword("FROM") {
            return Err(malformed("Expected data manipulation"));
        }
        let source = self.target_path()?;
        self.check_no_alias()?;
        let condition = self.filter()?;
        let returned = self.returning()?;
        let said = match returned {
            ReturnValues::None | ReturnValues::AllOld => return Ok(Delete { source, condition, returned }),
            ReturnValues::UpdatedOld => "MODIFIED OLD",
            ReturnValues::AllNew => "ALL NEW",
            ReturnValues::UpdatedNew => "MODIFIED NEW",
        };
        Err(invalid(format!(
            "Invalid returning clause: RETURNING {said} *. Only RETURNING ALL OLD * is allowed in DELETE statements."
        )))
    }

    fn returning(&mut self) -> Result<ReturnValues> {
        if !self.take_keyword("RETURNING") {
            return Ok(ReturnValues::None);
        }
        let wrong = || malformed("Expected ( MODIFIED | ALL ) ( NEW | OLD ) in RETURNING clause");
        let is_all = self.take_keyword("ALL");
        if !is_all && !self.take_keyword("MODIFIED") {
            return Err(wrong());
        }
        let is_old = self.take_keyword("OLD");
        if !is_old && !self.take_keyword("NEW") {
            return Err(wrong());
        }
        if !self.take("*") {
            return Err(invalid("Expected '*' after ( MODIFIED | ALL ) ( NEW | OLD ) in RETURNING clause"));
        }
        if self.is_at_symbol(",") {
            return Err(invalid("Invalid syntax with multiple returning elements in RETURNING clause"));
        }
        Ok(match (is_all, is_old) {
            (true, true) => ReturnValues::AllOld,
            (true, false) => ReturnValues::AllNew,
            (false, true) => ReturnValues::UpdatedOld,
            (false, false) => ReturnValues::UpdatedNew,
        })
    }

    /// What a statement writes to.
    fn target_path(&mut self) -> Result<Source> {
        if !self.is_at_name() {
            return Err(malformed("Expected identifier for simple path"));
        }
        self.source_path()
    }

    /// `name ('.' name)?`
    fn source_path(&mut self) -> Result<Source> {
        let mut names = Vec::new();
        loop {
            let name = self.name().ok_or_else(|| malformed("Invalid path dot component"))?;
            if name.is_empty() {
                return Err(invalid("Path component cannot be an empty string"));
            }
            names.push(name);
            if !self.take(".") {
                break;
            }
        }
        if self.is_at_symbol("[") {
            return Err(invalid("Invalid list expression in source."));
        }
        let mut names = names.into_iter();
        let (table, index, more) = (names.next(), names.next(), names.next());
        if more.is_some() {
            return Err(invalid("A path may contain at most 2 components in the FROM clause"));
        }
        Ok(Source { table: table_name(&table.unwrap_or_default())?, index })
    }

    fn check_no_alias(&self) -> Result<()> {
        if self.is_at_name() || self.is_at_keyword("AS") || self.is_at_keyword("AT") {
            return Err(invalid("Aliasing is not supported"));
        }
        Ok(())
    }

    /// Refuses what else SQL reads from.
    fn check_single_source(&self) -> Result<()> {
        self.check_no_alias()?;
        let joins = ["JOIN", "INNER", "LEFT", "RIGHT", "FULL", "OUTER", "CROSS"];
        if self.is_at_symbol(",") || joins.iter().any(|join| self.is_at_keyword(join)) {
            return Err(invalid("Only select from a single table or index is supported."));
        }
        Ok(())
    }

    /// Refuses what else SQL has after its conditions.
    fn check_clauses(&self) -> Result<()> {
        let clauses = ["GROUP", "HAVING", "LIMIT", "OFFSET", "LET"];
        if clauses.iter().any(|clause| self.is_at_keyword(clause)) {
            return Err(self.unsupported_clause());
        }
        Ok(())
    }

    fn unsupported_clause(&self) -> crate::dynamo::error::Error {
        let what = format!("Unsupported clause: {}", self.word().to_ascii_uppercase());
        self.wrong_at(self.current(), &what)
    }
}
