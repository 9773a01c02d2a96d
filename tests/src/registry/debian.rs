//! Debian's `docker-registry` (the reference implementation of the distribution specification) on loopback.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::suite::skip;

/// A running registry; it ends when this is dropped.
pub struct Debian {
    address: String,
    child: Child,
}

/// How it is to be reached.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manner<'a> {
    /// Certificate and key.
    pub tls: Option<(&'a Path, &'a Path)>,
    /// A certificate authority whose clients alone are let in.
    pub clients: Option<&'a Path>,
    /// A file of `htpasswd` (bcrypt).
    pub passwords: Option<&'a Path>,
}

impl Debian {
    /// Start one that keeps its things below `directory`.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn start(directory: &Path, manner: Manner<'_>) -> Debian {
        let Some(program) = program() else { skip("docker-registry is not installed") };
        let free = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = free.local_addr().expect("bound").to_string();
        drop(free);
        std::fs::create_dir_all(directory).expect("make a directory");
        let mut text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {0}/data\n  delete:\n    enabled: true\nhttp:\n  addr: {address}\n  secret: test\n",
            directory.display()
        );
        if let Some((certificate, key)) = manner.tls {
            text += &format!(
                "  tls:\n    certificate: {}\n    key: {}\n",
                certificate.display(),
                key.display()
            );
            if let Some(clients) = manner.clients {
                text += &format!("    clientcas:\n      - {}\n", clients.display());
            }
        }
        if let Some(passwords) = manner.passwords {
            text += &format!(
                "auth:\n  htpasswd:\n    realm: test\n    path: {}\n",
                passwords.display()
            );
        }
        let config = directory.join("config.yml");
        std::fs::write(&config, text).expect("write a configuration");
        let log = std::fs::File::create(directory.join("log")).expect("make a log");
        let child = Command::new(program)
            .arg("serve")
            .arg(&config)
            .env_clear()
            .env("HOME", directory)
            .env("OTEL_TRACES_EXPORTER", "none")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("start docker-registry");
        let registry = Debian { address, child };
        let until = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&registry.address).is_err() {
            assert!(
                Instant::now() < until,
                "docker-registry does not come up: {}",
                std::fs::read_to_string(directory.join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    /// Whether there is one.
    pub fn is_installed() -> bool {
        program().is_some()
    }

    /// `127.0.0.1:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        // Both fail only when it has ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program() -> Option<&'static str> {
    ["/usr/bin/docker-registry", "/usr/local/bin/docker-registry"]
        .into_iter()
        .find(|path| Path::new(path).exists())
}
