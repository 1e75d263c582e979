//! A static server for the page, on localhost only. `serve`, the browser tests and the measurements share it, so the
//! tests see what users see. It sends the headers that the build wrote for every host (web/build/headers.mjs).

use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result, bail};
use axum::Router;
use axum::http::{HeaderName, HeaderValue};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

/// Number of ports to try.
const PORTS: u16 = 100;

/// The file in the page's folder with the headers for all files, in the format of Netlify and Cloudflare Pages.
const HEADERS: &str = "_headers";

/// A server that runs in the background until this is dropped.
pub struct Running {
    pub port: u16,
    runtime: Runtime,
    serving: JoinHandle<io::Result<()>>,
}

impl Running {
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Blocks while the server runs.
    pub fn wait(self) -> Result<()> {
        Ok(self.runtime.block_on(self.serving)??)
    }
}

/// Serves a folder at the first free port from `first` on; 0 means any port.
pub fn start(folder: PathBuf, first: u16) -> Result<Running> {
    let folder = folder.canonicalize().with_context(|| format!("no folder {}", folder.display()))?;
    let runtime = Runtime::new()?;
    let listener = runtime.block_on(listen(first))?;
    let port = listener.local_addr()?.port();
    let headers = headers_in(&folder)?;
    let mut site = Router::new().fallback_service(ServeDir::new(folder));
    for (name, value) in headers {
        site = site.layer(SetResponseHeaderLayer::overriding(name, value));
    }
    let serving = runtime.spawn(axum::serve(listener, site).into_future());
    Ok(Running { port, runtime, serving })
}

/// The headers for every file: in `_headers` the lines below the path `/*`, each with a name and a value.
fn headers_in(folder: &Path) -> Result<Vec<(HeaderName, HeaderValue)>> {
    let path = folder.join(HEADERS);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}: build the page", path.display()))?;
    let mut lines = text.lines();
    if lines.next() != Some("/*") {
        bail!("{} does not begin with the path /*", path.display());
    }
    lines
        .map(|line| {
            let header = line.strip_prefix("  ").and_then(|line| line.split_once(": "));
            let (name, value) = header.with_context(|| format!("{}: no header in {line:?}", path.display()))?;
            Ok((name.parse()?, value.parse()?))
        })
        .collect()
}

async fn listen(first: u16) -> Result<TcpListener> {
    for port in first..=first.saturating_add(PORTS) {
        match TcpListener::bind(("127.0.0.1", port)).await {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            bound => return bound.with_context(|| format!("cannot listen at port {port}")),
        }
    }
    bail!("the ports from {first} on are all taken")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    /// A folder with a page in it and a secret file beside it, deleted when dropped.
    fn site() -> TempDir {
        let around = tempfile::tempdir().unwrap();
        let site = page_of(&around);
        fs::create_dir_all(site.join("samples")).unwrap();
        fs::write(around.path().join("secret.txt"), "secret").unwrap();
        fs::write(site.join("index.html"), "<title>Lorito</title>").unwrap();
        fs::write(site.join("worker.js"), "self.name").unwrap();
        fs::write(site.join("_headers"), "/*\n  Cache-Control: no-cache\n  Content-Security-Policy: a 'b'; c d:\n")
            .unwrap();
        fs::write(site.join("lorito_bg.wasm"), b"\0asm").unwrap();
        fs::write(site.join("samples/a b.txt"), "ñ").unwrap();
        around
    }

    fn page_of(around: &TempDir) -> PathBuf {
        around.path().join("site")
    }

    fn ask(port: u16, request: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(stream, "{request}Host: 127.0.0.1\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn get(port: u16, path: &str) -> String {
        ask(port, &format!("GET {path} HTTP/1.1\r\n"))
    }

    #[test]
    fn responses_have_the_content_type_and_the_headers_of_the_folder() {
        let site = site();
        let running = start(page_of(&site), 0).unwrap();
        let port = running.port;
        let page = get(port, "/?model=https://example.org/x#y");
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        assert!(page.ends_with("<title>Lorito</title>"), "{page}");
        assert!(page.contains("content-type: text/html\r\n"), "{page}");
        for path in ["/", "/worker.js", "/lorito_bg.wasm", "/samples/a%20b.txt", "/none.js"] {
            let answer = get(port, path);
            for line in ["cache-control: no-cache", "content-security-policy: a 'b'; c d:"] {
                assert!(answer.contains(&format!("{line}\r\n")), "no {line} in {answer}");
            }
        }
        assert!(get(port, "/lorito_bg.wasm").contains("content-type: application/wasm\r\n"));
        assert!(get(port, "/samples/a%20b.txt").ends_with("ñ"));
        assert!(get(port, "/none.js").starts_with("HTTP/1.1 404"));
        assert!(ask(port, "POST / HTTP/1.1\r\nContent-Length: 0\r\n").starts_with("HTTP/1.1 405"));
    }

    #[test]
    fn a_folder_with_invalid_headers_is_not_served() {
        let site = site();
        let headers = page_of(&site).join(HEADERS);
        for text in ["", "/samples/*\n  A: b\n", "/*\n  no header\n", "/*\nA: b\n", "/*\n  A b: c\n"] {
            fs::write(&headers, text).unwrap();
            assert!(start(page_of(&site), 0).is_err(), "{text:?}");
        }
        fs::remove_file(headers).unwrap();
        assert!(start(page_of(&site), 0).is_err());
    }

    #[test]
    fn files_in_the_browsers_cache_are_not_sent_again() {
        let site = site();
        let running = start(page_of(&site), 0).unwrap();
        let port = running.port;
        let first = get(port, "/index.html");
        let tag = first.lines().find_map(|line| line.strip_prefix("etag: ")).expect("an entity tag").to_owned();
        let second = ask(port, &format!("GET /index.html HTTP/1.1\r\nIf-None-Match: {tag}\r\n"));
        assert!(second.starts_with("HTTP/1.1 304"), "{second}");
        assert!(!second.contains("Lorito"), "{second}");
    }

    #[test]
    fn nothing_outside_the_folder_is_served() {
        let site = site();
        let running = start(page_of(&site), 0).unwrap();
        let port = running.port;
        let absolute = site.path().join("secret.txt");
        for path in [
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/%2e%2e%2fsecret.txt",
            "/samples/../../secret.txt",
            "/samples/..%5c..%5csecret.txt",
            "//secret.txt",
            "/%00",
            "/%zz",
            "/%",
            &absolute.to_string_lossy(),
            &format!("/{}", absolute.display()),
            &absolute.to_string_lossy().replace('/', "%2f"),
        ] {
            let answer = get(port, path);
            assert!(!answer.contains("secret\n") && !answer.ends_with("secret"), "{path}: {answer}");
            assert!(answer.starts_with("HTTP/1.1 4"), "{path}: {answer}");
        }
    }

    #[test]
    fn the_next_port_is_used_if_one_is_taken() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let site = site();
        let running = start(page_of(&site), port).unwrap();
        assert_ne!(running.port, port);
    }

    #[test]
    fn simultaneous_connections_all_get_responses() {
        let site = site();
        for round in 0..100 {
            let running = start(page_of(&site), 0).unwrap();
            let mut open: Vec<_> = (0..6).map(|_| TcpStream::connect(("127.0.0.1", running.port)).unwrap()).collect();
            for stream in &mut open {
                write!(stream, "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
            }
            // As in a browser, none of them closes before all have a response.
            for stream in &mut open {
                stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
                let mut answer = [0; 512];
                let read = stream.read(&mut answer);
                assert!(read.is_ok_and(|read| answer[..read].starts_with(b"HTTP/1.1 200")), "round {round}");
            }
        }
    }
}
