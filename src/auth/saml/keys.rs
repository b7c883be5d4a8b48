//! The key and the certificate that providers know this server by.

use jiff::Timestamp;
use openssl::{
    asn1::{Asn1Integer, Asn1Time},
    bn::{BigNum, MsbOption},
    error::ErrorStack,
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    sign::Signer,
    x509::{X509, X509NameBuilder},
};
use secrecy::ExposeSecret;

use crate::{
    auth::secret::{Place, SecretError, Secrets},
    config::Saml,
    store::{self, Pool},
};

/// Bits of a key that is made here.
const BITS: u32 = 3_072;
/// Fewest bits of one that is configured.
const BITS_MIN: u32 = 2_048;
/// How long its certificate says it is good: providers go by the certificate itself.
const VALID_DAYS: u32 = 20 * 365;
/// The one row.
const ROW: &str = "own";
const PLACE: Place<'static> = Place { table: "saml_keys", column: "private_key", row: ROW };

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file cannot be used.
    #[error("{setting}: {reason}")]
    File {
        /// The setting that names it.
        setting: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// What is kept does not open.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// It cannot be made.
    #[error("a key for SAML cannot be made")]
    Made(#[from] ErrorStack),
    /// The database.
    #[error("the key for SAML cannot be read or kept")]
    Store(#[from] crate::Error),
}

/// The key with its certificate.
pub(super) struct OwnKey {
    pub(super) key: PKey<Private>,
    /// DER.
    pub(super) certificate: Vec<u8>,
}

impl std::fmt::Debug for OwnKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnKey").finish_non_exhaustive()
    }
}

impl OwnKey {
    /// The configured one, or else the one that was made at the first start.
    pub(super) async fn load(config: &Saml, pool: &Pool, secrets: &Secrets, now: Timestamp) -> Result<Self, KeyError> {
        if let (Some(certificate), Some(key)) = (&config.saml_cert_file, &config.saml_key_file) {
            let read = |setting, path: &std::path::Path| {
                std::fs::read(path)
                    .map_err(|error| KeyError::File { setting, reason: format!("{}: {error}", path.display()) })
            };
            return from_files(&read("SAML_CERT_FILE", certificate)?, &read("SAML_KEY_FILE", key)?);
        }
        let client = pool.get().await.map_err(crate::Error::from)?;
        let kept = match store::saml::key(&client, ROW).await? {
            Some(kept) => kept,
            None => {
                let made = tokio::task::spawn_blocking(make)
                    .await
                    .map_err(|error| crate::Error::internal(error.to_string()))??;
                let sealed = secrets.seal(PLACE, &made.key.private_key_to_pkcs8()?)?;
                store::saml::insert_key_if_none(&client, ROW, &made.certificate, &sealed, now).await?;
                // Another process may have been faster: its key counts for all.
                let kept = store::saml::key(&client, ROW).await?;
                kept.ok_or_else(|| crate::Error::internal("a key that was kept is gone"))?
            }
        };
        let plain = secrets.open(PLACE, &kept.private_key)?;
        Ok(Self { key: PKey::private_key_from_pkcs8(plain.expose_secret())?, certificate: kept.certificate })
    }

    /// Signs `message` with RSA and SHA-256.
    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key)?;
        signer.sign_oneshot_to_vec(message)
    }
}

fn from_files(certificate: &[u8], key: &[u8]) -> Result<OwnKey, KeyError> {
    let wrong = |setting, reason: &str| KeyError::File { setting, reason: reason.to_owned() };
    let certificate =
        X509::from_pem(certificate).map_err(|_| wrong("SAML_CERT_FILE", "there is no certificate in PEM in it"))?;
    let key = PKey::private_key_from_pem_callback(key, |_| Ok(0))
        .map_err(|_| wrong("SAML_KEY_FILE", "there is no private key in PEM, without a password, in it"))?;
    if key.rsa().is_err() || key.bits() < BITS_MIN {
        return Err(wrong("SAML_KEY_FILE", "it has to hold an RSA key of at least 2,048 bits"));
    }
    if !certificate.public_key()?.public_eq(&key) {
        return Err(wrong("SAML_CERT_FILE", "it does not belong to the key in SAML_KEY_FILE"));
    }
    Ok(OwnKey { key, certificate: certificate.to_der()? })
}

/// A new key, with a certificate that says nothing but that it is ours.
fn make() -> Result<OwnKey, ErrorStack> {
    let key = PKey::from_rsa(Rsa::generate(BITS)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", "StreamSpace")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(&*Asn1Integer::from_bn(&serial)?)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    certificate.set_not_after(&*Asn1Time::days_from_now(VALID_DAYS)?)?;
    certificate.set_pubkey(&key)?;
    certificate.sign(&key, MessageDigest::sha256())?;
    Ok(OwnKey { key, certificate: certificate.build().to_der()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configured_key_is_rsa_strong_and_its_certificates() {
        let pem = |own: &OwnKey| {
            let certificate = X509::from_der(&own.certificate).unwrap().to_pem().unwrap();
            (certificate, own.key.private_key_to_pem_pkcs8().unwrap())
        };
        let ((certificate, key), (_, other)) = (pem(&make().unwrap()), pem(&make().unwrap()));
        let used = from_files(&certificate, &key).unwrap();
        assert_eq!(used.key.bits(), BITS);
        let setting = |certificate: &[u8], key: &[u8]| match from_files(certificate, key) {
            Err(KeyError::File { setting, .. }) => setting,
            other => panic!("{other:?}"),
        };
        assert_eq!(setting(b"", &key), "SAML_CERT_FILE");
        assert_eq!(setting(&certificate, b""), "SAML_KEY_FILE");
        assert_eq!(setting(&certificate, &other), "SAML_CERT_FILE", "another key's certificate");
        let weak = PKey::from_rsa(Rsa::generate(1_024).unwrap()).unwrap().private_key_to_pem_pkcs8().unwrap();
        assert_eq!(setting(&certificate, &weak), "SAML_KEY_FILE");
    }
}
