//! HTTP, DNS, and names as a node looks them up.

use std::io::{Read, Write};
use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use netyard_core::state::lower;
use netyard_core::yard::Yard;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{are, meaning, routed, verdicts};
use crate::bed::{Bed, isolated, node};

/// How often a server looks whether the test is over.
const ROUND: Duration = Duration::from_millis(20);

/// The verdicts of a yard while `serve` answers in `b`.
fn served<S: Send>(
    yard: &Yard,
    mut server: S,
    serve: impl Fn(&mut S) + Send + Sync,
) -> Vec<String> {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                serve(&mut server);
            }
        });
        let verdicts = verdicts(yard);
        over.store(true, Ordering::Relaxed);
        verdicts
    })
}

/// Answers one request: 404 for `/nothing`, else 200; nonsense for `/odd`.
fn answer_http(listener: &mut TcpListener) {
    let mut asked = [PollFd::new(listener, PollFlags::IN)];
    let round = Timespec::try_from(ROUND).unwrap();
    if poll(&mut asked, Some(&round)).unwrap() == 0 {
        return;
    }
    let Ok((mut stream, _)) = listener.accept() else { return };
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
    let mut request = [0; 1024];
    let length = stream.read(&mut request).unwrap_or(0);
    let request = String::from_utf8_lossy(&request[..length]).into_owned();
    let answer = match request.split(' ').nth(1) {
        Some("/odd") => "220 mail.example.org ESMTP\r\n".to_owned(),
        Some("/nothing") => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
        Some("/host") if request.contains("Host: www.example.org\r\n") => {
            "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
        }
        _ => "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_owned(),
    };
    let _ = stream.write_all(answer.as_bytes());
}

#[test]
fn http_is_judged_by_its_status() {
    isolated(|bed| {
        let yard = routed(
            bed,
            "  - { from: a, to: b, http: 8080/, family: ipv4 }
  - { from: a, to: b, http: { port: 8080, path: /nothing, status: 404 }, family: ipv4 }
  - { from: a, to: b, http: { port: 8080, path: /host, host: www.example.org:8080 }, family: ipv4, within: 300ms }
  - { from: a, to: b, http: 8080/nothing, family: ipv4, within: 300ms }
  - { from: a, to: b, http: { port: 8080, status: 301 }, family: ipv4, within: 300ms }
  - { from: a, to: b, http: 8080/odd, family: ipv4, within: 300ms }
  - { from: a, to: b, http: 8081/, family: ipv4, within: 300ms }
",
        );
        let listener = bed.inside(&node("b"), || TcpListener::bind("10.0.2.1:8080").unwrap());
        listener.set_nonblocking(true).unwrap();
        are(
            &served(&yard, listener, answer_http),
            &[
                "ok a -> b http 8080/ IPv4: status 200",
                "ok a -> b http 8080/nothing IPv4: status 404",
                "ok a -> b http 8080/host IPv4: status 200",
                "FAIL a -> b http 8080/nothing IPv4: status 404",
                "FAIL a -> b http 8080/ IPv4: status 200, not 301",
                "FAIL a -> b http 8080/odd IPv4: the answer is not HTTP",
                "FAIL a -> b http 8081/ IPv4: rejected: TCP reset from 10.0.2.1",
            ],
        );
        bed.clear();
    });
}

/// Answers a DNS question: `web.example.org` has 10.0.2.1, nothing else is.
fn answer_dns(socket: &mut UdpSocket) {
    let mut question = [0; 512];
    let Ok((length, from)) = socket.recv_from(&mut question) else { return };
    let mut answer = question[..length].to_vec();
    let known = answer.windows(12).any(|w| w == b"\x03web\x07example");
    let is_a = answer[12..].windows(4).any(|w| w == [0, 1, 0, 1]);
    answer[2] = 0x85;
    answer[3] = if known { 0x80 } else { 0x83 };
    if known && is_a {
        answer[7] = 1;
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 10, 0, 2, 1]);
    }
    let _ = socket.send_to(&answer, from);
}

fn name_server(bed: &mut Bed<'_>) -> UdpSocket {
    let socket = bed.inside(&node("b"), || UdpSocket::bind("10.0.2.1:53").unwrap());
    socket.set_read_timeout(Some(ROUND)).unwrap();
    socket
}

#[test]
fn dns_is_judged_by_its_records() {
    isolated(|bed| {
        let yard = routed(
            bed,
            "  - { from: a, to: b, dns: web.example.org, family: ipv4 }
  - { from: a, to: b, dns: { name: web.example.org, answer: 10.0.2.1 }, family: ipv4 }
  - { from: a, to: b, dns: { name: web.example.org, answer: 10.0.2.2 }, family: ipv4, within: 200ms }
  - { from: a, to: b, dns: { name: web.example.org, type: AAAA, answer: none }, family: ipv4 }
  - { from: a, to: b, dns: { name: other.example.org, answer: none }, family: ipv4 }
  - { from: a, to: b, dns: other.example.org, family: ipv4, within: 200ms }
  - { from: a, to: b, dns: { name: web.example.org, port: 54 }, family: ipv4, within: 200ms }
",
        );
        let server = name_server(bed);
        are(
            &served(&yard, server, answer_dns),
            &[
                "ok a -> b dns web.example.org A IPv4: 10.0.2.1",
                "ok a -> b dns web.example.org A IPv4: 10.0.2.1",
                "FAIL a -> b dns web.example.org A IPv4: `10.0.2.2` is not in the answer: 10.0.2.1",
                "ok a -> b dns web.example.org AAAA IPv4: no such record",
                "ok a -> b dns other.example.org A IPv4: no such name",
                "FAIL a -> b dns other.example.org A IPv4: the server says: no such name",
                "FAIL a -> b dns web.example.org A IPv4: rejected: port unreachable from 10.0.2.1",
            ],
        );
        bed.clear();
    });
}

#[test]
fn names_are_those_of_the_node_that_sends() {
    isolated(|bed| {
        let text = super::ROUTED.replace(
            "a: {",
            "a: { hosts: { printer: 10.0.2.1 }, dns: { servers: 10.0.2.1, search: example.org, options: 'ndots:2' },",
        );
        let yard = meaning(&format!(
            "{text}  - {{ from: a, to: [printer, web.example.org], ping: true }}
  - {{ from: a, to: web.example, ping: true }}
  - {{ from: a, to: other.example, ping: true, within: 300ms, family: ipv4 }}
  - {{ from: a, dns: web.example.org, family: ipv4 }}
  - {{ from: a, to: web.example.org, ping: true, family: ipv6 }}
"
        ));
        bed.become_state(&lower(&yard));
        let server = name_server(bed);
        are(
            &served(&yard, server, answer_dns),
            &[
                "ok a -> printer ping IPv4: ",
                "skip a -> printer ping IPv6: no IPv6 address",
                "ok a -> web.example.org ping IPv4: ",
                "skip a -> web.example.org ping IPv6: no IPv6 address",
                "ok a -> web.example ping IPv4: ",
                "skip a -> web.example ping IPv6: no IPv6 address",
                "FAIL a -> other.example ping IPv4: could not be sent: the name server says: no such name",
                "ok a -> its name server dns web.example.org A IPv4: 10.0.2.1",
                "FAIL a -> web.example.org ping IPv6: the name has no address of this family",
            ],
        );
        bed.clear();
    });
}
