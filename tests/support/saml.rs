//! A SAML identity provider of the test's own: real keys, and whatever it is told to say. It writes and signs XML by
//! itself, in canonical form from the start, so that nothing of what is tested has a part in it.

use std::{
    collections::HashMap,
    io::{Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use jiff::{SignedDuration, Timestamp};
use openssl::{
    asn1::Asn1Time,
    hash::MessageDigest,
    md::Md,
    pkey::{PKey, Private},
    pkey_ctx::PkeyCtx,
    rsa::{Padding, Rsa},
    sign::{Signer, Verifier},
    symm::{Cipher, encrypt, encrypt_aead},
    x509::{X509, X509NameBuilder},
};
use sha2::{Digest, Sha256};
use streamspace::auth::saml::{ACS, METADATA, SLO};

use super::{
    app::TestApp,
    client::{Answer, Client, send},
    idp::signing_in,
    program::{self, Program},
};

const SAML: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
pub const DS: &str = "http://www.w3.org/2000/09/xmldsig#";
pub const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
pub const CANONICAL: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// A key with its certificate.
#[derive(Clone)]
pub struct Key {
    pub key: PKey<Private>,
    pub certificate: X509,
}

impl Key {
    pub fn new() -> Self {
        let key = PKey::from_rsa(Rsa::generate(2_048).expect("a key")).expect("a key");
        let mut name = X509NameBuilder::new().expect("a name");
        name.append_entry_by_text("CN", "provider").expect("a name");
        let name = name.build();
        let mut certificate = X509::builder().expect("a certificate");
        certificate.set_subject_name(&name).expect("a name");
        certificate.set_issuer_name(&name).expect("a name");
        certificate.set_not_before(&Asn1Time::days_from_now(0).expect("a day")).expect("a day");
        certificate.set_not_after(&Asn1Time::days_from_now(1).expect("a day")).expect("a day");
        certificate.set_pubkey(&key).expect("a key");
        certificate.sign(&key, MessageDigest::sha256()).expect("a signature");
        Self { key, certificate: certificate.build() }
    }

    fn descriptor(&self, usage: &str) -> String {
        let der = STANDARD.encode(self.certificate.to_der().expect("a certificate"));
        format!(
            "<md:KeyDescriptor{usage}><ds:KeyInfo xmlns:ds=\"{DS}\"><ds:X509Data><ds:X509Certificate>{der}\
             </ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
        )
    }
}

/// The provider.
pub struct SamlIdp {
    state: Arc<Mutex<State>>,
    // Ends with the value.
    _program: Program,
}

struct State {
    url: String,
    entity_id: String,
    /// It signs with the first, and publishes all.
    keys: Vec<Key>,
    away: bool,
}

impl State {
    fn metadata(&self) -> String {
        let Self { url, entity_id, keys, .. } = self;
        let keys: String = keys.iter().map(|key| key.descriptor(" use=\"signing\"")).collect();
        format!(
            "<?xml version=\"1.0\"?><!-- ours --><md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" \
             entityID=\"{entity_id}\"><md:IDPSSODescriptor protocolSupportEnumeration=\"{PROTOCOL}\">{keys}\
             <md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" \
             Location=\"{url}/sso?realm=x\"/><md:SingleLogoutService \
             Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"{url}/slo\" \
             ResponseLocation=\"{url}/slo/answer\"/></md:IDPSSODescriptor></md:EntityDescriptor>"
        )
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl SamlIdp {
    /// Starts one.
    pub async fn start() -> Self {
        let state = State { url: String::new(), entity_id: String::new(), keys: vec![Key::new()], away: false };
        let state = Arc::new(Mutex::new(state));
        let shared = Arc::clone(&state);
        let program = Program::start(move |client| serve(client, Arc::clone(&shared))).await;
        let url = format!("http://{}", program.address);
        lock(&state).entity_id = format!("{url}/entity");
        lock(&state).url = url;
        Self { state, _program: program }
    }

    /// A server that knows it.
    pub async fn app(&self, arguments: &[&str]) -> TestApp {
        TestApp::with(&[&self.settings().each_ref().map(String::as_str)[..], arguments].concat()).await
    }

    /// The settings of a server that knows it.
    pub fn settings(&self) -> [String; 2] {
        [format!("--saml-idp-metadata-url={}", self.metadata_url()), "--saml-label=Example".to_owned()]
    }

    /// Where it says what it is.
    pub fn metadata_url(&self) -> String {
        format!("{}/metadata", lock(&self.state).url)
    }

    /// What it calls itself.
    pub fn entity_id(&self) -> String {
        lock(&self.state).entity_id.clone()
    }

    /// From now on it calls itself that.
    pub fn call(&self, entity_id: &str) {
        entity_id.clone_into(&mut lock(&self.state).entity_id);
    }

    /// What identities and rules call it.
    pub fn issuer(&self) -> String {
        format!("saml:{}", self.entity_id())
    }

    /// From now on nobody answers there, or somebody does again.
    pub fn away(&self, away: bool) {
        lock(&self.state).away = away;
    }

    /// The key that it signs with.
    pub fn key(&self) -> Key {
        lock(&self.state).keys[0].clone()
    }

    /// From now on it signs with the first of `keys`, and publishes all of them.
    pub fn use_keys(&self, keys: Vec<Key>) {
        lock(&self.state).keys = keys;
    }

    /// What it publishes.
    pub fn metadata(&self) -> String {
        lock(&self.state).metadata()
    }

    /// What it says of `subject` in answer to `trip`, not signed yet.
    pub fn assertion(&self, app: &TestApp, trip: &Trip, subject: &str, said: &[(&str, &[&str])]) -> String {
        let attribute = |(name, values): &(&str, &[&str])| {
            let values = values.iter().map(|value| format!("<saml:AttributeValue>{value}</saml:AttributeValue>"));
            let values = values.collect::<Vec<_>>().concat();
            format!("<saml:Attribute Name=\"{name}\">{values}</saml:Attribute>")
        };
        let attributes = said.iter().map(attribute).collect::<Vec<_>>().concat();
        let now = app.app.clock.now();
        let (begin, end) = (now - SignedDuration::from_mins(1), now + SignedDuration::from_mins(5));
        let answers = trip.request.as_ref().map(|id| format!(" InResponseTo=\"{id}\"")).unwrap_or_default();
        let Trip { acs, audience, .. } = trip;
        format!(
            "<saml:Assertion xmlns:saml=\"{SAML}\" ID=\"{id}\" IssueInstant=\"{now}\" Version=\"2.0\">\
             <saml:Issuer>{issuer}</saml:Issuer><saml:Subject>\
             <saml:NameID Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\">{subject}</saml:NameID>\
             <saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData\
             {answers} NotOnOrAfter=\"{end}\" Recipient=\"{acs}\"></saml:SubjectConfirmationData>\
             </saml:SubjectConfirmation></saml:Subject>\
             <saml:Conditions NotBefore=\"{begin}\" NotOnOrAfter=\"{end}\"><saml:AudienceRestriction>\
             <saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions>\
             <saml:AuthnStatement AuthnInstant=\"{now}\" SessionIndex=\"_s{id}\"><saml:AuthnContext>\
             <saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef>\
             </saml:AuthnContext></saml:AuthnStatement>\
             <saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion>",
            id = new_id("a"),
            issuer = self.entity_id(),
            now = instant(now),
            begin = instant(begin),
            end = instant(end),
        )
    }

    /// A response around `assertion`, not signed itself.
    pub fn response(&self, app: &TestApp, trip: &Trip, assertion: &str) -> String {
        let answers = trip.request.as_ref().map(|id| format!(" InResponseTo=\"{id}\"")).unwrap_or_default();
        format!(
            "<samlp:Response xmlns:samlp=\"{PROTOCOL}\" Destination=\"{}\" ID=\"{}\"{answers} IssueInstant=\"{}\" \
             Version=\"2.0\"><saml:Issuer xmlns:saml=\"{SAML}\">{}</saml:Issuer><samlp:Status><samlp:StatusCode \
             Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"></samlp:StatusCode></samlp:Status>\
             {assertion}</samlp:Response>",
            trip.acs,
            new_id("r"),
            instant(app.app.clock.now()),
            self.entity_id(),
        )
    }

    /// `xml`, whose root is an assertion or a response in canonical form, with this provider's signature.
    pub fn sign(&self, xml: &str) -> String {
        signed(xml, &self.key(), |info| info)
    }

    /// Its request to sign `subject` out of `sessions`, not signed yet.
    pub fn logout(&self, app: &TestApp, subject: &str, sessions: &[&str]) -> String {
        let sessions = sessions.iter().map(|session| format!("<samlp:SessionIndex>{session}</samlp:SessionIndex>"));
        let sessions = sessions.collect::<Vec<_>>().concat();
        format!(
            "<samlp:LogoutRequest xmlns:samlp=\"{PROTOCOL}\" Destination=\"{}{SLO}\" ID=\"{}\" IssueInstant=\"{}\" \
             Version=\"2.0\"><saml:Issuer xmlns:saml=\"{SAML}\">{}</saml:Issuer>\
             <saml:NameID xmlns:saml=\"{SAML}\">{subject}</saml:NameID>{sessions}</samlp:LogoutRequest>",
            app.anyone().base(),
            new_id("l"),
            instant(app.app.clock.now()),
            self.entity_id(),
        )
    }

    /// The whole way of `subject`: what the server answers at its end.
    pub async fn sign_in(&self, app: &TestApp, subject: &str, said: &[(&str, &[&str])]) -> Answer {
        let trip = Trip::begin(&app.anyone(), "/").await;
        let assertion = self.sign(&self.assertion(app, &trip, subject, said));
        trip.post(&app.anyone(), &self.response(app, &trip, &assertion)).await
    }

    /// The same for one who is let in: their browser.
    pub async fn browser(&self, app: &TestApp, subject: &str, said: &[(&str, &[&str])]) -> Client {
        let answer = self.sign_in(app, subject, said).await;
        assert_eq!(answer.header("location"), "/", "{answer:?}");
        app.anyone().browser(&answer.cookie().expect("a cookie"))
    }
}

fn instant(now: Timestamp) -> String {
    now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn new_id(letter: &str) -> String {
    format!("_{letter}{}", hex::encode(rand::random::<[u8; 8]>()))
}

/// The id of the root of `xml`.
pub fn id_of(xml: &str) -> String {
    let (_, rest) = xml.split_once(" ID=\"").expect("an id");
    rest.split('"').next().expect("an id").to_owned()
}

/// When `xml` says that it was made, and `seconds` later.
pub fn moment(xml: &str, seconds: i64) -> String {
    let (_, rest) = xml.split_once("IssueInstant=\"").expect("a moment");
    let made: Timestamp = rest.split('"').next().expect("a moment").parse().expect("a moment");
    instant(made + SignedDuration::from_secs(seconds))
}

/// What a signature of `xml` with the id `id` signs.
pub fn signed_info(xml: &str, id: &str) -> String {
    // In the canonical form of what is around it the inner signature's declaration stands only once.
    let canonical = xml.replace(&format!("<ds:SignedInfo xmlns:ds=\"{DS}\">"), "<ds:SignedInfo>");
    let digest = STANDARD.encode(Sha256::digest(canonical.as_bytes()));
    format!(
        "<ds:SignedInfo xmlns:ds=\"{DS}\"><ds:CanonicalizationMethod Algorithm=\"{CANONICAL}\">\
         </ds:CanonicalizationMethod><ds:SignatureMethod Algorithm=\"{RSA_SHA256}\"></ds:SignatureMethod>\
         <ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"{ENVELOPED}\"></ds:Transform>\
         <ds:Transform Algorithm=\"{CANONICAL}\"></ds:Transform></ds:Transforms><ds:DigestMethod Algorithm=\"{SHA256}\">\
         </ds:DigestMethod><ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    )
}

/// The signature over `info`.
pub fn signature(info: &str, key: &Key, digest: MessageDigest) -> String {
    let mut signer = Signer::new(digest, &key.key).expect("a key");
    let value = STANDARD.encode(signer.sign_oneshot_to_vec(info.as_bytes()).expect("a signature"));
    format!("<ds:Signature xmlns:ds=\"{DS}\">{info}<ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>")
}

/// `xml` with a signature of `key` behind its issuer; `change` may make something else of what is signed.
pub fn signed(xml: &str, key: &Key, change: impl FnOnce(String) -> String) -> String {
    let signature = signature(&change(signed_info(xml, &id_of(xml))), key, MessageDigest::sha256());
    xml.replacen("</saml:Issuer>", &format!("</saml:Issuer>{signature}"), 1)
}

/// How something is encrypted.
#[derive(Clone, Copy, Debug)]
pub struct Encryption {
    /// Of the text, by the end of its name: `aes256-gcm` and the like.
    pub cipher: &'static str,
    /// Of its key: `rsa-oaep-mgf1p`, `rsa-oaep` or `rsa-1_5`.
    pub key: &'static str,
}

/// `xml`, encrypted for whom our metadata names.
pub async fn encrypted(client: &Client, xml: &str, encryption: Encryption) -> String {
    const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";
    const XENC11: &str = "http://www.w3.org/2009/xmlenc11#";
    let Encryption { cipher, key } = encryption;
    let (symmetric, space) = match cipher {
        "aes256-gcm" => (Cipher::aes_256_gcm(), XENC11),
        "aes128-gcm" => (Cipher::aes_128_gcm(), XENC11),
        "aes256-cbc" => (Cipher::aes_256_cbc(), XENC),
        "aes128-cbc" => (Cipher::aes_128_cbc(), XENC),
        other => panic!("{other}"),
    };
    let secret: Vec<u8> = (0..symmetric.key_len()).map(|_| rand::random()).collect();
    let vector: Vec<u8> = (0..symmetric.iv_len().expect("a length")).map(|_| rand::random()).collect();
    let sealed = if cipher.ends_with("gcm") {
        let mut tag = [0; 16];
        let sealed = encrypt_aead(symmetric, &secret, Some(&vector), &[], xml.as_bytes(), &mut tag).expect("a text");
        [&vector[..], &sealed, &tag].concat()
    } else {
        [&vector[..], &encrypt(symmetric, &secret, Some(&vector), xml.as_bytes()).expect("a text")].concat()
    };
    let public = own_certificate(client).await.public_key().expect("a key");
    let mut context = PkeyCtx::new(&public).expect("a key");
    context.encrypt_init().expect("a key");
    context.set_rsa_padding(if key == "rsa-1_5" { Padding::PKCS1 } else { Padding::PKCS1_OAEP }).expect("a padding");
    let mut more = String::new();
    if key == "rsa-oaep" {
        context.set_rsa_oaep_md(Md::sha256()).expect("a digest");
        context.set_rsa_mgf1_md(Md::sha256()).expect("a digest");
        more = format!(
            "<ds:DigestMethod Algorithm=\"{SHA256}\"></ds:DigestMethod>\
             <xenc11:MGF xmlns:xenc11=\"{XENC11}\" Algorithm=\"{XENC11}mgf1sha256\"></xenc11:MGF>"
        );
    }
    let mut wrapped = Vec::new();
    context.encrypt_to_vec(&secret, &mut wrapped).expect("a key");
    let (sealed, wrapped) = (STANDARD.encode(sealed), STANDARD.encode(wrapped));
    let named = if key == "rsa-oaep" { XENC11 } else { XENC };
    format!(
        "<saml:EncryptedAssertion xmlns:saml=\"{SAML}\"><xenc:EncryptedData xmlns:xenc=\"{XENC}\">\
         <xenc:EncryptionMethod Algorithm=\"{space}{cipher}\"></xenc:EncryptionMethod><ds:KeyInfo xmlns:ds=\"{DS}\">\
         <xenc:EncryptedKey><xenc:EncryptionMethod Algorithm=\"{named}{key}\">{more}</xenc:EncryptionMethod>\
         <xenc:CipherData><xenc:CipherValue>{wrapped}</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>\
         </ds:KeyInfo><xenc:CipherData><xenc:CipherValue>{sealed}</xenc:CipherValue></xenc:CipherData>\
         </xenc:EncryptedData></saml:EncryptedAssertion>"
    )
}

/// Our certificate, as our metadata has it.
async fn own_certificate(client: &Client) -> X509 {
    let metadata = String::from_utf8(client.get(METADATA).await.body.to_vec()).expect("text");
    let certificate = metadata.split("<ds:X509Certificate>").nth(1).and_then(|rest| rest.split('<').next());
    X509::from_der(&STANDARD.decode(certificate.expect("a certificate")).expect("base64")).expect("a certificate")
}

/// A browser on its way through the provider.
#[derive(Clone, Debug)]
pub struct Trip {
    /// What the browser keeps.
    pub cookie: String,
    /// The id of the request; `None`: nobody asked.
    pub request: Option<String>,
    /// Where the answer goes.
    pub acs: String,
    /// Who asks.
    pub audience: String,
    /// What the browser sends along, where it does.
    pub relay_state: Option<String>,
}

impl Trip {
    /// Begins a sign-in that is to end at `to`, and looks at what is asked as a provider does.
    pub async fn begin(client: &Client, to: &str) -> Self {
        Self::through(client, &[("to", to)]).await
    }

    /// The same with other parameters.
    pub async fn through(client: &Client, parameters: &[(&str, &str)]) -> Self {
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
        let answer = send(client.bare("GET", &format!("/api/v1/auth/saml/login?{query}"))).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        let url: url::Url = answer.header("location").parse().unwrap_or_else(|_| panic!("a provider: {answer:?}"));
        let request = received(client, &url, "SAMLRequest").await;
        let document = roxmltree::Document::parse(&request).expect("XML");
        let root = document.root_element();
        assert_eq!(root.attribute("Destination"), Some(url.as_str().split("&SAMLRequest").next().expect("a part")));
        Self {
            cookie: signing_in(&answer).expect("a cookie"),
            request: root.attribute("ID").map(str::to_owned),
            acs: root.attribute("AssertionConsumerServiceURL").expect("a place").to_owned(),
            audience: root.first_element_child().and_then(|node| node.text()).expect("an issuer").to_owned(),
            relay_state: None,
        }
    }

    /// Nobody was asked: a link at the provider leads here.
    pub fn unasked(client: &Client, relay_state: Option<&str>) -> Self {
        Self {
            cookie: String::new(),
            request: None,
            acs: format!("{}{ACS}", client.base()),
            audience: format!("{}{METADATA}", client.base()),
            relay_state: relay_state.map(str::to_owned),
        }
    }

    /// Comes back with a response, as a form of the provider's page does.
    pub async fn post(&self, client: &Client, response: &str) -> Answer {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("SAMLResponse", &STANDARD.encode(response));
        if let Some(relay_state) = &self.relay_state {
            form.append_pair("RelayState", relay_state);
        }
        let acs: url::Url = self.acs.parse().expect("an address");
        let request = client.bare("POST", acs.path()).header("origin", "https://provider.example");
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let cookie = format!("streamspace_signin={}", self.cookie);
        let request = if self.cookie.is_empty() { request } else { request.header("cookie", cookie) };
        send(request.body(form.finish())).await
    }
}

/// The message that the address carries, which is signed by whom our metadata says.
pub async fn received(client: &Client, url: &url::Url, name: &str) -> String {
    let asked: HashMap<_, _> = url.query_pairs().into_owned().collect();
    let key = own_certificate(client).await.public_key().expect("a key");
    let query = url.query().expect("a query");
    let (_, signed) = query.split_once(&format!("{name}=")).expect("a message");
    let signed = format!("{name}={}", signed.split("&Signature=").next().expect("a signature"));
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).expect("a key");
    let signature = STANDARD.decode(&asked["Signature"]).expect("base64");
    assert!(verifier.verify_oneshot(&signature, signed.as_bytes()).expect("an answer"), "{url}");
    let (deflated, mut message) = (STANDARD.decode(&asked[name]).expect("base64"), String::new());
    DeflateDecoder::new(&deflated[..]).read_to_string(&mut message).expect("a message");
    message
}

/// The query that carries `message` from the provider, signed with `key`.
pub fn query(name: &str, message: &str, relay_state: Option<&str>, key: &Key) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(message.as_bytes()).expect("memory");
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair(name, &STANDARD.encode(encoder.finish().expect("memory")));
    query.extend_pairs(relay_state.map(|relay_state| ("RelayState", relay_state)));
    let signed = query.append_pair("SigAlg", RSA_SHA256).finish();
    let mut signer = Signer::new(MessageDigest::sha256(), &key.key).expect("a key");
    let signature = STANDARD.encode(signer.sign_oneshot_to_vec(signed.as_bytes()).expect("a signature"));
    let signature: String = url::form_urlencoded::byte_serialize(signature.as_bytes()).collect();
    format!("{signed}&Signature={signature}")
}

async fn serve(mut client: program::Client, state: Arc<Mutex<State>>) {
    while let Some(head) = client.head().await {
        if lock(&state).away || !head.text.starts_with("GET /metadata ") {
            return;
        }
        let metadata = lock(&state).metadata();
        client.answer(&[("content-type", "application/samlmetadata+xml")], metadata.as_bytes()).await;
    }
}
