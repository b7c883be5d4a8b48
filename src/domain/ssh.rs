//! Rules over keys for SSH.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::fields::FieldError;

/// Most bytes of a key, or of the keys of a host.
const KEY_BYTES: usize = 16 * 1024;
/// Most keys of a host.
const HOST_KEYS: usize = 8;
/// The kinds of keys that a host may have.
const KINDS: [&str; 5] =
    ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];
/// What the content of a private key begins with, in OpenSSH's own format.
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// The keys of a host, one a line as `type key`, from what `ssh-keyscan` prints or `known_hosts` holds.
///
/// # Errors
/// The field `auth.hostKey`.
pub fn host_keys(text: &str) -> Result<String, FieldError> {
    let wrong = |message: &str| FieldError::new("auth.hostKey", message);
    let lines: Vec<&str> =
        text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    if text.len() > KEY_BYTES || lines.is_empty() || lines.len() > HOST_KEYS {
        return Err(wrong("give one key of the host a line, as `ssh-keyscan HOST` prints them"));
    }
    let keys: Option<Vec<String>> = lines.into_iter().map(host_key).collect();
    let keys =
        keys.ok_or_else(|| wrong("is no key of a host: write `ssh-ed25519 AAAA…`, as `ssh-keyscan HOST` prints it"))?;
    Ok(keys.join("\n"))
}

/// `type key` of a line, in front of which names of hosts may stand.
fn host_key(line: &str) -> Option<String> {
    let mut words = line.split_whitespace();
    let first = words.next()?;
    let kind = if KINDS.contains(&first) { first } else { words.next().filter(|kind| KINDS.contains(kind))? };
    let key = words.next()?;
    let content = STANDARD.decode(key).ok()?;
    // The key says its kind once more.
    let inner = content.get(4..4 + kind.len())?;
    (inner == kind.as_bytes()).then(|| format!("{kind} {key}"))
}

/// A private key as `ssh` reads it from a file.
///
/// # Errors
/// The field `auth.privateKey` for what is none, and for one that asks for a passphrase.
pub fn private_key(text: &str) -> Result<String, FieldError> {
    let wrong = |message: &str| Err(FieldError::new("auth.privateKey", message));
    let text = text.trim().replace('\r', "");
    let is_key = text.starts_with("-----BEGIN ") && text.ends_with(" PRIVATE KEY-----") && text.len() <= KEY_BYTES;
    if !is_key {
        return wrong("give a private key as ssh-keygen writes it into a file, from “-----BEGIN” to its end");
    }
    if text.contains("ENCRYPTED") || is_sealed(&text) {
        return wrong(
            "has a passphrase, which nobody would be there to type: make a key without one for this repository",
        );
    }
    Ok(text + "\n")
}

/// Whether a key in OpenSSH's own format is encrypted: its first field names the cipher.
fn is_sealed(text: &str) -> bool {
    let body: String = text.lines().filter(|line| !line.starts_with('-')).map(str::trim).collect();
    let content = STANDARD.decode(body).unwrap_or_default();
    content.strip_prefix(MAGIC).is_some_and(|rest| rest.get(4..8) != Some(b"none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJpdHMgYW5kIGJ5dGVzIG9mIGEgdGVzdCBrZXkuLi4u";

    #[test]
    fn keys_of_a_host_are_taken_as_they_are_found_in_files() {
        assert_eq!(host_keys(HOST).unwrap(), HOST);
        assert_eq!(host_keys(&format!("# h:22 SSH-2.0\nh.example,192.0.2.1 {HOST} comment\n\n")).unwrap(), HOST);
        let renamed = HOST.replacen("ssh-ed25519", "ssh-rsa", 1);
        for text in
            ["", "h.example", "ssh-ed25519 !!!!", "ssh-dss AAAA", &renamed, &format!("@cert-authority * {HOST}")]
        {
            assert_eq!(host_keys(text).unwrap_err().field, "auth.hostKey", "{text}");
        }
    }

    fn key(cipher: &str) -> String {
        let length = u32::try_from(cipher.len()).unwrap().to_be_bytes();
        let content = [MAGIC, &length, cipher.as_bytes(), b"more"].concat();
        format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----\r\n{}\r\n-----END OPENSSH PRIVATE KEY-----",
            STANDARD.encode(content)
        )
    }

    #[test]
    fn a_private_key_is_one_that_nobody_has_to_unlock() {
        let good = private_key(&key("none")).unwrap();
        assert!(good.ends_with("-----\n") && !good.contains('\r'), "{good}");
        let sealed = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----";
        for text in ["", "ssh-ed25519 AAAA", sealed, &key("aes256-ctr")] {
            assert_eq!(private_key(text).unwrap_err().field, "auth.privateKey", "{text}");
        }
    }
}
