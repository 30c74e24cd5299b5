//! What PostgreSQL's catalog says of a table: its columns, by what its rows are told apart, what is indexed.

use tokio_postgres::Row;

use super::error::Problem;
use super::statement::{Given, Statement, literal, qualified, quoted};
use super::types::Family;

/// What kind of relation it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A table, perhaps partitioned: its rows have an address, and can be changed.
    Table,
    /// A materialised view: its rows have an address.
    Materialised,
    /// A view or a foreign table.
    View,
}

/// A table, partitioned table or view.
pub(super) struct Relation {
    pub(super) schema: String,
    pub(super) name: String,
    pub(super) oid: String,
    pub(super) kind: Kind,
    /// About how many rows it has; less than 0: nobody counted.
    pub(super) estimated_rows: f64,
    pub(super) columns: Vec<Column>,
    pub(super) indexes: Vec<Index>,
    /// Tables inherit from it, whose rows its unique keys do not reach.
    has_heirs: bool,
    is_partitioned: bool,
}

/// A column.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of the catalog, and none rules another out")]
pub(super) struct Column {
    pub(super) name: String,
    number: i16,
    /// The type with its modifiers, as declared.
    pub(super) declared_type: String,
    /// The type below all domains, without modifiers.
    pub(super) base_type: String,
    pub(super) family: Family,
    /// Whether `=` and `>` of its type are PostgreSQL's own.
    has_own_operators: bool,
    pub(super) is_required: bool,
    /// `GENERATED ALWAYS`: PostgreSQL itself gives the value.
    pub(super) is_generated: bool,
    pub(super) is_readable: bool,
    pub(super) is_writable: bool,
}

/// An index, by its columns; without those that are expressions or whose index has a condition.
pub(super) struct Index {
    pub(super) columns: Vec<String>,
    pub(super) is_primary: bool,
    pub(super) is_unique: bool,
}

/// What a row is found by again, and by which rows are ordered: one column of it.
pub(super) struct KeyPart {
    /// Its name, quoted.
    pub(super) column: String,
    /// The type that its text is cast to. None: rows are ordered by its text, nulls after, and not found by it.
    pub(super) exact: Option<String>,
}

/// A field of the policy: a column, or something inside one.
pub(super) struct Located<'a> {
    pub(super) column: &'a Column,
    /// The names inside the column's value, with dots between.
    pub(super) inside: Option<&'a str>,
}

/// Tables by schema and name; which of those that were asked for each is comes last.
pub(super) const RELATIONS: &str = "SELECT c.oid::text, c.relkind::text, c.reltuples::float8::text, \
    (c.relhassubclass AND c.relkind <> 'p')::text, wanted.position::text \
    FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) \
    WITH ORDINALITY AS wanted(schema, name, position) \
    JOIN pg_catalog.pg_namespace n ON n.nspname = wanted.schema \
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = wanted.name \
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')";

/// Columns of tables; whose each is comes last.
pub(super) const COLUMNS: &str = "SELECT a.attname::text, a.attnum::int4::text, \
    pg_catalog.format_type(a.atttypid, a.atttypmod), pg_catalog.format_type(b.oid, -1), \
    bn.nspname::text, b.typname::text, b.typtype::text, en.nspname::text, e.typname::text, \
    (a.attnotnull OR t.typnotnull)::text, (a.attidentity = 'a' OR a.attgenerated <> '')::text, \
    pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT')::text, \
    pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'UPDATE')::text, a.attrelid::text \
    FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
    CROSS JOIN LATERAL (WITH RECURSIVE below AS (SELECT t.oid, t.typtype, t.typbasetype UNION ALL \
        SELECT u.oid, u.typtype, u.typbasetype FROM below JOIN pg_catalog.pg_type u \
        ON below.typtype = 'd' AND u.oid = below.typbasetype) SELECT oid FROM below WHERE typtype <> 'd') base \
    JOIN pg_catalog.pg_type b ON b.oid = base.oid JOIN pg_catalog.pg_namespace bn ON bn.oid = b.typnamespace \
    LEFT JOIN pg_catalog.pg_type e ON e.oid = b.typelem AND b.typcategory = 'A' \
    LEFT JOIN pg_catalog.pg_namespace en ON en.oid = e.typnamespace \
    WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum";

/// Indexes of tables; whose each is comes last.
pub(super) const INDEXES: &str = "SELECT i.indisprimary::text, (i.indisunique AND i.indimmediate)::text, \
    (SELECT pg_catalog.string_agg(k.number::text, ',' ORDER BY k.position) \
        FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, position) \
        WHERE k.position <= i.indnkeyatts), i.indrelid::text \
    FROM pg_catalog.pg_index i \
    WHERE i.indrelid = ANY ($1::oid[]) AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL \
    ORDER BY i.indisprimary DESC, i.indisunique DESC, i.indexrelid";

/// Where a column says whose it is.
const COLUMN_TABLE: usize = 13;
/// Where an index does.
const INDEX_TABLE: usize = 3;

impl Relation {
    /// Whether its rows are told apart by their address: it is a table, and all of it is in one place.
    pub(super) fn has_addresses(&self) -> bool {
        self.kind == Kind::Table && !self.has_heirs && !self.is_partitioned
    }

    /// Asks for tables by schema and name.
    pub(super) fn statement(names: &[(&str, &str)]) -> Statement {
        let texts = |of: fn(&(&str, &str)) -> String| Given::Texts(names.iter().map(|name| Some(of(name))).collect());
        let given = vec![texts(|(schema, _)| (*schema).to_owned()), texts(|(_, name)| (*name).to_owned())];
        Statement { text: RELATIONS.to_owned(), given }
    }

    /// Puts together what the three queries found: this row, and what is this table's of the others.
    pub(super) fn of(schema: &str, name: &str, relation: &Row, columns: &[Row], indexes: &[Row]) -> Option<Self> {
        let oid = text(relation, 0)?;
        let columns = columns.iter().filter(|row| text(row, COLUMN_TABLE) == Some(oid));
        let columns: Vec<Column> = columns.map(Column::of).collect::<Option<_>>()?;
        let named = |numbers: &str| -> Option<Vec<String>> {
            let name_of = |number: &str| {
                let number = number.parse::<i16>().ok()?;
                columns.iter().find(|column| column.number == number).map(|column| column.name.clone())
            };
            numbers.split(',').map(name_of).collect()
        };
        let index = |row: &Row| {
            Some(Index {
                is_primary: text(row, 0)? == "true",
                is_unique: text(row, 1)? == "true",
                columns: named(text(row, 2)?)?,
            })
        };
        let kind = match text(relation, 1)? {
            "r" | "p" => Kind::Table,
            "m" => Kind::Materialised,
            _ => Kind::View,
        };
        Some(Self {
            schema: schema.to_owned(),
            name: name.to_owned(),
            oid: oid.to_owned(),
            kind,
            estimated_rows: text(relation, 2)?.parse().ok()?,
            has_heirs: text(relation, 3)? == "true",
            is_partitioned: text(relation, 1)? == "p",
            indexes: indexes.iter().filter(|row| text(row, INDEX_TABLE) == Some(oid)).filter_map(index).collect(),
            columns,
        })
    }

    /// Its name in a statement.
    pub(super) fn sql(&self) -> String {
        qualified(&self.schema, &self.name)
    }

    /// Its name for people.
    pub(super) fn title(&self) -> String {
        format!("{}.{}", self.schema, self.name)
    }

    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The column that a field of the policy is, or is in.
    pub(super) fn located<'a>(&'a self, field: &'a str) -> Result<Located<'a>, Problem> {
        let dots = field.match_indices('.').map(|(at, _)| at).rev();
        let inside = dots.filter_map(|at| Some((self.column(&field[..at])?, Some(&field[at + 1..]))));
        let whole = self.column(field).map(|column| (column, None));
        let (column, inside) = whole.into_iter().chain(inside).next().ok_or_else(|| self.lacks(field))?;
        Ok(Located { column, inside })
    }

    pub(super) fn lacks(&self, field: &str) -> Problem {
        Problem::NoColumn { relation: self.title(), field: field.to_owned() }
    }

    /// What rows are told apart by: what the policy says, else the primary key, else another unique key, else (views) the
    /// primary key of the dataset, else the row's address.
    pub(super) fn key(&self, of_policy: &[String], of_dataset: &[&str]) -> Result<Vec<KeyPart>, Problem> {
        let is_required = |name: &String| self.column(name).is_some_and(|column| column.is_required);
        let unique = |index: &&Index| index.is_unique && index.columns.iter().all(is_required) && !self.has_heirs;
        let index = self.indexes.iter().find(unique);
        let names: Vec<&str> = match index {
            _ if !of_policy.is_empty() => of_policy.iter().map(String::as_str).collect(),
            Some(index) => index.columns.iter().map(String::as_str).collect(),
            None if self.kind == Kind::View => of_dataset.to_vec(),
            None => Vec::new(),
        };
        let columns = names.iter().map(|name| self.column(name).ok_or_else(|| self.lacks(name)));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let mut parts: Vec<KeyPart> = columns.iter().map(|column| column.key_part()).collect();
        let same = |index: &Index| {
            unique(&index)
                && index.columns.len() == names.len()
                && names.iter().all(|n| index.columns.iter().any(|c| c == n))
        };
        let is_sure = self.indexes.iter().any(same) && parts.iter().all(|part| part.exact.is_some());
        if !is_sure && self.kind != Kind::View {
            let address =
                |(column, of): (&str, &str)| KeyPart { column: column.to_owned(), exact: Some(of.to_owned()) };
            parts.extend([("tableoid", "pg_catalog.oid"), ("ctid", "pg_catalog.tid")].map(address));
        }
        if parts.is_empty() {
            return Err(Problem::NoKey { relation: self.title() });
        }
        Ok(parts)
    }

    /// Whether no two rows, which are called `c`, have the same values, but for nulls, in these operands.
    pub(super) fn has_each_once(&self, operands: &[String]) -> bool {
        let is_there = |column: &String| operands.contains(&format!("c.{}", quoted(column)));
        !self.has_heirs && self.indexes.iter().any(|index| index.is_unique && index.columns.iter().all(is_there))
    }

    /// Whether an index begins with a column.
    pub(super) fn leads_an_index(&self, column: &str) -> bool {
        self.indexes.iter().any(|index| index.columns.first().is_some_and(|first| first == column))
    }

    /// The column that says which version of a row it is. Views have none.
    pub(super) fn version(&self) -> Option<&'static str> {
        (self.kind != Kind::View).then_some("xmin")
    }
}

impl Column {
    fn of(row: &Row) -> Option<Self> {
        let element = text(row, 7).zip(text(row, 8)).map(|(schema, name)| Family::of(schema, name, "", None));
        let (schema, kind) = (text(row, 4)?, text(row, 6)?);
        Some(Self {
            name: text(row, 0)?.to_owned(),
            number: text(row, 1)?.parse().ok()?,
            declared_type: text(row, 2)?.to_owned(),
            base_type: text(row, 3)?.to_owned(),
            family: Family::of(schema, text(row, 5)?, kind, element),
            // Enums and ranges share operators of PostgreSQL's own, whoever made the type.
            has_own_operators: schema == "pg_catalog" || matches!(kind, "e" | "r" | "m"),
            is_required: text(row, 9)? == "true",
            is_generated: text(row, 10)? == "true",
            is_readable: text(row, 11)? == "true",
            is_writable: text(row, 12)? == "true",
        })
    }

    fn key_part(&self) -> KeyPart {
        let exact = (self.is_required && self.has_own_operators).then(|| self.base_type.clone());
        KeyPart { column: quoted(&self.name), exact }
    }
}

impl Located<'_> {
    /// The value in a row that is called `alias`, and how it is compared. What has no order and equality of its own is
    /// compared as the text that it is in JSON.
    pub(super) fn operand(&self, alias: &str) -> (String, Family) {
        let column = format!("{alias}.{}", quoted(&self.column.name));
        let json = match self.column.family {
            Family::Json(_) => column.clone(),
            _ => format!("pg_catalog.to_json({column})"),
        };
        match self.inside {
            None if self.column.family.is_comparable() => (column, self.column.family.clone()),
            None => (format!("({json} OPERATOR(pg_catalog.#>>) '{{}}')"), Family::Text),
            Some(path) => {
                let names: Vec<&str> = path.split('.').collect();
                let last = names.len() - 1;
                let step = |(at, name): (usize, &&str)| {
                    let arrow = if at == last { "->>" } else { "->" };
                    format!(" OPERATOR(pg_catalog.{arrow}) {}", literal(name))
                };
                let steps: String = names.iter().enumerate().map(step).collect();
                (format!("({json}{steps})"), Family::Text)
            }
        }
    }
}

/// A column of a row of the catalog; all are read as text.
pub(super) fn text(row: &Row, at: usize) -> Option<&str> {
    row.try_get::<_, Option<&str>>(at).ok().flatten()
}
