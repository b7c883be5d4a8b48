//! Secrets at rest: what the database holds sealed, and what it holds as a MAC.
//!
//! `SECRET_KEY` holds one or more keys. From each HKDF-SHA-256 derives a key for data (AES-256-GCM), one for MACs and
//! an id, so that a sealed value says which key opens it. The first key seals, all open.

use std::{fmt, fs, io, path::Path, sync::Arc};

use aes_gcm::{
    Aes256Gcm,
    aead::{Aead, Generate, KeyInit, Nonce, Payload},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::{Digest, Sha256};

/// Fewest bytes of a key.
pub const KEY_MIN_BYTES: usize = 32;
/// The file in the data folder that holds the key where none is configured.
pub const KEY_FILE: &str = "secret.key";

/// First byte of what this release seals: AES-256-GCM, key id of 8 bytes, nonce of 12.
const FORMAT: u8 = 1;
const KEY_ID_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_BYTES;

/// Why secrets cannot be kept or read. No variant carries one.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// A key is too short to be one.
    #[error(
        "key {number} of SECRET_KEY has {bytes} bytes: make one of at least {KEY_MIN_BYTES}, such as `openssl rand -base64 32` prints"
    )]
    Short {
        /// Its place in the list, from 1.
        number: usize,
        /// Its length.
        bytes: usize,
    },
    /// No key at all.
    #[error("SECRET_KEY is empty: leave it away, or give at least one key of {KEY_MIN_BYTES} bytes")]
    Empty,
    /// The file with the key cannot be read or made.
    #[error("the key file {path}: {source}")]
    File {
        /// Where it lies.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Others can read the file with the key.
    #[error("other users can read the key file {path}: run `chmod 600 {path}`")]
    Open {
        /// Where it lies.
        path: String,
    },
    /// Sealed with a key that is not there.
    #[error("a secret in the database was sealed with another SECRET_KEY (id {id}): add that key behind the first")]
    UnknownKey {
        /// The id that the value carries, in hex.
        id: String,
    },
    /// Not what was sealed for that place.
    #[error("a secret in the database was changed or moved: {0}")]
    Broken(String),
}

/// Where a sealed value lies. It is bound to it: moved to another row it does not open.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Name of the table.
    pub table: &'a str,
    /// Name of the column.
    pub column: &'a str,
    /// The row's id as text.
    pub row: &'a str,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{} of {}", self.table, self.column, self.row)
    }
}

impl Place<'_> {
    /// The bytes that the seal covers beside the value; lengths in front, so that no two places give the same.
    fn bound(&self) -> Vec<u8> {
        length_prefixed([self.table.as_bytes(), self.column.as_bytes(), self.row.as_bytes()])
    }
}

/// The parts one behind the other, each with its length in front: no two lists of parts give the same bytes.
pub(crate) fn length_prefixed<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    all
}

/// The keys of the installation; a cheap handle.
#[derive(Clone)]
pub struct Secrets(Arc<Vec<Derived>>);

struct Derived {
    id: [u8; KEY_ID_BYTES],
    cipher: Aes256Gcm,
    mac: SecretSlice<u8>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| hex::encode(key.id))).finish()
    }
}

impl Secrets {
    /// The configured keys, or else those of the file [`KEY_FILE`] in `data_dir`, which is made where there is none.
    pub fn load(configured: Option<&SecretString>, data_dir: &Path) -> Result<Self, SecretError> {
        match configured {
            Some(keys) => Self::from_text(keys.expose_secret()),
            None => Self::from_text(read_or_make(&data_dir.join(KEY_FILE))?.expose_secret()),
        }
    }

    /// Keys separated by commas or line ends; space around them does not count.
    pub fn from_text(text: &str) -> Result<Self, SecretError> {
        let keys = text.split([',', '\n', '\r']).map(str::trim).filter(|key| !key.is_empty());
        let derived = keys
            .enumerate()
            .map(|(index, key)| match key.len() {
                KEY_MIN_BYTES.. => Ok(Derived::from_key(key.as_bytes())),
                bytes => Err(SecretError::Short { number: index + 1, bytes }),
            })
            .collect::<Result<Vec<_>, _>>()?;
        if derived.is_empty() { Err(SecretError::Empty) } else { Ok(Self(Arc::new(derived))) }
    }

    /// Seals `plain` for `place` with the first key.
    pub fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, SecretError> {
        let key = self.first();
        let nonce = Nonce::<Aes256Gcm>::generate();
        let payload = Payload { msg: plain, aad: &place.bound() };
        let sealed = key.cipher.encrypt(&nonce, payload).map_err(|_| SecretError::Broken(place.to_string()))?;
        Ok([&[FORMAT][..], &key.id, &nonce, &sealed].concat())
    }

    /// Seals a secret that was opened, without showing it to the caller.
    pub fn seal_secret(&self, place: Place<'_>, plain: &SecretSlice<u8>) -> Result<Vec<u8>, SecretError> {
        self.seal(place, plain.expose_secret())
    }

    /// Opens what [`Secrets::seal`] made for the same place, with whichever key it was.
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<SecretSlice<u8>, SecretError> {
        let broken = || SecretError::Broken(place.to_string());
        let (header, body) = sealed.split_at_checked(HEADER_BYTES).ok_or_else(broken)?;
        let (id, nonce) = header[1..].split_at(KEY_ID_BYTES);
        if header[0] != FORMAT {
            return Err(broken());
        }
        let key =
            self.0.iter().find(|key| key.id == id).ok_or_else(|| SecretError::UnknownKey { id: hex::encode(id) })?;
        let nonce = Nonce::<Aes256Gcm>::try_from(nonce).map_err(|_| broken())?;
        let plain = key.cipher.decrypt(&nonce, Payload { msg: body, aad: &place.bound() }).map_err(|_| broken())?;
        Ok(plain.into())
    }

    /// Whether `sealed` was sealed with the first key, so that `rekey` may leave it as it is.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        sealed.first() == Some(&FORMAT) && sealed.get(1..=KEY_ID_BYTES) == Some(&self.first().id[..])
    }

    /// MAC (HMAC-SHA-256) of `message` under the first key; `purpose` keeps the MACs of different uses apart.
    #[must_use]
    pub fn mac(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        self.first().mac(purpose, message).finalize().into_bytes().into()
    }

    /// Whether `mac` is the MAC of `message` under any of the keys; in the same time whatever it is.
    #[must_use]
    pub fn verify_mac(&self, purpose: &str, message: &[u8], mac: &[u8]) -> bool {
        self.0.iter().fold(false, |found, key| key.mac(purpose, message).verify_slice(mac).is_ok() | found)
    }

    fn first(&self) -> &Derived {
        // `from_text` refuses an empty list.
        &self.0[0]
    }
}

impl Derived {
    fn from_key(key: &[u8]) -> Self {
        let hkdf = Hkdf::<Sha256>::new(None, key);
        let mut id = [0; KEY_ID_BYTES];
        let mut data = [0; 32];
        let mut mac = vec![0; 32];
        for (info, out) in
            [("streamspace key id", &mut id[..]), ("streamspace data", &mut data), ("streamspace mac", &mut mac)]
        {
            // HKDF-SHA-256 gives up to 8,160 bytes, so 32 cannot be too many.
            hkdf.expand(info.as_bytes(), out).unwrap_or_else(|_| unreachable!("at most 32 bytes are asked for"));
        }
        Self { id, cipher: Aes256Gcm::new(&data.into()), mac: mac.into() }
    }

    fn mac(&self, purpose: &str, message: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(self.mac.expose_secret())
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(&length_prefixed([purpose.as_bytes(), message]));
        mac
    }
}

/// A new secret of 256 random bits, for people and browsers to carry.
#[must_use]
pub fn random() -> [u8; 32] {
    rand::random()
}

/// SHA-256: what is kept of a secret that is random enough not to be guessed.
#[must_use]
pub fn sha256(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

/// The text of the key file; made with a new key where there is none.
fn read_or_make(path: &Path) -> Result<SecretString, SecretError> {
    let named = |source| SecretError::File { path: path.display().to_string(), source };
    match make(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(named(error)),
        _ => {}
    }
    let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(path).map_err(named)?);
    if mode & 0o077 != 0 {
        return Err(SecretError::Open { path: path.display().to_string() });
    }
    Ok(fs::read_to_string(path).map_err(named)?.into())
}

/// Makes the key file, whole or not at all: it gets its name only once it is on the disk.
fn make(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    if path.exists() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    let unnamed = path.with_extension(format!("new-{}", hex::encode(rand::random::<[u8; 8]>())));
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed)?;
        io::Write::write_all(&mut file, format!("{}\n", STANDARD.encode(random())).as_bytes())?;
        file.sync_all()?;
        // A hard link, unlike a rename, does not replace the key of another process that was faster.
        fs::hard_link(&unnamed, path)?;
        path.parent().map_or(Ok(()), |folder| fs::File::open(folder)?.sync_all())
    };
    let made = write();
    let _ = fs::remove_file(&unnamed);
    made
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const OLD: &str = "an old key of more than 32 bytes - really";
    const NEW: &str = "a new key of more than 32 bytes - at last";
    const PLACE: Place<'_> = Place { table: "signing_keys", column: "private_key", row: "one" };

    fn folder() -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("streamspace-secret-{}", uuid::Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn what_is_sealed_opens_in_its_own_place_alone() {
        let secrets = Secrets::from_text(NEW).unwrap();
        let sealed = secrets.seal(PLACE, b"hush").unwrap();
        assert_eq!(secrets.open(PLACE, &sealed).unwrap().expose_secret(), b"hush");
        for elsewhere in [
            Place { row: "two", ..PLACE },
            Place { column: "other", ..PLACE },
            Place { table: "users", ..PLACE },
            Place { table: "signing_keysprivate_key", column: "", ..PLACE },
        ] {
            assert!(matches!(secrets.open(elsewhere, &sealed), Err(SecretError::Broken(_))), "{elsewhere}");
        }
    }

    #[test]
    fn a_changed_byte_anywhere_keeps_it_shut() {
        let secrets = Secrets::from_text(NEW).unwrap();
        let sealed = secrets.seal(PLACE, b"hush").unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(secrets.open(PLACE, &changed).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(secrets.open(PLACE, &sealed[..length]).is_err(), "cut to {length}");
        }
    }

    #[test]
    fn the_first_key_seals_and_every_key_opens() {
        let sealed = Secrets::from_text(OLD).unwrap().seal(PLACE, b"hush").unwrap();
        let both = Secrets::from_text(&format!("{NEW}, {OLD}")).unwrap();
        assert_eq!(both.open(PLACE, &sealed).unwrap().expose_secret(), b"hush");
        assert!(!both.is_current(&sealed));
        assert!(both.is_current(&both.seal(PLACE, b"hush").unwrap()));
        let new = Secrets::from_text(NEW).unwrap();
        assert!(matches!(new.open(PLACE, &sealed), Err(SecretError::UnknownKey { .. })));
        assert!(both.verify_mac("use", b"text", &Secrets::from_text(OLD).unwrap().mac("use", b"text")));
        assert!(both.verify_mac("use", b"text", &new.mac("use", b"text")));
    }

    #[test]
    fn a_mac_is_good_for_its_use_message_and_key_alone() {
        let secrets = Secrets::from_text(NEW).unwrap();
        let mac = secrets.mac("tickets", b"text");
        assert!(secrets.verify_mac("tickets", b"text", &mac));
        assert!(!secrets.verify_mac("cookies", b"text", &mac));
        assert!(!secrets.verify_mac("tickets", b"tex", &mac));
        assert!(!secrets.verify_mac("ticketst", b"ext", &mac));
        assert!(!secrets.verify_mac("tickets", b"text", &mac[..31]));
        assert!(!Secrets::from_text(OLD).unwrap().verify_mac("tickets", b"text", &mac));
    }

    #[test]
    fn short_keys_and_no_keys_are_refused() {
        let short = Secrets::from_text(&format!("{NEW},short")).unwrap_err();
        assert!(matches!(short, SecretError::Short { number: 2, bytes: 5 }), "{short}");
        assert!(matches!(Secrets::from_text(" ,\n"), Err(SecretError::Empty)));
        assert!(Secrets::from_text(&"x".repeat(32)).is_ok());
        assert!(Secrets::from_text(&"x".repeat(31)).is_err());
    }

    #[test]
    fn the_key_file_is_made_once_for_its_owner_and_read_ever_after() {
        let folder = folder();
        let first = Secrets::load(None, &folder).unwrap();
        let sealed = first.seal(PLACE, b"hush").unwrap();
        let path = folder.join(KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Secrets::load(None, &folder).unwrap();
        assert_eq!(again.open(PLACE, &sealed).unwrap().expose_secret(), b"hush");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing but the key is left behind");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Secrets::load(None, &folder), Err(SecretError::Open { .. })));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_configured_key_comes_before_the_file() {
        let folder = folder();
        let secrets = Secrets::load(Some(&NEW.to_owned().into()), &folder).unwrap();
        let sealed = secrets.seal(PLACE, b"hush").unwrap();
        assert!(Secrets::from_text(NEW).unwrap().open(PLACE, &sealed).is_ok());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn many_processes_that_start_at_once_agree_on_one_key() {
        let folder = folder();
        let sealed: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| Secrets::load(None, &folder).unwrap().seal(PLACE, b"hush").unwrap()))
                .collect();
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        let secrets = Secrets::load(None, &folder).unwrap();
        assert!(sealed.iter().all(|sealed| secrets.open(PLACE, sealed).is_ok()));
        fs::remove_dir_all(folder).unwrap();
    }
}
