//! Where everything lies.
//!
//! ```text
//! DATA_DIR/bin/{build}/streamspace    this binary, where the people's uids can read it
//! DATA_DIR/homes/{name}/              homes, each of its person's uid
//! DATA_DIR/tools/{name}/bin/          programs that the setup brought beyond the system's
//! DATA_DIR/person-uids.json           who has which uid
//! DATA_DIR/sandboxes/{session}/       spec.json, by the server
//!                              record/ holder.json, exit.json, output, by the holder
//!                              home/   an ephemeral home
//! RUN_DIR/{16 hex}/                   sockets: control (the holder's), dial (the init process's)
//! ```

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::engine::SessionId;

#[derive(Clone, Debug)]
pub(super) struct Layout {
    data: PathBuf,
    run: PathBuf,
}

impl Layout {
    pub(super) fn new(data: &Path, run: &Path) -> Self {
        Self { data: data.to_owned(), run: run.to_owned() }
    }

    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    pub(super) fn run(&self) -> &Path {
        &self.run
    }

    pub(super) fn binaries(&self) -> PathBuf {
        self.data.join("bin")
    }

    pub(super) fn homes(&self) -> PathBuf {
        self.data.join("homes")
    }

    pub(super) fn person_uids(&self) -> PathBuf {
        self.data.join("person-uids.json")
    }

    pub(super) fn sandboxes(&self) -> PathBuf {
        self.data.join("sandboxes")
    }

    pub(super) fn sandbox(&self, session: &SessionId) -> PathBuf {
        self.sandboxes().join(&session.0)
    }

    pub(super) fn spec(&self, session: &SessionId) -> PathBuf {
        self.sandbox(session).join("spec.json")
    }

    pub(super) fn record(&self, session: &SessionId) -> PathBuf {
        self.sandbox(session).join("record")
    }

    pub(super) fn ephemeral_home(&self, session: &SessionId) -> PathBuf {
        self.sandbox(session).join("home")
    }

    pub(super) fn sockets(&self, session: &SessionId) -> PathBuf {
        self.run.join(self.short_name(session))
    }

    /// 16 hex digits that stand for the session where a name must be short, different for each data folder.
    pub(super) fn short_name(&self, session: &SessionId) -> String {
        let mut whole = self.data.as_os_str().as_encoded_bytes().to_vec();
        whole.push(0);
        whole.extend(session.0.as_bytes());
        digest(&whole, 8)
    }

    /// 8 hex digits that stand for the data folder.
    pub(super) fn tag(&self) -> String {
        digest(self.data.as_os_str().as_encoded_bytes(), 4)
    }
}

/// Name of the socket that the server speaks to the holder on.
pub(super) const CONTROL: &str = "control";
/// Name of the socket that connections to the program's ports come from.
pub(super) const DIAL: &str = "dial";
/// Name of the file by which a holder is known.
pub(super) const IDENTITY: &str = "holder.json";
/// Name of the file that says how a run ended.
pub(super) const EXIT: &str = "exit.json";

/// The first `bytes` bytes of the SHA-256 of `data`, as hex digits.
pub(super) fn digest(data: &[u8], bytes: usize) -> String {
    hex::encode(&Sha256::digest(data)[..bytes])
}
