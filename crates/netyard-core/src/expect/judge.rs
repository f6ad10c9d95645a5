//! Expectation and sighting -> verdict.

use super::{Answer, Expectation, HttpGet, Measure, Measured, Metric, Probe, Question};
use super::{Seen, Sighting, Want};

/// Whether an expectation came true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It did; what was seen, short.
    Passed(String),
    /// It did not; what was seen instead.
    Failed(String),
    /// It did not apply: why.
    Skipped(String),
}

impl Verdict {
    /// True for a failure.
    pub fn is_failure(&self) -> bool {
        matches!(self, Self::Failed(_))
    }

    /// What was seen.
    pub fn saw(&self) -> &str {
        let (Self::Passed(saw) | Self::Failed(saw) | Self::Skipped(saw)) = self;
        saw
    }
}

/// Whether what was seen is what is expected.
pub fn judge(expectation: &Expectation, sighting: &Sighting) -> Verdict {
    let seen = &sighting.seen;
    if *seen == Seen::NoAddress && expectation.if_it_has {
        return Verdict::Skipped(format!("no {} address", expectation.family));
    }
    if let (Probe::Measure(measure), Seen::Measured(measured)) = (&expectation.probe, seen)
        && let Some(why) = too_fast(measure, measured)
    {
        return Verdict::Skipped(why);
    }
    let worked = works(&expectation.probe, sighting);
    match (expectation.want, worked) {
        (Want::Ok, Ok(saw)) => Verdict::Passed(saw),
        (Want::Ok, Err(saw)) => Verdict::Failed(with_advice(expectation, sighting, saw)),
        (_, Ok(saw)) => Verdict::Failed(format!("works: {saw}")),
        (want, Err(saw)) => stays_out(want, seen, &saw, expectation),
    }
}

/// True when a sighting can be no better for what is wanted, so that nothing
/// more needs to be sent.
fn stays_out(want: Want, seen: &Seen, saw: &str, expectation: &Expectation) -> Verdict {
    let saw = || with_proof(saw, expectation);
    let is_so = match (want, seen) {
        (_, Seen::Unsent(_) | Seen::NoAddress) => false,
        (Want::Blocked | Want::Rejected, Seen::Refused(_)) => true,
        (Want::Blocked | Want::Dropped, Seen::Silence) => true,
        // Whatever the sender itself does not send gets nowhere, but nobody on
        // the way refused it.
        (Want::Blocked, Seen::NoWay(_)) => true,
        _ => false,
    };
    if is_so { Verdict::Passed(saw()) } else { Verdict::Failed(saw()) }
}

fn with_proof(saw: &str, expectation: &Expectation) -> String {
    match expectation.want {
        Want::Ok => saw.to_owned(),
        _ => saw.replace("nothing came back", &format!("silent for {}", time(expectation.proof))),
    }
}

fn with_advice(expectation: &Expectation, sighting: &Sighting, saw: String) -> String {
    let closed = matches!(&sighting.seen, Seen::Refused(refusal) if refusal.closed_port);
    match expectation.probe {
        Probe::Tcp(port) if closed && !sighting.listened && expectation.to.place.is_some() => {
            format!("{saw}: nothing listens on port {port}? (`listen: true` makes netyard listen)")
        }
        _ => saw,
    }
}

/// What was seen: as an Ok when the probe did what it is for.
fn works(probe: &Probe, sighting: &Sighting) -> Result<String, String> {
    match (&sighting.seen, probe) {
        (Seen::Reply(trip), _) => Ok(time(*trip)),
        (Seen::Status(status), Probe::Http(get)) => http(get, *status),
        (Seen::Records(records), Probe::Dns(question)) => dns(question, records),
        (Seen::Largest(bytes), Probe::PathMtu(wanted)) => path_mtu(*bytes, *wanted),
        (Seen::Measured(measured), Probe::Measure(measure)) => value(measure, measured),
        (Seen::Refused(refusal), _) => Err(format!("rejected: {refusal}")),
        (Seen::Silence, _) => Err("nothing came back".to_owned()),
        (Seen::NoWay(why), _) => Err(format!("no way there: {why}")),
        (Seen::Status(status), _) => Err(format!("HTTP status {status}")),
        (Seen::Nonsense(what), _) => Err(what.clone()),
        (Seen::NoAddress, _) => Err("the name has no address of this family".to_owned()),
        (Seen::Unsent(why), _) => Err(format!("could not be sent: {why}")),
        (Seen::Records(_) | Seen::Largest(_) | Seen::Measured(_), _) => {
            Err("an answer to something else".to_owned())
        }
    }
}

fn http(get: &HttpGet, status: u16) -> Result<String, String> {
    let is_good = match get.status {
        Some(wanted) => status == wanted,
        None => (200..400).contains(&status),
    };
    match get.status {
        _ if is_good => Ok(format!("status {status}")),
        Some(wanted) => Err(format!("status {status}, not {wanted}")),
        None => Err(format!("status {status}")),
    }
}

fn dns(question: &Question, records: &Result<Vec<String>, String>) -> Result<String, String> {
    let got = match records {
        Ok(records) if !records.is_empty() => records,
        Ok(_) if question.answer == Answer::Nothing => return Ok("no such record".to_owned()),
        Ok(_) => return Err("the answer is empty".to_owned()),
        Err(word) if word == NO_SUCH_NAME && question.answer == Answer::Nothing => {
            return Ok(word.clone());
        }
        Err(word) => return Err(format!("the server says: {word}")),
    };
    let all = got.join(", ");
    match &question.answer {
        Answer::Any => Ok(all),
        Answer::Nothing => Err(format!("there is an answer: {all}")),
        Answer::These(wanted) => match wanted.iter().find(|w| !got.iter().any(|g| same(g, w))) {
            None => Ok(all),
            Some(missing) => Err(format!("`{missing}` is not in the answer: {all}")),
        },
    }
}

/// What the sender of a DNS probe calls NXDOMAIN.
pub const NO_SUCH_NAME: &str = "no such name";

/// Names are the same with and without the root's dot, in any case.
fn same(got: &str, wanted: &str) -> bool {
    let bare = |text: &str| text.trim_end_matches('.').to_ascii_lowercase();
    bare(got) == bare(wanted)
}

fn path_mtu(bytes: u32, wanted: u32) -> Result<String, String> {
    match bytes {
        0 => Err("nothing came back".to_owned()),
        _ if bytes == wanted => Ok(format!("{bytes} bytes")),
        _ => Err(format!("packets of up to {bytes} bytes get through, not {wanted}")),
    }
}

/// Delays are measured on a machine that has other things to do: less than
/// this is not held against anybody, in nanoseconds.
const DELAY_FLOOR: u64 = 1_000_000;
/// Likewise of jitter.
const JITTER_FLOOR: u64 = 1_000_000;

fn value(measure: &Measure, measured: &Measured) -> Result<String, String> {
    if measured.received == 0 && measure.metric != Metric::Loss {
        return Err(format!("none of {} packets arrived", measured.sent));
    }
    let share = |value: u64, ppm: u32| (u128::from(value) * u128::from(ppm) / 1_000_000) as u64;
    let allowed = share(measure.value, measure.tolerance);
    let (got, allowed) = match measure.metric {
        Metric::Delay => (measured.delay, allowed.max(DELAY_FLOOR)),
        Metric::Jitter => (measured.jitter, allowed.max(JITTER_FLOOR)),
        Metric::Loss => (measured.loss(), allowed.max(chance(measure.value, measured.sent))),
        Metric::Rate => (measured.rate, allowed),
    };
    let text = |value| told(measure.metric, value);
    let saw = match measure.metric {
        Metric::Loss => format!("{} of {} packets", text(got), measured.sent),
        _ => text(got),
    };
    if got.abs_diff(measure.value) <= allowed {
        return Ok(saw);
    }
    Err(format!("{saw}, not {} within {}", text(measure.value), text(allowed)))
}

/// Why a rate cannot be measured here: the sender was slower than the line is to
/// be, and nearly all that it sent got through.
fn too_fast(measure: &Measure, measured: &Measured) -> Option<String> {
    let Measured { rate: got, offered, .. } = *measured;
    let is_rate = measure.metric == Metric::Rate && offered > 0;
    let is_slow = offered < measure.value / 10 * 11;
    let all_came = got >= offered / 10 * 9;
    if !is_rate || !is_slow || !all_came || value(measure, measured).is_ok() {
        return None;
    }
    let (offered, wanted) = (rate(offered), rate(measure.value));
    Some(format!("this machine sends {offered} here, too little to measure {wanted}"))
}

/// Three standard deviations of a share counted on so many packets, all in
/// parts per million: what chance alone may do.
fn chance(share: u64, packets: u64) -> u64 {
    let p = share.min(1_000_000) as f64 / 1e6;
    let deviation = (p * (1.0 - p) / packets.max(1) as f64).sqrt();
    // One packet more or less is no fault of a line's.
    (3e6 * deviation) as u64 + 1_000_000 / packets.max(1)
}

/// A measured value as people write it.
pub(super) fn told(metric: Metric, value: u64) -> String {
    match metric {
        Metric::Delay | Metric::Jitter => time(value),
        Metric::Loss => format!("{} %", (value as f64 / 100.0).round() / 100.0),
        Metric::Rate => rate(value),
    }
}

/// `35.2 ms`, `1.20 s`, `80 µs`.
pub(super) fn time(nanoseconds: u64) -> String {
    match nanoseconds {
        0..1_000_000 => format!("{} µs", nanoseconds / 1_000),
        1_000_000..1_000_000_000 => format!("{:.1} ms", nanoseconds as f64 / 1e6),
        _ => format!("{:.2} s", nanoseconds as f64 / 1e9),
    }
}

fn rate(bits: u64) -> String {
    match bits {
        0..1_000_000 => format!("{:.1} kbit/s", bits as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} Mbit/s", bits as f64 / 1e6),
        _ => format!("{:.2} Gbit/s", bits as f64 / 1e9),
    }
}
