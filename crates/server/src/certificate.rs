//! The certificate of the S3 API: read at the start, and taken up anew when its files change.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use cairn_gateway::Tls;
use cairn_gateway::listen::Listener;
use cairn_runtime::Tasks;
use tokio::net::TcpListener;

use crate::config::S3Section;

/// How often the files are looked at. They are small, and are compared whole: links that are swapped, as Kubernetes does it,
/// may keep the time of a file.
const INTERVAL: Duration = Duration::from_secs(1);

/// A certificate and the files that it is in.
#[derive(Debug)]
struct Certificate {
    tls: Arc<Tls>,
    files: Files,
    seen: Contents,
}

#[derive(Debug)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(PartialEq, Eq)]
struct Contents {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl std::fmt::Debug for Contents {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// Listens on a socket as it is configured: for HTTPS with a certificate that `tasks` keep up to date, or for HTTP.
pub(crate) async fn listener(
    section: &S3Section,
    socket: TcpListener,
    tasks: &Tasks,
) -> Result<Listener> {
    let certificate = Certificate::load(section).await?;
    let tls = certificate.as_ref().map(Certificate::tls);
    if let Some(certificate) = certificate {
        certificate.watch(tasks);
    }
    Ok(Listener::new(socket, tls))
}

impl Certificate {
    /// Reads the certificate and key that are configured; `None` where there are none, and plain HTTP is spoken.
    async fn load(section: &S3Section) -> Result<Option<Self>> {
        if section.tls_certificate_file.as_os_str().is_empty() {
            return Ok(None);
        }
        let files = Files {
            certificate: section.tls_certificate_file.clone(),
            key: section.tls_key_file.clone(),
        };
        let names = || {
            format!(
                "cannot use {} (s3.tls_certificate_file) with {} (s3.tls_key_file)",
                files.certificate.display(),
                files.key.display()
            )
        };
        let seen = files.read().await.with_context(names)?;
        let tls = Tls::new(&seen.certificate, &seen.key).with_context(names)?;
        Ok(Some(Self {
            tls: Arc::new(tls),
            files,
            seen,
        }))
    }

    /// What connections are encrypted by.
    fn tls(&self) -> Arc<Tls> {
        Arc::clone(&self.tls)
    }

    /// Looks at the files until `tasks` is stopped.
    fn watch(mut self, tasks: &Tasks) {
        tasks.spawn("certificate", async move {
            let mut refused = None;
            loop {
                tokio::time::sleep(INTERVAL).await;
                match self.files.read().await {
                    Ok(contents) => self.look_at(contents, &mut refused),
                    // One of them is being replaced, or is gone: the old ones go on.
                    Err(error) => tracing::debug!(%error, "read the certificate"),
                }
            }
        });
    }

    /// Takes up what has changed. Two files never change at the same moment: what is of no use is told when it is so twice.
    fn look_at(&mut self, contents: Contents, refused: &mut Option<(Contents, bool)>) {
        if contents == self.seen {
            *refused = None;
            return;
        }
        match self.tls.exchange(&contents.certificate, &contents.key) {
            Ok(()) => {
                self.seen = contents;
                *refused = None;
                tracing::info!("certificate exchanged");
            }
            Err(error) => {
                *refused = match refused.take() {
                    Some((same, is_told)) if same == contents => {
                        if !is_told {
                            tracing::warn!(%error, "certificate not exchanged");
                        }
                        Some((contents, true))
                    }
                    _ => Some((contents, false)),
                };
            }
        }
    }
}

impl Files {
    async fn read(&self) -> Result<Contents> {
        let read = async |path: &PathBuf| {
            let contents = tokio::fs::read(path).await;
            contents.with_context(|| format!("read {}", path.display()))
        };
        Ok(Contents {
            certificate: read(&self.certificate).await?,
            key: read(&self.key).await?,
        })
    }
}
