//! What comes from a SAML provider, or seems to, and must not get through.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use openssl::hash::MessageDigest;

use crate::{
    saml::{NOBODY, tried},
    support::{
        app::TestApp,
        idp::problem,
        program::Program,
        saml::{
            self, CANONICAL, ENVELOPED, Key, RSA_SHA256, SHA256, SamlIdp, Trip, id_of, signature, signed, signed_info,
        },
    },
};

const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";

#[actix_web::test]
async fn what_is_signed_says_who_for_whom_where_when_and_in_answer_to_what() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let own = app.anyone().base().to_owned();
    // Relative to when the assertion is made: filled in then.
    let moment = |seconds: i64| format!("@{seconds}@");
    let fill = |text: &str, assertion: &str| {
        let moments = [-61, -60, -58, 0, 58, 62, 300];
        moments
            .iter()
            .fold(text.to_owned(), |text, seconds| text.replace(&moment(*seconds), &saml::moment(assertion, *seconds)))
    };
    let end = moment(300);
    let swap = |from: &str, to: &str| (from.to_owned(), to.to_owned());
    let audience = format!("<saml:Audience>{own}/api/v1/auth/saml/metadata</saml:Audience>");
    let restriction = format!("<saml:AudienceRestriction>{audience}</saml:AudienceRestriction>");
    let recipient = format!("Recipient=\"{own}/api/v1/auth/saml/acs\"");
    let issuer = format!("<saml:Issuer>{}</saml:Issuer>", idp.entity_id());
    for (what, (from, to)) in [
        ("for somebody else", swap(&audience, "<saml:Audience>https://other.example</saml:Audience>")),
        ("for nobody in particular", swap(&restriction, "")),
        (
            "for us and for somebody else only",
            swap(
                &restriction,
                &format!(
                    "{restriction}<saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>"
                ),
            ),
        ),
        ("a part of our name", swap(&audience, &audience.replace("/metadata<", "<"))),
        ("to be shown elsewhere", swap(&recipient, "Recipient=\"https://other.example/acs\"")),
        ("to be shown anywhere", swap(&format!(" {recipient}"), "")),
        ("by another provider", swap(&issuer, "<saml:Issuer>https://evil.example</saml:Issuer>")),
        ("over", swap(&format!("NotOnOrAfter=\"{end}\" Rec"), &format!("NotOnOrAfter=\"{}\" Rec", moment(-61)))),
        (
            "over by its conditions",
            swap(&format!("NotOnOrAfter=\"{end}\"><saml:Aud"), &format!("NotOnOrAfter=\"{}\"><saml:Aud", moment(-61))),
        ),
        ("for ever", swap(&format!(" NotOnOrAfter=\"{end}\" Rec"), " Rec")),
        ("not yet", swap(&format!("NotBefore=\"{}\"", moment(-60)), &format!("NotBefore=\"{}\"", moment(62)))),
        ("no moment", swap(&format!("NotOnOrAfter=\"{end}\" Rec"), "NotOnOrAfter=\"soon\" Rec")),
        ("without conditions", swap("saml:Conditions", "saml:Advice")),
        (
            "under a condition that is not known",
            swap("<saml:AudienceRestriction>", "<saml:Condition></saml:Condition><saml:AudienceRestriction>"),
        ),
        ("of nobody who signed in", swap("AuthnStatement", "AuthzStatement")),
        (
            "of a sign-in that is over",
            swap("SessionIndex=", &format!("SessionNotOnOrAfter=\"{}\" SessionIndex=", moment(-61))),
        ),
        ("to be held by the holder of a key", swap("cm:bearer", "cm:holder-of-key")),
        (
            "made later",
            swap(
                &format!("IssueInstant=\"{}\" Version", moment(0)),
                &format!("IssueInstant=\"{}\" Version", moment(62)),
            ),
        ),
        ("of another version", swap("Version=\"2.0\"", "Version=\"1.1\"")),
        ("of somebody who is another one each time", swap("nameid-format:persistent", "nameid-format:transient")),
        ("of nobody", swap(">alice</saml:NameID>", "></saml:NameID>")),
    ] {
        let forged = |trip: &Trip| {
            let assertion = idp.assertion(&app, trip, "alice", NOBODY);
            let changed = assertion.replace(&fill(&from, &assertion), &fill(&to, &assertion));
            assert_ne!(changed, assertion, "{what}");
            idp.response(&app, trip, &idp.sign(&changed))
        };
        assert_eq!(tried(&app, forged).await, "not-accepted", "{what}");
    }
    let answering = |id: &str| {
        let id = id.to_owned();
        |trip: &Trip| {
            let other = Trip { request: Some(id), ..trip.clone() };
            idp.response(&app, trip, &idp.sign(&idp.assertion(&app, &other, "alice", NOBODY)))
        }
    };
    assert_eq!(tried(&app, answering("_another")).await, "not-accepted", "another request");
    let unasked = |trip: &Trip| {
        let other = Trip { request: None, ..trip.clone() };
        idp.response(&app, trip, &idp.sign(&idp.assertion(&app, &other, "alice", NOBODY)))
    };
    assert_eq!(tried(&app, unasked).await, "not-accepted", "no request");
    for (what, (from, to)) in [
        ("within a minute", swap(&format!("NotBefore=\"{}\"", moment(-60)), &format!("NotBefore=\"{}\"", moment(58)))),
        ("just over", swap(&format!("NotOnOrAfter=\"{end}\""), &format!("NotOnOrAfter=\"{}\"", moment(-58)))),
        ("without anything changed", swap("no such text", "")),
    ] {
        let right = |trip: &Trip| {
            let assertion = idp.assertion(&app, trip, "alice", NOBODY);
            let changed = assertion.replace(&fill(&from, &assertion), &fill(&to, &assertion));
            idp.response(&app, trip, &idp.sign(&changed))
        };
        assert_eq!(tried(&app, right).await, "", "the control: {what}");
    }
}

#[actix_web::test]
async fn a_signed_response_says_where_it_was_sent_and_a_wrong_word_around_an_assertion_counts() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let destination = format!(" Destination=\"{}/api/v1/auth/saml/acs\"", app.anyone().base());
    let version = "Version=\"2.0\"><saml:Issuer xmlns";
    let issuer = format!("<saml:Issuer xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\">{}<", idp.entity_id());
    for (what, from, to, alone, whole) in [
        (
            "another place",
            destination.as_str(),
            " Destination=\"https://other.example/\"",
            "not-accepted",
            "not-accepted",
        ),
        ("no place", &destination, "", "", "not-accepted"),
        ("another issuer", &issuer, &issuer.replace("/entity<", "/other<"), "not-accepted", "not-accepted"),
        ("another version", version, &version.replace("2.0", "3.0"), "not-accepted", "not-accepted"),
        ("a refusal", "status:Success", "status:Responder", "declined", "declined"),
    ] {
        let forge = |sign_whole: bool| {
            let (from, to) = (from.to_owned(), to.to_owned());
            let (idp, app) = (&idp, &app);
            move |trip: &Trip| {
                let assertion = idp.sign(&idp.assertion(app, trip, "alice", NOBODY));
                let response = idp.response(app, trip, &assertion);
                let changed = response.replacen(&from, &to, 1);
                assert_ne!(changed, response);
                if sign_whole { idp.sign(&changed) } else { changed }
            }
        };
        assert_eq!(tried(&app, forge(false)).await, alone, "{what}");
        assert_eq!(tried(&app, forge(true)).await, whole, "{what}, signed");
    }
}

#[actix_web::test]
async fn what_the_provider_did_not_sign_lets_nobody_in() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let stranger = Key::new();
    let assertion = |trip: &Trip| idp.assertion(&app, trip, "alice", NOBODY);
    let unsigned = |trip: &Trip| idp.response(&app, trip, &assertion(trip));
    assert_eq!(tried(&app, unsigned).await, "not-accepted", "unsigned");
    let foreign = |trip: &Trip| idp.response(&app, trip, &signed(&assertion(trip), &stranger, |info| info));
    assert_eq!(tried(&app, foreign).await, "not-accepted", "another's signature");
    let with_its_key = |trip: &Trip| {
        let der = STANDARD.encode(stranger.certificate.to_der().expect("a certificate"));
        let info = format!(
            "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{der}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>"
        );
        let forged = signed(&assertion(trip), &stranger, |info| info).replace("</ds:Signature>", &info);
        idp.response(&app, trip, &forged)
    };
    assert_eq!(tried(&app, with_its_key).await, "not-accepted", "which brings its key along");
    let changed = |trip: &Trip| idp.response(&app, trip, &idp.sign(&assertion(trip)).replace(">alice<", ">admin<"));
    assert_eq!(tried(&app, changed).await, "not-accepted", "changed afterwards");
    let excluded = |trip: &Trip| {
        // Somebody takes the signature away, and leaves one of something else.
        let other = idp.sign(&assertion(trip));
        let start = other.find("<ds:Signature").expect("a signature");
        let end = other.find("</ds:Signature>").expect("a signature") + "</ds:Signature>".len();
        let response = idp.response(&app, trip, &assertion(trip).replace(">alice<", ">admin<"));
        response.replacen("</saml:Issuer>", &format!("</saml:Issuer>{}", &other[start..end]), 1)
    };
    assert_eq!(tried(&app, excluded).await, "not-accepted", "signature exclusion");
    let right = |trip: &Trip| idp.response(&app, trip, &idp.sign(&assertion(trip)));
    assert_eq!(tried(&app, right).await, "", "the control");
}

#[actix_web::test]
async fn a_signature_with_a_weak_algorithm_counts_only_where_that_is_allowed() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let weak = |app: &TestApp, trip: &Trip| {
        let assertion = idp.assertion(app, trip, "alice", NOBODY);
        let info = signed_info(&assertion, &id_of(&assertion)).replace(RSA_SHA256, SHA1);
        let signature = signature(&info, &idp.key(), MessageDigest::sha1());
        idp.response(app, trip, &assertion.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1))
    };
    assert_eq!(tried(&app, |trip| weak(&app, trip)).await, "not-accepted");
    let hmac = |trip: &Trip| {
        let assertion = idp.assertion(&app, trip, "alice", NOBODY);
        let changed = |info: String| info.replace(RSA_SHA256, "http://www.w3.org/2000/09/xmldsig#hmac-sha1");
        idp.response(&app, trip, &signed(&assertion, &idp.key(), changed))
    };
    assert_eq!(tried(&app, hmac).await, "not-accepted", "a secret that both share");
    let kind = idp.app(&["--saml-allow-sha1"]).await;
    assert_eq!(tried(&kind, |trip| weak(&kind, trip)).await, "", "the control");
}

/// Every known way to put what was signed where it is not read, and something else where it is.
fn wrapped(signed: &str, forged: &str) -> Vec<(&'static str, String)> {
    let start = signed.find("<ds:Signature").expect("a signature");
    let end = signed.find("</ds:Signature>").expect("a signature") + "</ds:Signature>".len();
    let (signature, original) = (&signed[start..end], [&signed[..start], &signed[end..]].concat());
    let into = |inside: &str| {
        let object = format!("<ds:Object>{inside}</ds:Object></ds:Signature>");
        forged.replacen(
            "</saml:Issuer>",
            &format!("</saml:Issuer>{}", signature.replace("</ds:Signature>", &object)),
            1,
        )
    };
    let within = |inside: &str| forged.replacen("<saml:Conditions ", &format!("{inside}<saml:Conditions "), 1);
    let same_id = forged.replace(&id_of(forged), &id_of(signed));
    vec![
        ("the forged one first", format!("{forged}{signed}")),
        ("the forged one last", format!("{signed}{forged}")),
        ("the signed one inside of the forged one", within(signed)),
        (
            "the signed one inside, its signature outside",
            within(&original).replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1),
        ),
        ("the signed one in an object of the signature", into(&original)),
        ("the signed one in an extension", format!("<samlp:Extensions>{signed}</samlp:Extensions>{forged}")),
        ("the forged one in an extension", format!("<samlp:Extensions>{forged}</samlp:Extensions>{signed}")),
        ("the signature beside both", format!("{signature}{forged}{original}")),
        (
            "the signature in the forged one alone",
            forged.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1),
        ),
        ("the same id twice", format!("{same_id}{signed}")),
        ("the same id twice, the other way round", format!("{signed}{same_id}")),
        ("the same id, spelled otherwise", format!("{}{signed}", same_id.replacen(" ID=", " Id=", 1))),
        (
            "an assertion of no namespace",
            format!("{}{signed}", forged.replace("saml:", "").replace("xmlns:saml", "xmlns:x")),
        ),
        ("a response within", format!("<samlp:Response ID=\"_x\" Version=\"2.0\">{forged}</samlp:Response>{signed}")),
    ]
}

#[actix_web::test]
async fn what_was_signed_is_what_is_read_wherever_something_else_is_put() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&["--saml-idp-initiated"]).await;
    let admin = app.administrator().await;
    let trip = Trip::unasked(&app.anyone(), None);
    let fresh = || (idp.assertion(&app, &trip, "mallory", NOBODY), idp.assertion(&app, &trip, "victim", NOBODY));
    let count = wrapped(&idp.sign(&fresh().0), &fresh().1).len();
    for index in 0..count {
        let (own, forged) = fresh();
        let (what, inside) = wrapped(&idp.sign(&own), &forged).swap_remove(index);
        let answer = trip.post(&app.anyone(), &idp.response(&app, &trip, &inside)).await;
        assert_eq!(problem(&answer), "not-accepted", "{what}");
        // The same around a response that is signed as a whole.
        let whole = idp.sign(&idp.response(&app, &trip, &own));
        let outer = idp.response(&app, &trip, &forged).replacen(
            "<samlp:Status>",
            &format!("<samlp:Extensions>{whole}</samlp:Extensions><samlp:Status>"),
            1,
        );
        assert_eq!(problem(&trip.post(&app.anyone(), &outer).await), "not-accepted", "a response around a response");
    }
    assert_eq!(admin.get("/api/v1/users/victim").await.status, 404);
    let (own, _) = fresh();
    let answer = trip.post(&app.anyone(), &idp.response(&app, &trip, &idp.sign(&own))).await;
    assert_eq!(problem(&answer), "", "the control");
}

#[actix_web::test]
async fn a_signature_refers_to_its_own_element_alone_and_fetches_and_runs_nothing() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let dials = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&dials);
    let called = Program::start(move |_| {
        counted.fetch_add(1, SeqCst);
        std::future::ready(())
    })
    .await;
    let url = format!("http://{}/x", called.address);
    let transform =
        |algorithm: &str, inside: &str| format!("<ds:Transform Algorithm=\"{algorithm}\">{inside}</ds:Transform>");
    let (enveloped, canonical) = (transform(ENVELOPED, ""), transform(CANONICAL, ""));
    let both = format!("{enveloped}{canonical}");
    let xslt = format!(
        "<xsl:stylesheet xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\" version=\"1.0\"><xsl:template match=\"/\"><xsl:value-of select=\"document('{url}')\"/></xsl:template></xsl:stylesheet>"
    );
    let reference = "<ds:Reference URI=\"#";
    for (what, from, to) in [
        ("a URL", reference.to_owned(), format!("<ds:Reference URI=\"{url}#")),
        ("a file", reference.to_owned(), "<ds:Reference URI=\"file:///etc/hostname#".to_owned()),
        ("the whole document", format!("{reference}ID"), "<ds:Reference URI=\"".to_owned()),
        ("an XPointer", format!("{reference}ID"), "<ds:Reference URI=\"#xpointer(/)".to_owned()),
        ("another id", reference.to_owned(), "<ds:Reference URI=\"#x".to_owned()),
        (
            "XSLT",
            both.clone(),
            format!("{enveloped}{}{canonical}", transform("http://www.w3.org/TR/1999/REC-xslt-19991116", &xslt)),
        ),
        (
            "XPath",
            both.clone(),
            format!(
                "{enveloped}{}",
                transform("http://www.w3.org/TR/1999/REC-xpath-19991116", "<ds:XPath>true()</ds:XPath>")
            ),
        ),
        ("base64", both.clone(), format!("{enveloped}{}", transform("http://www.w3.org/2000/09/xmldsig#base64", ""))),
        ("no transformation", format!("<ds:Transforms>{both}</ds:Transforms>"), String::new()),
        ("another canonical form", canonical.clone(), transform("http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "")),
        ("one that keeps comments", canonical.clone(), transform(&format!("{CANONICAL}WithComments"), "")),
        ("a digest of SHA-1", SHA256.to_owned(), "http://www.w3.org/2000/09/xmldsig#sha1".to_owned()),
        (
            "two references",
            "</ds:Reference>".to_owned(),
            format!("</ds:Reference><ds:Reference URI=\"{url}\"></ds:Reference>"),
        ),
        ("an object", "</ds:SignedInfo>".to_owned(), "</ds:SignedInfo><ds:Object></ds:Object>".to_owned()),
        ("a key elsewhere", "</ds:SignedInfo>".to_owned(), "</ds:SignedInfo>KEY".to_owned()),
    ] {
        let forge = |trip: &Trip| {
            let assertion = idp.assertion(&app, trip, "alice", NOBODY);
            let from = from.replace("#ID", &format!("#{}", id_of(&assertion)));
            let forged = signed(&assertion, &idp.key(), |info| {
                let changed = info.replacen(&from, &to, 1);
                assert_ne!(changed, info, "{what}");
                changed
            });
            let key = format!(
                "<ds:KeyInfo><ds:RetrievalMethod URI=\"{url}\"></ds:RetrievalMethod></ds:KeyInfo></ds:Signature>"
            );
            let forged = if forged.contains("KEY") {
                forged.replace("KEY", "").replace("</ds:Signature>", &key)
            } else {
                forged
            };
            idp.response(&app, trip, &forged)
        };
        assert_eq!(tried(&app, forge).await, "not-accepted", "{what}");
    }
    assert_eq!(dials.load(SeqCst), 0, "nobody was asked");
    let right = |trip: &Trip| {
        let prefixes =
            format!("<ec:InclusiveNamespaces xmlns:ec=\"{CANONICAL}\" PrefixList=\"xs\"></ec:InclusiveNamespaces>");
        let assertion = idp.assertion(&app, trip, "alice", NOBODY);
        let listed = |info: String| info.replace(&canonical, &transform(CANONICAL, &prefixes));
        idp.response(&app, trip, &signed(&assertion, &idp.key(), listed))
    };
    assert_eq!(tried(&app, right).await, "", "the control: what Okta writes");
}

#[actix_web::test]
async fn nothing_but_plain_xml_is_looked_at() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let right =
        |trip: &Trip| idp.response(&app, trip, &idp.sign(&idp.assertion(&app, trip, "alice@x.example", NOBODY)));
    for (what, from, to) in [
        ("a comment in the name", "alice@x.example<", "alice@x<!-- -->.example<"),
        ("a comment elsewhere", "<saml:Conditions", "<!-- --><saml:Conditions"),
        ("a comment in the issuer", "/entity</saml:Issuer>", "/enti<!-- -->ty</saml:Issuer>"),
        ("CDATA", ">alice@x.example<", "><![CDATA[alice@x.example]]><"),
        ("a processing instruction", "<saml:Conditions", "<?x y?><saml:Conditions"),
        ("a DTD", "<samlp:Response", "<!DOCTYPE samlp:Response><samlp:Response"),
        ("an entity", "<samlp:Response", "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]><samlp:Response"),
        (
            "entities in entities",
            "<samlp:Response",
            "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;\">]><samlp:Response",
        ),
        ("another encoding", "<samlp:Response", "<?xml version=\"1.0\" encoding=\"UTF-16\"?><samlp:Response"),
        ("what is no XML", "</samlp:Response>", ""),
    ] {
        let forge = |trip: &Trip| {
            let response = right(trip);
            let changed = response.replacen(from, to, 1);
            assert_ne!(changed, response, "{what}");
            changed
        };
        assert_eq!(tried(&app, forge).await, "not-accepted", "{what}");
    }
    let padded =
        |trip: &Trip| right(trip).replace("<samlp:Status>", &format!("{}<samlp:Status>", " ".repeat(256 << 10)));
    assert_eq!(tried(&app, padded).await, "not-accepted", "more than 256 KiB");
    let declared = |trip: &Trip| format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", right(trip));
    assert_eq!(tried(&app, declared).await, "", "the control");
}

#[actix_web::test]
async fn a_comment_that_was_there_when_it_was_signed_makes_nobody_another() {
    let idp = SamlIdp::start().await;
    let app = idp.app(&[]).await;
    let admin = app.administrator().await;
    // Canonical form leaves comments away, so the signature of this is good; what is read must not be cut at the comment.
    let forge = |trip: &Trip| {
        let assertion = idp.sign(&idp.assertion(&app, trip, "admin.evil.example", NOBODY));
        idp.response(&app, trip, &assertion.replace(">admin.evil.example<", ">admin<!-- -->.evil.example<"))
    };
    assert_eq!(tried(&app, forge).await, "not-accepted");
    assert_eq!(admin.get("/api/v1/users/admin-2").await.status, 404);
}
