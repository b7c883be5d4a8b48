//! Rules about people: their names, roles and passwords.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zxcvbn::{Score, feedback::Feedback, zxcvbn};

use crate::domain::{fields::FieldError, names::is_dns_label};

/// How hard to guess a password has to be: more than 10⁸ attempts, which takes years against our hashes and lock-out.
const PASSWORD_MIN_SCORE: Score = Score::Three;
/// Most bytes of a password: beyond that it is an attempt to keep the processor busy.
pub const PASSWORD_MAX_BYTES: usize = 1_024;
/// Most characters of a name that is shown.
pub(super) const DISPLAY_NAME_MAX_CHARS: usize = 128;
/// Most bytes of an e-mail address (RFC 5321, 4.5.3.1.3).
const EMAIL_MAX_BYTES: usize = 254;

/// Roles that a person can hold, several at once.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// Works in sessions of their own.
    User,
    /// Runs the place: nodes, all sessions, reads users.
    Operator,
    /// Reads everything, the audit included, and changes nothing.
    Auditor,
    /// May do all.
    Admin,
}

impl Role {
    /// Every role there is.
    pub const ALL: [Self; 4] = [Self::User, Self::Operator, Self::Auditor, Self::Admin];

    /// Its word on the wire and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Operator => "operator",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    /// The role of that word; `None` for a word of a newer release, which then gives nothing.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }
}

/// Whose an account is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum AccountKind {
    /// A person's, who signs in.
    #[default]
    Person,
    /// A program's: it never signs in, and has tokens that an administrator makes.
    Service,
}

impl AccountKind {
    /// Its word on the wire and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Service => "service",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Person, Self::Service].into_iter().find(|kind| kind.word() == word)
    }
}

/// People who are dealt with together: a group, or a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Team {
    /// A DNS label; never changes.
    pub name: String,
    /// What is shown; may be empty.
    pub display_name: String,
    /// Grows with each change that is shown.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many people belong to it.
    pub members: i64,
}

impl Team {
    /// A new one without members.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn new(name: String, display_name: String, now: Timestamp) -> Result<Self, Vec<FieldError>> {
        let wrong: Vec<FieldError> =
            [check_name(&name).err(), check_display_name(&display_name).err()].into_iter().flatten().collect();
        if wrong.is_empty() {
            Ok(Self { name, display_name, version: 1, created_at: now, members: 0 })
        } else {
            Err(wrong)
        }
    }

    /// The team as it is shown with another name; `None`: it is shown so already.
    ///
    /// # Errors
    /// The field `displayName` with the rule that is broken.
    pub fn shown_as(&self, display_name: Option<String>) -> Result<Option<Self>, FieldError> {
        let Some(display_name) = display_name.filter(|new| *new != self.display_name) else { return Ok(None) };
        check_display_name(&display_name)?;
        Ok(Some(Self { display_name, version: self.version + 1, ..self.clone() }))
    }
}

/// What somebody may do in a project that they belong to.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "camelCase")]
pub enum ProjectRole {
    /// Works in it.
    Member,
    /// Says who belongs to it.
    Manager,
}

impl ProjectRole {
    /// Its word on the wire and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Manager => "manager",
        }
    }

    /// The role of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Member, Self::Manager].into_iter().find(|role| role.word() == word)
    }
}

/// Checks the name of a new account: a DNS label, because it becomes part of the names of sessions and homes.
///
/// # Errors
/// The field `name` with what it has to look like.
pub fn check_name(name: &str) -> Result<(), FieldError> {
    if is_dns_label(name) {
        return Ok(());
    }
    Err(FieldError::new(
        "name",
        "use 1 to 63 lower-case letters (a-z), digits and hyphens, with a letter or digit at both ends, such as \
         `alice` or `j-smith2`",
    ))
}

/// Checks that a password which the person `name` wants is not guessed easily: by how often others chose it and its parts,
/// not by which kinds of characters are in it. Takes some milliseconds.
///
/// # Errors
/// The field `field` with what makes it easy to guess, and what would not be.
pub fn check_password(field: &str, password: &str, name: &str) -> Result<(), FieldError> {
    if password.len() > PASSWORD_MAX_BYTES {
        return Err(FieldError::new(field, format!("use at most {PASSWORD_MAX_BYTES} bytes")));
    }
    let estimate = zxcvbn(password, &[name, "streamspace"]);
    if estimate.score() >= PASSWORD_MIN_SCORE {
        return Ok(());
    }
    let feedback = estimate.feedback();
    let warning = feedback.and_then(Feedback::warning).map(|warning| warning.to_string());
    let suggestions = feedback.map(Feedback::suggestions).unwrap_or_default().iter().map(ToString::to_string);
    let words: Vec<String> = warning.into_iter().chain(suggestions).collect();
    let rule = if words.is_empty() { "Use a few words, avoid common phrases.".to_owned() } else { words.join(" ") };
    Err(FieldError::new(field, format!("others would guess it. {rule}")))
}

/// Checks the name that is shown for a person: any text without control characters, up to 128 characters.
///
/// # Errors
/// The field `displayName` with the rule that is broken.
pub fn check_display_name(text: &str) -> Result<(), FieldError> {
    if text.chars().count() > DISPLAY_NAME_MAX_CHARS || text.chars().any(char::is_control) {
        let rule = format!("use at most {DISPLAY_NAME_MAX_CHARS} characters, none of them a control character");
        return Err(FieldError::new("displayName", rule));
    }
    Ok(())
}

/// Checks the shape of an e-mail address; whether somebody reads it only a message can tell.
///
/// # Errors
/// The field `email` with what it has to look like.
pub fn check_email(text: &str) -> Result<(), FieldError> {
    let parts = text.split_once('@').filter(|(local, domain)| !local.is_empty() && !domain.is_empty());
    let clean = !text.chars().any(|c| c.is_control() || c.is_whitespace());
    if parts.is_some() && clean && text.len() <= EMAIL_MAX_BYTES {
        return Ok(());
    }
    Err(FieldError::new("email", "write it as name@domain, without spaces"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_is_a_dns_label() {
        for good in ["alice", "j-smith2", "0", &"x".repeat(63)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "Alice", "a.b", "a_b", "ä", "a b", &"x".repeat(64)] {
            assert_eq!(check_name(bad).unwrap_err().field, "name", "{bad}");
        }
    }

    #[test]
    fn a_password_is_hard_to_guess_whatever_characters_it_is_made_of() {
        for good in ["correct horse battery staple", "jawohl trommelt leise", "vq7hxw2mtz", "ärgerliche ölheizung süd"]
        {
            assert_eq!(check_password("new", good, "alice"), Ok(()), "{good}");
        }
        for bad in [
            "",
            "password",
            "Password1!",
            "P@ssw0rd2024",
            "qwertyuiop",
            "aaaaaaaaaaaaaaaa",
            "abcdefghijkl",
            "24.12.1990",
        ] {
            let error = check_password("new", bad, "alice").unwrap_err();
            assert_eq!(error.field, "new", "{bad}");
            assert!(error.message.len() > "others would guess it. ".len(), "{error:?} says what to do");
        }
    }

    #[test]
    fn who_one_is_makes_no_good_password() {
        assert!(check_password("new", "xaver-hollerbach7", "alice").is_ok(), "the control");
        assert!(check_password("new", "xaver-hollerbach7", "xaver-hollerbach").is_err());
        assert!(check_password("new", "Streamspace2024", "alice").is_err());
    }

    #[test]
    fn a_password_is_not_so_long_that_it_keeps_the_processor_busy() {
        let words = "jawohl trommelt leise ".repeat(PASSWORD_MAX_BYTES / 22);
        assert!(check_password("new", &words, "alice").is_ok());
        assert!(check_password("new", &format!("{words}{words}"), "alice").is_err());
    }

    #[test]
    fn shown_names_and_addresses_carry_no_control_characters() {
        assert!(check_display_name("Alice Älvros").is_ok());
        assert!(check_display_name("a\nb").is_err());
        assert!(check_display_name(&"x".repeat(129)).is_err());
        assert!(check_email("alice@example.com").is_ok());
        for bad in ["", "alice", "@example.com", "alice@", "a b@example.com", "a@b\r\nBcc: c@d"] {
            assert!(check_email(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_unknown_word_is_no_role() {
        assert_eq!(Role::from_word("superuser"), None);
        for role in Role::ALL {
            assert_eq!(Role::from_word(role.word()), Some(role));
        }
    }
}
