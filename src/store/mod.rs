//! PostgreSQL: one file per table, plain SQL, a client or a transaction in, domain types out.

/// Connections to the database, shared by everything.
pub type Pool = deadpool_postgres::Pool;
