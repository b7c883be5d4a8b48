//! What holds for lists, wherever they are made.

/// How far the rows of a table that only grows are counted: beyond that a list says "at least".
pub const COUNTED: i64 = 10_000;
