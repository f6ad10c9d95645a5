use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::*;

/// A server whose page is what `script` prints; it ends with `body`.
fn with(script: &str, body: impl FnOnce(&Path, &AtomicUsize) + Send) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let made = AtomicUsize::new(0);
    let listener = Listener::open(&Address::Unix(path.clone())).unwrap();
    let (mine, theirs) = UnixStream::pair().unwrap();
    let mut make = || {
        made.fetch_add(1, Ordering::Relaxed);
        Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn()
    };
    let page = Page { path: "/metrics", content_type: "text/plain", make: &mut make };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // However the body ends, the server hears of it.
            let _mine = mine;
            body(&path, &made);
        });
        let mut server = Server {
            next_chore: None,
            listener,
            page,
            chore: None,
            chore_runs: None,
            visitors: Vec::new(),
            press: None,
            turn: 0,
        };
        while server.round(theirs.as_fd()).unwrap() {}
    });
    assert!(!path.exists(), "the socket goes with the server");
}

/// A visitor that does not wait for ever.
fn knock(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn ask(path: &Path, question: &str) -> String {
    let mut stream = knock(path);
    stream.write_all(question.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

const GET: &str = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";

#[test]
fn only_the_page_is_there_and_only_to_be_read() {
    with("printf page", |path, made| {
        let answer = ask(path, GET);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("Content-Length: 4\r\n") && answer.ends_with("\r\n\r\npage"));
        let head = ask(path, "HEAD /metrics HTTP/1.0\r\n\r\n");
        assert!(head.contains("Content-Length: 4\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(ask(path, "GET /metrics?a=b HTTP/1.1\r\n\r\n").contains(" 200 "));
        assert_eq!(made.load(Ordering::Relaxed), 3);
        assert!(ask(path, "GET / HTTP/1.1\r\n\r\n").contains(" 404 "));
        assert!(ask(path, "GET /metrics/../etc HTTP/1.1\r\n\r\n").contains(" 404 "));
        let post = ask(path, "POST /metrics HTTP/1.1\r\nContent-Length: 1\r\n\r\nx");
        assert!(post.contains(" 405 ") && post.contains("Allow: GET"), "{post}");
        assert!(ask(path, "\u{1}\u{2}\r\n\r\n").contains(" 400 "));
        let long = format!("GET /metrics HTTP/1.1\r\nX: {}", "y".repeat(9000));
        assert!(ask(path, &long).contains(" 431 "));
        assert_eq!(made.load(Ordering::Relaxed), 3, "what is refused costs nothing");
    });
}

#[test]
fn a_socket_is_its_owners_alone_and_a_dead_one_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let address = Address::Unix(path.clone());
    let first = Listener::open(&address).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let refused = Listener::open(&address).unwrap_err();
    assert!(refused.to_string().contains("could not listen at unix:"), "{refused}");
    drop(first);
    // Left by one who was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(Listener::open(&address).unwrap());
    let mut other = tempfile::NamedTempFile::new().unwrap();
    other.write_all(b"mine").unwrap();
    assert!(Listener::open(&Address::Unix(other.path().to_owned())).is_err());
    assert_eq!(std::fs::read_to_string(other).unwrap(), "mine", "not ours to remove");
}

#[test]
fn who_dawdles_keeps_nobody_waiting() {
    with("printf page", |path, _| {
        let mut slow: Vec<UnixStream> = Vec::new();
        for _ in 0..MOST * 2 {
            let mut stream = knock(path);
            stream.write_all(b"GET /met").unwrap();
            slow.push(stream);
        }
        let began = Instant::now();
        assert!(ask(path, GET).ends_with("page"));
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        // The last ones are still listened to, the first were sent away.
        slow[MOST * 2 - 1].write_all(b"rics HTTP/1.1\r\n\r\n").unwrap();
        let mut answer = String::new();
        slow[MOST * 2 - 1].read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("page"), "{answer}");
        assert_eq!(slow[0].read(&mut [0; 8]).unwrap_or(0), 0);
    });
}

#[test]
fn who_asks_while_a_page_is_made_shares_the_next() {
    let directory = tempfile::tempdir().unwrap();
    let fifo: PathBuf = directory.path().join("go");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Each page waits for its line in the pipe.
    let script = format!("read line < {} && printf %s $line", fifo.display());
    with(&script, |path, made| {
        let go = |word: &str| {
            let echo = format!("echo {word} > {}", fifo.display());
            assert!(Command::new("sh").args(["-c", &echo]).status().unwrap().success());
        };
        let mut first = knock(path);
        first.write_all(GET.as_bytes()).unwrap();
        while made.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        let mut later: Vec<UnixStream> = (0..5)
            .map(|_| {
                let mut stream = knock(path);
                stream.write_all(GET.as_bytes()).unwrap();
                stream
            })
            .collect();
        // Whoever is refused at once was served after all who came before.
        assert!(ask(path, "GET / HTTP/1.1\r\n\r\n").contains(" 404 "));
        let mut answer = String::new();
        go("one");
        first.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("one"), "{answer}");
        go("two");
        for stream in &mut later {
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert!(answer.ends_with("two"), "{answer}");
        }
        assert_eq!(made.load(Ordering::Relaxed), 2, "five share one");
    });
}

#[test]
fn a_page_that_fails_is_said_to() {
    with("printf half; exit 1", |path, _| {
        let answer = ask(path, GET);
        assert!(answer.starts_with("HTTP/1.1 503 ") && !answer.contains("half"), "{answer}");
    });
}
