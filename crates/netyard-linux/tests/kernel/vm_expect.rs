//! Impairments as a yard expects them of itself: measured each way by `prove`,
//! within the tolerance that is stated, and told apart from other ones.

use netyard_core::state::lower;

use crate::bed::isolated;
use crate::probe::{are, meaning, verdicts};

const LINE: &str = "yard: bed
nodes: { a: {}, b: {} }
links:
  - name: line
    ends: [a:x, b:x]
    forward: { delay: 90ms, jitter: 20ms, loss: 5% }
    backward: { delay: 40ms, loss: 1% }
expect:
";

/// An emulated processor stands still for milliseconds: one good measurement
/// of so many is proof, because no line but the one that is stated gives it.
const TRIES: usize = 5;

#[test]
#[ignore = "needs the VM tier: netem"]
fn delay_jitter_and_loss_are_measured_each_way() {
    isolated(|bed| {
        let yard = meaning(&format!(
            "{LINE}  - {{ link: line, delay: true, loss: true, tolerance: 30% }}
  - {{ from: a, to: b, jitter: 20ms, tolerance: 50% }}\n"
        ));
        let wanted = [
            "ok a:x -> b:x delay IPv4: ",
            "ok a:x -> b:x loss IPv4: ",
            "ok b:x -> a:x delay IPv4: ",
            "ok b:x -> a:x loss IPv4: ",
            "ok a -> b jitter IPv4: ",
        ];
        bed.become_state(&lower(&yard));
        for last in (0..TRIES).map(|tries| tries + 1 == TRIES) {
            let verdicts = verdicts(&yard);
            let good = verdicts.iter().zip(&wanted).filter(|(is, should)| is.starts_with(**should));
            if last || good.count() == wanted.len() {
                are(&verdicts, &wanted);
                break;
            }
        }
        bed.clear();
    });
}

#[test]
#[ignore = "needs the VM tier: netem"]
fn a_line_that_is_not_as_expected_is_found_out() {
    isolated(|bed| {
        let yard = meaning(&format!(
            "{LINE}  - {{ from: a, to: b, delay: 40ms, jitter: 0s, loss: 1% }}
  - {{ from: b, to: a, delay: 90ms, jitter: 40ms, loss: 8% }}\n"
        ));
        bed.become_state(&lower(&yard));
        are(
            &verdicts(&yard),
            &[
                "FAIL a -> b delay IPv4: ",
                "FAIL a -> b jitter IPv4: ",
                "FAIL a -> b loss IPv4: ",
                "FAIL b -> a delay IPv4: ",
                "FAIL b -> a jitter IPv4: ",
                "FAIL b -> a loss IPv4: ",
            ],
        );
        bed.clear();
    });
}
