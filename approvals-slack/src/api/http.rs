//! Slack over HTTPS: certificates are verified, redirects are not followed, answers are bounded.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::{Call, Reply, Web};
use crate::config::CALL;

/// The Web API behind one address.
pub(crate) struct HttpWeb {
    base: String,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl HttpWeb {
    pub(crate) fn new(base: &str) -> Result<Self, String> {
        let tls = tls()?;
        Ok(Self::trusting(base, &tls))
    }

    fn trusting(base: &str, tls: &ClientConfig) -> Self {
        let mut connector = HttpConnector::new();
        connector.enforce_http(false);
        connector.set_connect_timeout(Some(CALL));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls.clone())
            // Only an address within this machine is not encrypted: the configuration sees to it.
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        Self {
            base: base.to_owned(),
            client: Client::builder(TokioExecutor::new()).build(connector),
        }
    }
}

impl fmt::Debug for HttpWeb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpWeb")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Web for HttpWeb {
    async fn post(&self, call: Call<'_>) -> Result<Reply, String> {
        let request = request(&self.base, call)?;
        let answer = self.client.request(request).await;
        let answer = answer.map_err(|error| format!("{error}"))?;
        let status = answer.status().as_u16();
        let header = |name: &str| header(answer.headers(), name);
        let retry_after = header(RETRY_AFTER.as_str()).and_then(|text| text.parse().ok());
        let scopes = header("x-oauth-scopes");
        let body = Limited::new(answer.into_body(), MOST).collect().await;
        let body = body.map_err(|error| format!("the answer broke off: {error}"))?;
        Ok(Reply {
            status,
            retry_after,
            scopes,
            body: body.to_bytes().to_vec(),
        })
    }
}

fn request(base: &str, call: Call<'_>) -> Result<Request<Full<Bytes>>, String> {
    let (kind, body) = match call.form {
        true => ("application/x-www-form-urlencoded", form(call.body)),
        false => ("application/json; charset=utf-8", call.body.to_string()),
    };
    let bearer = format!("Bearer {}", call.token.reveal());
    let mut bearer = HeaderValue::from_str(&bearer).map_err(|_| "the token is no token")?;
    bearer.set_sensitive(true);
    Request::builder()
        .method(Method::POST)
        .uri(format!("{base}{}", call.method))
        .header(AUTHORIZATION, bearer)
        .header(CONTENT_TYPE, kind)
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| error.to_string())
}

/// Texts by name, as a form.
fn form(body: &Value) -> String {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let fields = body.as_object().into_iter().flatten();
    let fields = fields.filter_map(|(name, value)| Some((name, value.as_str()?)));
    let fields = fields.map(|(name, value)| format!("{}={}", encode(name), encode(value)));
    fields.collect::<Vec<_>>().join("&")
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    Some(value.chars().take(2_000).collect())
}

/// Whom to believe: the authorities that this machine trusts, through ring.
pub(crate) fn tls() -> Result<Arc<ClientConfig>, String> {
    trust(rustls_native_certs::load_native_certs().certs)
}

fn trust(authorities: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, String> {
    let mut roots = RootCertStore::empty();
    if let (0, _) = roots.add_parsable_certificates(authorities) {
        return Err("this machine trusts no certificate authority; install `ca-certificates`, or name a file of them in `SSL_CERT_FILE`".to_owned());
    }
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The longest answer that is read.
const MOST: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use approvals_core::secret::Secret;
    use serde_json::json;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::pki_types::pem::PemObject as _;

    use super::*;

    fn openssl(folder: &Path, words: &str) {
        let made = Command::new("openssl")
            .current_dir(folder)
            .args(words.split(' '))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&made.stderr);
        assert!(made.status.success(), "{words}: {said}");
    }

    const NEW_KEY: &str = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";

    /// A new authority.
    fn authority(folder: &Path, name: &str) {
        let made = format!(
            "req -x509 {NEW_KEY} -keyout {name}.key -out {name}.pem -subj /CN={name} -days 2"
        );
        openssl(folder, &made);
    }

    /// A certificate of that authority for a host.
    fn certificate(folder: &Path, by: &str, name: &str, host: &str) {
        std::fs::write(folder.join("ext"), format!("subjectAltName={host}\n")).unwrap();
        let ask = format!("req {NEW_KEY} -keyout {name}.key -out {name}.csr -subj /CN={name}");
        openssl(folder, &ask);
        let sign = format!(
            "x509 -req -in {name}.csr -CA {by}.pem -CAkey {by}.key -CAcreateserial -out {name}.pem -days 2 -extfile ext"
        );
        openssl(folder, &sign);
    }

    /// A server that shows this certificate and answers everything so; its address.
    async fn server(folder: PathBuf, name: &str, answer: &'static str) -> String {
        let chain = CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!(
            "https://127.0.0.1:{}/api/",
            listener.local_addr().unwrap().port()
        );
        #[expect(clippy::disallowed_methods, reason = "a test is the application")]
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut heard = [0; 4_096];
                let _ = stream.read(&mut heard).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        address
    }

    async fn call(base: &str, tls: &ClientConfig) -> Result<Reply, String> {
        let (token, body) = (Secret::new("xoxb-CANARY"), json!({}));
        let call = Call {
            method: "auth.test",
            token: &token,
            body: &body,
            form: false,
        };
        HttpWeb::trusting(base, tls).post(call).await
    }

    const YES: &str =
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 11\r\n\r\n{\"ok\":true}";
    const ELSEWHERE: &str = "HTTP/1.1 307 Temporary Redirect\r\nlocation: https://127.0.0.1:1/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

    #[tokio::test(flavor = "multi_thread")]
    async fn only_a_server_whom_a_trusted_authority_vouches_for_gets_the_token() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_path_buf();
        authority(&path, "ours");
        authority(&path, "theirs");
        certificate(&path, "ours", "slack", "IP:127.0.0.1");
        certificate(&path, "ours", "other", "DNS:other.example");
        certificate(&path, "theirs", "forged", "IP:127.0.0.1");
        let root = CertificateDer::from_pem_file(path.join("ours.pem")).unwrap();
        let tls = trust(vec![root]).unwrap();

        let slack = server(path.clone(), "slack", YES).await;
        let reply = call(&slack, &tls).await.unwrap();
        assert_eq!(
            (reply.status, reply.body.as_slice()),
            (200, &b"{\"ok\":true}"[..])
        );
        for name in ["other", "forged", "theirs"] {
            let error = call(&server(path.clone(), name, YES).await, &tls).await;
            let error = error.unwrap_err();
            assert!(!error.contains("CANARY"), "{name}: {error}");
        }
        // Nor does it go where a redirect points.
        let moved = server(path.clone(), "slack", ELSEWHERE).await;
        assert_eq!(call(&moved, &tls).await.unwrap().status, 307);
        assert!(trust(Vec::new()).unwrap_err().contains("SSL_CERT_FILE"));
    }
}
