//! Names of sessions and homes.

use crate::crd::HomeKind;

/// Most characters of the user's name in a session's name.
const USER_PART: usize = 20;
/// Most characters of the template's name in a session's name.
const TEMPLATE_PART: usize = 26;

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
