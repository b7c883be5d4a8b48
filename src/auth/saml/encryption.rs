//! Opening what a provider encrypted for us.

use base64::{Engine, engine::general_purpose::STANDARD};
use openssl::{
    md::{Md, MdRef},
    pkey::{PKey, Private},
    pkey_ctx::PkeyCtx,
    rsa::Padding,
    symm::{Cipher, Crypter, Mode, decrypt_aead},
};
use roxmltree::Node;

use super::xml::{ASSERTION, ENCRYPTION, Faulty, SIGNATURE, at_most_one, attribute, children, faulty, one, text};

const OAEP_SHA1: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
const OAEP: &str = "http://www.w3.org/2009/xmlenc11#rsa-oaep";
const AES128_GCM: &str = "http://www.w3.org/2009/xmlenc11#aes128-gcm";
const AES256_GCM: &str = "http://www.w3.org/2009/xmlenc11#aes256-gcm";
const AES128_CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes128-cbc";
const AES256_CBC: &str = "http://www.w3.org/2001/04/xmlenc#aes256-cbc";

/// What our metadata offers: what proves that nobody changed it on the way.
pub(super) const OFFERED: [&str; 4] = [AES256_GCM, AES128_GCM, OAEP, OAEP_SHA1];

/// Bytes of a GCM tag, and of its nonce and of a CBC block.
const TAG: usize = 16;
const NONCE: usize = 12;
const BLOCK: usize = 16;

/// Why nothing came out: always the same words, so that what comes back to a sender of changed ciphertexts says nothing.
fn shut<T>() -> Result<T, Faulty> {
    faulty("what is encrypted in it does not open")
}

/// The assertion in the `EncryptedAssertion` below `response`.
///
/// `signed`: the whole response is, so that nobody changed the ciphertext. CBC counts only then: by itself it would give
/// away the text to whoever sends it changed often enough.
pub(super) fn open(response: Node<'_, '_>, key: &PKey<Private>, signed: bool) -> Result<String, Faulty> {
    let encrypted = one(response, ASSERTION, "EncryptedAssertion")?;
    let data = one(encrypted, ENCRYPTION, "EncryptedData")?;
    let cipher = attribute(one(data, ENCRYPTION, "EncryptionMethod")?, "Algorithm")?;
    if matches!(cipher, AES128_CBC | AES256_CBC) && !signed {
        return faulty("it is encrypted with CBC, which counts only where the whole response is signed");
    }
    let info = at_most_one(data, SIGNATURE, "KeyInfo")?;
    // The key stands in the data's KeyInfo, or beside the data.
    let inside = match info {
        Some(info) => at_most_one(info, ENCRYPTION, "EncryptedKey")?,
        None => None,
    };
    let wrapped = match inside {
        Some(wrapped) => wrapped,
        None => one(encrypted, ENCRYPTION, "EncryptedKey")?,
    };
    let session_key = unwrap(wrapped, key)?;
    let plain = decipher(cipher, &session_key, &bytes(data)?)?;
    String::from_utf8(plain).or_else(|_| shut())
}

/// The bytes of a `CipherValue`.
fn bytes(node: Node<'_, '_>) -> Result<Vec<u8>, Faulty> {
    let data = one(node, ENCRYPTION, "CipherData")?;
    let plain: String = text(one(data, ENCRYPTION, "CipherValue")?)?.split_whitespace().collect();
    STANDARD.decode(plain).or_else(|_| shut())
}

/// The key of the data. PKCS #1 v1.5 does not count: it would give the key away in the same manner.
fn unwrap(wrapped: Node<'_, '_>, key: &PKey<Private>) -> Result<Vec<u8>, Faulty> {
    let method = one(wrapped, ENCRYPTION, "EncryptionMethod")?;
    let digest = match children(method, SIGNATURE, "DigestMethod").next() {
        Some(digest) => named_digest(attribute(digest, "Algorithm")?)?,
        None => Md::sha1(),
    };
    let mask = match attribute(method, "Algorithm")? {
        OAEP_SHA1 => Md::sha1(),
        OAEP => mask_of(method)?,
        _ => return faulty("its key is not encrypted with RSA-OAEP"),
    };
    let sealed = bytes(wrapped)?;
    let open = || {
        let mut context = PkeyCtx::new(key)?;
        context.decrypt_init()?;
        context.set_rsa_padding(Padding::PKCS1_OAEP)?;
        context.set_rsa_oaep_md(digest)?;
        context.set_rsa_mgf1_md(mask)?;
        let mut plain = Vec::new();
        context.decrypt_to_vec(&sealed, &mut plain)?;
        Ok::<_, openssl::error::ErrorStack>(plain)
    };
    open().or_else(|_| shut())
}

/// The digest of the mask: `http://www.w3.org/2009/xmlenc11#mgf1sha256` and the like; SHA-1 where nothing is said.
fn mask_of(method: Node<'_, '_>) -> Result<&'static MdRef, Faulty> {
    let named = method.children().find(|node| node.is_element() && node.tag_name().name() == "MGF");
    let Some(named) = named else { return Ok(Md::sha1()) };
    match attribute(named, "Algorithm")?.strip_prefix("http://www.w3.org/2009/xmlenc11#mgf1") {
        Some("sha1") => Ok(Md::sha1()),
        Some("sha256") => Ok(Md::sha256()),
        Some("sha384") => Ok(Md::sha384()),
        Some("sha512") => Ok(Md::sha512()),
        _ => faulty("its key is encrypted with a mask that nobody here knows"),
    }
}

fn named_digest(algorithm: &str) -> Result<&'static MdRef, Faulty> {
    match algorithm {
        "http://www.w3.org/2000/09/xmldsig#sha1" => Ok(Md::sha1()),
        "http://www.w3.org/2001/04/xmlenc#sha256" => Ok(Md::sha256()),
        "http://www.w3.org/2001/04/xmldsig-more#sha384" => Ok(Md::sha384()),
        "http://www.w3.org/2001/04/xmlenc#sha512" => Ok(Md::sha512()),
        _ => faulty("its key is encrypted with a digest that nobody here knows"),
    }
}

/// The plain text. Lengths are looked at first: OpenSSL's bindings stop the process where a key has another one.
fn decipher(algorithm: &str, key: &[u8], data: &[u8]) -> Result<Vec<u8>, Faulty> {
    let cipher = match algorithm {
        AES128_GCM => Cipher::aes_128_gcm(),
        AES256_GCM => Cipher::aes_256_gcm(),
        AES128_CBC => Cipher::aes_128_cbc(),
        AES256_CBC => Cipher::aes_256_cbc(),
        _ => return faulty("it is encrypted with a cipher that nobody here knows"),
    };
    if key.len() != cipher.key_len() {
        return shut();
    }
    if matches!(algorithm, AES128_GCM | AES256_GCM) {
        let Some((nonce, sealed)) = data.split_at_checked(NONCE) else { return shut() };
        let Some(length) = sealed.len().checked_sub(TAG) else { return shut() };
        let (sealed, tag) = sealed.split_at(length);
        return decrypt_aead(cipher, key, Some(nonce), &[], sealed, tag).or_else(|_| shut());
    }
    let Some((vector, sealed)) = data.split_at_checked(BLOCK) else { return shut() };
    if sealed.is_empty() || sealed.len() % BLOCK != 0 {
        return shut();
    }
    unpadded(cipher, key, vector, sealed)
}

/// XML Encryption's padding: the last byte says how many there are, and the others may be anything.
fn unpadded(cipher: Cipher, key: &[u8], vector: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Faulty> {
    let deciphered = || {
        let mut crypter = Crypter::new(cipher, Mode::Decrypt, key, Some(vector))?;
        crypter.pad(false);
        let mut plain = vec![0; sealed.len() + BLOCK];
        let count = crypter.update(sealed, &mut plain)?;
        let rest = crypter.finalize(&mut plain[count..])?;
        plain.truncate(count + rest);
        Ok::<_, openssl::error::ErrorStack>(plain)
    };
    let Ok(mut plain) = deciphered() else { return shut() };
    let padding = plain.last().copied().map(usize::from).unwrap_or_default();
    if !(1..=BLOCK).contains(&padding) || padding > plain.len() {
        return shut();
    }
    plain.truncate(plain.len() - padding);
    Ok(plain)
}
