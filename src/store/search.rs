//! Free-text search in columns.

/// `ILIKE` patterns for texts that contain `words`.
pub(super) fn containing(words: &[String]) -> Vec<String> {
    let escape = |word: &String| word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    words.iter().map(|word| format!("%{}%", escape(word))).collect()
}

/// The condition that each pattern in the parameter `place` (of [`containing`]) fits one of `columns`.
pub(super) fn every_word_in(place: &str, columns: &[&str]) -> String {
    let fits: Vec<String> = columns.iter().map(|column| format!("coalesce({column}, '') ILIKE word")).collect();
    format!("NOT EXISTS (SELECT 1 FROM unnest({place}::text[]) AS word WHERE NOT ({}))", fits.join(" OR "))
}
