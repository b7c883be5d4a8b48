//! Webhooks: who sent one, what it says, and whether its signature is right.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::domain::catalog::same_repository;

/// Longest id of a delivery that is kept as it is.
const DELIVERY_BYTES: usize = 200;

/// Who sends webhooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Provider {
    Github,
    Gitlab,
    Gitea,
    Bitbucket,
    /// Anything that signs with `X-Hub-Signature-256`, or says `{repository_url, branch}`.
    Generic,
}

impl Provider {
    /// Its word on the wire.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Gitea => "gitea",
            Self::Bitbucket => "bitbucket",
            Self::Generic => "generic",
        }
    }
}

/// A webhook as it came.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Who sent it, by its headers.
    pub provider: Provider,
    /// The sender's word for what happened, such as `push`.
    pub event: String,
    /// The sender's id of the delivery, or the SHA-256 of its body where it gives none.
    pub delivery: String,
    /// How it proves where it comes from.
    pub proof: Option<Proof>,
    body: Vec<u8>,
    said: Value,
}

/// How a webhook proves where it comes from.
#[derive(Clone, Debug)]
pub enum Proof {
    /// HMAC-SHA-256 of the body with the secret.
    Signature(Vec<u8>),
    /// The secret itself.
    Token(String),
}

/// What a webhook is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// The sender tries whether somebody listens.
    Ping,
    /// Branches or tags moved: their full names. `main` is the branch that the repository calls its main one.
    Push {
        /// Such as `refs/heads/main`.
        moved: Vec<String>,
        /// Such as `main`, where it is told.
        main: Option<String>,
    },
    /// Something else.
    Other,
}

impl Webhook {
    /// Reads a webhook. `header` gives the value of a header by its name in lower case.
    ///
    /// # Errors
    /// A sentence about what cannot be read.
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a str>, body: &[u8]) -> Result<Self, String> {
        let json = match header("content-type").unwrap_or_default().split(';').next() {
            Some("application/x-www-form-urlencoded") => {
                let form = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload");
                form.map(|(_, payload)| payload.into_owned().into_bytes()).ok_or("the form has no field payload")?
            }
            _ => body.to_vec(),
        };
        let said: Value = serde_json::from_slice(&json).map_err(|error| format!("the body is no JSON: {error}"))?;
        // Gitea sends GitHub's headers too, for those who know no other.
        let kinds = [
            (Provider::Gitea, "x-gitea-event", "x-gitea-delivery"),
            (Provider::Gitea, "x-forgejo-event", "x-forgejo-delivery"),
            (Provider::Github, "x-github-event", "x-github-delivery"),
            (Provider::Gitlab, "x-gitlab-event", "x-gitlab-event-uuid"),
            (Provider::Bitbucket, "x-event-key", "x-request-uuid"),
        ];
        let known =
            kinds.iter().find_map(|(provider, event, delivery)| Some((*provider, header(event)?, header(delivery))));
        let (provider, event, delivery) = known.unwrap_or((Provider::Generic, "push", header("x-delivery-id")));
        let delivery = delivery.filter(|id| !id.is_empty() && id.len() <= DELIVERY_BYTES);
        let delivery = delivery.map_or_else(|| hex::encode(Sha256::digest(body)), str::to_owned);
        let proof = proof(provider, &header);
        Ok(Self { provider, event: event.chars().take(100).collect(), delivery, proof, body: body.to_vec(), said })
    }

    /// Whether it proves to come from somebody who knows `secret`; the time that takes tells nothing about it.
    #[must_use]
    pub fn is_proved_by(&self, secret: &[u8]) -> bool {
        match &self.proof {
            None => false,
            Some(Proof::Signature(signature)) => verify(secret, &self.body, signature),
            // Compared as MACs, which takes the same time wherever two texts differ.
            Some(Proof::Token(token)) => {
                let Ok(mac) = Hmac::<Sha256>::new_from_slice(b"token") else { return false };
                let known = mac.chain_update(secret).finalize().into_bytes();
                verify(b"token", token.as_bytes(), known.as_slice())
            }
        }
    }

    /// What tells the repository from others ([`same_repository`]), in the ways in which the sender writes its URL.
    #[must_use]
    pub fn repositories(&self) -> Vec<String> {
        const PLACES: [&str; 12] = [
            "/repository_url",
            "/repository/clone_url",
            "/repository/html_url",
            "/repository/git_url",
            "/repository/ssh_url",
            "/repository/git_http_url",
            "/repository/git_ssh_url",
            "/repository/homepage",
            "/project/git_http_url",
            "/project/git_ssh_url",
            "/project/web_url",
            "/repository/links/html/href",
        ];
        let urls = PLACES.iter().filter_map(|place| self.said.pointer(place)?.as_str());
        let mut keys: Vec<String> = urls.filter_map(same_repository).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// What it is about.
    #[must_use]
    pub fn meaning(&self) -> Meaning {
        let text = |place: &str| self.said.pointer(place).and_then(Value::as_str).map(str::to_owned);
        let main = || text("/repository/default_branch").or_else(|| text("/project/default_branch"));
        match (self.provider, self.event.as_str()) {
            (Provider::Github, "ping") => Meaning::Ping,
            (Provider::Bitbucket, "diagnostics:ping") => Meaning::Ping,
            (Provider::Github | Provider::Gitea, "push" | "create")
            | (Provider::Gitlab, "Push Hook" | "Tag Push Hook" | "System Hook") => {
                Meaning::Push { moved: text("/ref").map(full_name).into_iter().collect(), main: main() }
            }
            (Provider::Bitbucket, "repo:push" | "repo:refs_changed") => {
                Meaning::Push { moved: self.bitbucket(), main: text("/repository/mainbranch/name") }
            }
            (Provider::Generic, _) => {
                let moved = text("/ref").or_else(|| text("/branch")).map(full_name);
                Meaning::Push { moved: moved.into_iter().collect(), main: main() }
            }
            _ => Meaning::Other,
        }
    }

    /// Bitbucket's cloud and its server write it in two ways.
    fn bitbucket(&self) -> Vec<String> {
        let list = |place: &str| self.said.pointer(place).and_then(Value::as_array).cloned().unwrap_or_default();
        let cloud = list("/push/changes").into_iter().filter_map(|change| {
            let new = change.get("new")?;
            let kind = if new.get("type")?.as_str()? == "tag" { "tags" } else { "heads" };
            Some(format!("refs/{kind}/{}", new.get("name")?.as_str()?))
        });
        let server =
            list("/changes").into_iter().filter_map(|change| Some(change.pointer("/ref/id")?.as_str()?.to_owned()));
        cloud.chain(server).collect()
    }
}

/// A branch's name as git writes it in full.
fn full_name(name: String) -> String {
    if name.starts_with("refs/") { name } else { format!("refs/heads/{name}") }
}

fn verify(secret: &[u8], message: &[u8], signature: &[u8]) -> bool {
    // An empty secret would be known to everybody.
    let Ok(mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
    !secret.is_empty() && mac.chain_update(message).verify_slice(signature).is_ok()
}

fn proof<'a>(provider: Provider, header: &impl Fn(&str) -> Option<&'a str>) -> Option<Proof> {
    let signed = |name: &str| {
        let value = header(name)?;
        hex::decode(value.strip_prefix("sha256=").unwrap_or(value)).ok().map(Proof::Signature)
    };
    match provider {
        Provider::Gitlab => header("x-gitlab-token").map(|token| Proof::Token(token.to_owned())),
        Provider::Gitea => signed("x-gitea-signature").or_else(|| signed("x-hub-signature-256")),
        Provider::Bitbucket => signed("x-hub-signature"),
        Provider::Github | Provider::Generic => signed("x-hub-signature-256"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hook(headers: &[(&str, &str)], body: &Value) -> Webhook {
        let header = |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        Webhook::read(header, body.to_string().as_bytes()).unwrap()
    }

    fn signature(secret: &[u8], body: &Value) -> String {
        let mac = Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(body.to_string());
        hex::encode(mac.finalize().into_bytes())
    }

    #[test]
    fn a_signature_is_right_for_its_secret_and_body_alone() {
        let body = json!({ "ref": "refs/heads/main", "repository": { "clone_url": "https://h/a/b.git" } });
        let signed = format!("sha256={}", signature(b"secret", &body));
        let github = |body: &Value| {
            hook(&[("x-github-event", "push"), ("x-github-delivery", "1"), ("x-hub-signature-256", &signed)], body)
        };
        assert!(github(&body).is_proved_by(b"secret"));
        assert!(!github(&body).is_proved_by(b"Secret") && !github(&body).is_proved_by(b""));
        assert!(!github(&json!({ "ref": "refs/heads/evil" })).is_proved_by(b"secret"));
        let bare = signature(b"secret", &body);
        assert!(hook(&[("x-gitea-event", "push"), ("x-gitea-signature", &bare)], &body).is_proved_by(b"secret"));
        assert!(hook(&[("x-event-key", "repo:push"), ("x-hub-signature", &signed)], &body).is_proved_by(b"secret"));
        let unsigned = hook(&[("x-github-event", "push")], &body);
        assert!(!unsigned.is_proved_by(b"secret") && !unsigned.is_proved_by(b""));
    }

    #[test]
    fn a_token_is_right_when_it_is_the_secret() {
        let gitlab = |token: &str| hook(&[("x-gitlab-event", "Push Hook"), ("x-gitlab-token", token)], &json!({}));
        assert!(gitlab("secret").is_proved_by(b"secret"));
        for token in ["", "secre", "secrets", "Secret"] {
            assert!(!gitlab(token).is_proved_by(b"secret"), "{token}");
        }
    }

    #[test]
    fn each_sender_says_what_moved_in_its_own_way() {
        let moved = |headers: &[(&str, &str)], body: Value| match hook(headers, &body).meaning() {
            Meaning::Push { moved, main } => (moved.join(" "), main.unwrap_or_default()),
            other => panic!("{other:?}"),
        };
        let push = json!({ "ref": "refs/heads/main", "repository": { "default_branch": "main" } });
        assert_eq!(moved(&[("x-github-event", "push")], push.clone()), ("refs/heads/main".into(), "main".into()));
        assert_eq!(moved(&[("x-gitea-event", "push"), ("x-github-event", "push")], push).0, "refs/heads/main");
        let gitlab = json!({ "ref": "refs/tags/v1", "project": { "default_branch": "trunk" } });
        assert_eq!(moved(&[("x-gitlab-event", "Tag Push Hook")], gitlab), ("refs/tags/v1".into(), "trunk".into()));
        let cloud = json!({ "push": { "changes": [{ "new": { "type": "branch", "name": "a/b" } }, { "new": null }] } });
        assert_eq!(moved(&[("x-event-key", "repo:push")], cloud).0, "refs/heads/a/b");
        let server = json!({ "changes": [{ "ref": { "id": "refs/heads/x" } }] });
        assert_eq!(moved(&[("x-event-key", "repo:refs_changed")], server).0, "refs/heads/x");
        assert_eq!(moved(&[], json!({ "repository_url": "https://h/a/b", "branch": "x" })).0, "refs/heads/x");
        assert_eq!(hook(&[("x-github-event", "ping")], &json!({})).meaning(), Meaning::Ping);
        assert_eq!(hook(&[("x-github-event", "star")], &json!({})).meaning(), Meaning::Other);
    }

    #[test]
    fn the_repository_is_known_by_any_of_its_urls() {
        let body = json!({ "repository": { "clone_url": "https://H/A/b.git", "ssh_url": "git@h:a/b.git" } });
        assert_eq!(hook(&[("x-github-event", "push")], &body).repositories(), ["h/a/b"]);
    }

    #[test]
    fn a_delivery_without_an_id_is_known_by_its_body() {
        let of = |body: Value| hook(&[("x-gitlab-event", "Push Hook")], &body).delivery;
        assert_eq!(of(json!({ "a": 1 })), of(json!({ "a": 1 })));
        assert_ne!(of(json!({ "a": 1 })), of(json!({ "a": 2 })));
        assert_eq!(hook(&[("x-github-event", "push"), ("x-github-delivery", "id-1")], &json!({})).delivery, "id-1");
    }

    #[test]
    fn a_form_holds_the_payload() {
        let header = |name: &str| (name == "content-type").then_some("application/x-www-form-urlencoded");
        let read = Webhook::read(header, b"payload=%7B%22branch%22%3A%22x%22%7D").unwrap();
        assert!(matches!(read.meaning(), Meaning::Push { .. }));
        assert!(Webhook::read(header, b"other=1").is_err());
    }
}
