//! Names of sessions and homes, and what Kubernetes takes for a name.

use crate::crd::HomeKind;

/// Most characters of the user's name in a session's name.
const USER_PART: usize = 20;
/// Most characters of the template's name in a session's name.
const TEMPLATE_PART: usize = 26;
/// Longest name of an object, in bytes.
const LONGEST_NAME: usize = 253;

/// The name of a session: `{user}-{template}-{8 hex}`, a DNS label of at most 56 characters: with the port
/// before it (`65535--`), as in the names of a session's further ports, it is one still.
///
/// The user and template parts are cut, never the hex. `unique`: 32 bits that tell sessions apart; from the
/// idempotency key where there is one, so that a repeated request meets the object it made before.
#[must_use]
pub fn session(user: &str, template: &str, unique: u32) -> String {
    format!("{}-{}-{unique:08x}", cut(user, USER_PART), cut(template, TEMPLATE_PART))
}

fn cut(text: &str, most: usize) -> &str {
    let end = text.char_indices().nth(most).map_or(text.len(), |(at, _)| at);
    text[..end].trim_end_matches('-')
}

/// The name of the home that a session of `user` made from `template` mounts.
#[must_use]
pub fn home(user: &str, template: &str, kind: HomeKind) -> String {
    match kind {
        HomeKind::Shared => format!("home-{user}"),
        HomeKind::Own => format!("home-{user}-{template}"),
    }
}

/// Whether `text` is a DNS label of at most 63 characters.
#[must_use]
pub fn is_dns_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-';
    (1..=63).contains(&bytes.len()) && bytes.iter().all(inner) && bytes[0] != b'-' && bytes[bytes.len() - 1] != b'-'
}

/// Whether `text` is `name` or `prefix/name`, the prefix being a DNS subdomain: the key of a label, a taint, an annotation.
#[must_use]
pub fn is_qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_word(name),
        None => is_word(text),
    }
}

/// Whether `text` has at most 63 letters, digits, hyphens, dots and underscores, a letter or digit at both ends.
#[must_use]
pub fn is_word(text: &str) -> bool {
    let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && edge(text.bytes().next())
        && edge(text.bytes().last())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-._".contains(&c))
}

/// Whether `text` has lower-case letters, digits and hyphens in parts between dots, at most 253 characters.
#[must_use]
pub fn is_subdomain(text: &str) -> bool {
    text.len() <= LONGEST_NAME
        && text.split('.').all(|part| {
            let edge = |c: Option<u8>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
            edge(part.bytes().next())
                && edge(part.bytes().last())
                && part.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_name_is_a_dns_label_however_long_its_parts_are() {
        let long = "a".repeat(63);
        let name = session(&long, &long, 0xfeed);
        assert!(is_dns_label(&name), "{name}");
        assert!(is_dns_label(&format!("65535--{name}")), "{name}");
        assert!(name.ends_with("-0000feed"));
        assert_eq!(session("alice", "terminal", 1), "alice-terminal-00000001");
        assert_eq!(session("a-very-long-name-is--here", "t", 1), "a-very-long-name-is-t-00000001");
    }

    #[test]
    fn dns_labels_are_told_from_other_texts() {
        for good in ["a", "a-b", "0", &"x".repeat(63)] {
            assert!(is_dns_label(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "ä", &"x".repeat(64)] {
            assert!(!is_dns_label(bad), "{bad}");
        }
    }
}
