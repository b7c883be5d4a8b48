//! Rules over what an identity provider says of a person: which groups and roles it gives, what they are called here,
//! and where they may be sent afterwards.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Map, Value};
use url::Url;
use uuid::Uuid;

use super::{
    fields::FieldError,
    names::is_dns_label,
    people::{Role, check_email},
};

/// What a provider says of a person: names of claims or attributes, and their values.
pub type Claims = Map<String, Value>;

/// Most bytes of an issuer, a claim's name or its value in a rule.
const TEXT_BYTES: usize = 500;
/// Most bytes of a path that a sign-in leads back to.
const PATH_BYTES: usize = 2_000;
/// Most characters of a user name that is made from another; the rest is for a number behind it.
const NAME_CHARS: usize = 56;
/// What somebody is called of whose names nothing can be used.
const NAMELESS: &str = "user";
/// Claims that a user name is made from, the best first.
const NAMES: [&str; 4] = ["preferred_username", "email", "nickname", "name"];

/// A rule: whoever this issuer says that of is in the team and holds the role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its id.
    pub id: Uuid,
    /// The provider that is believed: the issuer of an OpenID Connect provider.
    pub issuer: String,
    /// Name of the claim; dots lead into objects.
    pub claim: String,
    /// What it has to say, as it stands there; of a list, one of its items.
    pub value: String,
    /// The group that it gives.
    pub team: Option<String>,
    /// The role that it gives.
    pub role: Option<Role>,
    /// Whether it counts.
    pub enabled: bool,
    /// Grows with each change.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// What rules give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// The rules that fired.
    pub fired: Vec<Uuid>,
    /// The groups that they give.
    pub groups: BTreeSet<String>,
    /// The roles that they give.
    pub roles: BTreeSet<Role>,
}

/// What `rules` give to somebody of whom `issuer` says `claims`; `default`: a role for everybody.
#[must_use]
pub fn map(rules: &[Rule], issuer: &str, claims: &Claims, default: Option<Role>) -> Mapped {
    let mut mapped = Mapped { roles: default.into_iter().collect(), ..Mapped::default() };
    for rule in rules.iter().filter(|rule| rule.enabled && rule.issuer == issuer && says(claims, rule)) {
        mapped.fired.push(rule.id);
        mapped.groups.extend(rule.team.clone());
        mapped.roles.extend(rule.role);
    }
    mapped
}

/// Whether the claim that `rule` looks at has its value.
fn says(claims: &Claims, rule: &Rule) -> bool {
    match find(claims, &rule.claim) {
        Some(Value::Array(items)) => items.iter().any(|item| is(item, &rule.value)),
        Some(value) => is(value, &rule.value),
        None => false,
    }
}

/// The claim of that name; where there is none, what the part before a dot holds under the part behind it.
#[must_use]
pub fn find<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    name.match_indices('.').find_map(|(at, _)| find(claims.get(&name[..at])?.as_object()?, &name[at + 1..]))
}

fn is(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Bool(said) => wanted == if *said { "true" } else { "false" },
        Value::Number(number) => number.to_string() == wanted,
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// Reads the claim and the value of a rule from `principal`, such as `groups=engineering`: what stands before the first
/// `=` names the claim.
///
/// # Errors
/// The field `principal` with what it has to look like.
pub fn principal(text: &str) -> Result<(String, String), FieldError> {
    let parts = text.split_once('=').map(|(claim, value)| (claim.trim(), value.trim()));
    match parts.filter(|(claim, value)| is_text(claim) && is_text(value)) {
        Some((claim, value)) => Ok((claim.to_owned(), value.to_owned())),
        None => Err(FieldError::new("principal", "write it as claim=value, such as groups=engineering")),
    }
}

/// Checks what a rule says beside its principal.
///
/// # Errors
/// Each field that is wrong: `issuer`, `team`, `role`.
pub fn check_rule(issuer: &str, team: Option<&str>, role: Option<Role>) -> Vec<FieldError> {
    let mut wrong = Vec::new();
    if !is_text(issuer) {
        wrong
            .push(FieldError::new("issuer", "name the provider by its issuer, such as https://id.example/realms/main"));
    }
    if team.is_some_and(|team| !is_dns_label(team)) {
        let rule = "a group's name has 1 to 63 lower-case letters, digits and hyphens, with none of these at its ends";
        wrong.push(FieldError::new("team", rule));
    }
    if team.is_none() && role.is_none() {
        wrong.push(FieldError::new("role", "a rule gives a role, a team, or both"));
    }
    wrong
}

/// Whether `text` can be an issuer, a subject, a claim's name or its value in a rule.
#[must_use]
pub fn is_text(text: &str) -> bool {
    (1..=TEXT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// The user name of a new person: made of the first of their names that something can be made of, and not among `taken`.
#[must_use]
pub fn free_name(base: &str, taken: &BTreeSet<String>) -> String {
    let numbered = (2_u32..).map(|number| format!("{base}-{number}"));
    let free = std::iter::once(base.to_owned()).chain(numbered).find(|name| !taken.contains(name));
    free.unwrap_or_else(|| unreachable!("there are more numbers than accounts"))
}

/// What a person could be called here, as a DNS label of at most 56 characters: from the claims that name them. Of an
/// e-mail address the part before the `@` counts.
#[must_use]
pub fn base_name(claims: &Claims) -> String {
    let texts = NAMES.iter().filter_map(|name| claims.get(*name)?.as_str());
    texts.map(label).find(|label| !label.is_empty()).unwrap_or_else(|| NAMELESS.to_owned())
}

/// `text` as a DNS label, where anything of it can stand in one; otherwise empty.
fn label(text: &str) -> String {
    let text = text.split('@').next().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let mut label = String::new();
    for c in text.chars().map(plain).take(NAME_CHARS) {
        if c != '-' || !(label.is_empty() || label.ends_with('-')) {
            label.push(c);
        }
    }
    label.trim_end_matches('-').to_owned()
}

/// The name to show for a person, without what cannot be shown; empty where the provider says none.
#[must_use]
pub fn shown_name(claims: &Claims) -> String {
    let text = claims.get("name").and_then(Value::as_str).unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(super::people::DISPLAY_NAME_MAX_CHARS).collect()
}

/// The person's e-mail address, unless the provider says that it did not verify it.
#[must_use]
pub fn verified_email(claims: &Claims) -> Option<String> {
    let unverified = claims.get("email_verified").is_some_and(|said| said == false || said == "false");
    let email = claims.get("email").and_then(Value::as_str).filter(|text| !unverified && check_email(text).is_ok());
    email.map(str::to_owned)
}

/// Where a sign-in leads: `wanted` if that is a path of our own page, otherwise the home page.
///
/// The answer begins with one slash and no second one, holds no backslash and no control character, and leads neither
/// to another host nor to the API.
#[must_use]
pub fn return_path(wanted: &str) -> String {
    own_path(wanted).unwrap_or_else(|| "/".to_owned())
}

fn own_path(wanted: &str) -> Option<String> {
    let odd = wanted.chars().any(|c| c == '\\' || c.is_control());
    if odd || wanted.len() > PATH_BYTES || !wanted.starts_with('/') || wanted.starts_with("//") {
        return None;
    }
    // As a browser reads it: what it takes for another host is none of ours.
    let base = Url::parse("https://own.invalid/").ok()?;
    let url = base.join(wanted).ok().filter(|url| url.origin() == base.origin())?;
    // `/..//host` has lost its first part by now.
    let path = &url[url::Position::BeforePath..];
    (!path.starts_with("//") && !url.path().starts_with("/api/")).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.example";

    fn claims(value: Value) -> Claims {
        value.as_object().unwrap().clone()
    }

    fn rule(claim: &str, value: &str, team: Option<&str>, role: Option<Role>) -> Rule {
        Rule {
            id: Uuid::from_u128(value.bytes().fold(7, |id, byte| id * 31 + u128::from(byte))),
            issuer: ISSUER.to_owned(),
            claim: claim.to_owned(),
            value: value.to_owned(),
            team: team.map(str::to_owned),
            role,
            enabled: true,
            version: 1,
            created_at: Timestamp::UNIX_EPOCH,
        }
    }

    fn fires(rule: &Rule, said: Value) -> bool {
        !map(std::slice::from_ref(rule), ISSUER, &claims(said), None).fired.is_empty()
    }

    #[test]
    fn rules_give_what_the_claims_say_and_nothing_else() {
        let rules = [
            rule("groups", "eng", Some("engineering"), None),
            rule("groups", "ops", Some("operations"), Some(Role::Operator)),
            rule("groups", "boss", None, Some(Role::Admin)),
        ];
        let mapped = map(&rules, ISSUER, &claims(json!({ "groups": ["eng", "ops"] })), Some(Role::User));
        assert_eq!(mapped.fired, [rules[0].id, rules[1].id]);
        assert_eq!(mapped.groups, BTreeSet::from(["engineering".to_owned(), "operations".to_owned()]));
        assert_eq!(mapped.roles, BTreeSet::from([Role::User, Role::Operator]));
        assert_eq!(map(&rules, ISSUER, &claims(json!({})), None), Mapped::default());
    }

    #[test]
    fn a_rule_counts_for_its_issuer_and_while_it_is_enabled() {
        let said = || claims(json!({ "groups": "boss" }));
        let boss = rule("groups", "boss", None, Some(Role::Admin));
        assert_eq!(map(std::slice::from_ref(&boss), ISSUER, &said(), None).roles, BTreeSet::from([Role::Admin]));
        assert!(map(std::slice::from_ref(&boss), "https://id.example/", &said(), None).roles.is_empty());
        let off = Rule { enabled: false, ..boss };
        assert!(map(&[off], ISSUER, &said(), None).roles.is_empty());
    }

    #[test]
    fn a_value_counts_whole_as_it_stands() {
        let eng = rule("groups", "eng", None, Some(Role::User));
        assert!(fires(&eng, json!({ "groups": "eng" })));
        for other in [json!("engineering"), json!("Eng"), json!("eng ops"), json!(["e", "ng"]), json!({ "eng": true })]
        {
            assert!(!fires(&eng, json!({ "groups": other })), "{other}");
        }
        assert!(fires(&rule("mfa", "true", None, Some(Role::User)), json!({ "mfa": true })));
        assert!(fires(&rule("level", "3", None, Some(Role::User)), json!({ "level": 3 })));
    }

    #[test]
    fn dots_lead_into_objects_unless_the_claim_itself_has_them() {
        let nested = rule("realm_access.roles", "admin", None, Some(Role::Admin));
        assert!(fires(&nested, json!({ "realm_access": { "roles": ["admin"] } })));
        assert!(!fires(&nested, json!({ "realm_access": ["roles"], "roles": ["admin"] })));
        let dotted = rule("resource.my.app.roles", "x", None, Some(Role::User));
        assert!(fires(&dotted, json!({ "resource": { "my.app": { "roles": "x" } } })));
        assert!(fires(&dotted, json!({ "resource.my.app.roles": "x", "resource": {} })));
    }

    #[test]
    fn a_principal_is_a_claim_and_a_value() {
        let parts = |claim: &str, value: &str| Ok((claim.to_owned(), value.to_owned()));
        assert_eq!(principal("groups=engineering"), parts("groups", "engineering"));
        assert_eq!(principal(" groups = cn=ops,dc=x "), parts("groups", "cn=ops,dc=x"));
        for bad in ["", "groups", "=x", "groups=", "groups=a\nb", &format!("groups={}", "x".repeat(501))] {
            assert_eq!(principal(bad).unwrap_err().field, "principal", "{bad}");
        }
    }

    #[test]
    fn a_rule_gives_something_to_a_group_that_can_be_one() {
        let fields = |issuer: &str, team: Option<&str>, role| -> Vec<String> {
            check_rule(issuer, team, role).into_iter().map(|error| error.field).collect()
        };
        assert!(fields(ISSUER, Some("eng"), None).is_empty());
        assert!(fields(ISSUER, None, Some(Role::User)).is_empty());
        assert_eq!(fields("", Some("Eng Team"), None), ["issuer", "team"]);
        assert_eq!(fields(ISSUER, None, None), ["role"]);
    }

    #[test]
    fn a_user_name_is_a_dns_label_whatever_the_provider_calls_them() {
        for (said, name) in [
            (json!({ "preferred_username": "Alice.Smith@example.com", "email": "x@example.com" }), "alice-smith"),
            (json!({ "preferred_username": "äöü", "email": "bob_1@example.com" }), "bob-1"),
            (json!({ "name": "  Čarol -- O'Neil " }), "arol-o-neil"),
            (json!({ "preferred_username": "x".repeat(300) }), &"x".repeat(56)),
            (json!({ "preferred_username": 7 }), "user"),
            (json!({}), "user"),
        ] {
            assert_eq!(base_name(&claims(said.clone())), name, "{said}");
            assert!(is_dns_label(&free_name(name, &BTreeSet::from([name.to_owned()]))), "{said}");
        }
    }

    #[test]
    fn a_name_that_is_or_was_taken_gets_a_number() {
        let taken = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        assert_eq!(free_name("alice", &taken(&[])), "alice");
        assert_eq!(free_name("alice", &taken(&["alice", "alice-3"])), "alice-2");
        assert_eq!(free_name("alice", &taken(&["alice", "alice-2", "alice-3"])), "alice-4");
    }

    #[test]
    fn an_address_that_nobody_verified_is_not_taken_over() {
        let email = |said: Value| verified_email(&claims(said));
        assert_eq!(email(json!({ "email": "a@example.com" })).as_deref(), Some("a@example.com"));
        assert_eq!(email(json!({ "email": "a@example.com", "email_verified": false })), None);
        assert_eq!(email(json!({ "email": "a@example.com", "email_verified": "false" })), None);
        assert_eq!(email(json!({ "email": "a b@example.com" })), None);
        assert_eq!(shown_name(&claims(json!({ "name": "Al\nice" }))), "Alice");
    }

    #[test]
    fn a_sign_in_leads_back_to_our_own_pages_alone() {
        for own in ["/", "/sessions?phase=Running#x", "/templates/a%20b"] {
            assert_eq!(return_path(own), own);
        }
        for other in [
            "",
            "sessions",
            "https://evil.example/",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/..//evil.example",
            "/.//evil.example",
            "/api/v1/auth/oidc/login",
            "/x/../api/v1/auth/oidc/login",
            "javascript:alert(1)",
            "/\r\nset-cookie: x=y",
        ] {
            assert_eq!(return_path(other), "/", "{other}");
        }
        assert_eq!(return_path(&format!("/{}", "x".repeat(2_000))), "/");
    }
}
