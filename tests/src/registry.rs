//! A registry on loopback that misbehaves on request, and Debian's ([`debian`]) to compare with.
//!
//! It speaks the distribution specification as far as a client uses it, from memory, and keeps every request for the test to look
//! at. A [`Rule`] says what goes wrong with which request, and how often.

pub mod debian;
mod wire;

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::image::{Image, digest};
pub use wire::{Answer, Request};

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection ends after this many bytes of the body.
    Cut(usize),
    /// One byte of the body is another.
    Corrupt,
    /// After this many bytes of the body nothing comes any more.
    Stall(usize),
    /// Something else is answered.
    Instead(Answer),
    /// The same, to those whom the registry lets in.
    Authorized(Answer),
    /// The length in the header is off by so much; the body is what it is.
    Length(i64),
    /// The body has this much more, in the header too.
    Longer(usize),
    /// Ranges are ignored.
    NoRange,
    /// Ranges begin elsewhere.
    WrongRange,
    /// Not more than a byte in this time.
    Drip(Duration),
    /// The connection ends without an answer.
    Silence,
    /// Of what is sent only so much counts, and the connection ends without an answer.
    Take(usize),
    /// Whatever the answer is, it takes this long.
    Late(Duration),
    /// Of what is sent nothing but the header is taken, and the connection stands.
    Deaf,
}

/// A fault and the requests that it befalls.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The method; empty: any.
    pub method: &'static str,
    /// A part of the path.
    pub path: String,
    /// How many requests more.
    pub times: u32,
    /// What goes wrong.
    pub fault: Fault,
}

/// Whom the registry lets in.
#[derive(Clone, Debug, Default)]
pub enum Auth {
    /// Everybody.
    #[default]
    Open,
    /// This user with this password.
    Basic(String, String),
    /// Whoever has a token of the server at this address; a token is good for so many requests.
    Bearer {
        /// `realm`.
        realm: String,
        /// How many requests one token is good for.
        uses: u32,
    },
}

/// What the registry has and was asked.
#[derive(Default)]
pub struct Store {
    /// Content by digest, one for all repositories but for mounting.
    pub blobs: BTreeMap<String, Vec<u8>>,
    /// Which repository has which blobs.
    pub linked: BTreeMap<String, Vec<String>>,
    /// Type and content by `repository:tag` and `repository@digest`.
    pub manifests: BTreeMap<String, (String, Vec<u8>)>,
    /// Every request.
    pub requests: Vec<Request>,
    /// What is to go wrong.
    pub rules: Vec<Rule>,
    /// Whom it lets in.
    pub auth: Auth,
    /// Uploads under way.
    pub uploads: BTreeMap<String, Vec<u8>>,
    /// What `Location` of an upload begins with, instead of nothing.
    pub upload_prefix: String,
    /// What can be found: `name`, `description`, `star_count`, `is_official`.
    pub searchable: Vec<Value>,
    tokens: BTreeMap<String, u32>,
    count: u32,
}

/// A running registry; it ends when this is dropped.
pub struct Registry {
    address: String,
    store: Arc<Mutex<Store>>,
    ended: Arc<AtomicBool>,
}

impl Default for Registry {
    fn default() -> Self {
        Registry::new()
    }
}

impl Registry {
    /// Start one on a free port of loopback.
    ///
    /// # Panics
    /// When there is none.
    pub fn new() -> Registry {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen on loopback");
        let address = listener.local_addr().expect("a bound socket has an address").to_string();
        let store = Arc::new(Mutex::new(Store::default()));
        let ended = Arc::new(AtomicBool::new(false));
        let registry = Registry { address, store: Arc::clone(&store), ended: Arc::clone(&ended) };
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (store, ended) = (Arc::clone(&store), Arc::clone(&ended));
                std::thread::spawn(move || serve(connection, &store, &ended));
            }
        });
        registry
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What it has and was asked.
    pub fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    /// Let something go wrong.
    pub fn rule(&self, method: &'static str, path: &str, times: u32, fault: Fault) {
        self.store().rules.push(Rule { method, path: path.to_owned(), times, fault });
    }

    /// Requests so far with this method whose paths have this part.
    pub fn asked(&self, method: &str, path: &str) -> Vec<Request> {
        let store = self.store();
        let wanted = store.requests.iter();
        wanted.filter(|r| r.method == method && r.path.contains(path)).cloned().collect()
    }

    /// Forget what was asked.
    pub fn forget(&self) {
        self.store().requests.clear();
    }

    /// Give it an image, layers gzipped; the manifest's digest.
    pub fn hold(&self, name: &str, image: &Image) -> String {
        let (manifest, blobs) = image.for_registry(flate2::Compression::fast());
        let mut store = self.store();
        let repository = name.rsplit_once(':').map_or(name, |(repository, _)| repository);
        for blob in blobs {
            let digest = digest(&blob);
            store.linked.entry(repository.to_owned()).or_default().push(digest.clone());
            store.blobs.insert(digest, blob);
        }
        drop(store);
        self.hold_manifest(name, "application/vnd.oci.image.manifest.v1+json", manifest)
    }

    /// Give it a manifest or index as it is; its digest.
    pub fn hold_manifest(&self, name: &str, media_type: &str, bytes: Vec<u8>) -> String {
        let digest = digest(&bytes);
        let mut store = self.store();
        let repository = name.rsplit_once(':').map_or(name, |(repository, _)| repository);
        let row = (media_type.to_owned(), bytes);
        store.manifests.insert(format!("{repository}@{digest}"), row.clone());
        store.manifests.insert(name.to_owned(), row);
        digest
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // So that it looks.
        let _ = TcpStream::connect(&self.address);
    }
}

fn lock(store: &Mutex<Store>) -> MutexGuard<'_, Store> {
    store.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(connection: TcpStream, store: &Mutex<Store>, ended: &AtomicBool) {
    let _ = connection.set_nodelay(true);
    let Ok(clone) = connection.try_clone() else { return };
    let (mut reader, mut connection) = (BufReader::new(clone), connection);
    while let Some(mut request) = Request::head(&mut reader) {
        if lock(store).is_deaf_to(&request) {
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
            return;
        }
        if request.take_body(&mut reader).is_none() {
            return;
        }
        let (answer, fault) = {
            let mut store = lock(store);
            store.requests.push(request.clone());
            let fault = store.fault(&request);
            match &fault {
                Some(Fault::Silence) => return,
                Some(Fault::Take(bytes)) => {
                    let mut request = request.clone();
                    request.body.truncate(*bytes);
                    store.answer(&request, None);
                    if let Some(last) = store.requests.last_mut() {
                        *last = request;
                    }
                    return;
                }
                Some(Fault::Instead(answer)) => (answer.clone(), None),
                Some(Fault::Authorized(answer)) => {
                    let answer = store.refusal(&request).unwrap_or_else(|| answer.clone());
                    (answer, None)
                }
                _ => (store.answer(&request, fault.as_ref()), fault),
            }
        };
        if !send(&mut connection, answer, fault, request.method == "HEAD", ended) {
            return;
        }
    }
}

/// Send an answer with what goes wrong on the way; whether the connection goes on.
fn send(
    connection: &mut TcpStream,
    mut answer: Answer,
    fault: Option<Fault>,
    is_head: bool,
    ended: &AtomicBool,
) -> bool {
    match fault {
        Some(Fault::Cut(bytes)) => {
            answer.write(connection, is_head, Some(bytes));
            return false;
        }
        Some(Fault::Stall(bytes)) => {
            answer.write(connection, is_head, Some(bytes));
            while !ended.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(20));
            }
            return false;
        }
        Some(Fault::Drip(pause)) => {
            let body = std::mem::take(&mut answer.body);
            answer.length = Some(body.len() as u64);
            answer.write(connection, true, None);
            for byte in body {
                if ended.load(Ordering::Relaxed) || connection.write_all(&[byte]).is_err() {
                    return false;
                }
                std::thread::sleep(pause);
            }
            return false;
        }
        Some(Fault::Corrupt) => {
            let middle = answer.body.len() / 2;
            if let Some(byte) = answer.body.get_mut(middle) {
                *byte ^= 1;
            }
        }
        Some(Fault::Length(by)) => {
            answer.length = answer.body.len().checked_add_signed(by as isize).map(|n| n as u64);
        }
        Some(Fault::Longer(by)) => answer.body.extend(vec![0; by]),
        Some(Fault::Late(by)) => {
            let until = Instant::now() + by;
            while Instant::now() < until && !ended.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(10).min(by));
            }
        }
        _ => {}
    }
    answer.write(connection, is_head, None)
}

impl Rule {
    fn befalls(&self, request: &Request) -> bool {
        self.times > 0
            && (self.method.is_empty() || self.method == request.method)
            && request.path.contains(&self.path)
    }
}

impl Store {
    fn fault(&mut self, request: &Request) -> Option<Fault> {
        let rule = self.rules.iter_mut().find(|rule| rule.befalls(request))?;
        rule.times -= 1;
        Some(rule.fault.clone())
    }

    /// Whether the body that comes is not to be read.
    fn is_deaf_to(&mut self, request: &Request) -> bool {
        let rule = self.rules.iter_mut().find(|rule| rule.befalls(request));
        let Some(rule) = rule.filter(|rule| matches!(rule.fault, Fault::Deaf)) else {
            return false;
        };
        rule.times -= 1;
        true
    }

    fn answer(&mut self, request: &Request, fault: Option<&Fault>) -> Answer {
        if request.place() == "/token" {
            return self.token();
        }
        if let Some(refusal) = self.refusal(request) {
            return refusal;
        }
        if request.place() == "/v1/search" && !self.searchable.is_empty() {
            return self.search(request);
        }
        let Some(rest) = request.place().strip_prefix("/v2/").map(str::to_owned) else {
            return Answer::status(404);
        };
        if rest.is_empty() {
            return Answer::json(200, &json!({}));
        }
        if let Some((repository, digest)) = rest.rsplit_once("/referrers/") {
            return self.referrers(request, repository, digest);
        }
        if let Some((repository, reference)) = rest.rsplit_once("/manifests/") {
            return self.manifest(request, repository, reference);
        }
        if let Some((repository, upload)) = rest.split_once("/blobs/uploads/") {
            return self.upload(request, repository, upload);
        }
        if let Some((repository, digest)) = rest.rsplit_once("/blobs/") {
            return self.blob(request, repository, digest, fault);
        }
        if let Some(repository) = rest.strip_suffix("/tags/list") {
            let prefix = format!("{repository}:");
            let tags: Vec<&str> =
                self.manifests.keys().filter_map(|name| name.strip_prefix(&prefix)).collect();
            return Answer::json(200, &json!({"name": repository, "tags": tags}));
        }
        refused(404, "NAME_UNKNOWN")
    }

    /// Two a page, whatever kind was asked for.
    fn referrers(&self, request: &Request, repository: &str, digest: &str) -> Answer {
        let prefix = format!("{repository}@");
        let rows: Vec<Value> = self
            .manifests
            .iter()
            .filter_map(|(name, (media_type, bytes))| {
                let referrer = name.strip_prefix(&prefix)?;
                let manifest: Value = serde_json::from_slice(bytes).ok()?;
                (manifest["subject"]["digest"] == digest).then(|| {
                    json!({"mediaType": media_type, "digest": referrer, "size": bytes.len(),
                        "artifactType": manifest["artifactType"], "annotations": manifest["annotations"]})
                })
            })
            .collect();
        let first: usize = request.query("first").and_then(|n| n.parse().ok()).unwrap_or(0);
        let page: Vec<&Value> = rows.iter().skip(first).take(2).collect();
        let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": page});
        let answer = Answer::json(200, &index);
        match first + 2 < rows.len() {
            true => answer
                .with("Link", format!("<{}?first={}>; rel=\"next\"", request.place(), first + 2)),
            false => answer,
        }
    }

    fn search(&self, request: &Request) -> Answer {
        let term = request.query("q").unwrap_or_default();
        let most = request.query("n").and_then(|n| n.parse().ok()).unwrap_or(25);
        let known = self.searchable.iter();
        let found =
            known.filter(|row| row["name"].as_str().is_some_and(|name| name.contains(&term)));
        let found: Vec<&Value> = found.take(most).collect();
        Answer::json(200, &json!({"num_results": found.len(), "query": term, "results": found}))
    }

    fn token(&mut self) -> Answer {
        self.count += 1;
        let token = format!("token-{}", self.count);
        let uses = match &self.auth {
            Auth::Bearer { uses, .. } => *uses,
            _ => u32::MAX,
        };
        self.tokens.insert(token.clone(), uses);
        Answer::json(200, &json!({"token": token, "expires_in": 60}))
    }

    /// Why a request is not let in.
    fn refusal(&mut self, request: &Request) -> Option<Answer> {
        let given = request.header("authorization").unwrap_or_default().to_owned();
        let challenge = match &self.auth {
            Auth::Open => return None,
            Auth::Basic(user, password) => {
                use base64::Engine as _;
                let pair = base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}"));
                if given == format!("Basic {pair}") {
                    return None;
                }
                "Basic realm=\"test\"".to_owned()
            }
            Auth::Bearer { realm, .. } => {
                let token = given.strip_prefix("Bearer ").unwrap_or_default();
                if let Some(left) = self.tokens.get_mut(token).filter(|left| **left > 0) {
                    *left -= 1;
                    return None;
                }
                format!("Bearer realm=\"{realm}\",service=\"test\"")
            }
        };
        Some(refused(401, "UNAUTHORIZED").with("WWW-Authenticate", challenge))
    }

    fn manifest(&mut self, request: &Request, repository: &str, reference: &str) -> Answer {
        let separator = if reference.contains(':') { '@' } else { ':' };
        let key = format!("{repository}{separator}{reference}");
        match request.method.as_str() {
            "PUT" => {
                let missing = self.missing(&request.body);
                if !missing.is_empty() {
                    return refused(400, "MANIFEST_BLOB_UNKNOWN");
                }
                let media_type = request.header("content-type").unwrap_or_default().to_owned();
                let digest = digest(&request.body);
                let row = (media_type, request.body.clone());
                self.manifests.insert(format!("{repository}@{digest}"), row.clone());
                self.manifests.insert(key, row);
                Answer::status(201).with("Docker-Content-Digest", digest)
            }
            "DELETE" => match self.manifests.remove(&key) {
                Some(_) => Answer::status(202),
                None => refused(404, "MANIFEST_UNKNOWN"),
            },
            _ => match self.manifests.get(&key) {
                Some((media_type, bytes)) => {
                    Answer { status: 200, body: bytes.clone(), ..Answer::default() }
                        .with("Content-Type", media_type)
                        .with("Docker-Content-Digest", digest(bytes))
                }
                None => refused(404, "MANIFEST_UNKNOWN"),
            },
        }
    }

    /// The blobs that a manifest names and the registry does not have.
    fn missing(&self, manifest: &[u8]) -> Vec<String> {
        let manifest: Value = serde_json::from_slice(manifest).unwrap_or_default();
        let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
        layers
            .iter()
            .chain([&manifest["config"]])
            .filter_map(|blob| blob["digest"].as_str().map(str::to_owned))
            .filter(|digest| !self.blobs.contains_key(digest))
            .collect()
    }

    fn blob(
        &mut self,
        request: &Request,
        repository: &str,
        digest: &str,
        fault: Option<&Fault>,
    ) -> Answer {
        let has = self.linked.get(repository).is_some_and(|has| has.iter().any(|d| d == digest));
        let Some(blob) = self.blobs.get(digest).filter(|_| has).cloned() else {
            return refused(404, "BLOB_UNKNOWN");
        };
        let answer = Answer { status: 200, body: blob, ..Answer::default() }
            .with("Docker-Content-Digest", digest)
            .with("Content-Type", "application/octet-stream");
        let range = request.header("range").and_then(|range| range.strip_prefix("bytes="));
        let from: Option<usize> =
            range.and_then(|range| range.split('-').next()).and_then(|from| from.parse().ok());
        let size = answer.body.len();
        match from.filter(|_| !matches!(fault, Some(Fault::NoRange))) {
            None => answer,
            Some(from) if from >= size => Answer::status(416),
            Some(from) => {
                let wrong = matches!(fault, Some(Fault::WrongRange));
                let told = if wrong { from + 1 } else { from };
                Answer { status: 206, body: answer.body[from..].to_vec(), ..answer }
                    .with("Content-Range", format!("bytes {told}-{}/{size}", size - 1))
            }
        }
    }

    fn upload(&mut self, request: &Request, repository: &str, upload: &str) -> Answer {
        let location =
            |prefix: &str, id: &str| format!("{prefix}/v2/{repository}/blobs/uploads/{id}?state=x");
        let prefix = self.upload_prefix.clone();
        match (request.method.as_str(), upload) {
            ("POST", "") => {
                if let (Some(digest), Some(from)) = (request.query("mount"), request.query("from"))
                {
                    let has = self.linked.get(&from).is_some_and(|has| has.contains(&digest));
                    if has {
                        self.linked.entry(repository.to_owned()).or_default().push(digest.clone());
                        return Answer::status(201).with("Docker-Content-Digest", digest);
                    }
                }
                self.count += 1;
                let id = format!("upload-{}", self.count);
                self.uploads.insert(id.clone(), Vec::new());
                Answer::status(202).with("Location", location(&prefix, &id)).with("Range", "0-0")
            }
            ("PATCH", id) => match self.uploads.get_mut(id) {
                Some(bytes) => {
                    bytes.extend_from_slice(&request.body);
                    let end = bytes.len().saturating_sub(1);
                    Answer::status(202)
                        .with("Location", location(&prefix, id))
                        .with("Range", format!("0-{end}"))
                }
                None => refused(404, "BLOB_UPLOAD_UNKNOWN"),
            },
            ("PUT", id) => {
                let Some(mut bytes) = self.uploads.remove(id) else {
                    return refused(404, "BLOB_UPLOAD_UNKNOWN");
                };
                bytes.extend_from_slice(&request.body);
                let told = request.query("digest").unwrap_or_default();
                if digest(&bytes) != told {
                    return refused(400, "DIGEST_INVALID");
                }
                self.linked.entry(repository.to_owned()).or_default().push(told.clone());
                self.blobs.insert(told.clone(), bytes);
                Answer::status(201).with("Docker-Content-Digest", told)
            }
            ("GET", id) => match self.uploads.get(id) {
                Some(bytes) => Answer::status(204)
                    .with("Location", location(&prefix, id))
                    .with("Range", format!("0-{}", bytes.len().saturating_sub(1))),
                None => refused(404, "BLOB_UPLOAD_UNKNOWN"),
            },
            _ => refused(405, "UNSUPPORTED"),
        }
    }
}

/// A refusal in the specification's words.
pub fn refused(status: u16, code: &str) -> Answer {
    let message = code.to_lowercase().replace('_', " ");
    Answer::json(status, &json!({"errors": [{"code": code, "message": message}]}))
}
