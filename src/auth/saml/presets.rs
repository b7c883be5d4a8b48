//! What well-known providers call what they say of a person.

use std::collections::BTreeMap;

use serde_json::Value;

use super::read::Said;
use crate::{config::Preset, domain::sso::Claims};

/// Names under which a provider says something, the best first.
struct Names {
    username: &'static [&'static str],
    email: &'static [&'static str],
    name: &'static [&'static str],
    /// Parts of a name, where it has no whole one.
    parts: [&'static str; 2],
    groups: &'static [&'static str],
}

const XMLSOAP_NAME: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name";
const XMLSOAP_EMAIL: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress";
const XMLSOAP_UPN: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn";

const fn names(preset: Preset) -> Names {
    match preset {
        Preset::Generic => Names {
            username: &["uid", "urn:oid:0.9.2342.19200300.100.1.1", "username", "preferred_username"],
            email: &["mail", "urn:oid:0.9.2342.19200300.100.1.3", "email", XMLSOAP_EMAIL],
            name: &["displayName", "urn:oid:2.16.840.1.113730.3.1.241", "cn", "name"],
            parts: ["givenName", "sn"],
            groups: &["groups", "memberOf", "isMemberOf", "urn:oid:1.3.6.1.4.1.5923.1.5.1.1"],
        },
        Preset::Okta => Names {
            username: &["login", "username"],
            email: &["email"],
            name: &["displayName"],
            parts: ["firstName", "lastName"],
            groups: &["groups"],
        },
        Preset::Azure => Names {
            username: &[XMLSOAP_NAME, XMLSOAP_UPN],
            email: &[XMLSOAP_EMAIL],
            name: &["http://schemas.microsoft.com/identity/claims/displayname"],
            parts: [
                "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
                "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
            ],
            groups: &["http://schemas.microsoft.com/ws/2008/06/identity/claims/groups"],
        },
        Preset::Google => Names {
            username: &["username"],
            email: &["email"],
            name: &["displayName"],
            parts: ["firstName", "lastName"],
            groups: &["groups"],
        },
        Preset::Auth0 => Names {
            username: &["http://schemas.auth0.com/username", "http://schemas.auth0.com/nickname"],
            email: &[XMLSOAP_EMAIL],
            name: &[XMLSOAP_NAME],
            parts: [
                "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname",
                "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname",
            ],
            groups: &["http://schemas.auth0.com/groups", "http://schemas.xmlsoap.org/claims/Group"],
        },
        Preset::Keycloak => Names {
            username: &["username"],
            email: &["email", "urn:oid:1.2.840.113549.1.9.1"],
            name: &["name"],
            parts: ["firstName", "lastName"],
            groups: &["groups", "member"],
        },
        Preset::Authentik => Names {
            username: &["http://schemas.goauthentik.io/2021/02/saml/username"],
            email: &[XMLSOAP_EMAIL],
            name: &[XMLSOAP_NAME],
            parts: ["givenName", "sn"],
            groups: &["http://schemas.xmlsoap.org/claims/Group"],
        },
    }
}

/// What the provider says of the person, under the names that rules and accounts know, and under its own.
///
/// `own`: names of attributes by what they say, which come before the preset's. Where nothing says what the person is
/// called, the provider's id of them does.
pub(super) fn claims(said: &Said, preset: Preset, own: &BTreeMap<String, String>) -> Claims {
    let attributes = &said.attributes;
    let mut claims = attributes.clone();
    let known = names(preset);
    let find = |meaning: &str, names: &[&str]| {
        let own = own.get(meaning).map(String::as_str);
        let mut names = own.into_iter().chain(names.iter().copied()).chain([meaning]);
        names.find_map(|name| attributes.get(name)).cloned()
    };
    let whole = find("name", known.name).or_else(|| joined(attributes, known.parts));
    for (meaning, value) in [
        ("email", find("email", known.email)),
        ("name", whole),
        ("groups", find("groups", known.groups)),
        ("preferred_username", find("preferred_username", known.username)),
    ] {
        // Of what there may be one the first counts.
        let value = match value {
            Some(Value::Array(values)) if meaning != "groups" => values.into_iter().next(),
            other => other,
        };
        claims.extend(value.map(|value| (meaning.to_owned(), value)));
    }
    claims.entry("preferred_username").or_insert_with(|| said.name_id.value.clone().into());
    claims.insert("sub".to_owned(), said.name_id.value.clone().into());
    claims
}

fn joined(attributes: &Claims, parts: [&str; 2]) -> Option<Value> {
    let parts: Vec<&str> = parts.iter().filter_map(|part| attributes.get(*part)?.as_str()).collect();
    (!parts.is_empty()).then(|| parts.join(" ").into())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::auth::saml::{read, xml};

    /// An assertion of `name_id` as a provider writes it: names of attributes and their values.
    fn said(name_id: &str, attributes: &[(&str, &[&str])]) -> Said {
        let attribute = |(name, values): &(&str, &[&str])| {
            let values = values
                .iter()
                .map(|value| format!("<saml:AttributeValue xsi:type=\"xs:string\">{value}</saml:AttributeValue>"));
            format!("<saml:Attribute Name=\"{name}\">{}</saml:Attribute>", values.collect::<String>())
        };
        let attributes: String = attributes.iter().map(attribute).collect();
        let text = format!(
            "<saml:Assertion xmlns:saml=\"{}\" xmlns:xs=\"http://www.w3.org/2001/XMLSchema\" \
             xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" ID=\"_a\"><saml:Subject>\
             <saml:NameID>{name_id}</saml:NameID></saml:Subject><saml:AuthnStatement SessionIndex=\"_s\"/>\
             <saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion>",
            xml::ASSERTION
        );
        read::unchecked(xml::message(&text).unwrap().root_element()).unwrap()
    }

    fn of(preset: Preset, name_id: &str, attributes: &[(&str, &[&str])]) -> Value {
        let claims = claims(&said(name_id, attributes), preset, &BTreeMap::new());
        let of = |name: &str| claims.get(name).cloned().unwrap_or_default();
        json!([of("sub"), of("preferred_username"), of("email"), of("name"), of("groups")])
    }

    const GIVEN: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/givenname";
    const FAMILY: &str = "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/surname";

    #[test]
    fn each_provider_is_understood_by_the_names_that_its_attributes_have() {
        let mail = "alice@example.com";
        let okta: &[(&str, &[&str])] = &[
            ("login", &[mail]),
            ("email", &[mail]),
            ("firstName", &["Alice"]),
            ("lastName", &["Smith"]),
            ("groups", &["Everyone", "eng"]),
        ];
        assert_eq!(of(Preset::Okta, mail, okta), json!([mail, mail, mail, "Alice Smith", ["Everyone", "eng"]]));
        let azure: &[(&str, &[&str])] = &[
            ("http://schemas.microsoft.com/identity/claims/tenantid", &["7"]),
            ("http://schemas.microsoft.com/identity/claims/displayname", &["Alice Smith"]),
            ("http://schemas.microsoft.com/ws/2008/06/identity/claims/groups", &["5f0e", "9a1b"]),
            (GIVEN, &["Alice"]),
            (FAMILY, &["Smith"]),
            (XMLSOAP_EMAIL, &[mail]),
            (XMLSOAP_NAME, &["alice@tenant.onmicrosoft.com"]),
        ];
        assert_eq!(
            of(Preset::Azure, "aBcD", azure),
            json!(["aBcD", "alice@tenant.onmicrosoft.com", mail, "Alice Smith", ["5f0e", "9a1b"]])
        );
        let google: &[(&str, &[&str])] =
            &[("email", &[mail]), ("firstName", &["Alice"]), ("lastName", &["Smith"]), ("groups", &["eng"])];
        assert_eq!(of(Preset::Google, mail, google), json!([mail, mail, mail, "Alice Smith", "eng"]));
        let auth0: &[(&str, &[&str])] = &[
            ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier", &["auth0|1"]),
            (XMLSOAP_EMAIL, &[mail]),
            (XMLSOAP_NAME, &["Alice Smith"]),
            ("http://schemas.auth0.com/nickname", &["alice"]),
            ("http://schemas.auth0.com/groups", &["eng"]),
        ];
        assert_eq!(of(Preset::Auth0, "auth0|1", auth0), json!(["auth0|1", "alice", mail, "Alice Smith", "eng"]));
        let keycloak: &[(&str, &[&str])] = &[
            ("username", &["alice"]),
            ("email", &[mail]),
            ("firstName", &["Alice"]),
            ("lastName", &["Smith"]),
            ("groups", &["eng", "ops"]),
            ("Role", &["offline_access"]),
        ];
        assert_eq!(of(Preset::Keycloak, "G-1", keycloak), json!(["G-1", "alice", mail, "Alice Smith", ["eng", "ops"]]));
        let authentik: &[(&str, &[&str])] = &[
            ("http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn", &[mail]),
            (XMLSOAP_NAME, &["Alice Smith"]),
            (XMLSOAP_EMAIL, &[mail]),
            ("http://schemas.goauthentik.io/2021/02/saml/username", &["alice"]),
            ("http://schemas.goauthentik.io/2021/02/saml/uid", &["7"]),
            ("http://schemas.xmlsoap.org/claims/Group", &["eng", "authentik Admins"]),
        ];
        assert_eq!(
            of(Preset::Authentik, "7f", authentik),
            json!(["7f", "alice", mail, "Alice Smith", ["eng", "authentik Admins"]])
        );
        let shibboleth: &[(&str, &[&str])] = &[
            ("urn:oid:0.9.2342.19200300.100.1.1", &["alice"]),
            ("urn:oid:0.9.2342.19200300.100.1.3", &[mail, "a.smith@example.com"]),
            ("urn:oid:2.16.840.1.113730.3.1.241", &["Alice Smith"]),
            ("isMemberOf", &["eng"]),
        ];
        assert_eq!(of(Preset::Generic, "x", shibboleth), json!(["x", "alice", mail, "Alice Smith", "eng"]));
    }

    #[test]
    fn own_names_come_first_and_the_providers_id_stands_in_for_a_name() {
        let own = BTreeMap::from([("groups".to_owned(), "teams".to_owned())]);
        let found = claims(&said("alice", &[("teams", &["eng"]), ("groups", &["x"])]), Preset::Generic, &own);
        assert_eq!((&found["groups"], &found["preferred_username"]), (&json!("eng"), &json!("alice")));
        assert_eq!(found["teams"], "eng", "it stands under its own name too");
        // Nobody can say who somebody is but with the id.
        let forged = claims(&said("alice", &[("sub", &["admin"])]), Preset::Generic, &own);
        assert_eq!(forged["sub"], "alice");
    }
}
