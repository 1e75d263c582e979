//! A static server for the page, on this machine only. `serve`, the browser tests and the measurements share it, so
//! what is tested is what is served.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use tiny_http::{Header, Method, Request, Response, Server};

/// A browser opens six connections at once; a large file on one must not hold up the others.
const THREADS: usize = 8;
/// How many ports to try from the first on.
const PORTS: u16 = 100;

/// A server at work in the background, until the process ends.
pub struct Running {
    pub port: u16,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Blocks as long as it serves.
    pub fn wait(self) {
        for thread in self.threads {
            let _ = thread.join();
        }
    }
}

/// Serves a folder at the first free port from `first` on; 0 stands for any.
pub fn start(folder: PathBuf, first: u16) -> Result<Running> {
    let folder = folder.canonicalize().with_context(|| format!("no folder {}", folder.display()))?;
    let (server, port) = listen(first)?;
    let (server, folder) = (Arc::new(server), Arc::new(folder));
    let threads = (0..THREADS)
        .map(|_| {
            let (server, folder) = (server.clone(), folder.clone());
            thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    // An error here is a browser that hung up.
                    let _ = answer(request, &folder);
                }
            })
        })
        .collect();
    Ok(Running { port, threads })
}

fn listen(first: u16) -> Result<(Server, u16)> {
    for port in first..=first.saturating_add(PORTS) {
        match Server::http(("127.0.0.1", port)) {
            Ok(server) => {
                let port = server.server_addr().to_ip().context("the server has no port")?.port();
                return Ok((server, port));
            }
            Err(error) => match error.downcast_ref::<io::Error>().map(io::Error::kind) {
                Some(io::ErrorKind::AddrInUse) => continue,
                _ => bail!("cannot listen at port {port}: {error}"),
            },
        }
    }
    bail!("the ports from {first} on are all taken")
}

fn answer(request: Request, folder: &Path) -> io::Result<()> {
    if !matches!(request.method(), Method::Get | Method::Head) {
        return respond(request, Response::from_string("only GET and HEAD").with_status_code(405));
    }
    let Some(path) = file_for(request.url(), folder) else {
        return respond(request, Response::from_string("no such file").with_status_code(404));
    };
    let file = File::open(&path)?;
    let tag = entity_tag(&file.metadata()?);
    let same = request.headers().iter().any(|given| given.field.equiv("If-None-Match") && given.value == *tag);
    let kind = header("Content-Type", content_type(&path));
    // The browser may keep what it has but must ask each time: the next build has other files of the same names.
    let tag = header("ETag", &tag);
    if same {
        respond(request, Response::empty(304).with_header(tag))
    } else {
        respond(request, Response::from_file(file).with_header(kind).with_header(tag))
    }
}

fn respond<R: io::Read>(request: Request, response: Response<R>) -> io::Result<()> {
    let response = response
        .with_header(header("Cache-Control", "no-cache"))
        .with_header(header("Cross-Origin-Opener-Policy", "same-origin"))
        .with_header(header("Cross-Origin-Embedder-Policy", "require-corp"))
        .with_header(header("X-Content-Type-Options", "nosniff"));
    request.respond(response)
}

/// The file in `folder` that a request's path means. Each segment must be a plain name, and the file must still lie in
/// the folder once links are followed, so nothing outside it is ever read.
fn file_for(url: &str, folder: &Path) -> Option<PathBuf> {
    let path = url.split(['?', '#']).next()?;
    let mut file = folder.to_path_buf();
    for segment in path.strip_prefix('/')?.split('/') {
        let name = percent_decoded(segment)?;
        if name == "." || name == ".." || name.contains(['/', '\\', ':', '\0']) {
            return None;
        }
        file.push(name);
    }
    if file.is_dir() {
        file.push("index.html");
    }
    let file = file.canonicalize().ok()?;
    (file.starts_with(folder) && file.is_file()).then_some(file)
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: u8| char::from(byte).to_digit(16);
            let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
            bytes.push((high * 16 + low) as u8);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn entity_tag(file: &fs::Metadata) -> String {
    let modified = file.modified().ok().and_then(|time| time.duration_since(SystemTime::UNIX_EPOCH).ok());
    format!("\"{:x}-{:x}\"", file.len(), modified.map_or(0, |since| since.as_nanos()))
}

fn content_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" | "mjs" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "json" | "map" => "application/json; charset=utf-8",
        "txt" | "md" | "ts" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "wasm" => "application/wasm",
        "webmanifest" => "application/manifest+json",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("header names and values here are ASCII")
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// A folder with a page in it and a secret beside it.
    fn site() -> PathBuf {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let around = std::env::temp_dir().join(format!("lorito-server-{}-{count}", std::process::id()));
        let site = around.join("site");
        fs::create_dir_all(site.join("samples")).unwrap();
        fs::write(around.join("secret.txt"), "secret").unwrap();
        fs::write(site.join("index.html"), "<title>Lorito</title>").unwrap();
        fs::write(site.join("lorito_bg.wasm"), b"\0asm").unwrap();
        fs::write(site.join("samples/a b.txt"), "ñ").unwrap();
        site
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
    fn files_come_with_their_type_and_the_isolation_headers() {
        let port = start(site(), 0).unwrap().port;
        let page = get(port, "/?model=https://example.org/x#y");
        assert!(page.starts_with("HTTP/1.1 200"), "{page}");
        assert!(page.ends_with("<title>Lorito</title>"), "{page}");
        for line in [
            "Content-Type: text/html; charset=utf-8",
            "Cross-Origin-Opener-Policy: same-origin",
            "Cross-Origin-Embedder-Policy: require-corp",
            "X-Content-Type-Options: nosniff",
            "Cache-Control: no-cache",
        ] {
            assert!(page.contains(&format!("{line}\r\n")), "no {line} in {page}");
        }
        assert!(get(port, "/lorito_bg.wasm").contains("Content-Type: application/wasm\r\n"));
        assert!(get(port, "/samples/a%20b.txt").ends_with("ñ"));
        assert!(get(port, "/none.js").starts_with("HTTP/1.1 404"));
        assert!(ask(port, "POST / HTTP/1.1\r\nContent-Length: 0\r\n").starts_with("HTTP/1.1 405"));
    }

    #[test]
    fn what_the_browser_has_is_not_sent_again() {
        let port = start(site(), 0).unwrap().port;
        let first = get(port, "/index.html");
        let tag = first.lines().find_map(|line| line.strip_prefix("ETag: ")).expect("an ETag").to_owned();
        let second = ask(port, &format!("GET /index.html HTTP/1.1\r\nIf-None-Match: {tag}\r\n"));
        assert!(second.starts_with("HTTP/1.1 304"), "{second}");
        assert!(!second.contains("Lorito"), "{second}");
    }

    #[test]
    fn nothing_outside_the_folder_is_served() {
        let site = site();
        #[cfg(unix)]
        std::os::unix::fs::symlink(site.join("../secret.txt"), site.join("link.txt")).unwrap();
        let port = start(site.clone(), 0).unwrap().port;
        let absolute = site.parent().unwrap().join("secret.txt");
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
            "/link.txt",
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
    fn a_taken_port_is_passed_over() {
        let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let running = start(site(), port).unwrap();
        assert_ne!(running.port, port);
    }
}
